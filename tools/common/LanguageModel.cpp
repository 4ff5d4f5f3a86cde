#include "tools/common/LanguageModel.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "runtime/text/OpenTokenizer.h"

namespace jinx::tools {

void addLanguageModelOptions(CLI::App& command, LanguageModelOptions& options, bool canCompile) {
  command
      .add_option("MODEL", options.request.path,
                  canCompile ? "GGUF file, folder with config.json and safetensors, or a plan of one"
                             : "Plan of a language model")
      ->required();
  auto* tokenizer =
      command
          .add_option("--tokenizer", options.tokenizer,
                      "GGUF file, tokenizer.json, tokenizer.model, a folder with one, or ranks of tiktoken")
          ->type_name("FILE");
  if (!canCompile) tokenizer->required();
  command.add_option("--budget", options.budget, "Tokens of a step")->check(CLI::Range(1, 1 << 20));
  command.add_option("--pages", options.pages, "Pages of 16 tokens that are kept; 0: as many as the text needs")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--context", options.contextLength,
                  "Tokens of prompt and output; 0: as many as the model was made for")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--overlap", options.overlaps,
                   "Plan a step while the one before it runs, which does not change the text");
  command.add_flag("!--no-prefix-cache", options.cachesPrefixes,
                   "Compute each prompt, also where its beginning is there already");
  options.request.device.parallelWork = llm::kParallelWork;
  addDeviceOptions(command, options.request.device);
  addRankOptions(command, options.ranks);
  options.request.quiet = options.request.keepsPlan = true;
}

void addSamplingOptions(CLI::App& command, engine::SamplingOptions& sampling) {
  command.add_option("--temperature", sampling.temperature, "0 takes the most probable token")->check(zeroOrMore());
  command.add_option("--top-k", sampling.topK, "Of so many most probable tokens; 0: of all")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--top-p", sampling.topP, "Of the fewest tokens with so much probability")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--min-p", sampling.minP, "Of tokens with this part of the largest probability")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--seed", sampling.seed, "Of the random numbers: the same seed, the same text");
}

Expected<text::Tokenizer> openTokenizer(const LanguageModelOptions& options) {
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, text::openTokenizer(options.tokenizerFile()), "tokenizer");
  return tokenizer;
}

namespace {
llm::PlanModelOptions howOf(const LanguageModelOptions& options) {
  return {.pages = options.pages,
          .contextLength = options.contextLength,
          .parallelWork = options.request.device.parallelWork,
          .communicator = nullptr};
}
} // namespace

Expected<bool> followed(LanguageModelOptions& options) {
  JINX_TRY_ASSIGN(options.world, openWorld(options.ranks));
  if (!options.world || options.world->rank() == 0) return false;
  JINX_TRY(followRank(options.request.path, options.ranks, options.world, options.request.device, howOf(options)));
  return true;
}

Expected<LanguageModel> openLanguageModel(const PlanSource& source, const LanguageModelOptions& options,
                                          const text::Tokenizer& tokenizer, int32_t pages, size_t requests) {
  llm::PlanModelOptions how = howOf(options);
  if (how.pages == 0) how.pages = pages;
  LanguageModel opened;
  JINX_TRY_ASSIGN(static_cast<SteppedModel&>(opened),
                  openSteppedModel(source, options.request, options.ranks, options.world, how));
  engine::EngineOptions engineOptions;
  engineOptions.scheduler.contextLength = opened.model->contextLength();
  engineOptions.scheduler.tokenBudget = engineOptions.scheduler.prefillWhileDecoding =
      options.budget; // nobody waits for the next token of a text
  engineOptions.scheduler.maxRunning = std::min(options.budget, engineOptions.scheduler.maxRunning);
  engineOptions.maxWaiting = engineOptions.maxWaitingOfTenant = static_cast<int32_t>(std::max<size_t>(requests, 1));
  engineOptions.overlaps = options.overlaps || opened.model->isEnqueued(); // a device computes while the host plans
  engineOptions.scheduler.cachesPrefixes = options.cachesPrefixes;
  engineOptions.scheduler.leastCopied = opened.model->leastCopied();
  engineOptions.maxWaitingTokens = std::numeric_limits<int32_t>::max();
  JINX_TRY_ASSIGN(opened.draft,
                  openDraftModel(source, options.draft, options.request, tokenizer, *opened.model, engineOptions));
  JINX_TRY_ASSIGN(opened.engine, engine::Engine::create(std::move(engineOptions), *opened.steps));
  return opened;
}

std::vector<int32_t> endTokensOf(const text::Tokenizer& tokenizer, const llm::PlanModel& model) {
  std::vector<int32_t> tokens(model.endTokens().begin(), model.endTokens().end());
  if (tokenizer.eos() >= 0 && tokenizer.eos() < model.vocabulary() &&
      std::ranges::find(tokens, tokenizer.eos()) == tokens.end())
    tokens.push_back(tokenizer.eos());
  return tokens;
}

Status writeText(std::string_view text) {
  if (text.empty()) return Status::ok();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return resourceError("cannot write to standard output");
  return Status::ok();
}

} // namespace jinx::tools

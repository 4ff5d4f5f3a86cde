#include "tools/common/Generate.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "runtime/engine/Engine.h"
#include "runtime/engine/StepStream.h"
#include "runtime/llm/PlanModel.h"
#include "runtime/text/OpenTokenizer.h"
#include "tools/common/Exit.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

struct GenerateOptions {
  PlanRequest request;
  std::string tokenizer, prompt, promptFile;
  engine::RequestOptions what;
  int32_t pages = 0, contextLength = 0;
  bool showsTimes = false, parsesSpecial = false, ignoresEnd = false;
};

/// The prompt's text: of the command line, of a file, or of standard input ("-").
Expected<std::string> readPrompt(const GenerateOptions& options) {
  if (options.promptFile.empty()) return options.prompt;
  if (options.promptFile == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(options.promptFile, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file.good() && !file.eof()) return notFound("cannot read the prompt from " + options.promptFile);
  return text;
}

/// Milliseconds of the two parts of a generation.
struct Times {
  double firstMs = 0, restMs = 0;
  int32_t prompt = 0, output = 0;
};

/// Writes text as it comes; a reader who waits sees whole characters.
Status writeText(std::string_view text) {
  if (text.empty()) return Status::ok();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) return resourceError("cannot write to standard output");
  return Status::ok();
}

Expected<Times> generate(engine::Engine& engine, const text::Tokenizer& tokenizer, engine::RequestOptions request) {
  Times times;
  times.prompt = static_cast<int32_t>(request.prompt.size());
  text::Detokenizer detokenizer(tokenizer);
  Timer timer;
  engine::Admission admission = engine.submit(std::move(request));
  if (auto* refusal = std::get_if<engine::Refusal>(&admission)) return invalidArgument(refusal->message);
  while (!engine.isIdle()) {
    for (const engine::Output& output : engine.step()) {
      if (!output.error.empty()) return internalError(output.error);
      if (output.token < 0 || output.finish == engine::FinishReason::kStop) continue;
      JINX_TRY_ASSIGN(std::string text, detokenizer.push(output.token));
      JINX_TRY(writeText(text));
      if (times.output++ == 0) times.firstMs = timer.ms();
    }
  }
  times.restMs = timer.ms() - times.firstMs;
  JINX_TRY(writeText(detokenizer.finish() + "\n"));
  return times;
}

void printTimes(const Times& times) {
  const double rate = times.output > 1 ? (times.output - 1) / times.restMs * 1000 : 0;
  std::fprintf(stderr, "%d tokens of prompt and the first of output in %s, then %.1f tokens/s\n", times.prompt, formatMilliseconds(times.firstMs).c_str(), rate);
}

Status run(const PlanSource& source, GenerateOptions options) {
  JINX_TRY_ASSIGN(std::string prompt, readPrompt(options));
  const std::string tokenizerFile = options.tokenizer.empty() ? options.request.path : options.tokenizer;
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, text::openTokenizer(tokenizerFile), "tokenizer");
  JINX_TRY_ASSIGN(options.what.prompt, tokenizer.encode(prompt, {.addSpecial = true, .parseSpecial = options.parsesSpecial}), "prompt");
  if (options.what.prompt.empty()) return invalidArgument("the prompt has no tokens, expected some text (--prompt, --prompt-file)");
  if (!options.ignoresEnd && tokenizer.eos() != text::kNoToken) options.what.stopTokens.push_back(tokenizer.eos());

  JINX_TRY_ASSIGN(LoadedPlan plan, source(options.request));
  const DeviceChoice& choice = options.request.device;
  JINX_TRY_ASSIGN(auto device, makeDevice(choice.device, {.threads = choice.threads, .pinThreads = choice.pin, .isa = choice.isa}));
  const int64_t tokens = static_cast<int64_t>(options.what.prompt.size()) + options.what.maxTokens;
  const int32_t pages = options.pages > 0 ? options.pages : static_cast<int32_t>(std::min<int64_t>(tokens / engine::kPageTokens + 2, 1 << 24));
  JINX_TRY_ASSIGN(auto model, llm::PlanModel::create(plan.file, std::move(device), {.pages = pages, .contextLength = options.contextLength}));
  engine::QueuedSteps steps(*model);
  engine::EngineOptions engineOptions;
  engineOptions.scheduler.contextLength = model->contextLength();
  engineOptions.scheduler.tokenBudget = 512;
  JINX_TRY_ASSIGN(auto engine, engine::Engine::create(std::move(engineOptions), steps));
  JINX_TRY_ASSIGN(Times times, generate(*engine, tokenizer, std::move(options.what)));
  if (options.showsTimes) printTimes(times);
  return Status::ok();
}

void addSamplingOptions(CLI::App& command, engine::SamplingOptions& sampling) {
  command.add_option("--temperature", sampling.temperature, "0 takes the most probable token")->check(zeroOrMore());
  command.add_option("--top-k", sampling.topK, "Of so many most probable tokens; 0: of all")->check(CLI::NonNegativeNumber);
  command.add_option("--top-p", sampling.topP, "Of the fewest tokens with so much probability")->check(CLI::Range(0.0, 1.0));
  command.add_option("--min-p", sampling.minP, "Of tokens with this part of the largest probability")->check(CLI::Range(0.0, 1.0));
  command.add_option("--seed", sampling.seed, "Of the random numbers: the same seed, the same text");
}

} // namespace

void addGenerate(CLI::App& app, Action& action, const PlanSource& source, bool canCompile) {
  auto options = std::make_shared<GenerateOptions>();
  options->what.maxTokens = 128;
  options->what.sampling.temperature = 0;
  CLI::App* command = app.add_subcommand("generate", "Continue a text with a language model");
  command->add_option("MODEL", options->request.path, canCompile ? "GGUF file, or a plan of one" : "Plan of a language model")->required();
  auto* tokenizer = command->add_option("--tokenizer", options->tokenizer, "GGUF file, tokenizer.json, tokenizer.model or ranks of tiktoken")->type_name("FILE");
  if (!canCompile) tokenizer->required();
  auto* prompt = command->add_option("--prompt", options->prompt, "Text to continue");
  command->add_option("--prompt-file", options->promptFile, "File with the text; -: standard input")->type_name("FILE")->excludes(prompt);
  command->add_option("--max-tokens", options->what.maxTokens, "At most so many tokens of output")->check(CLI::Range(1, 1 << 30));
  command->add_flag("--special", options->parsesSpecial, "Control tokens in the prompt's text become those tokens");
  command->add_flag("--ignore-end", options->ignoresEnd, "Go on after the token that ends a text");
  command->add_option("--drafts", options->what.maxDrafts, "Guess up to so many tokens a step from what is there already")->check(CLI::Range(0, 64));
  command->add_option("--pages", options->pages, "Pages of 16 tokens that are kept; 0: as many as the text needs")->check(CLI::NonNegativeNumber);
  command->add_option("--context", options->contextLength, "Tokens of prompt and output; 0: as many as the model was made for")->check(CLI::NonNegativeNumber);
  command->add_flag("--times", options->showsTimes, "Print tokens a second to standard error");
  addSamplingOptions(*command, options->what.sampling);
  addDeviceOptions(*command, options->request.device);
  command->callback([options, source, &action] {
    options->request.quiet = true;
    action = [options, source] { return report(run(source, *options)); };
  });
}

} // namespace jinx::tools

#include "tools/common/Generate.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include <nlohmann/json.hpp>

#include "runtime/grammar/Grammar.h"
#include "tools/common/Exit.h"
#include "tools/common/LanguageModel.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

struct GenerateOptions {
  LanguageModelOptions model;
  std::string prompt, promptFile, batchFile;
  std::string schemaFile, regex, grammarFile; ///< what the output must be; at most one
  engine::RequestOptions what;
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

// ---- output by a grammar ------------------------------------------------------------------------------------------------------------

Expected<std::string> readSource(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return notFound("cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Null where any output is allowed.
Expected<std::shared_ptr<const grammar::Grammar>> compileGrammar(const GenerateOptions& options) {
  if (!options.regex.empty()) return grammar::compileRegex(options.regex);
  const std::string& path = options.schemaFile.empty() ? options.grammarFile : options.schemaFile;
  if (path.empty()) return std::shared_ptr<const grammar::Grammar>();
  JINX_TRY_ASSIGN(const std::string source, readSource(path));
  JINX_TRY_ASSIGN(auto made, options.schemaFile.empty() ? grammar::compileGbnf(source) : grammar::compileJsonSchema(source), path);
  return made;
}

/// Gives each request a mask of its own.
Status addMasks(const std::shared_ptr<const grammar::Grammar>& grammar, const GenerateOptions& options, const text::Tokenizer& tokenizer, int32_t vocabulary,
                std::span<engine::RequestOptions> requests) {
  if (!grammar) return Status::ok();
  std::vector<int32_t> ends = requests.front().stopTokens;
  if (ends.empty() && tokenizer.eos() != text::kNoToken) ends.push_back(tokenizer.eos());
  JINX_TRY_ASSIGN(const auto table, grammar::TokenTable::make(tokenizer, ends, vocabulary));
  for (engine::RequestOptions& request : requests)
    request.mask = grammar::makeMask(grammar, table);
  return Status::ok();
}

/// Milliseconds of the two parts of a generation.
struct Times {
  double firstMs = 0, restMs = 0;
  int32_t prompt = 0, output = 0;
};

Expected<Times> generate(engine::Engine& engine, const text::Tokenizer& tokenizer, engine::RequestOptions request) {
  Times times;
  times.prompt = static_cast<int32_t>(request.prompt.size());
  text::Detokenizer detokenizer(tokenizer, text::kGenerated);
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

// ---- many texts at once -------------------------------------------------------------------------------------------------------------

const char* nameOf(engine::FinishReason reason) {
  switch (reason) {
  case engine::FinishReason::kStop: return "stop";
  case engine::FinishReason::kLength: return "length";
  case engine::FinishReason::kCancelled: return "cancelled";
  case engine::FinishReason::kError: return "error";
  case engine::FinishReason::kNone: break;
  }
  return "none";
}

/// A line of a batch: {"prompt": "…"}, and what else differs from the command line: "max_tokens", "temperature", "seed", "logprobs" (how many tokens
/// beside the chosen one are told of).
Expected<engine::RequestOptions> readRequest(const std::string& line, const text::Tokenizer& tokenizer, const GenerateOptions& options) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("prompt") || !json["prompt"].is_string()) return invalidArgument("is no request, expected {\"prompt\": \"…\"}");
  engine::RequestOptions request = options.what;
  for (const auto& [key, value] : json.items()) {
    if (key == "prompt") continue;
    const bool isKnown = key == "max_tokens" || key == "temperature" || key == "seed" || key == "logprobs";
    if (!isKnown || (key == "temperature" ? !value.is_number() : !value.is_number_unsigned()) || value.get<double>() > 1e9)
      return invalidArgument("has \"" + key + "\": " + value.dump() + ", expected a number for max_tokens, temperature, seed or logprobs");
  }
  request.maxTokens = json.value("max_tokens", request.maxTokens);
  request.sampling.temperature = json.value("temperature", request.sampling.temperature);
  request.sampling.seed = json.value("seed", request.sampling.seed);
  request.sampling.logprobs = json.value("logprobs", request.sampling.logprobs);
  JINX_TRY_ASSIGN(request.prompt, tokenizer.encode(json["prompt"].get<std::string>(), {.addSpecial = true, .parseSpecial = options.parsesSpecial}));
  return request;
}

Expected<std::vector<engine::RequestOptions>> readBatch(const text::Tokenizer& tokenizer, const GenerateOptions& options) {
  std::ifstream file(options.batchFile, std::ios::binary);
  if (!file) return notFound("cannot read requests from " + options.batchFile);
  std::vector<engine::RequestOptions> requests;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    JINX_TRY_ASSIGN(engine::RequestOptions request, readRequest(line, tokenizer, options), options.batchFile + ":" + std::to_string(number));
    requests.push_back(std::move(request));
  }
  if (requests.empty()) return invalidArgument(options.batchFile + " has no requests, expected lines of JSON");
  return requests;
}

nlohmann::json logprobsOf(std::span<const engine::TokenLogprob> logprobs) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const engine::TokenLogprob& one : logprobs)
    pairs.push_back({one.token, one.logprob});
  return pairs;
}

/// A line of JSON for each request, as they end: its number in the batch, from 0 on, text, tokens, why it ended, and logprobs where asked.
Expected<Times> generateMany(engine::Engine& engine, const text::Tokenizer& tokenizer, std::vector<engine::RequestOptions> requests) {
  struct Answer {
    size_t index;
    std::vector<text::TokenId> tokens;
    nlohmann::json logprobs = nlohmann::json::array(); ///< of each token: [id, logarithm], its own first
  };
  std::map<engine::RequestId, Answer> answers;
  Times times;
  Timer timer;
  for (size_t i = 0; i < requests.size(); ++i) {
    times.prompt += static_cast<int32_t>(requests[i].prompt.size());
    engine::Admission admission = engine.submit(std::move(requests[i]));
    if (auto* refusal = std::get_if<engine::Refusal>(&admission)) return invalidArgument("request " + std::to_string(i) + ": " + refusal->message);
    answers[std::get<engine::RequestId>(admission)].index = i;
  }
  while (!engine.isIdle()) {
    for (const engine::Output& output : engine.step()) {
      Answer& answer = answers.at(output.request);
      if (output.token >= 0) {
        answer.tokens.push_back(output.token);
        if (output.logprobs > 0) answer.logprobs.push_back(logprobsOf(engine.logprobs(output)));
        if (times.output++ == 0) times.firstMs = timer.ms();
      }
      if (output.finish == engine::FinishReason::kNone) continue;
      JINX_TRY_ASSIGN(std::string text, tokenizer.decode(answer.tokens, text::kGenerated));
      nlohmann::json json = {{"index", answer.index}, {"text", text}, {"tokens", answer.tokens}, {"finish", nameOf(output.finish)}};
      if (!answer.logprobs.empty()) json["logprobs"] = answer.logprobs;
      if (!output.error.empty()) json["error"] = output.error;
      JINX_TRY(writeText(json.dump() + "\n"));
    }
  }
  times.restMs = timer.ms() - times.firstMs;
  return times;
}

void printTimes(const Times& times, const engine::Engine& engine) {
  const double rate = times.output > 1 ? (times.output - 1) / times.restMs * 1000 : 0;
  std::fprintf(stderr, "%d tokens of prompt and the first of output in %s, then %.1f tokens/s\n", times.prompt, formatMilliseconds(times.firstMs).c_str(), rate);
  const engine::EngineCounts& counts = engine.counts();
  std::fprintf(stderr, "%llu steps; %llu of %llu drafts stood; %llu tokens were found in cached prefixes\n", static_cast<unsigned long long>(counts.steps),
               static_cast<unsigned long long>(counts.acceptedDrafts), static_cast<unsigned long long>(counts.drafts),
               static_cast<unsigned long long>(engine.scheduler().cachedTokens()));
}

/// Pages that all requests need at once, at most kMostPages: then some wait, or begin again.
int32_t pagesFor(std::span<const engine::RequestOptions> requests) {
  constexpr int64_t kMostPages = 4096;
  int64_t pages = 0, largest = 0;
  for (const engine::RequestOptions& request : requests) {
    const int64_t own = (static_cast<int64_t>(request.prompt.size()) + request.maxTokens + request.maxDrafts) / engine::kPageTokens + 2;
    pages += own, largest = std::max(largest, own);
  }
  return static_cast<int32_t>(std::max(largest, std::min(pages, kMostPages)));
}

Status run(const PlanSource& source, GenerateOptions options) {
  JINX_TRY_ASSIGN(const bool isDone, followed(options.model));
  if (isDone) return Status::ok();
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, openTokenizer(options.model));
  std::vector<engine::RequestOptions> requests;
  if (options.batchFile.empty()) {
    JINX_TRY_ASSIGN(std::string prompt, readPrompt(options));
    JINX_TRY_ASSIGN(options.what.prompt, tokenizer.encode(prompt, {.addSpecial = true, .parseSpecial = options.parsesSpecial}), "prompt");
    if (options.what.prompt.empty()) return invalidArgument("the prompt has no tokens, expected some text (--prompt, --prompt-file)");
    requests.push_back(options.what);
  } else {
    JINX_TRY_ASSIGN(requests, readBatch(tokenizer, options));
  }

  JINX_TRY_ASSIGN(const std::shared_ptr<const grammar::Grammar> grammar, compileGrammar(options));
  JINX_TRY_ASSIGN(LanguageModel model, openLanguageModel(source, options.model, tokenizer, pagesFor(requests), requests.size()));
  if (!options.ignoresEnd)
    for (engine::RequestOptions& request : requests)
      request.stopTokens = endTokensOf(tokenizer, *model.model);
  JINX_TRY(addMasks(grammar, options, tokenizer, model.model->vocabulary(), requests));
  JINX_TRY_ASSIGN(Times times, options.batchFile.empty() ? generate(*model.engine, tokenizer, std::move(requests[0])) : generateMany(*model.engine, tokenizer, std::move(requests)));
  if (options.showsTimes) printTimes(times, *model.engine);
  return Status::ok();
}

} // namespace

void addGenerate(CLI::App& app, Action& action, const PlanSource& source, bool canCompile) {
  auto options = std::make_shared<GenerateOptions>();
  options->what.maxTokens = 128;
  options->what.sampling.temperature = 0;
  CLI::App* command = app.add_subcommand("generate", "Continue a text with a language model");
  addLanguageModelOptions(*command, options->model, canCompile);
  auto* prompt = command->add_option("--prompt", options->prompt, "Text to continue");
  command->add_option("--prompt-file", options->promptFile, "File with the text; -: standard input")->type_name("FILE")->excludes(prompt);
  command->add_option("--batch", options->batchFile, "File of JSON lines {\"prompt\": …, \"max_tokens\": …, \"temperature\": …, \"seed\": …, \"logprobs\": …}: all at once, answers as JSON lines")
      ->type_name("FILE")
      ->excludes(prompt)
      ->excludes("--prompt-file");
  command->add_option("--max-tokens", options->what.maxTokens, "At most so many tokens of output")->check(CLI::Range(1, 1 << 30));
  auto* schema = command->add_option("--json-schema", options->schemaFile, "The output is a JSON document that this schema accepts")->type_name("FILE");
  auto* regex = command->add_option("--regex", options->regex, "The output matches this pattern")->type_name("PATTERN")->excludes(schema);
  command->add_option("--grammar", options->grammarFile, "The output is of this grammar (GBNF)")->type_name("FILE")->excludes(schema)->excludes(regex);
  command->add_flag("--special", options->parsesSpecial, "Control tokens in the prompt's text become those tokens");
  command->add_flag("--ignore-end", options->ignoresEnd, "Go on after the token that ends a text");
  command->add_flag("--times", options->showsTimes, "Print tokens a second to standard error");
  addDraftOptions(*command, options->model.draft, options->what.maxDrafts);
  addSamplingOptions(*command, options->what.sampling);
  command->callback([options, source, &action] {
    action = [options, source] { return report(run(source, *options)); };
  });
}

} // namespace jinx::tools

#include "tools/common/BenchServe.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>

#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Terminal.h"
#include "tools/common/loadgen/Figures.h"
#include "tools/common/loadgen/Load.h"

namespace jinx::tools {
namespace {

using loadgen::Figures;
using loadgen::LoadResult;
using loadgen::Record;

constexpr size_t kUsualRequests = 100;
constexpr size_t kMostRequests = 1'000'000; // where only --seconds is given

struct BenchServeOptions {
  loadgen::LoadOptions load;
  loadgen::GoodputLimits goodput;
  std::string url = "http://127.0.0.1:8080", keyFile, traceFile, promptsFile, jsonFile;
  size_t requests = 0; ///< 0: not given
  bool raw = false;
};

Expected<std::string> readText(const std::string& path, const std::string& what) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return notFound("cannot read " + what + " from " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The lines that are not empty.
std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

/// The first key of a file as `serve` takes it: lines of KEY NAME WEIGHT, comments behind #.
Expected<std::string> readKey(const std::string& path) {
  JINX_TRY_ASSIGN(const std::string text, readText(path, "keys"));
  for (const std::string& line : linesOf(text)) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    return line.substr(begin, line.find_first_of(" \t", begin) - begin);
  }
  return invalidArgument("there is no key in " + path);
}

Status readFiles(BenchServeOptions& options) {
  JINX_TRY(checkOutputFile(options.jsonFile));
  JINX_TRY_ASSIGN(options.load.url, loadgen::parseUrl(options.url));
  if (!options.keyFile.empty()) {
    JINX_TRY_ASSIGN(options.load.key, readKey(options.keyFile));
  }
  if (!options.traceFile.empty()) {
    JINX_TRY_ASSIGN(const std::string text, readText(options.traceFile, "the trace"));
    JINX_TRY_ASSIGN(options.load.workload.trace, loadgen::parseTrace(text), options.traceFile);
  }
  if (!options.promptsFile.empty()) {
    JINX_TRY_ASSIGN(const std::string text, readText(options.promptsFile, "prompts"));
    options.load.workload.prompts = linesOf(text);
    if (options.load.workload.prompts.empty()) return invalidArgument("there is no prompt in " + options.promptsFile);
  }
  return Status::ok();
}

/// How many requests there are at most: what was said; else all of a trace, all that --seconds has time for, or a hundred.
Status setBounds(BenchServeOptions& options) {
  loadgen::LoadOptions& load = options.load;
  const bool hasTime = load.seconds > 0, isTrace = !load.workload.trace.empty();
  load.requests = options.requests > 0 ? options.requests : isTrace ? load.workload.trace.size() : hasTime ? kMostRequests : kUsualRequests;
  if (options.requests == 0 && !isTrace && std::isinf(load.rate_per_s)) {
    if (hasTime) return invalidArgument("all requests at once (--rate inf) are bounded by no time, expected --requests N");
  }
  return Status::ok();
}

/// Each request that runs holds a connection: as many as the system lets this process have.
void raiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

nlohmann::ordered_json settingsOf(const BenchServeOptions& options, const LoadResult& result) {
  const loadgen::LoadOptions& load = options.load;
  nlohmann::ordered_json json = {{"url", options.url}, {"model", result.model}, {"endpoint", load.isChat ? "chat/completions" : "completions"}};
  json["load"] = !load.workload.trace.empty() ? "trace" : load.rate_per_s > 0 ? "poisson" : "closed loop";
  if (json["load"] == "poisson") json["rate_per_s"] = std::isinf(load.rate_per_s) ? nlohmann::ordered_json("inf") : nlohmann::ordered_json(load.rate_per_s);
  if (json["load"] == "closed loop") json["concurrency"] = load.concurrency;
  json["seed"] = load.workload.seed;
  json["temperature"] = load.temperature;
  json["shared_prefix_words"] = load.workload.sharedPrefixTokens;
  return json;
}

Status write(const BenchServeOptions& options, const LoadResult& result, const Figures& figures) {
  if (options.jsonFile != "-") std::printf("%s", loadgen::tableOf(figures).c_str());
  if (options.jsonFile.empty()) return Status::ok();
  nlohmann::ordered_json json = settingsOf(options, result);
  json.update(loadgen::toJson(figures));
  if (options.raw) {
    json["each"] = nlohmann::ordered_json::array();
    for (const Record& record : result.records)
      json["each"].push_back(loadgen::toJson(record));
  }
  return writeText(options.jsonFile, json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

/// Says one message of each kind of failure; fails where nothing was answered.
Status judge(const std::vector<Record>& records, const Figures& figures) {
  std::map<std::string, std::string> messages;
  for (const Record& record : records)
    if (!record.isCompleted()) messages.emplace(record.failure, record.message);
  if (figures.completed == 0 && !messages.empty()) return invalidArgument("no request was answered: " + messages.begin()->first + ": " + messages.begin()->second);
  for (const auto& [failure, message] : messages)
    std::fprintf(stderr, "%s %s: %s\n", paint(stderr, Style::kWarning, "warning:").c_str(), failure.c_str(), message.c_str());
  return Status::ok();
}

Status benchServe(BenchServeOptions options) {
  JINX_TRY(readFiles(options));
  JINX_TRY(setBounds(options));
  raiseFileLimit();
  ProgressBar progress("measuring", options.jsonFile != "-");
  const auto most = static_cast<double>(options.load.requests);
  Timer timer;
  JINX_TRY_ASSIGN(const LoadResult result, loadgen::runLoad(options.load, [&](size_t ended) {
                    const double ofTime = options.load.seconds > 0 ? timer.ms() / 1e3 / options.load.seconds : 0;
                    progress.update(std::min(1.0, std::max(ofTime, static_cast<double>(ended) / most)), std::to_string(ended) + " requests");
                  }));
  progress.clear();
  const Figures figures = loadgen::figuresOf(result.records, options.goodput);
  JINX_TRY(write(options, result, figures));
  return judge(result.records, figures);
}

// ---- options ----

CLI::Option* addRange(CLI::App& command, const std::string& name, loadgen::TokenRange& range, const std::string& help) {
  return command
      .add_option_function<std::string>(
          name,
          [&range, name](const std::string& text) {
            const auto parsed = loadgen::parseRange(text);
            if (!parsed) throw CLI::ValidationError(name, "got '" + text + "', expected N or LEAST-MOST, from 1 to 1000000");
            range = *parsed;
          },
          help)
      ->type_name("N|LEAST-MOST");
}

void addLoad(CLI::App& command, BenchServeOptions& options) {
  loadgen::LoadOptions& load = options.load;
  command.add_option("--requests", options.requests, "At most so many (default: 100, without --seconds)")->check(CLI::Range(size_t{1}, kMostRequests));
  command.add_option("--seconds", load.seconds, "Begin none later; those that run are waited for")->check(aboveZero());
  CLI::Option* rate = command
                          .add_option_function<std::string>(
                              "--rate",
                              [&load](const std::string& text) {
                                char* end = nullptr;
                                load.rate_per_s = std::strtod(text.c_str(), &end);
                                if (end == text.c_str() || *end || !(load.rate_per_s > 0)) throw CLI::ValidationError("--rate", "got '" + text + "', expected requests per second above 0, or inf");
                              },
                              "Requests per second, as a Poisson process, however many run; inf: all at once")
                          ->type_name("R|inf");
  CLI::Option* concurrency = command.add_option("--concurrency", load.concurrency, "So many at a time, the next when one has ended (default 1)")->check(CLI::Range(1, 65536));
  CLI::Option* trace = command.add_option("--trace", options.traceFile, R"(Requests of a file, a line for each: {"at": seconds, "prompt_tokens": n, "output_tokens": n, "prompt": text in place of words})")->type_name("FILE");
  rate->excludes(concurrency)->excludes(trace);
  concurrency->excludes(trace);
  command.add_option("--timeout", load.timeout_s, "Seconds that a request may take (default 120)")->check(CLI::Range(0.001, 86400.0));
}

void addPrompts(CLI::App& command, BenchServeOptions& options) {
  loadgen::LoadOptions& load = options.load;
  CLI::Option* trace = command.get_option("--trace");
  CLI::Option* prompt = addRange(command, "--prompt-tokens", load.workload.promptTokens, "Of a prompt of words, about (default 128)")->excludes(trace);
  addRange(command, "--output-tokens", load.workload.outputTokens, "Of an answer, at most (default 64)")->excludes(trace);
  command.add_option("--prompts", options.promptsFile, "Texts in place of words, a line each, taken in turns")->type_name("FILE")->excludes(trace)->excludes(prompt);
  command.add_option("--shared-prefix-tokens", load.workload.sharedPrefixTokens, "Words before every prompt, the same for all")->check(CLI::Range(0, 1'000'000));
  command.add_option("--seed", load.workload.seed, "Of arrivals, lengths, words and sampling (default 0)");
  command.add_flag("--chat", load.isChat, "Ask as a user in a conversation");
  command.add_option("--temperature", load.temperature, "Of sampling (default 0)")->check(CLI::Range(0.0, 2.0));
  command.add_flag("--ignore-eos", load.ignoresEos, "Answers are as long as was asked: a field that OpenAI does not have");
}

} // namespace

void addBenchServe(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchServeOptions>();
  CLI::App* command = bench.add_subcommand("serve", "Put a load on a server of OpenAI's interface");
  command->add_option("--url", options->url, "Of the server")->capture_default_str();
  command->add_option("--api-key-file", options->keyFile, "Its first line has the key")->type_name("FILE");
  command->add_option("--model", options->load.model, "Its name (default: the first that the server has)");
  addLoad(*command, *options);
  addPrompts(*command, *options);
  command
      ->add_option_function<std::string>(
          "--goodput",
          [options](const std::string& text) {
            auto limits = loadgen::parseGoodput(text);
            if (!limits) throw CLI::ValidationError("--goodput", limits.status().message());
            options->goodput = *limits;
          },
          "Count the requests that keep limits in seconds: ttft, itl (mean of the later tokens), e2e")
      ->type_name("ttft=0.5,itl=0.05");
  CLI::Option* json = command->add_option("--json", options->jsonFile, "Write the figures as JSON (- is standard output)")->type_name("FILE");
  command->add_flag("--raw", options->raw, "In the JSON each request too")->needs(json);
  command->callback([options, &action] { action = [options] { return report(benchServe(*options)); }; });
}

} // namespace jinx::tools

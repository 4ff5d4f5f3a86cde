#include "tools/common/Serve.h"

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/llm/PlanModel.h"
#include "runtime/serve/Formats.h"
#include "runtime/serve/Router.h"
#include "runtime/serve/Server.h"
#include "runtime/text/OpenTokenizer.h"
#include "tools/common/Exit.h"
#include "tools/common/LanguageModel.h"

namespace jinx::tools {
namespace {

struct ServeOptions {
  PlanRequest request;
  std::string tokenizer, name, chatTemplate, keyFile, traceFile;
  std::vector<std::string> replicas;
  DraftOptions draft;
  serve::ServerOptions server;
  serve::Limits limits;
  engine::EngineOptions engine;
  int32_t pages = 2048, contextLength = 0, drafts = 0;
};

Expected<serve::Auth> readKeys(const std::string& path) {
  if (path.empty()) return serve::Auth();
  std::ifstream file(path, std::ios::binary);
  if (!file) return notFound("cannot read keys from " + path);
  return serve::Auth::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

/// Of the file that was named; else of the tokenizer's; null where there is none.
Expected<std::shared_ptr<const chat::ChatTemplate>> readTemplate(const ServeOptions& options, const std::string& tokenizerFile) {
  std::string source;
  if (options.chatTemplate.empty()) {
    Expected<std::string> found = chat::templateOf(tokenizerFile);
    if (!found && found.status().code() == Code::kNotFound) return std::shared_ptr<const chat::ChatTemplate>();
    if (!found) return found.status();
    source = std::move(*found);
  } else {
    std::ifstream file(options.chatTemplate, std::ios::binary);
    if (!file) return notFound("cannot read the chat template from " + options.chatTemplate);
    source.assign(std::istreambuf_iterator<char>(file), {});
  }
  JINX_TRY_ASSIGN(chat::ChatTemplate parsed, chat::ChatTemplate::parse(source), "chat template");
  return std::make_shared<const chat::ChatTemplate>(std::move(parsed));
}

bool isLoopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

Expected<std::unique_ptr<serve::Tracer>> makeTracer(const ServeOptions& options) {
  std::vector<serve::SpanWriter> writers;
  if (!options.traceFile.empty()) {
    JINX_TRY_ASSIGN(serve::SpanWriter writer, serve::chromeTraceWriter(options.traceFile));
    writers.push_back(std::move(writer));
  }
  return writers.empty() ? nullptr : std::make_unique<serve::Tracer>(std::move(writers));
}

Status run(const PlanSource& source, ServeOptions options) {
  JINX_TRY_ASSIGN(serve::Auth auth, readKeys(options.keyFile));
  const std::string tokenizerFile = options.tokenizer.empty() ? options.request.path : options.tokenizer;
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, text::openTokenizer(tokenizerFile), "tokenizer");
  JINX_TRY_ASSIGN(LoadedPlan plan, source(options.request));
  JINX_TRY_ASSIGN(auto device, openDevice(options.request.device));
  JINX_TRY_ASSIGN(auto model, llm::PlanModel::create(plan.file, std::move(device), {.pages = options.pages, .contextLength = options.contextLength, .parallelWork = options.request.device.parallelWork}));
  engine::QueuedSteps steps(*model);

  // What is longer than all pages would be refused: then a sequence is as long as they are.
  options.engine.scheduler.contextLength = std::min(model->contextLength(), options.pages * engine::kPageTokens);
  JINX_TRY_ASSIGN(const DraftModel draft, openDraftModel(source, options.draft, options.request, tokenizer, *model, options.engine));
  const int32_t contextLength = options.engine.scheduler.contextLength;
  options.engine.scheduler.maxRunning = std::min(options.engine.scheduler.maxRunning, options.engine.scheduler.tokenBudget);
  JINX_TRY_ASSIGN(options.engine.key, engine::randomHashKey());
  if (options.name.empty()) options.name = std::filesystem::path(options.request.path).stem().string();
  serve::ServedModel served{options.name, std::time(nullptr), tokenizer, endTokensOf(tokenizer, *model), model->vocabulary(), contextLength, options.drafts, {}, nullptr, {}, {}};
  JINX_TRY_ASSIGN(served.chatTemplate, readTemplate(options, tokenizerFile));
  JINX_TRY_ASSIGN(auto table, grammar::TokenTable::make(tokenizer, served.endTokens, model->vocabulary()));
  served.makeMask = serve::maskMakerOf(std::move(table));

  serve::Metrics metrics;
  JINX_TRY_ASSIGN(const std::unique_ptr<serve::Tracer> tracer, makeTracer(options));
  JINX_TRY_ASSIGN(auto engine, serve::EngineThread::start({options.engine, auth.weights()}, steps, metrics, tracer.get()));
  serve::Api api(served, options.limits, auth, *engine, metrics);
  if (!isLoopback(options.server.address) && auth.isOpen())
    std::fprintf(stderr, "warning: whoever reaches %s may use this server, because there are no keys; pass --api-key-file\n", options.server.address.c_str());
  return serve::serve(options.server, api, *engine, metrics, tracer.get(), options.limits, [&](uint16_t port) {
    std::printf("%s on http://%s:%u (pages %d, context %d)\n", options.name.c_str(), options.server.address.c_str(), port, options.pages, contextLength);
    std::fflush(stdout);
  });
}

Status runRouter(const ServeOptions& options) {
  std::vector<serve::ReplicaAddress> replicas;
  for (const std::string& url : options.replicas) {
    JINX_TRY_ASSIGN(serve::ReplicaAddress replica, serve::parseReplica(url));
    replicas.push_back(std::move(replica));
  }
  return serve::route(options.server, std::move(replicas), options.limits, [&](uint16_t port) {
    std::printf("router of %zu replicas on http://%s:%u\n", options.replicas.size(), options.server.address.c_str(), port);
    std::fflush(stdout);
  });
}

/// A router has no model; a server needs one, and where it cannot compile a tokenizer too.
Status runEither(const PlanSource& source, const ServeOptions& options, bool canCompile) {
  if (!options.replicas.empty()) return options.request.path.empty() ? runRouter(options) : invalidArgument("a router (--replicas) takes no MODEL");
  if (options.request.path.empty()) return invalidArgument("there is no MODEL, and no --replicas");
  if (!canCompile && options.tokenizer.empty()) return invalidArgument("a plan has no tokenizer, expected --tokenizer FILE");
  return run(source, options);
}

void addLimits(CLI::App& command, ServeOptions& options) {
  command.add_option("--max-body", options.limits.bodyBytes, "Bytes of a request")->check(CLI::Range(1024, 1 << 30));
  command.add_option("--max-connections", options.limits.connections, "Open connections")->check(CLI::Range(1, 1 << 20));
  command.add_option("--max-waiting", options.engine.maxWaiting, "Requests that wait; more are told to come again")->check(CLI::Range(1, 1 << 20));
  command.add_option("--max-tenant", options.engine.maxWaitingOfTenant, "Requests of one key, running ones too")->check(CLI::Range(1, 1 << 20));
  command.add_option("--pending-events", options.limits.pendingEvents, "Tokens that a reader may be behind before its request is cancelled")->check(CLI::Range(1, 1 << 20));
  command.add_option("--write-timeout", options.limits.writeSeconds, "Seconds that a reader may take nothing")->check(aboveZero());
  command.add_option("--idle-timeout", options.limits.idleSeconds, "Seconds between two requests of a connection")->check(aboveZero());
  command.add_option("--drain", options.server.drainSeconds, "Seconds that running requests have to end after SIGTERM")->check(zeroOrMore());
}

} // namespace

void addServe(CLI::App& app, Action& action, const PlanSource& source, bool canCompile) {
  auto options = std::make_shared<ServeOptions>();
  options->engine.scheduler.tokenBudget = 512;
  options->engine.scheduler.maxRunning = 64;
  options->engine.scheduler.prefillWhileDecoding = 128;
  options->engine.overlaps = false;
  CLI::App* command = app.add_subcommand("serve", "Serve a language model by HTTP, with OpenAI's interface");
  command->add_option("MODEL", options->request.path, canCompile ? "GGUF file, or a plan of one" : "Plan of a language model");
  command->add_option("--replicas", options->replicas, "No model: forward to these servers, each http://HOST:PORT")->type_name("URL")->delimiter(',');
  command->add_option("--tokenizer", options->tokenizer, "GGUF file, tokenizer.json, tokenizer.model or ranks of tiktoken")->type_name("FILE");
  command->add_option("--name", options->name, "Of the model, for clients; else the file's");
  command->add_option("--chat-template", options->chatTemplate, "Jinja template of conversations; else the tokenizer file's")->type_name("FILE");
  command->add_option("--host", options->server.address, "Address to listen on")->capture_default_str();
  command->add_option("--port", options->server.port, "Port to listen on; 0: any that is free")->capture_default_str();
  command->add_option("--api-key-file", options->keyFile, "Lines of KEY NAME WEIGHT: who may use the server, and with what share")->type_name("FILE");
  command->add_option("--pages", options->pages, "Pages of 16 tokens that are kept")->check(CLI::Range(1, 1 << 24))->capture_default_str();
  command->add_option("--context", options->contextLength, "Tokens of prompt and output; 0: as many as the model was made for")->check(CLI::NonNegativeNumber);
  command->add_option("--budget", options->engine.scheduler.tokenBudget, "Tokens of a step")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  command->add_option("--max-running", options->engine.scheduler.maxRunning, "Requests of a step")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  auto* lookup = command->add_option("--drafts", options->drafts, "Guess up to so many tokens a step from what is there already")->check(CLI::Range(0, 64));
  command->add_option("--io-threads", options->server.ioThreads, "Threads that serve connections")->check(CLI::Range(1, 256));
  command->add_option("--trace", options->traceFile, "Write where the time of requests goes, for chrome://tracing")->type_name("FILE");
  addDraftOptions(*command, options->draft, lookup);
  addLimits(*command, *options);
  options->request.device.parallelWork = llm::kParallelWork;
  addDeviceOptions(*command, options->request.device);
  command->callback([options, source, canCompile, &action] {
    options->request.quiet = options->request.keepsPlan = true;
    if (!options->draft.path.empty()) options->drafts = options->draft.tokens;
    action = [options, source, canCompile] { return report(runEither(source, *options, canCompile)); };
  });
}

} // namespace jinx::tools

#include "tools/common/Serve.h"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>

#include "runtime/serve/Formats.h"
#include "runtime/serve/OtlpExporter.h"
#include "runtime/serve/Router.h"
#include "runtime/serve/Server.h"
#include "runtime/text/OpenTokenizer.h"
#include "tools/common/Encoder.h"
#include "tools/common/Exit.h"
#include "tools/common/LanguageModel.h"

namespace jinx::tools {
namespace {

struct ServeOptions {
  PlanRequest request;
  EncoderOptions encoder;
  std::string tokenizer, name, chatTemplate, keyFile, traceFile, collector;
  std::vector<std::string> replicas;
  DraftOptions draft;
  serve::ServerOptions server;
  serve::Limits limits;
  engine::EngineOptions engine;
  int32_t pages = 2048, contextLength = 0, drafts = 0;
  RankOptions ranks;
  World world; ///< as of LanguageModelOptions
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

Expected<std::unique_ptr<serve::Tracer>> makeTracer(const ServeOptions& options, serve::Metrics& metrics) {
  std::vector<serve::SpanWriter> writers;
  if (!options.traceFile.empty()) {
    JINX_TRY_ASSIGN(serve::SpanWriter writer, serve::chromeTraceWriter(options.traceFile));
    writers.push_back(std::move(writer));
  }
  if (!options.collector.empty()) {
    JINX_TRY_ASSIGN(serve::SpanWriter writer, serve::otlpWriter(options.collector, metrics));
    writers.push_back(std::move(writer));
  }
  return writers.empty() ? nullptr : std::make_unique<serve::Tracer>(std::move(writers), metrics);
}

/// A language model as the server needs it. Its parts point to each other: not to be moved.
struct OpenLanguage {
  SteppedModel stepped;
  DraftModel draft;
  engine::EngineOptions engine;
  std::unique_ptr<serve::ServedModel> served;
};

llm::PlanModelOptions howOf(const ServeOptions& options) {
  return {.pages = options.pages,
          .contextLength = options.contextLength,
          .parallelWork = options.request.device.parallelWork,
          .communicator = nullptr};
}

Expected<std::unique_ptr<OpenLanguage>> openLanguage(const PlanSource& source, const ServeOptions& options) {
  auto opened = std::make_unique<OpenLanguage>();
  const std::string tokenizerFile = options.tokenizer.empty() ? options.request.path : options.tokenizer;
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, text::openTokenizer(tokenizerFile), "tokenizer");
  JINX_TRY_ASSIGN(opened->stepped,
                  openSteppedModel(source, options.request, options.ranks, options.world, howOf(options)));
  const llm::PlanModel& model = *opened->stepped.model;
  // What is longer than all pages would be refused: then a sequence is as long as they are.
  opened->engine = options.engine;
  opened->engine.scheduler.leastCopied = model.leastCopied();
  opened->engine.overlaps = model.isEnqueued(); // a device computes while the host plans
  opened->engine.scheduler.contextLength = std::min(model.contextLength(), options.pages * engine::kPageTokens);
  JINX_TRY_ASSIGN(opened->draft, openDraftModel(source, options.draft, options.request, tokenizer, model, opened->engine));
  const int32_t contextLength = opened->engine.scheduler.contextLength;
  const std::string name = options.name.empty() ? modelNameOf(options.request.path) : options.name;
  opened->served = std::make_unique<serve::ServedModel>(serve::ServedModel{{name, std::time(nullptr), tokenizer, model.vocabulary(), contextLength}, endTokensOf(tokenizer, model), options.drafts, {}, nullptr});
  JINX_TRY_ASSIGN(opened->served->chatTemplate, readTemplate(options, tokenizerFile));
  JINX_TRY_ASSIGN(auto table, grammar::TokenTable::make(tokenizer, opened->served->endTokens, model.vocabulary()));
  opened->served->makeMask = serve::maskMakerOf(std::move(table));
  return opened;
}

Expected<std::unique_ptr<serve::EngineThread>> startEngine(const OpenLanguage& opened, const serve::Auth& auth, serve::Metrics& metrics) {
  engine::EngineOptions options = opened.engine;
  options.scheduler.maxRunning = std::min(options.scheduler.maxRunning, options.scheduler.tokenBudget);
  JINX_TRY_ASSIGN(options.key, engine::randomHashKey());
  return serve::EngineThread::start({std::move(options), auth.weights()}, *opened.stepped.steps, metrics);
}

void printListening(const ServeOptions& options, const serve::Served& served, uint16_t port) {
  const serve::TextModel& first = served.language ? static_cast<const serve::TextModel&>(*served.language) : *served.encoder;
  std::printf("%s on http://%s:%u (", first.name.c_str(), options.server.address.c_str(), port);
  if (served.language) std::printf("pages %d, context %d%s", options.pages, served.language->contextLength, served.encoder ? "; " : "");
  if (served.encoder) std::printf("embeddings of %s, %d numbers, context %d", served.encoder->name.c_str(), served.encoder->width, served.encoder->contextLength);
  std::printf(")\n");
  std::fflush(stdout);
}

/// A process that is not the first of its world follows, and is told by the first one when it is to end: a signal to
/// all of them is for that one, which lets requests end.
Expected<bool> followed(ServeOptions& options) {
  JINX_TRY_ASSIGN(options.world, openWorld(options.ranks));
  if (!options.world || options.world->rank() == 0) return false;
  for (int signal : {SIGTERM, SIGINT})
    std::signal(signal, SIG_IGN);
  JINX_TRY(followRank(options.request.path, options.ranks, options.world, options.request.device, howOf(options)));
  return true;
}

Status run(const PlanSource& source, ServeOptions options) {
  JINX_TRY_ASSIGN(const bool isDone, followed(options));
  if (isDone) return Status::ok();
  JINX_TRY_ASSIGN(serve::Auth auth, readKeys(options.keyFile));
  std::unique_ptr<OpenLanguage> language;
  std::unique_ptr<OpenEncoder> encoder;
  if (!options.request.path.empty()) {
    JINX_TRY_ASSIGN(language, openLanguage(source, options));
  }
  if (!options.encoder.path.empty()) {
    JINX_TRY_ASSIGN(OpenEncoder opened, openEncoder(source, options.encoder, options.request));
    encoder = std::make_unique<OpenEncoder>(std::move(opened));
    if (language && language->served->name == encoder->served.name) return invalidArgument("both models are called \"" + encoder->served.name + "\": pass --embedding-name");
  }
  serve::Metrics metrics;
  JINX_TRY_ASSIGN(const std::unique_ptr<serve::Tracer> tracer, makeTracer(options, metrics));
  std::unique_ptr<serve::EngineThread> engine;
  std::unique_ptr<serve::EmbeddingThread> embeddings;
  serve::Served served;
  if (language) {
    JINX_TRY_ASSIGN(engine, startEngine(*language, auth, metrics));
    options.server.failure = [&stepped = language->stepped] { return stepped.status(); };
    served.language = language->served.get(), served.engine = engine.get();
  }
  if (encoder) {
    const serve::EmbeddingThread::Options how{.maxWaiting = options.engine.maxWaiting, .maxWaitingOfTenant = options.engine.maxWaitingOfTenant, .weights = auth.weights()};
    embeddings = std::make_unique<serve::EmbeddingThread>(how, encoder->served, metrics);
    served.encoder = &encoder->served, served.embeddings = embeddings.get();
  }
  serve::Api api(served, options.limits, auth, metrics);
  if (!isLoopback(options.server.address) && auth.isOpen())
    std::fprintf(stderr, "warning: whoever reaches %s may use this server, because there are no keys; pass --api-key-file\n", options.server.address.c_str());
  return serve::serve(options.server, api, served, metrics, tracer.get(), options.limits, [&](uint16_t port) { printListening(options, served, port); });
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
  const bool hasModel = !options.request.path.empty(), hasEncoder = !options.encoder.path.empty();
  const bool isRouter = !options.replicas.empty();
  if (options.ranks.any() && !hasModel)
    return invalidArgument("--ranks and --communicator are about MODEL, and there is none");
  if (isRouter && (hasModel || hasEncoder)) return invalidArgument("a router (--replicas) takes no model");
  if (isRouter && !(options.collector.empty() && options.traceFile.empty())) return invalidArgument("spans (--otlp, --trace) are the replicas' own, and a router (--replicas) has none");
  if (isRouter) return runRouter(options);
  if (!hasModel && !hasEncoder) return invalidArgument("there is no MODEL, no --embedding-model, and no --replicas");
  if (!canCompile && hasModel && options.tokenizer.empty()) return invalidArgument("a plan has no tokenizer, expected --tokenizer FILE");
  if (!hasEncoder && !(options.encoder.tokenizer.empty() && options.encoder.name.empty())) return invalidArgument("--embedding-tokenizer and --embedding-name are about --embedding-model");
  return run(source, options);
}

void addEncoder(CLI::App& command, EncoderOptions& options, bool canCompile) {
  command.add_option("--embedding-model", options.path, canCompile ? "Encoder for /v1/embeddings: folder of a BERT encoder, or a plan of one" : "Encoder for /v1/embeddings: plan of one")->type_name("PATH");
  command.add_option("--embedding-tokenizer", options.tokenizer, "tokenizer.json or a folder with one; else that in the encoder's folder")->type_name("FILE");
  command.add_option("--embedding-name", options.name, "Of the encoder, for clients; else the file's");
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
  command->add_option("--io-threads", options->server.ioThreads, "Threads that serve connections")->check(CLI::Range(1, 256));
  command->add_option("--trace", options->traceFile, "Write where the time of requests goes, for chrome://tracing")->type_name("FILE");
  addDraftOptions(*command, options->draft, options->drafts);
  command->add_option("--otlp", options->collector, "Give spans of requests to a collector of OpenTelemetry: http://HOST:PORT, to which they are posted as JSON under /v1/traces")->type_name("URL");
  addEncoder(*command, options->encoder, canCompile);
  addLimits(*command, *options);
  options->request.device.parallelWork = llm::kParallelWork;
  addDeviceOptions(*command, options->request.device);
  addRankOptions(*command, options->ranks);
  options->ranks.takesSignals = false; // the server does
  command->callback([options, source, canCompile, &action] {
    options->request.quiet = options->request.keepsPlan = true;
    action = [options, source, canCompile] { return report(runEither(source, *options, canCompile)); };
  });
}

} // namespace jinx::tools

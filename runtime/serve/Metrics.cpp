#include "runtime/serve/Metrics.h"

#include <charconv>
#include <string_view>

namespace jinx::serve {
namespace {

std::string numberText(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

/// Families of samples, one after the other.
class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "jinx_" + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  template <typename Number> void sample(Number value, std::string_view labels = "", std::string_view ending = "") {
    text_ += name_;
    text_ += ending;
    if (!labels.empty()) text_ += "{" + std::string(labels) + "}";
    if constexpr (std::is_floating_point_v<Number>) text_ += " " + numberText(value) + "\n";
    else text_ += " " + std::to_string(value) + "\n";
  }
  template <typename Number> void counter(std::string_view name, Number value, std::string_view help) {
    family(name, "counter", help);
    sample(value);
  }
  template <typename Number> void gauge(std::string_view name, Number value, std::string_view help) {
    family(name, "gauge", help);
    sample(value);
  }
  void histogram(std::string_view name, const Histogram& histogram, std::string_view help) {
    family(name, "histogram", help);
    const Histogram::Snapshot snapshot = histogram.snapshot();
    uint64_t below = 0;
    for (size_t i = 0; i < Histogram::kBuckets; ++i) {
      below += snapshot.counts[i];
      const std::string bound = i < Histogram::kBounds.size() ? numberText(Histogram::kBounds[i]) : "+Inf";
      sample(below, "le=\"" + bound + "\"", "_bucket");
    }
    sample(snapshot.sum, "", "_sum");
    sample(below, "", "_count");
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string name_, text_;
};

void exposeRequests(Exposition& to, const Metrics& metrics) {
  to.family("requests_total", "counter", "Choices of requests that have ended, by how.");
  for (size_t i = 0; i < kOutcomes; ++i)
    to.sample(metrics.requests[i].load(), std::string("outcome=\"") + nameOf(static_cast<Outcome>(i)) + "\"");
  to.family("http_answers_total", "counter", "Answers of HTTP, by the hundreds of their status.");
  for (size_t i = 1; i < metrics.httpAnswers.size(); ++i)
    to.sample(metrics.httpAnswers[i].load(), "status=\"" + std::to_string(i) + "xx\"");
  to.gauge("connections", metrics.connections.load(), "Open connections.");
  to.counter("prompt_tokens_total", metrics.promptTokens.load(), "Tokens of prompts that were admitted.");
  to.counter("output_tokens_total", metrics.outputTokens.load(), "Tokens that were sampled.");
}

void exposeEngine(Exposition& to, const EngineState& engine) {
  to.gauge("requests_running", engine.running, "Requests that are in steps.");
  to.gauge("requests_waiting", engine.waiting, "Requests that wait for a step.");
  to.gauge("tokens_waiting", engine.waitingTokens, "Tokens of those that wait.");
  to.family("pages", "gauge", "Pages of 16 tokens of keys and values: free ones, used ones, and of both those whose content can be found.");
  to.sample(engine.pagesFree, "state=\"free\"");
  to.sample(engine.pages - engine.pagesFree, "state=\"used\"");
  to.sample(engine.pagesCached, "state=\"cached\"");
  to.counter("steps_total", engine.steps, "Steps of the model.");
  to.counter("step_tokens_total", engine.stepTokens, "Tokens that steps computed.");
  to.counter("failed_steps_total", engine.failedSteps, "Steps that did not run.");
  to.counter("cached_tokens_total", engine.cachedTokens, "Tokens that were found instead of computed.");
  to.counter("preemptions_total", engine.preemptions, "Requests that gave up their pages and began again.");
  to.counter("draft_tokens_total", engine.drafts, "Tokens that were guessed.");
  to.counter("accepted_draft_tokens_total", engine.acceptedDrafts, "Guesses that stood.");
}

void exposeEmbeddings(Exposition& to, const Metrics& metrics) {
  to.family("embedding_requests_total", "counter", "Requests for vectors that have ended, by how.");
  for (size_t i = 0; i < kEmbeddingOutcomes; ++i)
    to.sample(metrics.embeddings[i].load(), std::string("outcome=\"") + nameOf(static_cast<EmbeddingOutcome>(i)) + "\"");
  to.gauge("embedding_requests_open", metrics.embeddingsOpen.load(), "Requests for vectors that wait or run.");
  to.counter("embedding_texts_total", metrics.embeddingTexts.load(), "Texts whose vectors were answered.");
  to.counter("embedding_tokens_total", metrics.embeddingTokens.load(), "Tokens of those.");
  to.histogram("embedding_queue_seconds", metrics.embeddingQueue, "From the arrival of a request for vectors until its first texts run.");
  to.histogram("embedding_seconds", metrics.embeddingWhole, "From its arrival to its end.");
}

} // namespace

const char* nameOf(EmbeddingOutcome outcome) {
  switch (outcome) {
  case EmbeddingOutcome::kAnswered: return "answered";
  case EmbeddingOutcome::kCancelled: return "cancelled";
  case EmbeddingOutcome::kDisconnected: return "disconnected";
  case EmbeddingOutcome::kError: return "error";
  case EmbeddingOutcome::kRefused: return "refused";
  }
  return "unknown";
}

const char* nameOf(Outcome outcome) {
  switch (outcome) {
  case Outcome::kStop: return "stop";
  case Outcome::kLength: return "length";
  case Outcome::kCancelled: return "cancelled";
  case Outcome::kDisconnected: return "disconnected";
  case Outcome::kSlowReader: return "slow_reader";
  case Outcome::kError: return "error";
  case Outcome::kRefused: return "refused";
  }
  return "unknown";
}

void Metrics::setEngine(const EngineState& state) {
  std::lock_guard lock(mutex_);
  engine_ = state;
}

EngineState Metrics::engine() const {
  std::lock_guard lock(mutex_);
  return engine_;
}

std::string exposition(const Metrics& metrics) {
  Exposition to;
  exposeRequests(to, metrics);
  exposeEngine(to, metrics.engine());
  to.histogram("ttft_seconds", metrics.firstToken, "From a request's arrival to its first token.");
  to.histogram("itl_seconds", metrics.betweenTokens, "Between two tokens of a request.");
  to.histogram("e2e_seconds", metrics.whole, "From a request's arrival to its end.");
  to.histogram("queue_seconds", metrics.queue, "Until the first step with a request begins.");
  to.histogram("prefill_seconds", metrics.prefill, "From then to its first token.");
  to.histogram("decode_seconds", metrics.decode, "From its first token to its last.");
  exposeEmbeddings(to, metrics);
  to.counter("spans_exported_total", metrics.spansExported.load(), "Spans that a collector has taken.");
  to.counter("spans_dropped_total", metrics.spansDropped.load(), "Spans that nobody has: queues were full, or the collector did not take them.");
  to.counter("span_export_failures_total", metrics.spanExportFailures.load(), "Attempts to give a batch of spans to the collector that failed.");
  return std::move(to).text();
}

} // namespace jinx::serve

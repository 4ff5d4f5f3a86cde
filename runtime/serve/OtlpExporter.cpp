#include "runtime/serve/OtlpExporter.h"

#include <algorithm>
#include <charconv>

#include "runtime/serve/EngineThread.h"
#include "runtime/serve/Message.h"
#include "runtime/serve/OtlpJson.h"

#include <boost/asio/io_context.hpp>
#include <boost/beast/http.hpp>

namespace jinx::serve {

Expected<CollectorUrl> parseCollectorUrl(std::string_view url) {
  const auto wrong = [url] { return invalidArgument("collector \"" + std::string(url) + "\", expected http://HOST:PORT"); };
  std::string_view rest = url;
  if (!rest.starts_with("http://")) return wrong();
  rest.remove_prefix(7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view place = rest.substr(0, slash), path = rest.substr(slash), port = "4318";
  while (path.ends_with("/"))
    path.remove_suffix(1);
  if (const size_t colon = place.rfind(':'); colon != std::string_view::npos && !place.ends_with("]")) port = place.substr(colon + 1), place = place.substr(0, colon);
  if (place.starts_with("[") && place.ends_with("]")) place = place.substr(1, place.size() - 2);
  else if (place.find(':') != std::string_view::npos) return wrong();
  const bool isPort = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
  const auto isOdd = [](char c) { return c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#'; };
  if (place.empty() || !isPort || std::ranges::any_of(rest, isOdd)) return wrong();
  return CollectorUrl{std::string(place), std::string(port), std::string(path) + "/v1/traces"};
}

OtlpExporter::OtlpExporter(CollectorUrl url, Metrics& metrics, OtlpOptions options)
    : url_(std::move(url)), options_(options), epoch_ns_(steadyEpoch_ns()), metrics_(metrics), thread_([this] { run(); }) {}

void OtlpExporter::add(const std::vector<Span>& spans) {
  uint64_t dropped = 0;
  {
    std::lock_guard lock(mutex_);
    for (const Span& span : spans) {
      if (!span.context.isSampled || span.name == "flush") continue;
      if (pending_.size() >= options_.mostPending) ++dropped;
      else pending_.push_back(span);
    }
  }
  metrics_.spansDropped += dropped;
  changed_.notify_one();
}

void OtlpExporter::end() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
    endsAt_s_ = secondsNow() + options_.end_s;
  }
  changed_.notify_one();
  thread_.join();
}

// ---- the thread ----

void OtlpExporter::run() {
  std::vector<Span> batch;
  while (takeBatch(batch)) {
    send(batch);
    batch.clear();
  }
}

/// Waits for spans. False at the end.
bool OtlpExporter::takeBatch(std::vector<Span>& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ends_ || !pending_.empty(); });
  const size_t count = std::min(pending_.size(), options_.mostOfBatch);
  std::move(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count), std::back_inserter(batch));
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
  return !batch.empty();
}

void OtlpExporter::send(const std::vector<Span>& batch) {
  const std::string body = otlpBody(batch, epoch_ns_);
  double pause_s = options_.firstPause_s;
  for (int attempt = 0; attempt < options_.attempts && !isOver(); ++attempt, pause_s *= 2) {
    const Attempt made = post(body);
    if (made.outcome == Outcome::kTaken) {
      const uint64_t rejected = std::min<uint64_t>(made.rejected, batch.size());
      metrics_.spansExported += batch.size() - rejected;
      metrics_.spansDropped += rejected;
      return;
    }
    ++metrics_.spanExportFailures;
    if (made.outcome == Outcome::kNever || attempt + 1 == options_.attempts || !pause(std::max(pause_s, made.retryAfter_s))) break;
  }
  metrics_.spansDropped += batch.size();
}

/// False when it is over.
bool OtlpExporter::pause(double seconds) {
  std::unique_lock lock(mutex_);
  const double until_s = secondsNow() + seconds;
  while (secondsNow() < until_s && !(ends_ && secondsNow() >= endsAt_s_)) {
    const double next_s = ends_ ? std::min(until_s, endsAt_s_) : until_s;
    changed_.wait_for(lock, std::chrono::duration<double>(std::clamp(next_s - secondsNow(), 0.001, 60.0)));
  }
  return !(ends_ && secondsNow() >= endsAt_s_);
}

bool OtlpExporter::isOver() {
  std::lock_guard lock(mutex_);
  return ends_ && secondsNow() >= endsAt_s_;
}

namespace {

struct Answered {
  int status = 0; ///< 0: none came
  double retryAfter_s = 0;
  std::string body;
};

awaitable<Answered> exchange(const CollectorUrl& url, const std::string& body, double timeout_s) {
  constexpr size_t kMostAnswerBytes = 64 << 10;
  const auto executor = co_await asio::this_coro::executor;
  Answered answered;
  tcp::resolver resolver(executor);
  auto [noName, endpoints] = co_await resolver.async_resolve(url.host, url.port, asTuple);
  if (noName) co_return answered;
  beast::tcp_stream stream(executor);
  stream.expires_after(milliseconds(timeout_s)); // for all that follows
  auto [noConnection, endpoint] = co_await stream.async_connect(endpoints, asTuple);
  if (noConnection) co_return answered;
  http::request<http::string_body> request(http::verb::post, url.path, 11);
  request.set(http::field::host, (url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]") + ":" + url.port);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::user_agent, "jinx");
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  auto [notSent, sent] = co_await http::async_write(stream, request, asTuple);
  if (notSent) co_return answered;
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostAnswerBytes);
  auto [notRead, read] = co_await http::async_read(stream, buffer, parser, asTuple);
  if (notRead && notRead != http::error::body_limit) co_return answered; // a long answer has its status all the same
  const auto& response = parser.get();
  answered.status = static_cast<int>(response.result_int());
  const std::string_view retry(response[http::field::retry_after].data(), response[http::field::retry_after].size());
  int seconds = 0;
  std::from_chars(retry.data(), retry.data() + retry.size(), seconds);
  answered.retryAfter_s = std::clamp(seconds, 0, 60);
  answered.body = response.body();
  co_return answered;
}

} // namespace

OtlpExporter::Attempt OtlpExporter::post(const std::string& body) {
  std::optional<Answered> answered;
  try {
    asio::io_context context;
    asio::co_spawn(context, exchange(url_, body, options_.timeout_s), [&answered](std::exception_ptr failure, Answered found) {
      answered = failure ? Answered{} : std::move(found);
    });
    while (!answered && !isOver())
      context.run_for(std::chrono::milliseconds(100));
  } catch (const std::exception&) { // no memory, no descriptors
    return {};
  }
  if (!answered || answered->status == 0) return {};
  const int status = answered->status;
  if (status / 100 == 2) return {Outcome::kTaken, 0, rejectedSpans(answered->body)};
  const bool isForNow = status == 429 || status == 502 || status == 503 || status == 504;
  return {isForNow ? Outcome::kLater : Outcome::kNever, answered->retryAfter_s, 0};
}

Expected<SpanWriter> otlpWriter(std::string_view url, Metrics& metrics) {
  JINX_TRY_ASSIGN(CollectorUrl parsed, parseCollectorUrl(url));
  auto exporter = std::make_shared<OtlpExporter>(std::move(parsed), metrics);
  return SpanWriter([exporter](const std::vector<Span>& spans, bool isLast) {
    exporter->add(spans);
    if (isLast) exporter->end();
  });
}

} // namespace jinx::serve

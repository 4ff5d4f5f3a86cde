#include "runtime/serve/Connection.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

namespace jinx::serve {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr const char* kServer = "jinx";

std::chrono::milliseconds milliseconds(double seconds) { return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)); }

HttpRequest toRequest(http::request<http::string_body>&& message, double arrived_s) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  request.path = std::string(target.substr(0, target.find('?')));
  request.authorization = std::string(message[http::field::authorization]);
  request.contentType = std::string(message[http::field::content_type]);
  request.body = std::move(message.body());
  request.arrived_s = arrived_s;
  return request;
}

} // namespace

Connection::Connection(tcp::socket socket, ServerParts& parts)
    : stream_(std::move(socket)), buffer_(std::max(parts.limits.headerBytes, parts.limits.aheadBytes) + 4096), parts_(parts) {
  ++parts_.metrics.connections;
}

Connection::~Connection() { --parts_.metrics.connections; }

awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
  // The system would keep megabytes for who does not read.
  stream_.socket().set_option(asio::socket_base::send_buffer_size(parts_.limits.socketBytes), ignored);
  bool goesOn = true;
  while (goesOn) {
    std::optional<HttpRequest> request = co_await readRequest();
    goesOn = request && co_await answer(std::move(*request)) && keepsAlive_ && !parts_.isDraining;
  }
  stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  stream_.close();
}

void Connection::closeIfIdle() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->isIdle_) self->stream_.close();
  });
}

// ---- reading ----

/// None where the connection has ended, or what came was no request: then the client has been told.
awaitable<std::optional<HttpRequest>> Connection::readRequest() {
  if (buffer_.size() == 0) {
    isIdle_ = true;
    stream_.expires_after(milliseconds(parts_.limits.idleSeconds));
    auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), asTuple);
    isIdle_ = false;
    if (error) co_return std::nullopt;
    buffer_.commit(size);
  }
  const double arrived_s = secondsNow();
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(parts_.limits.headerBytes));
  parser.body_limit(parts_.limits.bodyBytes);
  stream_.expires_after(milliseconds(parts_.limits.headerSeconds));
  auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, asTuple);
  version_ = parser.get().version();
  keepsAlive_ = parser.get().keep_alive() && parser.get().method() != http::verb::head; // whose answers have no body, and ours do
  if (!error && parser.get()[http::field::expect] == "100-continue") {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    auto [failure, written] = co_await asio::async_write(stream_, asio::buffer(kContinue), asTuple);
    error = failure;
  }
  if (!error) {
    stream_.expires_after(milliseconds(parts_.limits.bodySeconds));
    auto [failure, read] = co_await http::async_read(stream_, buffer_, parser, asTuple);
    error = failure;
  }
  if (!error) co_return toRequest(parser.release(), arrived_s);
  if (error == http::error::body_limit)
    co_await refuse(413, "the body has more than " + std::to_string(parts_.limits.bodyBytes) + " bytes");
  else if (error == http::error::header_limit || error == http::error::buffer_overflow)
    co_await refuse(431, "the header has more than " + std::to_string(parts_.limits.headerBytes) + " bytes");
  else if (error == beast::error::timeout)
    co_await refuse(408, "the request did not come in time");
  else if (error.category() == make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream && error != http::error::partial_message)
    co_await refuse(400, "this is no request of HTTP/1.1: " + error.message());
  co_return std::nullopt;
}

/// Answers what could not be read; nothing can follow.
awaitable<void> Connection::refuse(int status, std::string message) {
  keepsAlive_ = false;
  ApiError error{.status = status, .message = std::move(message)};
  co_await writeReply(replyOf(error));
}

// ---- answering ----

awaitable<bool> Connection::answer(HttpRequest request) {
  const double arrived_s = request.arrived_s;
  Api& api = parts_.api;
  // Long texts and grammars take their time: not on the thread that serves all others.
  Answer answer = co_await asio::co_spawn(
      parts_.workers, [&api, &request]() -> awaitable<Answer> { co_return api.answer(request); }, asio::use_awaitable);
  if (auto* reply = std::get_if<HttpReply>(&answer.what)) co_return co_await writeReply(std::move(*reply));
  co_return co_await generate(std::move(std::get<std::unique_ptr<Generation>>(answer.what)), answer.tenant, arrived_s);
}

awaitable<bool> Connection::writeReply(HttpReply reply) {
  ++parts_.metrics.httpAnswers[static_cast<size_t>(std::clamp(reply.status / 100, 1, 5))];
  http::response<http::string_body> response(static_cast<http::status>(reply.status), version_);
  response.set(http::field::server, kServer);
  response.set(http::field::content_type, reply.contentType);
  for (const auto& [name, value] : reply.headers)
    response.insert(name, value);
  response.keep_alive(keepsAlive_ && !parts_.isDraining);
  response.body() = std::move(reply.body);
  response.prepare_payload();
  stream_.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [error, size] = co_await http::async_write(stream_, response, asTuple);
  co_return !error;
}

/// Gives the generation to the engine, and what comes back to the client.
awaitable<bool> Connection::generate(std::unique_ptr<Generation> generation, TenantId tenant, double arrived_s) {
  trace(generation->id(), "prepare", arrived_s);
  const auto wake = std::make_shared<Wake>(stream_.get_executor());
  const auto events = std::make_shared<EventQueue>(parts_.limits.pendingEvents, [wake] {
    asio::post(wake->timer.get_executor(), [wake] { wake->timer.cancel(); });
  });
  const JobId job = parts_.engine.submit({generation->takeRequests(tenant), events, arrived_s, generation->id()});
  parts_.api.open().add(generation->id(), job, tenant);
  asio::co_spawn(stream_.get_executor(), watch(wake), asio::detached);
  const bool goesOn = co_await follow(*generation, *events, job, *wake);
  parts_.api.open().remove(generation->id());
  if (!generation->isDone()) parts_.engine.cancel(job, isTooSlow_ ? Outcome::kSlowReader : Outcome::kDisconnected);
  co_await endWatch(wake);
  co_return goesOn && !wake->isGone;
}

/// Until all choices have ended, the client has gone, or does not read. \returns whether the connection can go on
awaitable<bool> Connection::follow(Generation& generation, EventQueue& events, JobId job, Wake& wake) {
  bool hasHead = false;
  while (!generation.isDone() && !wake.isGone) {
    const std::vector<Event> batch = events.take();
    if (batch.empty()) {
      wake.timer.expires_at(asio::steady_timer::time_point::max());
      co_await wake.timer.async_wait(asTuple);
      continue;
    }
    std::string text = generation.take(batch);
    for (uint32_t choice : generation.takeStopped())
      parts_.engine.cancelChoice(job, choice, Outcome::kStop);
    if (events.hasOverflowed()) co_return false; // tokens are missing: no answer is better than a wrong one
    if (!hasHead && generation.error()) co_return co_await writeReply(replyOf(*generation.error()));
    if (!generation.isStream()) continue;
    if (!hasHead && !co_await writeStreamHead(generation.id())) co_return false;
    hasHead = true;
    const double begin_s = secondsNow();
    if (!text.empty() && !co_await writeChunk(std::move(text))) co_return false;
    trace(generation.id(), "flush", begin_s);
  }
  if (wake.isGone) co_return false;
  if (generation.isStream()) co_return co_await writeStreamEnd();
  co_return co_await writeReply({.body = generation.whole(), .headers = {{"X-Request-Id", generation.id()}}});
}

// ---- server-sent events ----

awaitable<bool> Connection::writeStreamHead(const std::string& id) {
  ++parts_.metrics.httpAnswers[2];
  http::response<http::empty_body> response(http::status::ok, version_);
  response.set(http::field::server, kServer);
  response.set(http::field::content_type, "text/event-stream; charset=utf-8");
  response.set(http::field::cache_control, "no-cache");
  response.set("X-Request-Id", id);
  if (version_ < 11) keepsAlive_ = false; // without chunks the end of the answer is the connection's
  response.keep_alive(keepsAlive_ && !parts_.isDraining);
  response.chunked(version_ >= 11);
  http::response_serializer<http::empty_body> serializer(response);
  stream_.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [error, size] = co_await http::async_write_header(stream_, serializer, asTuple);
  co_return !error;
}

awaitable<bool> Connection::writeChunk(std::string text) {
  stream_.expires_after(milliseconds(parts_.limits.writeSeconds));
  boost::system::error_code error;
  if (version_ >= 11) error = std::get<0>(co_await asio::async_write(stream_, http::make_chunk(asio::buffer(text)), asTuple));
  else error = std::get<0>(co_await asio::async_write(stream_, asio::buffer(text), asTuple));
  isTooSlow_ = error == beast::error::timeout;
  co_return !error;
}

awaitable<bool> Connection::writeStreamEnd() {
  if (version_ < 11) co_return false;
  stream_.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [error, size] = co_await asio::async_write(stream_, http::make_chunk_last(), asTuple);
  co_return !error;
}

// ---- has the client gone? ----

awaitable<void> Connection::watch(std::shared_ptr<Wake> wake) {
  const auto self = shared_from_this();
  boost::system::error_code error;
  while (!error && buffer_.size() < parts_.limits.aheadBytes) {
    stream_.expires_never();
    auto [failure, size] = co_await stream_.async_read_some(buffer_.prepare(2048), asTuple);
    buffer_.commit(size);
    error = failure;
  }
  // Who sends so much ahead cannot be watched any longer.
  wake->isGone = wake->isWatched && error != asio::error::operation_aborted;
  wake->isWatched = false;
  wake->timer.cancel();
}

/// The read of `watch` is over when this returns.
awaitable<void> Connection::endWatch(std::shared_ptr<Wake> wake) {
  while (wake->isWatched) {
    stream_.cancel();
    wake->timer.expires_at(asio::steady_timer::time_point::max());
    if (wake->isWatched) co_await wake->timer.async_wait(asTuple);
  }
}

void Connection::trace(const std::string& request, const char* name, double begin_s) {
  if (parts_.tracer) parts_.tracer->add({name, request, begin_s, secondsNow(), {}});
}

} // namespace jinx::serve

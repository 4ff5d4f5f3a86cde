#include "runtime/serve/Connection.h"

#include "runtime/serve/RequestAttributes.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

namespace jinx::serve {

namespace {

HttpRequest toRequest(RequestMessage&& message, double arrived_s) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  request.path = std::string(target.substr(0, target.find('?')));
  request.authorization = std::string(message[http::field::authorization]);
  request.contentType = std::string(message[http::field::content_type]);
  request.traceparent = std::string(message["traceparent"]);
  request.body = std::move(message.body());
  request.arrived_s = arrived_s;
  return request;
}

} // namespace

Connection::Connection(tcp::socket socket, ServerParts& parts)
    : client_{beast::tcp_stream(std::move(socket)), beast::flat_buffer(std::max(parts.limits.headerBytes, parts.limits.aheadBytes) + 4096)}, parts_(parts) {
  ++parts_.metrics.connections;
}

Connection::~Connection() { --parts_.metrics.connections; }

awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  tcp::socket& socket = client_.stream.socket();
  socket.set_option(tcp::no_delay(true), ignored);
  // The system would keep megabytes for who does not read.
  socket.set_option(asio::socket_base::send_buffer_size(parts_.limits.socketBytes), ignored);
  // No `co_await` behind && or ?: here and below. What g++ 12 passes to a coroutine it makes before it looks at what stands in front.
  bool goesOn = true;
  while (goesOn) {
    double arrived_s = 0;
    std::optional<RequestMessage> message = co_await readMessage(client_, parts_.limits, arrived_s);
    if (!message) break;
    goesOn = co_await answer(toRequest(std::move(*message), arrived_s));
    goesOn &= client_.keepsAlive && !parts_.isDraining;
  }
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  client_.stream.close();
}

void Connection::closeIfIdle() {
  asio::post(client_.stream.get_executor(), [self = shared_from_this()] {
    if (self->client_.isIdle) self->client_.stream.close();
  });
}

// ---- answering ----

awaitable<bool> Connection::answer(HttpRequest request) {
  Api& api = parts_.api;
  // Long texts and grammars take their time: not on the thread that serves all others.
  Answer answer = co_await asio::co_spawn(
      parts_.workers, [&api, &request]() -> awaitable<Answer> { co_return api.answer(request); }, asio::use_awaitable);
  if (auto* found = std::get_if<HttpReply>(&answer.what)) co_return co_await Connection::reply(std::move(*found));
  if (auto* job = std::get_if<std::shared_ptr<EmbeddingJob>>(&answer.what)) co_return co_await embed(std::move(*job), request);
  co_return co_await generate(std::move(std::get<std::unique_ptr<Generation>>(answer.what)), answer.tenant, request);
}

awaitable<bool> Connection::reply(HttpReply reply, RequestTrace* trace) {
  if (trace) describeStatus(*trace, reply.status);
  ++parts_.metrics.httpAnswers[static_cast<size_t>(std::clamp(reply.status / 100, 1, 5))];
  if (parts_.isDraining) client_.keepsAlive = false;
  co_return co_await writeReply(client_, parts_.limits, std::move(reply));
}

/// Gives the generation to the engine, and what comes back to the client.
awaitable<bool> Connection::generate(std::unique_ptr<Generation> generation, TenantId tenant, const HttpRequest& request) {
  const auto trace = beginTrace(request, generation->id(), generation->model());
  if (trace) describeRequest(*trace, *generation);
  const auto wake = std::make_shared<asio::steady_timer>(executor());
  const auto events = std::make_shared<EventQueue>(parts_.limits.pendingEvents, [wake] { asio::post(wake->get_executor(), [wake] { wake->cancel(); }); });
  const JobId job = parts_.served.engine->submit({generation->takeRequests(tenant), events, request.arrived_s, trace});
  parts_.api.open().add(generation->id(), job, tenant);
  const auto watch = std::make_shared<ClientWatch>(client_, parts_.limits.aheadBytes, [wake] { wake->cancel(); });
  watch->begin(shared_from_this());
  const bool goesOn = co_await follow(*generation, *events, job, *wake, *watch, trace.get());
  parts_.api.open().remove(generation->id());
  if (!generation->isDone()) parts_.served.engine->cancel(job, isTooSlow_ ? Outcome::kSlowReader : Outcome::kDisconnected);
  if (trace) describeAnswer(*trace, *generation);
  if (trace && !generation->isDone()) trace->fail(nameOf(isTooSlow_ ? Outcome::kSlowReader : Outcome::kDisconnected));
  co_await watch->end();
  if (trace) trace->endAfter(secondsNow());
  co_return goesOn && !watch->isGone();
}

/// Gives the job to the encoder's thread, and its reply to the client.
awaitable<bool> Connection::embed(std::shared_ptr<EmbeddingJob> job, const HttpRequest& request) {
  const auto trace = beginTrace(request, parts_.tracer ? randomId("embd-") : "", parts_.served.encoder->name);
  if (trace) describeRequest(*trace, job->request());
  job->trace = trace;
  const auto wake = std::make_shared<asio::steady_timer>(executor());
  job->notify = [wake] { asio::post(wake->get_executor(), [wake] { wake->cancel(); }); };
  if (std::optional<ApiError> refusal = parts_.served.embeddings->submit(job)) co_return co_await reply(replyOf(*refusal), trace.get());
  const auto watch = std::make_shared<ClientWatch>(client_, parts_.limits.aheadBytes, [wake] { wake->cancel(); });
  watch->begin(shared_from_this());
  while (!job->isDone() && !watch->isGone()) {
    wake->expires_at(asio::steady_timer::time_point::max());
    co_await wake->async_wait(asTuple);
  }
  if (!job->isDone()) parts_.served.embeddings->cancel(*job, EmbeddingOutcome::kDisconnected);
  if (trace && !job->isDone()) trace->fail(nameOf(EmbeddingOutcome::kDisconnected));
  bool isWritten = false;
  if (!watch->isGone()) isWritten = co_await reply(std::move(job->reply), trace.get());
  co_await watch->end();
  if (trace) trace->endAfter(secondsNow());
  co_return isWritten && !watch->isGone();
}

/// Until all choices have ended, the client has gone, or does not read. \returns whether the connection can go on
awaitable<bool> Connection::follow(Generation& generation, EventQueue& events, JobId job, asio::steady_timer& wake, const ClientWatch& watch, RequestTrace* trace) {
  bool hasHead = false;
  while (!generation.isDone() && !watch.isGone()) {
    const std::vector<Event> batch = events.take();
    if (batch.empty()) {
      wake.expires_at(asio::steady_timer::time_point::max());
      co_await wake.async_wait(asTuple);
      continue;
    }
    std::string text = generation.take(batch);
    for (uint32_t choice : generation.takeStopped())
      parts_.served.engine->cancelChoice(job, choice, Outcome::kStop);
    if (events.hasOverflowed()) co_return false; // tokens are missing: no answer is better than a wrong one
    if (!hasHead && generation.error()) co_return co_await reply(replyOf(*generation.error()), trace);
    if (!generation.isStream()) continue;
    if (!hasHead && trace) describeStatus(*trace, 200);
    if (!hasHead) hasHead = co_await writeStreamHead(generation.id());
    if (!hasHead) co_return false;
    const double begin_s = secondsNow();
    bool isWritten = true;
    if (!text.empty()) isWritten = co_await writeChunk(std::move(text));
    if (!isWritten) co_return false;
    if (trace) trace->add("flush", begin_s, secondsNow());
  }
  if (watch.isGone()) co_return false;
  if (generation.isStream()) co_return co_await writeStreamEnd();
  HttpReply whole;
  whole.body = generation.whole();
  whole.headers.emplace_back("X-Request-Id", generation.id());
  co_return co_await reply(std::move(whole), trace);
}

// ---- server-sent events ----

awaitable<bool> Connection::writeStreamHead(const std::string& id) {
  ++parts_.metrics.httpAnswers[2];
  http::response<http::empty_body> response(http::status::ok, client_.version);
  response.set(http::field::server, "jinx");
  response.set(http::field::content_type, "text/event-stream; charset=utf-8");
  response.set(http::field::cache_control, "no-cache");
  response.set("X-Request-Id", id);
  if (client_.version < 11) client_.keepsAlive = false; // without chunks the end of the answer is the connection's
  response.keep_alive(client_.keepsAlive && !parts_.isDraining);
  response.chunked(client_.version >= 11);
  http::response_serializer<http::empty_body> serializer(response);
  client_.stream.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [error, size] = co_await http::async_write_header(client_.stream, serializer, asTuple);
  co_return !error;
}

awaitable<bool> Connection::writeChunk(std::string text) {
  client_.stream.expires_after(milliseconds(parts_.limits.writeSeconds));
  boost::system::error_code error;
  if (client_.version >= 11) error = std::get<0>(co_await asio::async_write(client_.stream, http::make_chunk(asio::buffer(text)), asTuple));
  else error = std::get<0>(co_await asio::async_write(client_.stream, asio::buffer(text), asTuple));
  isTooSlow_ = error == beast::error::timeout;
  co_return !error;
}

awaitable<bool> Connection::writeStreamEnd() {
  if (client_.version < 11) co_return false;
  client_.stream.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [error, size] = co_await asio::async_write(client_.stream, http::make_chunk_last(), asTuple);
  co_return !error;
}

/// Null where nobody traces. What has been done of the request until now is its first span.
std::shared_ptr<RequestTrace> Connection::beginTrace(const HttpRequest& request, std::string id, const std::string& model) {
  if (!parts_.tracer) return nullptr;
  auto trace = std::make_shared<RequestTrace>(*parts_.tracer, std::move(id), std::string(operationOf(request)) + " " + model, request.arrived_s, traceContextOf(request.traceparent));
  trace->add("prepare", request.arrived_s, secondsNow());
  describeRoute(*trace, request, model);
  return trace;
}

} // namespace jinx::serve

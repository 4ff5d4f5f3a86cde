#include "runtime/serve/RouterConnection.h"

#include <array>

#include "runtime/serve/EngineThread.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http.hpp>

namespace jinx::serve {
namespace {

constexpr double kConnectSeconds = 3;
/// A replica may think for long about a prompt before the first byte, and each byte after it.
constexpr double kAnswerSeconds = 600;
constexpr size_t kReplicaHeaderBytes = 64 << 10;

// Apart from the coroutine: g++ 12 cannot compile lists of initializers inside one.
HttpReply health(bool isDraining) { return replyOf(Json{{"status", isDraining ? "draining" : "ok"}}); }
HttpReply noReplica() {
  return replyOf(ApiError{.status = 502, .type = "server_error", .message = "no replica can be reached", .code = "no_replica", .retryAfter_s = 5});
}

/// A replica that is being asked; counted while this lives.
class Asked {
 public:
  Asked(Replicas& replicas, size_t replica) : replicas_(replicas), replica_(replica) { replicas_.begin(replica_); }
  ~Asked() { replicas_.end(replica_); }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

 private:
  Replicas& replicas_;
  const size_t replica_;
};

} // namespace

RouterConnection::RouterConnection(tcp::socket socket, RouterParts& parts)
    : client_{beast::tcp_stream(std::move(socket)), beast::flat_buffer(std::max(parts.limits.headerBytes, parts.limits.aheadBytes) + 4096)}, parts_(parts) {}

awaitable<void> RouterConnection::run() {
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  client_.stream.socket().set_option(tcp::no_delay(true), ignored);
  bool goesOn = true;
  while (goesOn) {
    double arrived_s = 0;
    std::optional<RequestMessage> message = co_await readMessage(client_, parts_.limits, arrived_s);
    if (!message) break; // no `co_await` behind &&: see Connection::run
    goesOn = co_await forward(std::move(*message));
    goesOn &= client_.keepsAlive && !parts_.isDraining;
  }
  client_.stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  client_.stream.close();
}

void RouterConnection::closeIfIdle() {
  asio::post(client_.stream.get_executor(), [self = shared_from_this()] {
    if (self->client_.isIdle) self->client_.stream.close();
  });
}

awaitable<bool> RouterConnection::forward(RequestMessage message) {
  if (message.target() == "/health") co_return co_await writeReply(client_, parts_.limits, health(parts_.isDraining));
  const std::string_view authorization(message[http::field::authorization].data(), message[http::field::authorization].size());
  const uint64_t affinity = affinityOf(message.body(), authorization);
  message.keep_alive(false); // a connection for each request
  for (size_t index : parts_.replicas.order(affinity, secondsNow())) {
    const Asked asked(parts_.replicas, index);
    const auto replica = std::make_shared<beast::tcp_stream>(client_.stream.get_executor());
    const auto watch = std::make_shared<ClientWatch>(client_, parts_.limits.aheadBytes, [replica] { replica->close(); });
    watch->begin(shared_from_this());
    const Outcome outcome = co_await forwardTo(parts_.replicas.address(index), message, replica);
    co_await watch->end();
    if (outcome == Outcome::kAnswered) co_return !watch->isGone();
    if (outcome == Outcome::kBroken || watch->isGone()) co_return false;
    parts_.replicas.fail(index, secondsNow());
  }
  co_return co_await writeReply(client_, parts_.limits, noReplica());
}

/// kUnreachable where not a byte of an answer has come.
awaitable<RouterConnection::Outcome> RouterConnection::forwardTo(const ReplicaAddress& address, const RequestMessage& message, const std::shared_ptr<beast::tcp_stream>& replica) {
  tcp::resolver resolver(executor());
  auto [noName, endpoints] = co_await resolver.async_resolve(address.host, address.port, asTuple);
  if (noName) co_return Outcome::kUnreachable;
  replica->expires_after(milliseconds(kConnectSeconds));
  auto [noConnection, endpoint] = co_await replica->async_connect(endpoints, asTuple);
  if (noConnection) co_return Outcome::kUnreachable;
  boost::system::error_code ignored;
  replica->socket().set_option(tcp::no_delay(true), ignored);
  replica->expires_after(milliseconds(parts_.limits.bodySeconds));
  auto [notSent, size] = co_await http::async_write(*replica, message, asTuple);
  if (notSent) co_return Outcome::kUnreachable;
  co_return co_await relay(*replica, message.method() == http::verb::head);
}

/// The answer as it comes: its head, then each part of its body.
awaitable<RouterConnection::Outcome> RouterConnection::relay(beast::tcp_stream& replica, bool isHead) {
  beast::flat_buffer buffer(kReplicaHeaderBytes);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(kReplicaHeaderBytes);
  parser.body_limit(boost::none);
  parser.skip(isHead);
  replica.expires_after(milliseconds(kAnswerSeconds));
  auto [noHead, headSize] = co_await http::async_read_header(replica, buffer, parser, asTuple);
  if (noHead) co_return parser.got_some() ? Outcome::kBroken : Outcome::kUnreachable;

  http::response<http::buffer_body>& response = parser.get();
  response.version(client_.version);
  if (response.chunked() && client_.version < 11) response.chunked(false), client_.keepsAlive = false;
  response.keep_alive(client_.keepsAlive && !parts_.isDraining);
  http::response_serializer<http::buffer_body> serializer(response);
  client_.stream.expires_after(milliseconds(parts_.limits.writeSeconds));
  auto [notWritten, written] = co_await http::async_write_header(client_.stream, serializer, asTuple);
  if (notWritten) co_return Outcome::kBroken;

  std::array<char, 16384> room;
  while (!parser.is_done() || !serializer.is_done()) {
    if (parts_.isCancelled) co_return Outcome::kBroken;
    if (!parser.is_done()) {
      response.body().data = room.data();
      response.body().size = room.size();
      replica.expires_after(milliseconds(kAnswerSeconds));
      auto [failure, size] = co_await http::async_read_some(replica, buffer, parser, asTuple);
      if (failure && failure != http::error::need_buffer) co_return Outcome::kBroken;
      response.body().size = room.size() - response.body().size;
      response.body().data = room.data();
      response.body().more = !parser.is_done();
      if (response.body().size == 0 && !parser.is_done()) continue;
      if (response.body().size == 0) response.body().data = nullptr; // an empty chunk would be the last one, twice
    } else {
      response.body().data = nullptr;
      response.body().size = 0;
      response.body().more = false;
    }
    client_.stream.expires_after(milliseconds(parts_.limits.writeSeconds));
    auto [failure, size] = co_await http::async_write(client_.stream, serializer, asTuple);
    if (failure && failure != http::error::need_buffer) co_return Outcome::kBroken;
  }
  co_return Outcome::kAnswered;
}

} // namespace jinx::serve

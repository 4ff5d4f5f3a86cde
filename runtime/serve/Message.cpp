#include "runtime/serve/Message.h"

#include "runtime/serve/EngineThread.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

namespace jinx::serve {

namespace {

/// What the client is told whose request could not be read; none where there is nobody to be told.
std::optional<ApiError> faultOf(boost::system::error_code error, const Limits& limits) {
  if (error == http::error::body_limit) return ApiError{.status = 413, .message = "the body has more than " + std::to_string(limits.bodyBytes) + " bytes"};
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return ApiError{.status = 431, .message = "the header has more than " + std::to_string(limits.headerBytes) + " bytes"};
  if (error == beast::error::timeout) return ApiError{.status = 408, .message = "the request did not come in time"};
  const bool isFormOf = error.category() == make_error_code(http::error::bad_method).category();
  if (!isFormOf || error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  return ApiError{.message = "this is no request of HTTP/1.1: " + error.message()};
}

} // namespace

std::chrono::milliseconds milliseconds(double seconds) { return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)); }

awaitable<std::optional<RequestMessage>> readMessage(ClientStream& client, const Limits& limits, double& arrived_s) {
  if (client.buffer.size() == 0) {
    client.isIdle = true;
    client.stream.expires_after(milliseconds(limits.idleSeconds));
    auto [error, size] = co_await client.stream.async_read_some(client.buffer.prepare(4096), asTuple);
    client.isIdle = false;
    if (error) co_return std::nullopt;
    client.buffer.commit(size);
  }
  arrived_s = secondsNow();
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(limits.headerBytes));
  parser.body_limit(limits.bodyBytes);
  client.stream.expires_after(milliseconds(limits.headerSeconds));
  auto [error, size] = co_await http::async_read_header(client.stream, client.buffer, parser, asTuple);
  client.version = parser.get().version();
  client.keepsAlive = parser.get().keep_alive() && parser.get().method() != http::verb::head; // whose answers have no body, and ours do
  if (!error && parser.get()[http::field::expect] == "100-continue") {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    auto [failure, written] = co_await asio::async_write(client.stream, asio::buffer(kContinue), asTuple);
    error = failure;
  }
  if (!error) {
    client.stream.expires_after(milliseconds(limits.bodySeconds));
    auto [failure, read] = co_await http::async_read(client.stream, client.buffer, parser, asTuple);
    error = failure;
  }
  if (!error) co_return parser.release();
  client.keepsAlive = false; // nothing can follow
  if (const std::optional<ApiError> fault = faultOf(error, limits)) co_await writeReply(client, limits, replyOf(*fault));
  co_return std::nullopt;
}

awaitable<bool> writeReply(ClientStream& client, const Limits& limits, HttpReply reply) {
  http::response<http::string_body> response(static_cast<http::status>(reply.status), client.version);
  response.set(http::field::server, "jinx");
  response.set(http::field::content_type, reply.contentType);
  for (const auto& [name, value] : reply.headers)
    response.insert(name, value);
  response.keep_alive(client.keepsAlive);
  response.body() = std::move(reply.body);
  response.prepare_payload();
  client.stream.expires_after(milliseconds(limits.writeSeconds));
  auto [error, size] = co_await http::async_write(client.stream, response, asTuple);
  co_return !error;
}

} // namespace jinx::serve

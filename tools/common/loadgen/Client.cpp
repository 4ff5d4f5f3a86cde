#include "tools/common/loadgen/Client.h"

#include <array>

#include "runtime/serve/Json.h"
#include "tools/common/loadgen/AnswerReader.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace jinx::loadgen {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using serve::asTuple;
using serve::awaitable;
using serve::tcp;

constexpr size_t kHeaderBytes = 64 << 10, kErrorBytes = 64 << 10, kPlainBytes = 4 << 20;

using Request = http::request<http::string_body>;

Request makeRequest(const Target& target, http::verb method, const std::string& path) {
  Request request(method, target.url.path + path, 11);
  request.set(http::field::host, target.url.authority());
  request.set(http::field::user_agent, "jinx");
  request.set(http::field::connection, "close");
  if (!target.key.empty()) request.set(http::field::authorization, "Bearer " + target.key);
  return request;
}

/// A connection with a deadline for all that is done with it.
struct Link {
  beast::tcp_stream stream;
  beast::flat_buffer buffer{kHeaderBytes + (64 << 10)};
  Clock::time_point begin = Clock::now();

  double now_s() const { return std::chrono::duration<double>(Clock::now() - begin).count(); }
  void close() {
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream.close();
  }
};

/// \returns what went wrong, by the name that records have for it; "" for nothing
awaitable<std::string> send(const Target& target, Link& link, const Request& request, std::string& message) {
  link.stream.expires_after(std::chrono::milliseconds(static_cast<int64_t>(target.timeout_s * 1e3)));
  auto [noConnection, endpoint] = co_await link.stream.async_connect(target.endpoints, asTuple);
  if (noConnection) {
    message = noConnection.message();
    co_return noConnection == beast::error::timeout ? "timeout" : "connect";
  }
  error_code ignored;
  link.stream.socket().set_option(tcp::no_delay(true), ignored);
  auto [notSent, size] = co_await http::async_write(link.stream, request, asTuple);
  // A server that refuses early has answered although not all could be sent: reading shows it.
  if (notSent == beast::error::timeout) {
    message = notSent.message();
    co_return "timeout";
  }
  co_return "";
}

void fail(Record& record, const Link& link, error_code error) {
  record.e2e_s = link.now_s();
  record.failure = error == beast::error::timeout ? "timeout" : "broken";
  record.message = error.message();
}

/// The message of an error in OpenAI's form; else the beginning of the text.
std::string messageOf(const std::string& body) {
  if (const auto json = serve::parseJson(body); json && json->is_object() && json->contains("error")) {
    const serve::Json& error = (*json)["error"];
    if (error.is_object() && error.contains("message") && error["message"].is_string()) return error["message"].get<std::string>();
  }
  return body.substr(0, 200);
}

using Parser = http::response_parser<http::buffer_body>;

/// Gives each part of the body to `take`, with when it came. \returns why it ended early; none for the body's end
template <typename Take> awaitable<error_code> readBody(Link& link, Parser& parser, Take take) {
  std::array<char, 16384> room;
  while (!parser.is_done()) {
    parser.get().body().data = room.data();
    parser.get().body().size = room.size();
    auto [failure, size] = co_await http::async_read_some(link.stream, link.buffer, parser, asTuple);
    if (failure && failure != http::error::need_buffer) co_return failure;
    const size_t got = room.size() - parser.get().body().size;
    if (got > 0 && !take(std::string_view(room.data(), got), link.now_s())) break;
  }
  co_return error_code();
}

awaitable<void> readStream(Link& link, Parser& parser, Record& record) {
  AnswerReader reader(record);
  const error_code failure = co_await readBody(link, parser, [&](std::string_view bytes, double now_s) {
    reader.push(bytes, now_s);
    return record.failure.empty();
  });
  if (failure && record.failure.empty() && !reader.isDone()) fail(record, link, failure);
  reader.finish(link.now_s());
}

awaitable<void> readError(Link& link, Parser& parser, Record& record) {
  std::string body;
  co_await readBody(link, parser, [&](std::string_view bytes, double) {
    body.append(bytes.substr(0, kErrorBytes - body.size()));
    return body.size() < kErrorBytes;
  });
  record.e2e_s = link.now_s();
  record.failure = std::to_string(record.status);
  record.message = messageOf(body);
}

} // namespace

awaitable<Expected<PlainAnswer>> get(const Target& target, std::string path) {
  Link link{beast::tcp_stream(co_await asio::this_coro::executor)};
  const Request request = makeRequest(target, http::verb::get, path);
  std::string message;
  const std::string failure = co_await send(target, link, request, message);
  if (!failure.empty()) co_return notFound("no connection to " + target.url.authority() + ": " + message);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kHeaderBytes);
  parser.body_limit(kPlainBytes);
  auto [error, size] = co_await http::async_read(link.stream, link.buffer, parser, asTuple);
  link.close();
  if (error) co_return notFound("no answer of HTTP from " + target.url.authority() + ": " + error.message());
  co_return PlainAnswer{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

awaitable<void> askStream(const Target& target, std::string path, std::string body, Record& record) {
  Link link{beast::tcp_stream(co_await asio::this_coro::executor)};
  Request request = makeRequest(target, http::verb::post, path);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::accept, "text/event-stream");
  request.body() = std::move(body);
  request.prepare_payload();
  record.failure = co_await send(target, link, request, record.message);
  if (!record.failure.empty()) {
    record.e2e_s = link.now_s();
    co_return;
  }
  Parser parser;
  parser.header_limit(kHeaderBytes);
  parser.body_limit(boost::none);
  auto [noHead, size] = co_await http::async_read_header(link.stream, link.buffer, parser, asTuple);
  if (noHead) {
    fail(record, link, noHead);
    co_return;
  }
  record.status = static_cast<int>(parser.get().result_int());
  if (record.status == 200) co_await readStream(link, parser, record);
  else co_await readError(link, parser, record);
  link.close();
}

} // namespace jinx::loadgen

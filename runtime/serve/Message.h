// Messages of HTTP on a socket: reading a request within limits, writing an answer. Errors of the network are values.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>

#include "runtime/serve/Asio.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/Limits.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace jinx::serve {

namespace beast = boost::beast;
namespace http = beast::http;

using RequestMessage = http::request<http::string_body>;

/// A client's connection, as reading and writing need it.
struct ClientStream {
  beast::tcp_stream stream;
  beast::flat_buffer buffer;       ///< what has been read and not used
  unsigned version = 11;           ///< of HTTP, of the last request
  bool keepsAlive = true;          ///< after the present answer
  std::atomic<bool> isIdle = false; ///< waits for a request
};

std::chrono::milliseconds milliseconds(double seconds);

/// The next request. None where the connection has ended, or what came was no request: then the client has been told.
/// \param arrived_s  is set to when its first byte was there
awaitable<std::optional<RequestMessage>> readMessage(ClientStream& client, const Limits& limits, double& arrived_s);
/// \returns whether it was written
awaitable<bool> writeReply(ClientStream& client, const Limits& limits, HttpReply reply);

} // namespace jinx::serve

// Accepts connections until the process is told to end. What a connection does is its own: Connection, RouterConnection.
#pragma once

#include <functional>
#include <memory>

#include "runtime/serve/Asio.h"
#include "runtime/serve/Server.h"

namespace jinx::serve {

class NetworkClient {
 public:
  virtual ~NetworkClient() = default;
  /// Until the client or the server closes the connection. Runs on `executor`.
  virtual awaitable<void> run() = 0;
  /// Closes it where it waits for a request. Any thread.
  virtual void closeIfIdle() = 0;
  virtual asio::any_io_executor executor() = 0;
};

struct ListenerHooks {
  std::function<std::shared_ptr<NetworkClient>(tcp::socket)> accept;
  std::function<void()> beginDrain; ///< no connection may go on behind its present answer
  std::function<void()> cancelAll;  ///< what still runs is to end
  std::function<void()> ended = {}; ///< ends other threads that wake coroutines: after it nobody may
};

/// See `serve`.
Status listenUntilEnd(const ServerOptions& options, const Limits& limits, ListenerHooks hooks, const std::function<void(uint16_t)>& listening);

} // namespace jinx::serve

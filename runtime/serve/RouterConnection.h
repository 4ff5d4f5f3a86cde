// A client's connection to the router: each of its requests goes to a replica, on a connection of its own.
#pragma once

#include <atomic>

#include "runtime/serve/ClientWatch.h"
#include "runtime/serve/Listener.h"
#include "runtime/serve/Replicas.h"

namespace jinx::serve {

/// What all connections share.
struct RouterParts {
  Replicas& replicas;
  const Limits& limits;
  std::atomic<bool> isDraining = false, isCancelled = false;
};

class RouterConnection final : public NetworkClient, public std::enable_shared_from_this<RouterConnection> {
 public:
  RouterConnection(tcp::socket socket, RouterParts& parts);
  awaitable<void> run() override;
  void closeIfIdle() override;
  asio::any_io_executor executor() override { return client_.stream.get_executor(); }

 private:
  enum class Outcome { kAnswered, kUnreachable, kBroken };
  awaitable<bool> forward(RequestMessage message);
  awaitable<Outcome> forwardTo(const ReplicaAddress& address, const RequestMessage& message, const std::shared_ptr<beast::tcp_stream>& replica);
  awaitable<Outcome> relay(beast::tcp_stream& replica, bool isHead);

  ClientStream client_;
  RouterParts& parts_;
};

} // namespace jinx::serve

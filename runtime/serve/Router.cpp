#include "runtime/serve/Router.h"

#include "runtime/serve/RouterConnection.h"

namespace jinx::serve {

Status route(const ServerOptions& options, std::vector<ReplicaAddress> replicas, const Limits& limits, const std::function<void(uint16_t)>& listening) {
  if (replicas.empty()) return invalidArgument("there are no replicas, expected at least one");
  Replicas all(std::move(replicas));
  RouterParts parts{all, limits};
  ListenerHooks hooks;
  hooks.accept = [&](tcp::socket socket) { return std::make_shared<RouterConnection>(std::move(socket), parts); };
  hooks.beginDrain = [&] { parts.isDraining = true; };
  hooks.cancelAll = [&] { parts.isCancelled = true; };
  return listenUntilEnd(options, limits, std::move(hooks), listening);
}

} // namespace jinx::serve

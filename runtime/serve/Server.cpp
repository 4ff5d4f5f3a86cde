#include "runtime/serve/Server.h"

#include "runtime/serve/Connection.h"
#include "runtime/serve/Listener.h"

namespace jinx::serve {

Status serve(const ServerOptions& options, Api& api, const Served& served, Metrics& metrics, Tracer* tracer, const Limits& limits,
             const std::function<void(uint16_t)>& listening) {
  asio::thread_pool workers(static_cast<size_t>(options.workers));
  ServerParts parts{api, served, metrics, tracer, limits, workers};
  ListenerHooks hooks;
  hooks.accept = [&](tcp::socket socket) { return std::make_shared<Connection>(std::move(socket), parts); };
  hooks.beginDrain = [&] {
    parts.isDraining = true;
    api.beginDrain();
  };
  hooks.cancelAll = [&] {
    if (served.engine) served.engine->cancelAll();
    if (served.embeddings) served.embeddings->cancelAll();
  };
  hooks.ended = [&] {
    workers.join();
    if (served.engine) served.engine->end();
    if (served.embeddings) served.embeddings->end();
  };
  return listenUntilEnd(options, limits, std::move(hooks), listening);
}

} // namespace jinx::serve

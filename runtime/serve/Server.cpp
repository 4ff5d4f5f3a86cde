#include "runtime/serve/Server.h"

#include "runtime/serve/Connection.h"
#include "runtime/serve/Listener.h"

namespace jinx::serve {

Status serve(const ServerOptions& options, Api& api, EngineThread& engine, Metrics& metrics, Tracer* tracer, const Limits& limits,
             const std::function<void(uint16_t)>& listening) {
  asio::thread_pool workers(static_cast<size_t>(options.workers));
  ServerParts parts{api, engine, metrics, tracer, limits, workers};
  ListenerHooks hooks;
  hooks.accept = [&](tcp::socket socket) { return std::make_shared<Connection>(std::move(socket), parts); };
  hooks.beginDrain = [&] {
    parts.isDraining = true;
    api.beginDrain();
  };
  hooks.cancelAll = [&] { engine.cancelAll(); };
  hooks.ended = [&] {
    workers.join();
    engine.end();
  };
  return listenUntilEnd(options, limits, std::move(hooks), listening);
}

} // namespace jinx::serve

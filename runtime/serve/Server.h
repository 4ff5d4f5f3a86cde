// The server: listens, and ends without cutting off who is being answered.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/Status.h"
#include "runtime/serve/Api.h"

namespace jinx::serve {

struct ServerOptions {
  std::string address = "127.0.0.1"; ///< of an interface
  uint16_t port = 8080;              ///< 0: any that is free
  int ioThreads = 1;
  int workers = 1;                   ///< threads that read requests whole
  double drainSeconds = 30;          ///< for what runs, once it is to end
  std::function<Status()>
      failure; ///< asked some times a second: what is not OK ends the server, at once. Empty: nothing does
};

/// Serves until the process is told to end (SIGTERM, SIGINT): then no connection is accepted and no generation begun;
/// those that run may go on for `drainSeconds`, or until a second signal, and are then cancelled, which their clients
/// are told.
///
/// The threads of what is served have ended when this returns.
///
/// \param listening  called with the port once clients can connect
/// \returns kInvalidArgument for an address that is none, kResource when it cannot be listened on; what has ended it,
/// where that was no signal
Status serve(const ServerOptions& options, Api& api, const Served& served, Metrics& metrics, Tracer* tracer, const Limits& limits,
             const std::function<void(uint16_t)>& listening);

} // namespace jinx::serve

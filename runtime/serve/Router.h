// A server in front of servers of the same model: gives each request to one of them, and its answer to the client.
#pragma once

#include <functional>
#include <vector>

#include "runtime/serve/Replicas.h"
#include "runtime/serve/Server.h"

namespace jinx::serve {

/// As `serve`, with replicas in the engine's place. GET /health is the router's own; everything else is a replica's, keys included.
///
/// A request whose replica cannot be reached, or ends before the first byte of its answer, is given to the next one; after that byte an answer that breaks off is
/// the client's to see. A client that goes away ends its request at the replica.
Status route(const ServerOptions& options, std::vector<ReplicaAddress> replicas, const Limits& limits, const std::function<void(uint16_t)>& listening);

} // namespace jinx::serve

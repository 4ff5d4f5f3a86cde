// A network from a small JSON file: what a machine is known or measured to have, over one of the networks that have a name.
//
//   {
//     "like": "h100-8",                                  // what is not said is as there; "host" if nothing is said
//     "name": "rack 7",
//     "ranks_per_node": 4,
//     "inside":  {"latency_us": 3.4, "bandwidth_gb_s": 15, "channels": 24},
//     "between": {"latency_us": {"LL": 2.7, "LL128": 4, "Simple": 14}, "bandwidth_gb_s": 22.5, "channels": 2},
//     "protocols": ["LL", "Simple"],
//     "base_us": 8.4,                                    // before the first step, of every algorithm
//     "ring_plateau": 1.4,
//     "nvls": false
//   }
//
// A latency is of a step of any algorithm, for all protocols or by protocol; `bandwidth_gb_s` (10^9 bytes a second) is of one channel.
// Comments are not JSON: leave them out. A field that is not known is an error, since a misspelt one would silently mean nothing.
#pragma once

#include <string>
#include <string_view>

#include "runtime/comm/model/Network.h"

namespace jinx::comm::model {

/// kInvalidArgument with the field, what it is and what was expected.
Expected<Network> networkFromJson(std::string_view text);

/// JSON that `networkFromJson` reads as the same network, for one that differs from the network named `like` in the fields above alone: in a
/// fit's, say. kNotFound for an unknown `like`.
Expected<std::string> networkToJson(const Network& network, std::string_view like);

} // namespace jinx::comm::model

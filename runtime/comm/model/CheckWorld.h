// Is this a world at all?
#pragma once

#include "runtime/comm/model/Simulator.h"

namespace jinx::comm::model {

/// kInvalidArgument for places out of bounds, for seconds and bytes below 0, and for a rank that has a group twice.
Status checkWorld(const World& world);

} // namespace jinx::comm::model

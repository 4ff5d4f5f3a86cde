// Which process of which machine is this? What one rank says of its memory means something to another one only there.
#pragma once

#include <cstdint>

namespace jinx {

/// The same in all processes of this machine since it was started, containers included, and nowhere else.
uint64_t machineKey();
/// Of this process alone.
uint64_t processKey();

} // namespace jinx

// The in-process linker: relocatable objects to one shared object.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::cpu {

/// Links ELF objects held in memory. Deterministic; no build id, no timestamps.
Expected<std::vector<uint8_t>> linkShared(const std::vector<std::vector<uint8_t>> &objects);

}  // namespace jinx::cpu

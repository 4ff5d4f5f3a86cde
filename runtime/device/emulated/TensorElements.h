// Elements as tensor cores read them. Internal to runtime/device/emulated.
#pragma once

#include <cstdint>

#include "runtime/device/emulated/EmulatedAbi.h"

namespace jinx::emulated {

/// Integers of 8 bits, whose sums are i32.
bool isByte(JinxEmuElement e);
int bytesOf(JinxEmuElement e);
/// An element: each is exact in f32.
float decode(JinxEmuElement e, const uint8_t *from);

}  // namespace jinx::emulated

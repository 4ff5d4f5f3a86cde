// Bytes and seconds as people read them: "64 MiB", "1.9 ms".
#pragma once

#include <cstdint>
#include <string>

namespace jinx::comm::model {

/// Three digits at most, in the largest binary unit that leaves 1 or more: "31 MiB", "1.5 KiB", "12 B".
std::string bytesText(double bytes);
/// Three digits at most: "1.9 ms", "45 us", "0 s".
std::string secondsText(double seconds);
/// A number with `digits` after the point.
std::string fixedText(double value, int digits);

} // namespace jinx::comm::model

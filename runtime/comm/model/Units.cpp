#include "runtime/comm/model/Units.h"

#include <cmath>
#include <cstdio>

namespace jinx::comm::model {
namespace {

/// 1.94 -> "1.9", 19.4 -> "19", 194.2 -> "194", 2.0 -> "2".
std::string shortNumber(double value) {
  if (value >= 9.95 || std::abs(value - std::round(value)) < 0.05) return fixedText(value, 0);
  return fixedText(value, 1);
}

} // namespace

std::string fixedText(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string bytesText(double bytes) {
  const char* const kUnits[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  int unit = 0;
  while (bytes >= 1023.5 && unit < 4) {
    bytes /= 1024;
    ++unit;
  }
  return shortNumber(bytes) + kUnits[unit];
}

std::string secondsText(double seconds) {
  if (seconds == 0) return "0 s";
  if (seconds >= 0.9995) return shortNumber(seconds) + " s";
  if (seconds >= 0.9995e-3) return shortNumber(seconds * 1e3) + " ms";
  return shortNumber(seconds * 1e6) + " us";
}

} // namespace jinx::comm::model

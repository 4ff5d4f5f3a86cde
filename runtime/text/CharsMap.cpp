#include "runtime/text/CharsMap.h"

#include <bit>
#include <cstring>

namespace jinx::text {
namespace {

static_assert(std::endian::native == std::endian::little, "units are read as they lie");

bool leafFollows(uint32_t unit) { return unit >> 8 & 1; }
uint32_t valueOf(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t labelOf(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offsetOf(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

} // namespace

Expected<CharsMap> CharsMap::parse(std::string_view bytes) {
  uint32_t size = 0;
  if (bytes.size() < sizeof(size))
    return invalidArgument("the map of characters has " + std::to_string(bytes.size()) + " bytes, expected at least 4");
  std::memcpy(&size, bytes.data(), sizeof(size));
  bytes.remove_prefix(sizeof(size));
  if (size > bytes.size() || size % 4 != 0 || size == 0)
    return invalidArgument("the map of characters has a trie of " + std::to_string(size) + " bytes, expected a multiple of 4 up to " +
                           std::to_string(bytes.size()));
  CharsMap map;
  map.units_.resize(size / 4);
  std::memcpy(map.units_.data(), bytes.data(), size);
  map.replacements_ = bytes.substr(size);
  if (map.replacements_.empty() || map.replacements_.back() != '\0')
    return invalidArgument("the replacements of the map of characters do not end with a zero byte");
  return map;
}

std::optional<CharsMap::Match> CharsMap::find(std::string_view text, bool first) const {
  std::optional<Match> found;
  size_t node = offsetOf(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto label = static_cast<uint8_t>(text[i]);
    node ^= label;
    if (node >= units_.size() || labelOf(units_[node]) != label) break;
    const uint32_t unit = units_[node];
    node ^= offsetOf(unit);
    if (!leafFollows(unit)) continue;
    if (node >= units_.size() || valueOf(units_[node]) >= replacements_.size()) break; // a damaged map
    found = {i + 1, std::string_view(replacements_.c_str() + valueOf(units_[node]))};
    if (first) break;
  }
  return found;
}

} // namespace jinx::text

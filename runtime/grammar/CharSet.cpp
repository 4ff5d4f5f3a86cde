#include "runtime/grammar/CharSet.h"

#include <utf8proc.h>

#include <algorithm>

namespace jinx::grammar {
namespace {

constexpr char32_t kLast = 0x10FFFF, kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

uint32_t encodedSize(char32_t code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

/// \pre both have this size
ByteRanges encodedRange(char32_t low, char32_t high) {
  ByteRanges ranges;
  ranges.size = encodedSize(low);
  constexpr uint8_t kLead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  for (uint32_t i = 0; i < ranges.size; ++i) {
    const uint32_t shift = 6 * (ranges.size - 1 - i);
    const uint8_t mark = i == 0 ? kLead[ranges.size] : 0x80, mask = i == 0 ? 0x7F : 0x3F;
    ranges.bytes[i] = {static_cast<uint8_t>(mark | (low >> shift & mask)), static_cast<uint8_t>(mark | (high >> shift & mask))};
  }
  return ranges;
}

/// Splits where the bytes of low and high are not independent of each other.
void appendRanges(char32_t low, char32_t high, std::vector<ByteRanges>& to) {
  for (uint32_t i = 1; i < encodedSize(low); ++i) {
    const char32_t mask = (char32_t(1) << (6 * i)) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      appendRanges(low, low | mask, to);
      return appendRanges((low | mask) + 1, high, to);
    }
    if ((high & mask) != mask) {
      appendRanges(low, (high & ~mask) - 1, to);
      return appendRanges(high & ~mask, high, to);
    }
  }
  to.push_back(encodedRange(low, high));
}

} // namespace

CharSet::CharSet(std::initializer_list<Range> ranges) : ranges_(ranges) { normalize(); }

CharSet CharSet::all() { return CharSet({{0, kLast}}); }

void CharSet::normalize() {
  std::ranges::sort(ranges_);
  std::vector<Range> merged;
  const auto append = [&](char32_t low, char32_t high) {
    if (low > high) return;
    if (!merged.empty() && low <= merged.back().second + 1) merged.back().second = std::max(merged.back().second, high);
    else merged.push_back({low, high});
  };
  for (const auto& [low, high] : ranges_) {
    append(low, std::min<char32_t>(high, kFirstSurrogate - 1));
    append(std::max<char32_t>(low, kLastSurrogate + 1), std::min(high, kLast));
  }
  ranges_ = std::move(merged);
}

void CharSet::add(const Range& range) {
  ranges_.push_back(range);
  normalize();
}

void CharSet::add(const CharSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

CharSet CharSet::complement() const {
  CharSet result;
  char32_t next = 0;
  for (const auto& [low, high] : ranges_) {
    if (low > next) result.ranges_.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLast) result.ranges_.push_back({next, kLast});
  result.normalize();
  return result;
}

CharSet CharSet::intersect(const CharSet& other) const {
  CharSet result;
  for (size_t i = 0, k = 0; i < ranges_.size() && k < other.ranges_.size();) {
    const char32_t low = std::max(ranges_[i].first, other.ranges_[k].first), high = std::min(ranges_[i].second, other.ranges_[k].second);
    if (low <= high) result.ranges_.push_back({low, high});
    if (ranges_[i].second < other.ranges_[k].second) ++i;
    else ++k;
  }
  result.normalize();
  return result;
}

CharSet CharSet::without(const CharSet& other) const { return intersect(other.complement()); }

bool CharSet::contains(char32_t code) const {
  return std::ranges::any_of(ranges_, [&](const Range& range) { return range.first <= code && code <= range.second; });
}

bool CharSet::ofCategory(std::string_view name, CharSet& set) {
  if (name.empty() || name.size() > 2) return false;
  std::vector<Range> ranges;
  for (char32_t code = 0; code <= kLast; ++code) {
    const std::string_view category = utf8proc_category_string(static_cast<utf8proc_int32_t>(code));
    if (!category.starts_with(name)) continue;
    if (!ranges.empty() && ranges.back().second + 1 == code) ranges.back().second = code;
    else ranges.push_back({code, code});
  }
  if (ranges.empty()) return false;
  set = CharSet();
  set.ranges_ = std::move(ranges);
  set.normalize();
  return true;
}

std::vector<ByteRanges> utf8Ranges(const CharSet& set) {
  constexpr char32_t kLastOfSize[] = {0, 0x7F, 0x7FF, 0xFFFF, kLast};
  std::vector<ByteRanges> result;
  for (auto [low, high] : set.ranges())
    for (; low <= high;) {
      const char32_t end = std::min(high, kLastOfSize[encodedSize(low)]);
      appendRanges(low, end, result);
      low = end + 1;
    }
  return result;
}

} // namespace jinx::grammar

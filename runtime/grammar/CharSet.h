// Sets of code points, and the sequences of bytes that they are in UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace jinx::grammar {

/// Unicode scalar values: surrogates are never in it.
class CharSet {
 public:
  using Range = std::pair<char32_t, char32_t>; ///< both are in it

  CharSet() = default;
  CharSet(std::initializer_list<Range> ranges);
  static CharSet all();
  static CharSet of(char32_t code) { return CharSet({{code, code}}); }
  /// "L", "Lu", …: code points of a general category; false when there is none of that name.
  static bool ofCategory(std::string_view name, CharSet& set);

  void add(const Range& range);
  void add(const CharSet& other);
  CharSet complement() const;
  CharSet without(const CharSet& other) const;
  CharSet intersect(const CharSet& other) const;
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t code) const;
  /// Ascending, with a gap between any two.
  const std::vector<Range>& ranges() const { return ranges_; }
  bool operator==(const CharSet&) const = default;
  auto operator<=>(const CharSet&) const = default;

 private:
  void normalize();
  std::vector<Range> ranges_;
};

/// One to four ranges of bytes: all sequences with a byte of each are characters.
struct ByteRanges {
  std::array<std::pair<uint8_t, uint8_t>, 4> bytes;
  uint32_t size = 0;
};
/// The characters of the set in UTF-8; the sequences are disjoint, and ascend.
std::vector<ByteRanges> utf8Ranges(const CharSet& set);

} // namespace jinx::grammar

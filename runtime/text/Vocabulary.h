// Tokens by id and by their bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jinx::text {

using TokenId = int32_t;
inline constexpr TokenId kNoToken = -1;

/// Ids are 0 to size() - 1; those that no token was given to have no bytes. Of two tokens with the same bytes `find` knows the one that was added first.
class Vocabulary {
 public:
  explicit Vocabulary(size_t size = 0) : places_(size) {}

  /// \param id  0 to kLargest; the vocabulary grows up to it
  void add(TokenId id, std::string_view bytes);
  /// kNoToken when no token has these bytes.
  TokenId find(std::string_view bytes) const;

  size_t size() const { return places_.size(); }
  /// \param id  below size()
  std::string_view bytes(TokenId id) const {
    const Place& place = places_[static_cast<size_t>(id)];
    return std::string_view(text_).substr(place.begin, place.size);
  }
  /// Of the longest token, in bytes.
  size_t longest() const { return longest_; }

  static constexpr TokenId kLargest = (1 << 22) - 1; ///< above any vocabulary in use; a damaged file can ask for that many and no more

 private:
  struct Place {
    size_t begin = 0;
    uint32_t size = 0;
  };
  void grow();
  size_t slotOf(std::string_view bytes) const;

  std::string text_; ///< of all tokens
  std::vector<Place> places_;
  std::vector<TokenId> slots_; ///< open addressing; a power of two
  size_t used_ = 0, longest_ = 0;
};

/// The ids of <0x00> to <0xFF>; none when one of them is missing.
std::vector<TokenId> idsOfBytes(const Vocabulary& vocabulary);

} // namespace jinx::text

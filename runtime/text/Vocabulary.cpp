#include "runtime/text/Vocabulary.h"

#include <algorithm>
#include <cstdio>

#include "runtime/text/Hash.h"

namespace jinx::text {

/// The slot that holds these bytes, or the empty one where they belong.
size_t Vocabulary::slotOf(std::string_view wanted) const {
  size_t slot = hashOf(wanted) & (slots_.size() - 1);
  while (slots_[slot] != kNoToken && bytes(slots_[slot]) != wanted)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void Vocabulary::grow() {
  std::vector<TokenId> old(std::max<size_t>(64, slots_.size() * 2), kNoToken);
  std::swap(old, slots_);
  for (TokenId id : old)
    if (id != kNoToken) slots_[slotOf(bytes(id))] = id;
}

void Vocabulary::add(TokenId id, std::string_view bytes) {
  const auto index = static_cast<size_t>(id);
  if (index >= places_.size()) places_.resize(index + 1);
  if (slots_.size() < 2 * (used_ + 1)) grow();
  places_[index] = {text_.size(), static_cast<uint32_t>(bytes.size())};
  text_.append(bytes);
  longest_ = std::max(longest_, bytes.size());
  const size_t slot = slotOf(bytes);
  if (slots_[slot] != kNoToken) return;
  slots_[slot] = id;
  ++used_;
}

TokenId Vocabulary::find(std::string_view bytes) const {
  if (bytes.size() > longest_ || slots_.empty()) return kNoToken;
  return slots_[slotOf(bytes)];
}

std::vector<TokenId> idsOfBytes(const Vocabulary& vocabulary) {
  std::vector<TokenId> ids;
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", b);
    ids.push_back(vocabulary.find(name));
  }
  return std::ranges::count(ids, kNoToken) == 0 ? ids : std::vector<TokenId>();
}

} // namespace jinx::text

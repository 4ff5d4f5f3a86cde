#include "runtime/text/WordPiece.h"

#include <algorithm>

namespace jinx::text {
namespace {

bool beginsCharacter(char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }

} // namespace

void WordPiece::encode(std::string_view word, Workspace&, std::vector<TokenId>& ids) const {
  const size_t before = ids.size();
  const auto give_up = [&] {
    ids.resize(before);
    if (options_.unknown != kNoToken) ids.push_back(options_.unknown);
  };
  if (static_cast<size_t>(std::ranges::count_if(word, beginsCharacter)) > options_.longestWord) return give_up();
  std::string decorated;
  for (size_t begin = 0; begin < word.size();) {
    const std::string_view prefix = begin > 0 ? std::string_view(options_.continuingPrefix) : "";
    size_t end = std::min(word.size(), begin + vocabulary_.longest());
    TokenId id = kNoToken;
    for (decorated.assign(prefix).append(word.substr(begin, end - begin)); end > begin; --end, decorated.pop_back()) {
      if (end < word.size() && !beginsCharacter(word[end])) continue;
      id = vocabulary_.find(decorated);
      if (id != kNoToken) break;
    }
    if (id == kNoToken) return give_up();
    ids.push_back(id);
    begin = end;
  }
}

} // namespace jinx::text

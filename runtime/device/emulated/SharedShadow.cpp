#include "runtime/device/emulated/SharedShadow.h"

#include <algorithm>
#include <array>
#include <set>

namespace jinx::emulated {

void SharedShadow::reset(unsigned windowBytes, unsigned threads, bool countConflicts) {
  words_.assign(windowBytes / 4 + 1, {});
  counting_ = countConflicts;
  repetitions_.assign(countConflicts ? threads : 0, {});
  open_.assign(countConflicts ? (threads + 31) / 32 : 0, {});
  counts_.clear();
}

void SharedShadow::generic(unsigned address, unsigned bytes, unsigned thread, uint32_t epoch, int line) {
  for (unsigned w = address / 4; w <= (address + bytes - 1) / 4; ++w)
    words_[w] = {static_cast<uint16_t>(thread + 1), epoch, line};
}

void SharedShadow::asynchronous(unsigned address, unsigned bytes) {
  for (unsigned w = address / 4; w <= (address + bytes - 1) / 4; ++w) words_[w] = {};
}

void SharedShadow::access(unsigned thread, unsigned address, unsigned bytes, int line) {
  if (!counting_) return;
  uint32_t repetition = repetitions_[thread][line]++;
  auto &open = open_[thread / 32];
  auto it = open.try_emplace({line, repetition}).first;
  it->second.bytes = bytes;
  it->second.lanes.push_back({thread % 32, address});
  if (it->second.lanes.size() < 32) return;
  settle(line, it->second);
  open.erase(it);
}

// 32 banks of 4 bytes. Lanes are served in groups whose widths add up to 128 bytes; within a group, each further distinct word of the
// same bank costs another wavefront. Lanes that read the same word share it. Lanes are neighbours by number, whenever they ran.
void SharedShadow::settle(int line, Together &together) {
  BankConflicts &count = counts_[line];
  ++count.accesses;
  unsigned lanesAtOnce = std::min(32u, 128u / std::max(4u, together.bytes));
  std::sort(together.lanes.begin(), together.lanes.end());
  for (size_t first = 0; first < together.lanes.size();) {
    std::array<std::set<unsigned>, 32> words;
    unsigned group = together.lanes[first].first / lanesAtOnce;
    for (; first < together.lanes.size() && together.lanes[first].first / lanesAtOnce == group; ++first) {
      unsigned address = together.lanes[first].second;
      for (unsigned w = address / 4; w <= (address + together.bytes - 1) / 4; ++w) words[w % 32].insert(w);
    }
    size_t worst = 1;
    for (const auto &bank : words) worst = std::max(worst, bank.size());
    count.wavefronts += worst;
    ++count.ideal;
  }
}

void SharedShadow::collect(std::map<int, BankConflicts> &report) {
  for (auto &open : open_)
    for (auto &[key, together] : open) settle(key.first, together);
  open_.clear();
  for (auto &[line, count] : counts_) {
    report[line].accesses += count.accesses;
    report[line].wavefronts += count.wavefronts;
    report[line].ideal += count.ideal;
  }
  counts_.clear();
}

}  // namespace jinx::emulated

#include "runtime/device/emulated/SharedShadow.h"

#include <algorithm>
#include <array>
#include <set>

namespace jinx::emulated {

void SharedShadow::reset(unsigned windowBytes, unsigned threads, bool countConflicts) {
  words_.assign(windowBytes / granule_ + 1, {});
  readers_.clear();
  counting_ = countConflicts;
  repetitions_.assign(countConflicts ? threads : 0, {});
  open_.assign(countConflicts ? (threads + 31) / 32 : 0, {});
  counts_.clear();
}

// ---- order --------------------------------------------------------------------------------------------------------------------

void SharedShadow::Readers::add(const Event &event) {
  constexpr size_t kFew = 16;
  if (many.empty()) {
    for (Event &known : few)
      if (known.actor == event.actor) {
        known = event;
        return;
      }
    if (few.size() < kFew) {
      few.push_back(event);
      return;
    }
  }
  if (many.size() <= event.actor) many.resize(event.actor + 32);
  many[event.actor] = event;
}

void SharedShadow::splitFor(const Access &access) {
  if (granule_ == 1 || (access.address % 4 == 0 && access.bytes % 4 == 0)) return;
  granule_ = 1;
  std::vector<Word> split;
  split.reserve(words_.size() * 4);
  for (const Word &word : words_)
    for (int i = 0; i < 4; ++i) {
      split.push_back(word);
      if (word.more < 0 || i == 0) continue;
      readers_.push_back(readers_[static_cast<size_t>(word.more)]);
      split.back().more = static_cast<int32_t>(readers_.size() - 1);
    }
  words_ = std::move(split);
}

void SharedShadow::forgetReaders(Word &word) {
  word.reader = {};
  if (word.more >= 0) readers_[static_cast<size_t>(word.more)] = {};
}

std::optional<Hazard> SharedShadow::read(const Access &access, const Knowledge &who) {
  splitFor(access);
  for (unsigned a = access.address; a < access.address + access.bytes; a += granule_) {
    Word &word = words_[a / granule_];
    if (word.state != State::kWritten) {
      const auto kind = word.state == State::kNeverWritten ? Hazard::kNeverWritten
                        : word.state == State::kReleased   ? Hazard::kReleased
                                                           : Hazard::kCopyInFlight;
      return Hazard{kind, a, word.writer};
    }
    if (who.seenOf(word.writer.actor) < word.writer.when) return Hazard{Hazard::kUnseenWrite, a, word.writer};
    if (access.proxy == Proxy::kAsync && word.proxy == Proxy::kGeneric && who.fencedOf(word.writer.actor) < word.writer.when)
      return Hazard{Hazard::kUnfenced, a, word.writer};
    if (word.reader.when == 0 || word.reader.actor == access.event.actor) {
      word.reader = access.event;
      continue;
    }
    if (word.more < 0) {
      if (who.seenOf(word.reader.actor) >= word.reader.when) {
        word.reader = access.event;
        continue;
      }
      word.more = static_cast<int32_t>(readers_.size());
      readers_.push_back({});
    }
    readers_[static_cast<size_t>(word.more)].add(access.event);
  }
  return std::nullopt;
}

std::optional<Hazard> SharedShadow::checkWritable(const Word &word, unsigned address, const Access &access, const Knowledge &who) const {
  if (word.state == State::kCopyInFlight) return Hazard{Hazard::kCopyInFlight, address, word.writer};
  if (word.state == State::kWritten) {
    if (who.seenOf(word.writer.actor) < word.writer.when) return Hazard{Hazard::kUnseenWrite, address, word.writer};
    if (access.proxy == Proxy::kAsync && word.proxy == Proxy::kGeneric && who.fencedOf(word.writer.actor) < word.writer.when)
      return Hazard{Hazard::kUnfenced, address, word.writer};
  }
  if (who.seenOf(word.reader.actor) < word.reader.when) return Hazard{Hazard::kUnseenRead, address, word.reader};
  if (word.more < 0) return std::nullopt;
  const Readers &readers = readers_[static_cast<size_t>(word.more)];
  for (const auto *list : {&readers.few, &readers.many})
    for (const Event &reader : *list)
      if (reader.when && who.seenOf(reader.actor) < reader.when) return Hazard{Hazard::kUnseenRead, address, reader};
  return std::nullopt;
}

std::optional<Hazard> SharedShadow::write(const Access &access, const Knowledge &who) {
  splitFor(access);
  for (unsigned a = access.address; a < access.address + access.bytes; a += granule_) {
    Word &word = words_[a / granule_];
    if (auto hazard = checkWritable(word, a, access, who)) return hazard;
    word.writer = access.event;
    word.state = State::kWritten;
    word.proxy = access.proxy;
    forgetReaders(word);
  }
  return std::nullopt;
}

std::optional<Hazard> SharedShadow::startCopy(const Access &access, const Knowledge &who) {
  if (auto hazard = write(access, who)) return hazard;
  for (unsigned a = access.address; a < access.address + access.bytes; a += granule_) words_[a / granule_].state = State::kCopyInFlight;
  return std::nullopt;
}

void SharedShadow::copyArrived(unsigned address, unsigned bytes, Event event) {
  for (unsigned a = address; a < address + bytes; a += granule_) {
    Word &word = words_[a / granule_];
    word.writer = event;
    word.state = State::kWritten;
  }
}

void SharedShadow::release(unsigned address, unsigned bytes, int line) {
  for (unsigned a = address; a < address + bytes; a += granule_) {
    Word &word = words_[a / granule_];
    if (word.state == State::kNeverWritten) continue;
    word.state = State::kReleased;
    word.writer.line = line;
  }
}

// ---- banks --------------------------------------------------------------------------------------------------------------------

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

// How ranks compare schedules: hashes first, 24 bytes an order and rank; texts of one order, the first that differs, when they do.
#include <algorithm>
#include <cstring>
#include <map>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Schedule.h"

namespace jinx::comm {
namespace {

/// What ranks tell each other of an order.
struct Row {
  uint64_t key = 0, hash = 0;
  int64_t numRanks = 0; // 0: no row
};

/// One order as all ranks have it.
struct Kept {
  std::vector<int> ranks;
  uint64_t hash = 0;
  int64_t numRanks = 0;
  bool differs = false;
};

/// `bytes` of every rank, padded to the longest. Each rank gets the same.
Expected<std::vector<std::string>> gather(Communicator& comm, const std::string& bytes, std::string_view what) {
  const auto n = static_cast<size_t>(comm.size());
  int64_t length = static_cast<int64_t>(bytes.size());
  std::vector<int64_t> lengths(n);
  JINX_TRY(comm.run({.op = Op::kAllGather, .dtype = DType::kI64, .count = 1, .name = what}, &length, lengths.data()));
  const int64_t longest = *std::ranges::max_element(lengths);
  std::string padded = bytes, all(n * static_cast<size_t>(longest), '\0');
  padded.resize(static_cast<size_t>(longest));
  JINX_TRY(comm.run({.op = Op::kAllGather, .dtype = DType::kU8, .count = longest, .name = what}, padded.data(), all.data()));
  std::vector<std::string> parts;
  for (size_t rank = 0; rank < n; ++rank)
    parts.push_back(all.substr(rank * static_cast<size_t>(longest), static_cast<size_t>(lengths[rank])));
  return parts;
}

uint64_t hashOf(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

/// The first order, by the lowest rank that has it, which not all of its ranks have alike; 0 when there is none.
uint64_t firstDifferent(const std::vector<std::string>& parts) {
  std::map<uint64_t, Kept> orders;
  std::vector<uint64_t> inOrder;
  for (size_t rank = 0; rank < parts.size(); ++rank)
    for (size_t at = 0; at < parts[rank].size(); at += sizeof(Row)) {
      Row row;
      std::memcpy(&row, parts[rank].data() + at, sizeof row);
      Kept& kept = orders[row.key];
      if (kept.ranks.empty()) kept.hash = row.hash, kept.numRanks = row.numRanks, inOrder.push_back(row.key);
      kept.differs |= kept.hash != row.hash || kept.numRanks != row.numRanks;
      kept.ranks.push_back(static_cast<int>(rank));
    }
  for (uint64_t key : inOrder)
    if (const Kept& kept = orders[key]; kept.differs || static_cast<int64_t>(kept.ranks.size()) != kept.numRanks) return key;
  return 0;
}

/// An order of one rank, as lines: its key, then its calls with their sequence numbers.
std::string linesOf(const std::vector<Order>& orders, uint64_t key) {
  for (const Order& order : orders) {
    if (hashOf(order.key) != key) continue;
    std::string lines = order.key;
    for (size_t i = 0; i < order.texts.size(); ++i)
      lines += "\n#" + std::to_string(order.sequences[i]) + ' ' + order.texts[i];
    return lines;
  }
  return "";
}

std::vector<std::string> split(const std::string& lines) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    parts.push_back(lines.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string withoutNumber(const std::string& line) { return line.substr(line.find(' ')); }

/// The ranks that an order's key names; of sends, its two ends.
std::vector<int> ranksOf(const std::string& key) {
  std::vector<int> ranks;
  const size_t list = key.find("ranks ") + 6;
  for (size_t at = list; at < key.size(); at = std::min(key.find(", ", at), key.size() - 2) + 2)
    ranks.push_back(std::atoi(key.c_str() + at));
  if (!key.starts_with("from place ")) return ranks;
  const int from = std::atoi(key.c_str() + 11), to = std::atoi(key.c_str() + key.find("to place ") + 9);
  return {ranks[static_cast<size_t>(from)], ranks[static_cast<size_t>(to)]};
}

/// In what two ranks' lines differ; empty when they do not.
std::string compare(int a, const std::vector<std::string>& ofA, int b, const std::vector<std::string>& ofB) {
  for (size_t i = 1; i < std::max(ofA.size(), ofB.size()); ++i) {
    const bool hasA = i < ofA.size(), hasB = i < ofB.size();
    if (hasA && hasB && withoutNumber(ofA[i]) == withoutNumber(ofB[i])) continue;
    const std::string which = "call " + std::to_string(i - 1) + " of " + (hasA ? ofA[0] : ofB[0]);
    if (hasA && hasB) return which + " is " + ofA[i] + " at rank " + std::to_string(a) + " and " + ofB[i] + " at rank " + std::to_string(b);
    return which + " is " + (hasA ? ofA[i] : ofB[i]) + " at rank " + std::to_string(hasA ? a : b) + ", and rank " + std::to_string(hasA ? b : a) +
           " has no more than " + std::to_string(i - 1);
  }
  return "";
}

} // namespace

Status agree(Communicator& comm, const Schedule& schedule) {
  if (!comm.movesData()) return Status::ok();
  Status valid = checkSchedule(schedule, comm.size());
  if (schedule.rank != comm.rank())
    valid = invalidArgument("rank " + std::to_string(comm.rank()) + " has the schedule of rank " + std::to_string(schedule.rank));
  if (!valid.isOk()) {
    comm.abort(valid); // others would wait for this one
    return valid;
  }
  const std::vector<Order> orders = ordersOf(schedule);
  std::string rows;
  for (const Order& order : orders) {
    const Row row{hashOf(order.key), order.hash, order.numRanks};
    rows.append(reinterpret_cast<const char*>(&row), sizeof row);
  }
  JINX_TRY_ASSIGN(auto allRows, gather(comm, rows, "the hashes of schedules"));
  const uint64_t key = firstDifferent(allRows);
  if (key == 0) return Status::ok();

  JINX_TRY_ASSIGN(auto texts, gather(comm, linesOf(orders, key), "the texts of schedules"));
  const auto known = std::ranges::find_if(texts, [](const std::string& text) { return !text.empty(); });
  const std::vector<int> ranks = ranksOf(split(*known)[0]);
  std::string what = split(*known)[0] + " does not have all of its ranks";
  for (int rank : ranks) {
    const std::string differs = compare(ranks[0], split(texts[static_cast<size_t>(ranks[0])]), rank, split(texts[static_cast<size_t>(rank)]));
    if (!differs.empty()) {
      what = differs;
      break;
    }
  }
  return invalidArgument("ranks have different schedules: " + what + "; give all ranks plans of one compilation");
}

} // namespace jinx::comm

#include "runtime/comm/Calls.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>

#include "runtime/comm/Reduce.h"

namespace jinx::comm {
namespace {

bool reduces(Op op) { return op == Op::kAllReduce || op == Op::kReduceScatter; }
bool hasRoot(Op op) { return op == Op::kBroadcast || op == Op::kSend || op == Op::kRecv; }
bool hasParts(Op op) {
  return op == Op::kAllGather || op == Op::kReduceScatter || op == Op::kAllToAll || op == Op::kAllToAllV;
}
int64_t sumOf(std::span<const int64_t> counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

Status refuse(const Call& call, const std::string& why) { return invalidArgument(identify(call) + ": " + why); }

/// Elements of a packed type that lie in one byte; 1 for other types.
int64_t elementsOfByte(DType dtype) { return bitWidth(dtype) < 8 ? 8 / bitWidth(dtype) : 1; }

/// Whether n parts of `count` elements are bytes that can be counted.
bool countable(int64_t count, int n, DType dtype) {
  const int64_t most = std::numeric_limits<int64_t>::max() / std::max(n, 1) / std::max(bitWidth(dtype), 8);
  return count >= 0 && count <= most;
}

Status checkCounts(const Call& call, int n, int place) {
  if (call.op != Op::kAllToAllV) {
    if (!countable(call.count, n, call.dtype))
      return refuse(call, "got a count of " + std::to_string(call.count) + ", expected 0 to what memory can hold");
    if (hasParts(call.op) && n > 1 && call.count % elementsOfByte(call.dtype))
      return refuse(call, "parts of " + std::to_string(call.count) +
                              " packed elements do not end with a byte; pad the count to a multiple of " +
                              std::to_string(elementsOfByte(call.dtype)));
    return Status::ok();
  }
  for (auto [counts, what] : {std::pair{call.sends, "sends"}, std::pair{call.receives, "receives"}}) {
    if (static_cast<int>(counts.size()) != n)
      return refuse(call, "got " + std::to_string(counts.size()) + " counts of " + what + ", expected " +
                              std::to_string(n) + ", one for each member");
    for (int64_t count : counts) {
      if (!countable(count, n, call.dtype))
        return refuse(call, "got a count of " + std::to_string(count) + " in " + what + ", expected 0 or more");
      if (count % elementsOfByte(call.dtype))
        return refuse(call, "a part of " + std::to_string(count) + " packed elements in " + what +
                                " does not end with a byte; pad it");
    }
  }
  const auto own = static_cast<size_t>(place);
  if (call.sends[own] != call.receives[own])
    return refuse(call, "sends itself " + std::to_string(call.sends[own]) + " elements and receives " +
                            std::to_string(call.receives[own]) + " of itself; both are one part");
  return Status::ok();
}

Status checkPlaces(const Call& call, int n, int place) {
  if (hasRoot(call.op) && (call.root < 0 || call.root >= n))
    return refuse(call, "got root " + std::to_string(call.root) + ", expected 0 to " + std::to_string(n - 1) +
                            ": a member's place in the group, not its rank");
  if ((call.op == Op::kSend || call.op == Op::kRecv) && call.root == place)
    return refuse(call, "the other end is this rank itself; copy instead");
  if (call.op != Op::kPermute) return Status::ok();
  if (static_cast<int>(call.sources.size()) != n)
    return refuse(call, "got " + std::to_string(call.sources.size()) + " sources, expected " + std::to_string(n) +
                            ", one for each member");
  for (int source : call.sources)
    if (source < -1 || source >= n)
      return refuse(call, "got source " + std::to_string(source) + ", expected 0 to " + std::to_string(n - 1) +
                              ", or -1 for zeros");
  return Status::ok();
}

Status checkMemory(const Call& call, int place, int n, const void* in, const void* out) {
  const Sizes sizes = sizesOf(call, place, n);
  const int64_t inBytes = packedBytes(call.dtype, sizes.in), outBytes = packedBytes(call.dtype, sizes.out);
  if (inBytes > 0 && !in)
    return refuse(call, "has no memory to read from; expected " + std::to_string(inBytes) + " bytes");
  if (outBytes > 0 && !out)
    return refuse(call, "has no memory to write to; expected " + std::to_string(outBytes) + " bytes");
  const auto a = reinterpret_cast<uintptr_t>(in), b = reinterpret_cast<uintptr_t>(out);
  const bool overlap = inBytes > 0 && outBytes > 0 && a < b + static_cast<uintptr_t>(outBytes) &&
                       b < a + static_cast<uintptr_t>(inBytes);
  const bool mayBeOne = call.op == Op::kAllReduce || call.op == Op::kBroadcast;
  if (overlap && !(mayBeOne && in == out))
    return refuse(call,
                  std::string("in and out overlap; give them memory of their own") + (mayBeOne ? ", or the same" : ""));
  return Status::ok();
}

} // namespace

Part partOf(int64_t count, int n, int place, DType dtype) {
  const int64_t unit = elementsOfByte(dtype), units = (count + unit - 1) / unit;
  const int64_t each = units / n, more = units % n;
  const int64_t first = std::min(count, unit * (each * place + std::min<int64_t>(place, more)));
  const int64_t last = std::min(count, unit * (each * (place + 1) + std::min<int64_t>(place + 1, more)));
  return {first, last - first};
}

Sizes sizesOf(const Call& call, int place, int n) {
  switch (call.op) {
  case Op::kAllReduce:
    return {call.count, call.count};
  case Op::kAllGather:
    return {call.count, n * call.count};
  case Op::kReduceScatter:
    return {n * call.count, call.count};
  case Op::kAllToAll:
    return {n * call.count, n * call.count};
  case Op::kAllToAllV:
    return {sumOf(call.sends), sumOf(call.receives)};
  case Op::kBroadcast:
    return {place == call.root ? call.count : 0, call.count};
  case Op::kPermute:
    return {call.count, call.count};
  case Op::kSend:
    return {call.count, 0};
  case Op::kRecv:
    return {0, call.count};
  }
  return {};
}

std::string describe(const Call& call) {
  std::string text(nameOf(call.op));
  if (reduces(call.op)) (text += ' ') += nameOf(call.reduction);
  const int64_t count = call.op == Op::kAllToAllV && !call.sends.empty() ? sumOf(call.sends) : call.count;
  return text + ' ' + std::string(name(call.dtype)) + '[' + std::to_string(count) + ']';
}

std::string identify(int64_t sequence, std::string_view what, std::string_view name) {
  std::string text = '#' + std::to_string(sequence) + ' ' + std::string(what);
  if (!name.empty()) (text += " of ") += name;
  return text;
}

std::string identify(const Call& call) { return identify(call.sequence, describe(call), call.name); }

std::string ranksText(std::span<const int> ranks) {
  if (ranks.size() == 1) return "rank " + std::to_string(ranks[0]);
  bool row = ranks.size() > 4;
  for (size_t i = 1; i < ranks.size(); ++i)
    row &= ranks[i] == ranks[i - 1] + 1;
  if (row) return "ranks " + std::to_string(ranks.front()) + " to " + std::to_string(ranks.back());
  std::string text = "ranks ";
  const size_t shown = std::min<size_t>(ranks.size(), 16);
  for (size_t i = 0; i < shown; ++i)
    text += (i ? ", " : "") + std::to_string(ranks[i]);
  return shown < ranks.size() ? text + ", … (" + std::to_string(ranks.size()) + ")" : text;
}

std::string secondsText(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", seconds);
  return text;
}

Status checkCall(const Call& call, int place, int n, const void* in, const void* out) {
  if (bitWidth(call.dtype) == 0)
    return refuse(call,
                  "elements of type " + std::string(name(call.dtype)) + " have no fixed size; only numbers are sent");
  if (reduces(call.op)) JINX_TRY(checkReduction(call.reduction, call.dtype), identify(call));
  JINX_TRY(checkCounts(call, n, place));
  JINX_TRY(checkPlaces(call, n, place));
  return checkMemory(call, place, n, in, out);
}

std::string difference(const Call& a, int placeOfA, const Call& b, int placeOfB) {
  auto pair = [](const auto& what, const auto& x, const auto& y) {
    return std::string(what) + ' ' + std::string(x) + " and " + std::string(y);
  };
  auto numbers = [&](const char* what, int64_t x, int64_t y) {
    return pair(what, std::to_string(x), std::to_string(y));
  };
  if (a.op != b.op) return pair("operation", nameOf(a.op), nameOf(b.op));
  if (a.dtype != b.dtype) return pair("type", name(a.dtype), name(b.dtype));
  if (reduces(a.op) && a.reduction != b.reduction) return pair("reduction", nameOf(a.reduction), nameOf(b.reduction));
  if (hasRoot(a.op) && a.root != b.root) return numbers("root", a.root, b.root);
  if (a.op == Op::kPermute && !std::ranges::equal(a.sources, b.sources)) {
    size_t at = 0;
    while (a.sources[at] == b.sources[at])
      ++at;
    return numbers(("source of place " + std::to_string(at) + " is").c_str(), a.sources[at], b.sources[at]);
  }
  if (a.op == Op::kAllToAllV) {
    const int64_t there = a.sends[static_cast<size_t>(placeOfB)], here = b.receives[static_cast<size_t>(placeOfA)];
    const int64_t back = b.sends[static_cast<size_t>(placeOfA)], got = a.receives[static_cast<size_t>(placeOfB)];
    if (there != here) return numbers("the first sends the second, and the second receives,", there, here);
    if (back != got) return numbers("the second sends the first, and the first receives,", back, got);
    return "";
  }
  return a.count != b.count ? numbers("count", a.count, b.count) : "";
}

Traffic trafficOf(const Call& call, int place, int n) {
  auto bytes = [&](int64_t elements) { return packedBytes(call.dtype, elements); };
  const int64_t whole = bytes(call.count), others = (n - 1) * whole;
  switch (call.op) {
  case Op::kAllReduce: {
    if (n == 1) return {0, 0, 1};
    const int64_t part = bytes(partOf(call.count, n, place, call.dtype).count), moved = (n - 1) * part + whole - part;
    return {moved, moved, 1};
  }
  case Op::kAllGather:
  case Op::kReduceScatter:
  case Op::kAllToAll:
    return {others, others, 1};
  case Op::kAllToAllV: {
    const int64_t own = call.sends[static_cast<size_t>(place)];
    return {bytes(sumOf(call.sends) - own), bytes(sumOf(call.receives) - own), 1};
  }
  case Op::kBroadcast:
    return place == call.root ? Traffic{others, 0, 1} : Traffic{0, whole, 1};
  case Op::kPermute: {
    Traffic moved{0, 0, 1};
    for (int i = 0; i < n; ++i)
      if (call.sources[static_cast<size_t>(i)] == place && i != place) moved.sentBytes += whole;
    const int source = call.sources[static_cast<size_t>(place)];
    if (source >= 0 && source != place) moved.receivedBytes = whole;
    return moved;
  }
  case Op::kSend:
    return {whole, 0, 1};
  case Op::kRecv:
    return {0, whole, 1};
  }
  return {};
}

} // namespace jinx::comm

#include "runtime/comm/Exchange.h"

#include <cstring>

#include "runtime/comm/Reduce.h"

namespace jinx::comm {

std::optional<std::string> Exchange::come(int place, const Call& call, const void* in, void* out) {
  for (int other = 0; other < size(); ++other) {
    if (!came(other)) continue;
    const bool ends = call.op == Op::kSend || call.op == Op::kRecv; // they differ in op and root, and fit
    Call here = call, there = this->call(other);
    if (ends) here.op = there.op = Op::kSend, here.root = there.root = 0;
    const std::string what = difference(there, other, here, place);
    if (!what.empty())
      return "calls differ, " + what + ": rank " + std::to_string(ranks_[static_cast<size_t>(other)]) + " makes " + identify(this->call(other)) + ", rank " +
             std::to_string(ranks_[static_cast<size_t>(place)]) + " makes " + identify(call) + ", as call " + std::to_string(number_) + " of " +
             ranksText(ranks_) + "; all members make the same calls in the same order";
    if (call.op != Op::kAllToAllV) break; // what fits one fits all
  }
  members_[static_cast<size_t>(place)] = {true, false, call, static_cast<const std::byte*>(in), static_cast<std::byte*>(out)};
  ++numCame_;
  return std::nullopt;
}

int Exchange::phases() const { return members_[0].call.op == Op::kAllReduce ? 2 : 1; }

int Exchange::take(int place) {
  if (!complete() || finished() || numTaken_ == size()) return -1;
  int taken = place;
  while (members_[static_cast<size_t>(taken)].taken)
    taken = (taken + 1) % size();
  members_[static_cast<size_t>(taken)].taken = true;
  ++numTaken_;
  ++active_;
  return taken;
}

bool Exchange::done() {
  --active_;
  if (++numDone_ < size()) return false;
  ++phase_;
  numTaken_ = numDone_ = 0;
  for (Member& member : members_)
    member.taken = false;
  return true;
}

void Exchange::work(int place, const std::function<void(int, int, int64_t)>& moved) const {
  const Call& call = this->call(place);
  const int64_t bytes = packedBytes(call.dtype, call.count);
  switch (call.op) {
  case Op::kAllReduce:
    return phase_ == 0 ? sum(place, moved) : gather(place, moved);
  case Op::kReduceScatter:
    return sum(place, moved);
  case Op::kAllGather:
    return gather(place, moved);
  case Op::kAllToAll:
    for (int from = 0; from < size(); ++from)
      copyFrom(from, place * bytes, place, from * bytes, bytes, moved);
    return;
  case Op::kAllToAllV:
    return gatherDifferent(place, moved);
  case Op::kBroadcast:
    return copyFrom(call.root, 0, place, 0, bytes, moved);
  case Op::kPermute:
    if (const int source = call.sources[static_cast<size_t>(place)]; source >= 0) return copyFrom(source, 0, place, 0, bytes, moved);
    if (bytes > 0) std::memset(members_[static_cast<size_t>(place)].out, 0, static_cast<size_t>(bytes));
    return;
  case Op::kSend:
    return; // the receiver takes it
  case Op::kRecv:
    return copyFrom(0, 0, place, 0, bytes, moved);
  }
}

/// The member's part of all members' `in`, in the order of the group.
void Exchange::sum(int place, const std::function<void(int, int, int64_t)>& moved) const {
  const Call& call = this->call(place);
  const bool whole = call.op == Op::kAllReduce;
  const Part part = whole ? partOf(call.count, size(), place, call.dtype) : Part{place * call.count, call.count};
  const int64_t at = packedBytes(call.dtype, part.first), bytes = packedBytes(call.dtype, part.count);
  if (bytes == 0) return;
  std::vector<const void*> inputs;
  for (int from = 0; from < size(); ++from) {
    inputs.push_back(members_[static_cast<size_t>(from)].in + at);
    if (from != place) moved(from, place, bytes);
  }
  reduce(call.reduction, call.dtype, inputs, members_[static_cast<size_t>(place)].out + (whole ? at : 0), part.count);
}

/// all_gather: every member's `in` to its place. Of an all_reduce: the parts that the others have summed.
void Exchange::gather(int place, const std::function<void(int, int, int64_t)>& moved) const {
  const Call& call = this->call(place);
  for (int from = 0; from < size(); ++from) {
    if (call.op == Op::kAllGather) {
      const int64_t bytes = packedBytes(call.dtype, call.count);
      copyFrom(from, 0, place, from * bytes, bytes, moved);
      continue;
    }
    const Part part = partOf(call.count, size(), from, call.dtype);
    const int64_t at = packedBytes(call.dtype, part.first), bytes = packedBytes(call.dtype, part.count);
    if (from == place || bytes == 0) continue;
    std::memcpy(members_[static_cast<size_t>(place)].out + at, members_[static_cast<size_t>(from)].out + at, static_cast<size_t>(bytes));
    moved(from, place, bytes);
  }
}

void Exchange::gatherDifferent(int place, const std::function<void(int, int, int64_t)>& moved) const {
  int64_t to = 0;
  for (int from = 0; from < size(); ++from) {
    const Call& sender = call(from);
    int64_t at = 0;
    for (int before = 0; before < place; ++before)
      at += packedBytes(sender.dtype, sender.sends[static_cast<size_t>(before)]);
    const int64_t bytes = packedBytes(sender.dtype, sender.sends[static_cast<size_t>(place)]);
    copyFrom(from, at, place, to, bytes, moved);
    to += bytes;
  }
}

/// `bytes` of the source's `in` to the member's `out`; nothing where they are the same memory.
void Exchange::copyFrom(int source, int64_t at, int place, int64_t to, int64_t bytes, const std::function<void(int, int, int64_t)>& moved) const {
  if (bytes == 0) return;
  const std::byte* from = members_[static_cast<size_t>(source)].in + at;
  std::byte* out = members_[static_cast<size_t>(place)].out + to;
  if (from != out) std::memcpy(out, from, static_cast<size_t>(bytes));
  if (source != place) moved(source, place, bytes);
}

} // namespace jinx::comm

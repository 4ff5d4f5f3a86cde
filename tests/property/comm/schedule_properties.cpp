// Random schedules over random groups: they agree, run to their ends and give what they should; with one change on one rank, somebody says so.
#include <algorithm>
#include <thread>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Reduce.h"
#include "runtime/comm/Schedule.h"
#include "tests/property/Property.h"
#include "tests/unit/comm/Cases.h"
#include "tests/unit/comm/Ranks.h"

namespace jinx::comm::test {
namespace {

using jinx::test::checkProperty;

/// A group of random ranks in random order.
std::vector<int> randomGroup(int size, int least) {
  std::vector<int> ranks;
  for (int64_t rank : *jinx::test::permutations(size))
    ranks.push_back(static_cast<int>(rank));
  ranks.resize(static_cast<size_t>(*rc::gen::inRange(least, size + 1)));
  return ranks;
}

ScheduledCall randomCall(int size, int least, int number) {
  ScheduledCall call{.ranks = randomGroup(size, least), .name = "/" + std::to_string(number)};
  const int n = static_cast<int>(call.ranks.size());
  call.op = *rc::gen::element(Op::kAllReduce, Op::kAllReduce, Op::kAllGather, Op::kReduceScatter, Op::kAllToAll, Op::kBroadcast, Op::kPermute, Op::kSend);
  if (call.op == Op::kSend && n == 1) call.op = Op::kAllReduce;
  call.dtype = *rc::gen::element(DType::kF32, DType::kF64, DType::kBF16, DType::kF16, DType::kI8, DType::kU16, DType::kI32, DType::kU64, DType::kBool);
  call.reduction = *rc::gen::element(Reduction::kSum, Reduction::kProd, Reduction::kMax, Reduction::kMin);
  if (!checkReduction(call.reduction, call.dtype).isOk()) call.reduction = Reduction::kMax;
  call.count = *rc::gen::inRange(0, 20);
  call.root = *rc::gen::inRange(0, n);
  for (int i = 0; call.op == Op::kPermute && i < n; ++i)
    call.sources.push_back((i + 1) % n);
  return call;
}

/// One list of calls, of which each rank has those that it takes part in: so there is no cycle. Calls may overlap.
std::vector<Schedule> randomSchedules(int size, int least) {
  std::vector<Schedule> schedules(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank)
    schedules[static_cast<size_t>(rank)].rank = rank;
  const int calls = *rc::gen::inRange(1, 16);
  for (int number = 0; number < calls; ++number) {
    ScheduledCall call = randomCall(size, least, number);
    const bool sends = call.op == Op::kSend;
    const int from = (call.root + 1) % static_cast<int>(call.ranks.size()), to = call.root;
    for (size_t place = 0; place < call.ranks.size(); ++place) {
      ScheduledCall own = call;
      own.overlap = *rc::gen::inRange(0, 4);
      if (sends && static_cast<int>(place) != from && static_cast<int>(place) != to) continue;
      if (sends && static_cast<int>(place) == to) own.op = Op::kRecv, own.root = from;
      schedules[static_cast<size_t>(call.ranks[place])].calls.push_back(own);
    }
  }
  return schedules;
}

/// What the member at `place` must have in the end, from all members' inputs.
std::vector<std::byte> outputOf(const ScheduledCall& call, int place, const std::vector<std::vector<std::byte>>& inputs) {
  const int64_t bytes = packedBytes(call.dtype, call.count), n = static_cast<int64_t>(inputs.size());
  std::vector<std::byte> out;
  auto append = [&](const std::vector<std::byte>& from, int64_t at) { out.insert(out.end(), from.begin() + at, from.begin() + at + bytes); };
  switch (call.op) {
  case Op::kAllReduce:
    return reduced(call.reduction, call.dtype, inputs, call.count);
  case Op::kReduceScatter:
    append(reduced(call.reduction, call.dtype, inputs, n * call.count), place * bytes);
    return out;
  case Op::kAllGather:
  case Op::kAllToAll:
    for (const auto& input : inputs)
      append(input, call.op == Op::kAllToAll ? place * bytes : 0);
    return out;
  case Op::kPermute:
    append(inputs[static_cast<size_t>(call.sources[static_cast<size_t>(place)])], 0);
    return out;
  case Op::kBroadcast:
  case Op::kRecv:
    append(inputs[static_cast<size_t>(call.root)], 0);
    return out;
  default:
    return out; // a send has none
  }
}

/// Starts and waits as a schedule says. What the first error is, or which output is wrong.
std::string follow(Communicator& comm, const Schedule& schedule, bool judges) {
  struct Flight {
    Ticket ticket;
    size_t until = 0; // the call after which it is waited for
    std::vector<std::byte> in, out, expected;
  };
  std::vector<Flight> flights(schedule.calls.size());
  for (size_t i = 0; i < schedule.calls.size(); ++i) {
    const ScheduledCall& call = schedule.calls[i];
    const auto group = comm.makeGroup(call.ranks);
    if (!group) return group.status().message();
    const int n = static_cast<int>(call.ranks.size());
    const auto place = static_cast<int>(std::ranges::find(call.ranks, comm.rank()) - call.ranks.begin());
    const Call made{.op = call.op,
                    .reduction = call.reduction,
                    .dtype = call.dtype,
                    .count = call.count,
                    .group = *group,
                    .root = call.root,
                    .sources = call.sources,
                    .sequence = static_cast<int64_t>(i),
                    .name = call.name};
    const Sizes sizes = sizesOf(made, place, n);
    const uint64_t number = std::stoul(call.name.substr(1)); // all members draw the same inputs
    std::vector<std::vector<std::byte>> inputs;
    for (int rank : call.ranks)
      inputs.push_back(valuesOf(call.dtype, n * call.count, Values::kAny, mix(number, static_cast<uint64_t>(rank))));
    Flight& flight = flights[i];
    flight.in = inputs[static_cast<size_t>(place)];
    flight.out.resize(static_cast<size_t>(packedBytes(call.dtype, sizes.out)));
    if (judges) flight.expected = outputOf(call, place, inputs);
    flight.until = std::min(schedule.calls.size() - 1, i + static_cast<size_t>(call.overlap));
    auto ticket = comm.start(made, flight.in.data(), flight.out.data());
    if (!ticket) return ticket.status().message();
    flight.ticket = *ticket;
    for (size_t j = 0; j <= i; ++j) {
      if (flights[j].until != i) continue;
      if (Status status = comm.wait(flights[j].ticket); !status.isOk()) return status.message();
      const int64_t elements = static_cast<int64_t>(flights[j].out.size()) * 8 / bitWidth(schedule.calls[j].dtype);
      if (judges)
        if (std::string wrong = compare(schedule.calls[j].dtype, flights[j].out, flights[j].expected, elements); !wrong.empty()) return wrong;
    }
  }
  return "";
}

std::vector<std::string> followAll(const std::vector<Schedule>& schedules, const WorldOptions& options, bool judges) {
  return onEveryRank(static_cast<int>(schedules.size()), options,
                     [&](Communicator& comm) { return follow(comm, schedules[static_cast<size_t>(comm.rank())], judges); });
}
std::vector<std::string> agreeAll(const std::vector<Schedule>& schedules) {
  return onEveryRank(static_cast<int>(schedules.size()), kPatient,
                     [&](Communicator& comm) { return agree(comm, schedules[static_cast<size_t>(comm.rank())]).message(); });
}
bool allEmpty(const std::vector<std::string>& said) {
  return std::ranges::all_of(said, [](const std::string& text) { return text.empty(); });
}

JINX_PROPERTY(Schedules, RunToTheirEnds, 150) {
  const auto schedules = randomSchedules(*rc::gen::inRange(1, 7), 1);
  for (const std::string& said : agreeAll(schedules))
    RC_ASSERT(said == "");
  RC_ASSERT(checkProgress(schedules).message() == "");
  for (const std::string& said : followAll(schedules, kPatient, true))
    RC_ASSERT(said == "");
}

enum class Change { kDrop, kSwap, kCount, kType };

/// What is not the same any more is told by `agree`; what only stops, by `checkProgress`; and a run that was not asked for either ends with an error.
JINX_PROPERTY(Schedules, OneChangeIsTold, 150) {
  auto schedules = randomSchedules(*rc::gen::inRange(2, 6), 2); // a rank alone may do as it likes
  std::vector<size_t> busy;
  for (size_t rank = 0; rank < schedules.size(); ++rank)
    if (!schedules[rank].calls.empty()) busy.push_back(rank);
  Schedule& schedule = schedules[*rc::gen::elementOf(busy)];
  const auto at = static_cast<size_t>(*rc::gen::inRange(0, static_cast<int>(schedule.calls.size())));
  Change change = *rc::gen::element(Change::kDrop, Change::kSwap, Change::kCount, Change::kType);
  if (at + 1 == schedule.calls.size() && change == Change::kSwap) change = Change::kDrop; // nothing to swap with
  if (change == Change::kSwap) {
    std::swap(schedule.calls[at], schedule.calls[at + 1]);
  } else if (change == Change::kDrop) {
    schedule.calls.erase(schedule.calls.begin() + static_cast<std::ptrdiff_t>(at));
  } else if (change == Change::kCount) {
    ++schedule.calls[at].count;
  } else {
    schedule.calls[at].dtype = schedule.calls[at].dtype == DType::kF32 ? DType::kI32 : DType::kF32;
  }
  const auto agreed = agreeAll(schedules);
  const bool stops = !checkProgress(schedules).isOk();
  for (const std::string& said : agreed)
    RC_ASSERT(said == agreed[0]);
  if (change != Change::kSwap) RC_ASSERT(agreed[0] != "");
  // Whoever does not ask: a cycle ends by the timeout, a rank that has gone at once.
  const auto said = followAll(schedules, stops ? WorldOptions{.timeout = std::chrono::milliseconds(100)} : kPatient, false);
  if (change != Change::kSwap || stops) RC_ASSERT(!allEmpty(said));
  if (agreed[0] == "" && !stops) RC_ASSERT(allEmpty(said));
}

} // namespace
} // namespace jinx::comm::test

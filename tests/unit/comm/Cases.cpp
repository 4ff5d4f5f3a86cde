#include "tests/unit/comm/Cases.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "runtime/comm/Calls.h"

namespace jinx::comm::test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr Reduction kReductions[] = {Reduction::kSum, Reduction::kProd, Reduction::kMax, Reduction::kMin};
constexpr std::byte kUntouched{0xa5};

/// Inputs of all members, by place; each rank draws everybody's.
std::vector<Bytes> inputsOf(std::span<const int> members, DType dtype, int64_t count, Values values, uint64_t seed) {
  std::vector<Bytes> inputs;
  for (int rank : members)
    inputs.push_back(valuesOf(dtype, count, values, mix(seed, static_cast<uint64_t>(rank))));
  return inputs;
}

/// Runs the call and compares its output, and the bytes that it moved with the formula.
std::string judge(Communicator& comm, Call call, const Bytes& in, const Bytes& expected, bool inPlace = false) {
  const auto members = comm.members(call.group);
  const int n = static_cast<int>(members.size()),
            place = static_cast<int>(std::ranges::find(members, comm.rank()) - members.begin());
  const Sizes sizes = sizesOf(call, place, n);
  Bytes out = inPlace ? in : Bytes(static_cast<size_t>(packedBytes(call.dtype, sizes.out)), kUntouched);
  if (inPlace) out.resize(static_cast<size_t>(packedBytes(call.dtype, sizes.out)));
  const Traffic before = comm.traffic();
  const Status status = comm.run(call, inPlace ? out.data() : in.data(), out.data());
  if (!status.isOk()) return status.message();
  const Traffic after = comm.traffic(), formula = trafficOf(call, place, n);
  std::string wrong = compare(call.dtype, out, expected, sizes.out);
  if (wrong.empty() && (after.receivedBytes - before.receivedBytes != formula.receivedBytes ||
                        after.sentBytes - before.sentBytes != formula.sentBytes))
    wrong = "took " + std::to_string(after.receivedBytes - before.receivedBytes) + " bytes and gave " +
            std::to_string(after.sentBytes - before.sentBytes) + ", expected " + std::to_string(formula.receivedBytes) +
            " and " + std::to_string(formula.sentBytes);
  return wrong.empty() ? ""
                       : identify(call) + " on " + ranksText(members) + (inPlace ? ", in place" : "") + ": " + wrong;
}

#define JINX_RIGHT(expr)                                                                                               \
  do {                                                                                                                 \
    if (std::string wrong = (expr); !wrong.empty()) return wrong;                                                      \
  } while (0)

/// Each rank draws what all have: where there are many, a few types stand for all.
std::vector<DType> someTypes(Reduction reduction, int n) {
  return n > 8 ? std::vector{DType::kF32, DType::kBF16, DType::kI8} : typesOf(reduction);
}

/// Devices add up in an order of their own (DeviceCollectives.h), of which the sums of more than two show where they
/// are rounded.
Values anyOf(Communicator& comm, Reduction reduction = Reduction::kSum) {
  if (!comm.onDevice() || comm.size() <= 2) return Values::kAny;
  return reduction == Reduction::kProd ? Values::kUnit : Values::kSmall;
}

/// 0, 1, around n and a multiple of it; fewer where there are many ranks.
std::vector<int64_t> countsFor(int64_t n) {
  if (n > 8) return {0, n + 1};
  return {0, 1, n - 1, n, n + 1, 7 * n + 3, 600};
}

std::string allReduce(Communicator& comm) {
  const auto members = comm.members(0);
  int64_t sequence = 0;
  for (Reduction reduction : kReductions)
    for (DType dtype : someTypes(reduction, comm.size()))
      for (int64_t count : countsFor(comm.size()))
        for (Values values : {reduction == Reduction::kProd ? Values::kUnit : Values::kSmall, anyOf(comm, reduction)}) {
          const auto inputs = inputsOf(members, dtype, count, values, static_cast<uint64_t>(++sequence));
          const Bytes expected = reduced(reduction, dtype, inputs, count);
          const Call call{.op = Op::kAllReduce,
                          .reduction = reduction,
                          .dtype = dtype,
                          .count = count,
                          .sequence = sequence,
                          .name = "sum"};
          JINX_RIGHT(judge(comm, call, inputs[static_cast<size_t>(comm.rank())], expected, sequence % 2 == 0));
        }
  return "";
}

std::string reduceScatter(Communicator& comm) {
  const auto members = comm.members(0);
  int64_t sequence = 0;
  for (Reduction reduction : kReductions)
    for (DType dtype : someTypes(reduction, comm.size()))
      for (int64_t count : {0, 4, comm.size() > 8 ? 8 : 76}) {
        const Values values = anyOf(comm, reduction);
        const auto inputs = inputsOf(members, dtype, count * comm.size(), values, static_cast<uint64_t>(++sequence));
        const Bytes whole = reduced(reduction, dtype, inputs, count * comm.size());
        const auto at = whole.begin() + packedBytes(dtype, count * comm.rank());
        const Call call{
            .op = Op::kReduceScatter, .reduction = reduction, .dtype = dtype, .count = count, .sequence = sequence};
        JINX_RIGHT(
            judge(comm, call, inputs[static_cast<size_t>(comm.rank())], Bytes(at, at + packedBytes(dtype, count))));
      }
  return "";
}

/// The 16-bit sum of one large number and many small ones: each of them alone is rounded away.
std::string roundsOnce(Communicator& comm) {
  if (comm.onDevice() && comm.size() > 2) return ""; // which devices do not promise
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    const double large = 1, small = dtype == DType::kF16 ? 0x1p-12 : 0x1p-9;
    Bytes in(2), expected(2);
    storeFromDouble(dtype, in.data(), 0, comm.rank() == 0 ? large : small);
    storeFromDouble(dtype, expected.data(), 0, large + (comm.size() - 1) * small);
    JINX_RIGHT(judge(comm, {.op = Op::kAllReduce, .dtype = dtype, .count = 1}, in, expected));
  }
  return "";
}

/// NaN at one rank is everybody's, wherever it stands; infinities are the largest and the smallest.
std::string notANumber(Communicator& comm) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16})
    for (Reduction reduction : kReductions) {
      if (comm.onDevice() && (reduction == Reduction::kMax || reduction == Reduction::kMin))
        continue; // devices pass NaN by
      const int64_t count = comm.size() + 2;
      const auto size = static_cast<size_t>(packedBytes(dtype, count));
      std::vector<Bytes> inputs(static_cast<size_t>(comm.size()), Bytes(size));
      for (int rank = 0; rank < comm.size(); ++rank)
        for (int64_t i = 0; i < count; ++i)
          storeFromDouble(dtype, inputs[static_cast<size_t>(rank)].data(), i,
                          i == rank        ? kNan
                          : i == count - 1 ? kInfinity
                          : i == count - 2 ? -kInfinity
                                           : 1);
      const Bytes expected = reduced(reduction, dtype, inputs, count);
      JINX_RIGHT(judge(comm, {.op = Op::kAllReduce, .reduction = reduction, .dtype = dtype, .count = count},
                       inputs[static_cast<size_t>(comm.rank())], expected));
    }
  return "";
}

/// Types of every width, those that have no sum among them.
constexpr DType kMoved[] = {DType::kF32,  DType::kF64, DType::kBF16, DType::kF8E4M3FN,
                            DType::kBool, DType::kU16, DType::kI4};

std::string allGather(Communicator& comm) {
  int64_t sequence = 0;
  for (DType dtype : kMoved)
    for (int64_t count : {0, 2, 38}) {
      const auto inputs = inputsOf(comm.members(0), dtype, count, Values::kBits, static_cast<uint64_t>(++sequence));
      Bytes expected;
      for (const Bytes& input : inputs)
        expected.insert(expected.end(), input.begin(), input.end());
      JINX_RIGHT(judge(comm, {.op = Op::kAllGather, .dtype = dtype, .count = count, .sequence = sequence},
                       inputs[static_cast<size_t>(comm.rank())], expected));
    }
  return "";
}

std::string allToAll(Communicator& comm) {
  int64_t sequence = 0;
  for (DType dtype : kMoved)
    for (int64_t count : {0, 2, 38}) {
      const auto inputs =
          inputsOf(comm.members(0), dtype, count * comm.size(), Values::kBits, static_cast<uint64_t>(++sequence));
      const int64_t bytes = packedBytes(dtype, count);
      Bytes expected;
      for (const Bytes& input : inputs)
        expected.insert(expected.end(), input.begin() + comm.rank() * bytes, input.begin() + (comm.rank() + 1) * bytes);
      JINX_RIGHT(judge(comm, {.op = Op::kAllToAll, .dtype = dtype, .count = count, .sequence = sequence},
                       inputs[static_cast<size_t>(comm.rank())], expected));
    }
  return "";
}

/// Parts of 0 to 5 elements; some ranks send nothing at all.
std::string allToAllV(Communicator& comm) {
  const auto n = static_cast<size_t>(comm.size()), own = static_cast<size_t>(comm.rank());
  for (uint64_t round = 0; round < 4; ++round)
    for (DType dtype : {DType::kF32, DType::kU8}) {
      auto part = [&](size_t from, size_t to) {
        return from % 3 == round ? int64_t{0} : static_cast<int64_t>(mix(round, from * n + to) % 6);
      };
      std::vector<int64_t> sends(n), receives(n);
      Bytes expected, in;
      for (size_t other = 0; other < n; ++other) {
        sends[other] = part(own, other), receives[other] = part(other, own);
        const Bytes theirs = valuesOf(dtype, part(other, own), Values::kBits, mix(round, other * n + own));
        const Bytes ours = valuesOf(dtype, part(own, other), Values::kBits, mix(round, own * n + other));
        expected.insert(expected.end(), theirs.begin(), theirs.end());
        in.insert(in.end(), ours.begin(), ours.end());
      }
      JINX_RIGHT(
          judge(comm, {.op = Op::kAllToAllV, .dtype = dtype, .sends = sends, .receives = receives}, in, expected));
    }
  return "";
}

std::string broadcast(Communicator& comm) {
  for (int root = 0; root < comm.size(); root += 1 + comm.size() / 8)
    for (int64_t count : {0, 1, 130}) {
      const auto inputs = inputsOf(comm.members(0), DType::kI32, count, Values::kBits, static_cast<uint64_t>(root));
      const Call call{.op = Op::kBroadcast, .dtype = DType::kI32, .count = count, .root = root};
      JINX_RIGHT(judge(comm, call, inputs[static_cast<size_t>(comm.rank())], inputs[static_cast<size_t>(root)]));
      JINX_RIGHT(judge(comm, call, inputs[static_cast<size_t>(comm.rank())], inputs[static_cast<size_t>(root)], true));
    }
  return "";
}

/// Shifts, a reversal, one source for all, and holes.
std::string permute(Communicator& comm) {
  const int n = comm.size();
  for (int kind = 0; kind < 5; ++kind)
    for (int64_t count : {0, 33}) {
      std::vector<int> sources(static_cast<size_t>(n));
      for (int i = 0; i < n; ++i)
        sources[static_cast<size_t>(i)] = kind == 0   ? (i + 1) % n
                                          : kind == 1 ? (i + n - 1) % n
                                          : kind == 2 ? n - 1 - i
                                          : kind == 3 ? 0
                                          : i % 2     ? i - 1
                                                      : -1;
      const auto inputs = inputsOf(comm.members(0), DType::kF32, count, Values::kBits, static_cast<uint64_t>(kind));
      const int source = sources[static_cast<size_t>(comm.rank())];
      const Bytes expected = source < 0 ? Bytes(static_cast<size_t>(count * 4)) : inputs[static_cast<size_t>(source)];
      JINX_RIGHT(judge(comm, {.op = Op::kPermute, .dtype = DType::kF32, .count = count, .sources = sources},
                       inputs[static_cast<size_t>(comm.rank())], expected));
    }
  return "";
}

/// Along a chain, and both ways at once: sends first on both sides.
std::string sendRecv(Communicator& comm) {
  const int rank = comm.rank(), n = comm.size();
  const auto inputs = inputsOf(comm.members(0), DType::kF64, 50, Values::kBits, 5);
  if (rank > 0)
    JINX_RIGHT(judge(comm, {.op = Op::kRecv, .dtype = DType::kF64, .count = 50, .root = rank - 1}, {},
                     inputs[static_cast<size_t>(rank - 1)]));
  if (rank + 1 < n)
    JINX_RIGHT(judge(comm, {.op = Op::kSend, .dtype = DType::kF64, .count = 50, .root = rank + 1},
                     inputs[static_cast<size_t>(rank)], {}));
  const int other = rank ^ 1;
  if (other >= n) return "";
  Bytes out(400);
  for (int round = 0; round < 3; ++round) {
    auto sent = comm.start({.op = Op::kSend, .dtype = DType::kF64, .count = 50, .root = other},
                           inputs[static_cast<size_t>(rank)].data(), nullptr);
    auto got = comm.start({.op = Op::kRecv, .dtype = DType::kF64, .count = 50, .root = other}, nullptr, out.data());
    if (!sent || !got) return (sent ? got : sent).status().message();
    for (Ticket ticket : {*sent, *got})
      if (Status status = comm.wait(ticket); !status.isOk()) return status.message();
    JINX_RIGHT(compare(DType::kF64, out, inputs[static_cast<size_t>(other)], 50));
  }
  return "";
}

/// The largest divisor of n that is at most its root: n ranks as a mesh of rows and columns.
int rowsOf(int n) {
  int rows = 1;
  for (int i = 1; i * i <= n; ++i)
    if (n % i == 0) rows = i;
  return rows;
}

/// Sums along rows, then along columns, then over the world backwards; the same group twice has one number.
std::string meshes(Communicator& comm) {
  const int n = comm.size(), rows = rowsOf(n), columns = n / rows, rank = comm.rank();
  std::vector<int> row, column, backwards;
  for (int i = 0; i < columns; ++i)
    row.push_back(rank / columns * columns + i);
  for (int i = 0; i < rows; ++i)
    column.push_back(i * columns + rank % columns);
  for (int i = n - 1; i >= 0; --i)
    backwards.push_back(i);
  for (const auto& ranks : {row, column, backwards, row}) {
    auto group = comm.makeGroup(ranks);
    if (!group) return group.status().message();
    if (!std::ranges::equal(comm.members(*group), ranks)) return "members of a group are not those that it was made of";
    if (auto again = comm.makeGroup(ranks); !again || *again != *group) return "the same ranks are not the same group";
    const auto inputs = inputsOf(ranks, DType::kF32, 37, anyOf(comm), 3);
    const auto place = static_cast<size_t>(std::ranges::find(ranks, rank) - ranks.begin());
    JINX_RIGHT(judge(comm, {.op = Op::kAllReduce, .count = 37, .group = *group}, inputs[place],
                     reduced(Reduction::kSum, DType::kF32, inputs, 37)));
  }
  return "";
}

/// Eight calls of several kinds in flight on two groups; ranks wait for them in different orders.
std::string overlap(Communicator& comm) {
  const int n = comm.size(), rank = comm.rank();
  std::vector<int> backwards(static_cast<size_t>(n));
  std::iota(backwards.rbegin(), backwards.rend(), 0);
  auto other = comm.makeGroup(backwards);
  if (!other) return other.status().message();
  std::vector<Bytes> ins, outs, expected;
  std::vector<Ticket> tickets;
  for (int i = 0; i < 8; ++i) {
    const auto inputs = inputsOf(comm.members(0), DType::kI32, 20, Values::kAny, static_cast<uint64_t>(i));
    ins.push_back(inputs[static_cast<size_t>(rank)]);
    const bool gathers = i % 3 == 2;
    outs.emplace_back(static_cast<size_t>(gathers ? n * 80 : 80));
    if (!gathers)
      expected.push_back(reduced(Reduction::kSum, DType::kI32, inputs, 20));
    else
      expected.emplace_back();
    for (int place = 0; gathers && place < n; ++place) {
      const Bytes& input = inputs[static_cast<size_t>(i % 2 ? n - 1 - place : place)];
      expected.back().insert(expected.back().end(), input.begin(), input.end());
    }
    const Call call{.op = gathers ? Op::kAllGather : Op::kAllReduce,
                    .dtype = DType::kI32,
                    .count = 20,
                    .group = i % 2 ? *other : 0,
                    .sequence = i};
    auto ticket = comm.start(call, ins.back().data(), outs.back().data());
    if (!ticket) return ticket.status().message();
    tickets.push_back(*ticket);
  }
  std::vector<int> order{0, 1, 2, 3, 4, 5, 6, 7};
  std::ranges::sort(order, {}, [&](int i) { return mix(static_cast<uint64_t>(rank), static_cast<uint64_t>(i)); });
  for (int i : order)
    if (Status status = comm.wait(tickets[static_cast<size_t>(i)]); !status.isOk()) return status.message();
  for (size_t i = 0; i < 8; ++i)
    JINX_RIGHT(compare(DType::kI32, outs[i], expected[i], static_cast<int64_t>(outs[i].size() / 4)));
  return "";
}

/// Calls that no group could make are refused where they are made, and nobody else hears of it.
std::string refusals(Communicator& comm) {
  float a[8] = {}, b[512] = {};
  const int n = comm.size();
  const std::vector<int> sources(static_cast<size_t>(n), n);
  struct Row {
    Call call;
    const void* in;
    void* out;
    const char* said;
  };
  const Row rows[] = {
      {{.count = -1}, a, b, "got a count of -1"},
      {{.count = int64_t{1} << 62}, a, b, "got a count of"},
      {{.count = 1, .group = 99}, a, b, "got group 99"},
      {{.dtype = DType::kString, .count = 1}, a, b, "have no fixed size"},
      {{.dtype = DType::kBool, .count = 1}, a, b, "take max for or"},
      {{.dtype = DType::kF8E5M2, .count = 1}, a, b, "cast to bf16"},
      {{.dtype = DType::kC64, .count = 1}, a, b, "two parts as floats"},
      {{.op = Op::kBroadcast, .count = 1, .root = n}, a, b, "got root"},
      {{.op = Op::kSend, .count = 1, .root = comm.rank()}, a, nullptr, "this rank itself"},
      {{.op = Op::kPermute, .count = 1}, a, b, "got 0 sources"},
      {{.op = Op::kPermute, .count = 1, .sources = sources}, a, b, "got source"},
      {{.op = Op::kAllToAllV}, a, b, "got 0 counts of sends"},
      {{.count = 1}, nullptr, b, "no memory to read from"},
      {{.count = 1}, a, nullptr, "no memory to write to"},
      {{.count = 4}, a, a + 1, "in and out overlap"},
      {{.op = Op::kAllGather, .count = 1}, a, a, "in and out overlap"},
  };
  for (const Row& row : rows) {
    auto ticket = comm.start(row.call, row.in, row.out);
    if (ticket) return std::string("a call that should be refused is not: ") + row.said;
    if (ticket.status().message().find(row.said) == std::string::npos)
      return "got \"" + ticket.status().message() + "\", expected it to say \"" + row.said + "\"";
  }
  if (Status status = comm.wait({1 << 20}); status.message().find("got ticket") == std::string::npos)
    return "a wait for no ticket says: " + status.message();
  for (auto [ranks, said] : {std::pair<std::vector<int>, const char*>{{}, "no ranks"},
                             {{0, n}, "expected 0 to"},
                             {{comm.rank(), comm.rank()}, "twice"}})
    if (auto group = comm.makeGroup(ranks); group || group.status().message().find(said) == std::string::npos)
      return std::string("a group that should be refused: ") + said;
  return judge(comm, {.op = Op::kBroadcast, .dtype = DType::kU8, .count = 1}, {std::byte{7}},
               {std::byte{7}}); // the world goes on
}

constexpr Case kCases[] = {
    {"AllReduce", allReduce}, {"ReduceScatter", reduceScatter}, {"RoundsOnce", roundsOnce}, {"NotANumber", notANumber},
    {"AllGather", allGather}, {"AllToAll", allToAll},           {"AllToAllV", allToAllV},   {"Broadcast", broadcast},
    {"Permute", permute},     {"SendRecv", sendRecv},           {"Meshes", meshes},         {"Overlap", overlap},
    {"Refusals", refusals},
};

} // namespace

std::span<const Case> cases() { return kCases; }

} // namespace jinx::comm::test

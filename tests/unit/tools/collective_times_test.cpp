// What `bench comm` measures: bandwidths, what must come out of each collective, and that a wrong number is told.
#include "tools/common/CollectiveTimes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "runtime/comm/VirtualWorld.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "tools/common/CollectiveValues.h"

namespace jinx::tools {
namespace {

using comm::Call;
using comm::Op;

constexpr Op kOps[] = {Op::kAllReduce, Op::kAllGather, Op::kReduceScatter, Op::kAllToAll, Op::kBroadcast, Op::kPermute};

/// A rank that damages one byte of what calls of `op` write.
class Damaging final : public comm::Communicator {
 public:
  Damaging(std::unique_ptr<comm::Communicator> inner, Op op) : inner_(std::move(inner)), op_(op) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  Expected<int> makeGroup(std::span<const int> ranks) override { return inner_->makeGroup(ranks); }
  std::span<const int> members(int group) const override { return inner_->members(group); }
  Expected<comm::Ticket> start(const Call& call, const void* in, void* out) override {
    damaged_ = call.op == op_ && call.name == "bench" ? static_cast<std::byte*>(out) : nullptr;
    return inner_->start(call, in, out);
  }
  Status wait(comm::Ticket ticket) override {
    Status status = inner_->wait(ticket);
    if (damaged_) damaged_[3] ^= std::byte{1}; // of the first f32 its exponent
    return status;
  }
  void abort(const Status& why) override { inner_->abort(why); }
  comm::Traffic traffic() const override { return inner_->traffic(); }

 private:
  std::unique_ptr<comm::Communicator> inner_;
  Op op_;
  std::byte* damaged_ = nullptr;
};

/// What each rank of a virtual world gets; rank 1 damages what `damaged` says.
std::vector<Expected<std::vector<CollectiveTime>>> measure(int ranks, const CollectiveBenchOptions& options,
                                                           std::optional<Op> damaged = {}) {
  auto world = *comm::VirtualWorld::create(ranks);
  std::vector<Expected<std::vector<CollectiveTime>>> results(static_cast<size_t>(ranks), std::vector<CollectiveTime>());
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      std::unique_ptr<comm::Communicator> comm = std::move(*world->communicator(rank));
      if (damaged && rank == 1) comm = std::make_unique<Damaging>(std::move(comm), *damaged);
      results[static_cast<size_t>(rank)] = measureCollectives(*comm, **placeOf(*comm, nullptr), options);
    });
  for (std::thread& thread : threads)
    thread.join();
  return results;
}

TEST(CollectiveTimes, AllRanksHaveTheSameTimes) {
  const auto results = measure(3, {.ops = {kOps, kOps + 6}, .bytes = {100, 3000}, .warmUp = 1, .rounds = 4});
  for (const auto& result : results) {
    ASSERT_TRUE(result) << result.status().message();
    ASSERT_EQ(result->size(), 12u);
    for (size_t i = 0; i < 12; ++i)
      EXPECT_EQ((*result)[i].seconds, (*results[0])[i].seconds);
  }
  const std::vector<CollectiveTime>& times = *results[0];
  EXPECT_EQ(times[0].bytes, 100);
  EXPECT_EQ(times[2].bytes, 96) << "all_gather: three ranks have 8 floats each";
  EXPECT_EQ(times[2].count, 8);
  EXPECT_EQ(times[1].calls, 16);
  EXPECT_EQ(times[1].seconds.size(), 4u);
  EXPECT_GT(times[1].least(), 0);
  EXPECT_LE(times[1].least(), times[1].median());
  EXPECT_LE(times[1].median(), times[1].most());
}

TEST(CollectiveTimes, BandwidthsAreThoseOfNcclTests) {
  CollectiveTime time{.op = Op::kAllReduce, .bytes = 4000, .seconds = {3e-6, 1e-6, 2e-6}};
  EXPECT_DOUBLE_EQ(time.algorithmBandwidth(), 2e9);
  EXPECT_DOUBLE_EQ(time.busBandwidth(4), 2e9 * 2 * 3 / 4);
  for (Op op : {Op::kAllGather, Op::kReduceScatter, Op::kAllToAll}) {
    time.op = op;
    EXPECT_DOUBLE_EQ(time.busBandwidth(4), 2e9 * 3 / 4);
  }
  for (Op op : {Op::kBroadcast, Op::kPermute}) {
    time.op = op;
    EXPECT_DOUBLE_EQ(time.busBandwidth(4), 2e9);
  }
}

TEST(CollectiveTimes, AWrongNumberIsEverybodysError) {
  for (Op op : kOps) {
    const auto results = measure(3, {.ops = {kOps, kOps + 6}, .bytes = {1200}, .warmUp = 0, .rounds = 1}, op);
    for (const auto& result : results) {
      ASSERT_FALSE(result) << nameOf(op);
      EXPECT_NE(result.status().message().find("is wrong on rank 1: element 0 of "), std::string::npos)
          << result.status().message();
      EXPECT_NE(result.status().message().find(nameOf(op)), std::string::npos) << result.status().message();
    }
  }
}

TEST(CollectivePlace, ADeviceWithoutCallsIsRefused) {
  auto world = *comm::VirtualWorld::create(1);
  auto comm = std::move(*world->communicator(0));
  std::shared_ptr<Device> device = std::move(*emulated::makeEmulatedDevice({.threads = 1}));
  EXPECT_EQ(placeOf(*comm, device).status().message(),
            "this communicator has no calls on " + std::string(device->name()) + ", expected nccl's");
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::byte> bytesOf(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// The table of Communicator.h for two ranks and two elements, written out.
TEST(CollectiveValues, AreWhatTheTableSays) {
  for (Op op : kOps) {
    std::vector<std::vector<float>> in;
    for (int rank : {0, 1})
      in.push_back(floats(CollectiveValues::of(op, DType::kF32, 2, rank, 2)->input()));
    const std::vector<float>&a = in[0], &b = in[1];
    std::vector<float> right; // of rank 1
    if (op == Op::kAllReduce) right = {a[0] + b[0], a[1] + b[1]};
    if (op == Op::kAllGather) right = {a[0], a[1], b[0], b[1]};
    if (op == Op::kReduceScatter) right = {a[2] + b[2], a[3] + b[3]};
    if (op == Op::kAllToAll) right = {a[2], a[3], b[2], b[3]};
    if (op == Op::kBroadcast || op == Op::kPermute) right = a;
    const auto values = *CollectiveValues::of(op, DType::kF32, 2, 1, 2);
    EXPECT_EQ(values.difference(bytesOf(right)), std::nullopt) << nameOf(op);
    right.back() += 1;
    EXPECT_NE(values.difference(bytesOf(right)), std::nullopt) << nameOf(op);
  }
}

TEST(CollectiveValues, SumsThatAreNotExactAreRefused) {
  EXPECT_TRUE(CollectiveValues::of(Op::kAllReduce, DType::kI8, 4, 0, 127));
  EXPECT_EQ(CollectiveValues::of(Op::kAllReduce, DType::kI8, 4, 0, 128).status().message(),
            "sums of 128 ranks are not exact in i8, and cannot be checked; take a wider type");
  EXPECT_EQ(CollectiveValues::of(Op::kSend, DType::kF32, 4, 0, 2).status().message(),
            "got send, expected a collective of all ranks with parts of one size");
}

} // namespace
} // namespace jinx::tools

// Do ranks that enqueue steps give what one device gives? The toy whole on every rank: what each picks is known.
#include <gtest/gtest.h>

#include <thread>

#include "runtime/comm/VirtualWorld.h"
#include "runtime/llm/DeviceSteps.h"
#include "runtime/llm/LeadModel.h"
#include "tests/unit/llm/ToyModel.h"
#include "tests/unit/runtime/LateDevice.h"

namespace jinx::llm {
namespace {

using namespace jinx::test;

/// Keeps what its steps have picked, in their order.
class PickedTokens final : public EnqueuedModel {
 public:
  explicit PickedTokens(std::unique_ptr<PlanModel> own) : own_(std::move(own)) {}
  int32_t vocabulary() const override { return own_->vocabulary(); }
  int32_t pages() const override { return own_->pages(); }
  bool picksTokens() const override { return own_->picksTokens(); }
  Status run(const engine::StepInput& input, engine::StepRows rows) override { return own_->run(input, rows); }
  Status copyPage(int32_t from, int32_t to) override { return own_->copyPage(from, to); }
  bool isEnqueued() const override { return own_->isEnqueued(); }
  Status enqueue(const engine::StepInput& input, StepFlight& flight) override {
    flights_.push_back(&flight);
    return own_->enqueue(input, flight);
  }
  Expected<engine::StepRows> wait(StepFlight& flight) override {
    auto rows = own_->wait(flight);
    if (!rows || flights_.empty()) return rows;
    EXPECT_EQ(flights_.front(), &flight);
    flights_.erase(flights_.begin());
    steps.emplace_back(rows->tokens.begin(), rows->tokens.end());
    return rows;
  }
  Expected<std::span<const float>> logitsOf(StepFlight& flight, size_t wanted) override {
    return own_->logitsOf(flight, wanted);
  }

  std::vector<std::vector<int32_t>> steps;

 private:
  std::unique_ptr<PlanModel> own_;
  std::vector<StepFlight*> flights_; ///< on their way
};

/// Answers of an engine over three ranks, each on its own device; \param devices by rank
template <typename MakeDevice>
std::vector<std::vector<int32_t>> answersOverRanks(MakeDevice&& makeDevice, bool overlaps) {
  constexpr int kRanks = 3;
  auto world = *comm::VirtualWorld::create(kRanks);
  std::vector<std::unique_ptr<PickedTokens>> models;
  for (int rank = 0; rank < kRanks; ++rank)
    models.push_back(std::make_unique<PickedTokens>(toyModel(makeDevice(rank))));
  std::vector<std::thread> followers;
  for (int rank = 1; rank < kRanks; ++rank)
    followers.emplace_back([&model = *models[static_cast<size_t>(rank)], comm = take(world->communicator(rank))] {
      const Status status = follow(model, *comm);
      EXPECT_TRUE(status.isOk()) << status.message();
    });
  std::vector<std::vector<int32_t>> answers;
  {
    LeadModel lead(*models[0], take(world->communicator(0)));
    const auto steps = makeSteps(lead);
    EXPECT_TRUE(steps->picksTokens());
    answers = answersOf(*steps, overlaps);
  }
  for (std::thread& follower : followers)
    follower.join();
  EXPECT_GT(models[0]->steps.size(), 20U);
  for (int rank = 1; rank < kRanks; ++rank)
    EXPECT_EQ(models[static_cast<size_t>(rank)]->steps, models[0]->steps) << "rank " << rank;
  return answers;
}

TEST(LeadSteps, RanksGiveTheTokensOfOneDevice) {
  auto alone = modelOnDevice();
  engine::QueuedSteps queued(*alone);
  const auto expected = answersOf(queued, false);
  for (const bool overlaps : {false, true}) {
    const auto makeDevice = [](int) { return std::make_shared<SeparateDevice>(toyOptions()); };
    EXPECT_EQ(answersOverRanks(makeDevice, overlaps), expected) << overlaps;
  }
}

/// What a follower does not wait for may run as late as events leave.
TEST(LeadSteps, DevicesMayRunAsLateAsEventsLeave) {
  auto alone = modelOnDevice();
  engine::QueuedSteps queued(*alone);
  const auto expected = answersOf(queued, false);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto makeDevice = [&](int rank) {
      return std::make_shared<LateDevice>(toyOptions(), 3 * seed + static_cast<uint64_t>(rank));
    };
    ASSERT_EQ(answersOverRanks(makeDevice, true), expected) << "seed " << seed;
  }
}

} // namespace
} // namespace jinx::llm

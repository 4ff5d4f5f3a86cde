// Do followers do what the leader does? Models that write down their steps, ranks that are threads.
#include "runtime/llm/LeadModel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "runtime/comm/VirtualWorld.h"

namespace jinx::llm {
namespace {

enum class Kind { kRuns, kEnqueues };

/// Gives its step's number as each logit, where steps run at once; fails at one step, or at its wait, if asked to.
class NotedModel final : public EnqueuedModel {
 public:
  explicit NotedModel(Kind kind = Kind::kRuns, int failsAt = -1, int failsToWaitFor = -1)
      : kind_(kind), failsAt_(failsAt), failsToWaitFor_(failsToWaitFor) {}
  int32_t vocabulary() const override { return 3; }
  int32_t pages() const override { return 8; }
  bool picksTokens() const override { return isEnqueued(); }
  bool isEnqueued() const override { return kind_ == Kind::kEnqueues; }

  Status run(const engine::StepInput& input, engine::StepRows rows) override {
    if (static_cast<int>(notes.size()) == failsAt_) return resourceError("no memory");
    std::ranges::fill(rows.logits, static_cast<float>(notes.size()));
    note(input);
    notes.back() += (input.wantsLogits ? " logits " : " ") + std::to_string(rows.logits.size());
    return Status::ok();
  }
  Status copyPage(int32_t from, int32_t to) override {
    notes.push_back("copy " + std::to_string(from) + " to " + std::to_string(to));
    return Status::ok();
  }
  Status enqueue(const engine::StepInput& input, StepFlight& flight) override {
    if (static_cast<int>(notes.size()) == failsAt_) return resourceError("no memory");
    EXPECT_FALSE(onTheirWay_.contains(&flight)) << "a flight is used again before its step has run";
    onTheirWay_[&flight] = static_cast<int>(notes.size());
    mostOnTheirWay = std::max(mostOnTheirWay, onTheirWay_.size());
    wantsLogits.push_back(input.wantsLogits);
    logitsRead += input.wantsLogits && !input.leavesLogits;
    note(input);
    return Status::ok();
  }
  Expected<engine::StepRows> wait(StepFlight& flight) override {
    const auto found = onTheirWay_.find(&flight);
    if (found == onTheirWay_.end()) return engine::StepRows{};
    const int step = found->second;
    onTheirWay_.erase(found);
    if (step == failsToWaitFor_) return resourceError("the device is lost");
    return engine::StepRows{};
  }
  Expected<std::span<const float>> logitsOf(StepFlight&, size_t) override { return std::span<const float>(); }

  std::vector<std::string> notes;
  size_t mostOnTheirWay = 0;
  std::vector<bool> wantsLogits; ///< of each step: all ranks must show as many rows
  int logitsRead = 0;

 private:
  void note(const engine::StepInput& input) {
    std::string note;
    for (std::span<const int32_t> part :
         {input.tokens, input.sequence, input.position, input.slots, input.table, input.wanted}) {
      for (int32_t value : part)
        note += std::to_string(value) + " ";
      note += "| ";
    }
    for (const engine::RowDraw& draw : input.draws)
      note += std::to_string(draw.inverseTemperature) + " " + std::to_string(draw.topK) + " " +
              std::to_string(draw.topP) + " " + std::to_string(draw.minP) + " " + std::to_string(draw.u) + " | ";
    notes.push_back(note + std::to_string(input.sequences) + "x" + std::to_string(input.entries));
  }

  Kind kind_;
  int failsAt_, failsToWaitFor_;
  std::map<StepFlight*, int> onTheirWay_; ///< the number of each one's step
};

/// Two sequences, as in runtime/engine/Model.h.
struct Step {
  std::vector<int32_t> tokens = {91, 5, 6, 7}, sequence = {0, 1, 1, 1}, position = {17, 0, 1, 2},
                       slots = {33, 144, 145, 146}, table = {4, 2, 9, engine::kNoPage}, wanted = {0, 3};
  std::vector<engine::RowDraw> draws;
  engine::StepInput input(bool wantsLogits = true) const {
    return {tokens, sequence, position, slots, table, 2, 2, wanted, wantsLogits, draws};
  }
};

struct World {
  explicit World(int size, std::chrono::milliseconds timeout = std::chrono::seconds(20))
      : world(*comm::VirtualWorld::create(size, {.timeout = timeout})), status(static_cast<size_t>(size)) {}
  ~World() { join(); }
  std::shared_ptr<comm::Communicator> rank(int r) { return std::move(*world->communicator(r)); }
  void startFollower(int r, NotedModel& model) {
    followers.emplace_back([this, r, &model, own = rank(r)] { status[static_cast<size_t>(r)] = follow(model, *own); });
  }
  void join() {
    for (std::thread& follower : followers)
      follower.join();
    followers.clear();
  }

  std::shared_ptr<comm::VirtualWorld> world;
  std::vector<Status> status;
  std::vector<std::thread> followers;
};

TEST(LeadModel, FollowersDoWhatTheLeaderDoes) {
  World world(3);
  NotedModel own, second, third;
  world.startFollower(1, second);
  world.startFollower(2, third);
  {
    LeadModel lead(own, world.rank(0));
    EXPECT_EQ(lead.vocabulary(), 3);
    EXPECT_EQ(lead.pages(), 8);
    EXPECT_FALSE(lead.isEnqueued());
    EXPECT_FALSE(lead.picksTokens());
    const Step step;
    std::vector<float> logits(6);
    ASSERT_TRUE(lead.run(step.input(), {logits, {}}).isOk());
    ASSERT_TRUE(lead.copyPage(4, 7).isOk());
    ASSERT_TRUE(lead.run(step.input(), {logits, {}}).isOk());
    EXPECT_EQ(logits, std::vector<float>(6, 2.0F));
    ASSERT_TRUE(lead.run(step.input(/*wantsLogits=*/false), {}).isOk());
    EXPECT_TRUE(lead.status().isOk());
  }
  world.join();
  EXPECT_EQ(own.notes,
            (std::vector<std::string>{"91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 logits 6",
                                      "copy 4 to 7",
                                      "91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 logits 6",
                                      "91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 0"}));
  EXPECT_EQ(second.notes, own.notes);
  EXPECT_EQ(third.notes, own.notes);
  for (const Status& status : world.status)
    EXPECT_TRUE(status.isOk()) << status.message();
}

TEST(LeadModel, FollowersEnqueueTheSameStepsWithPlaceholdersAndDraws) {
  World world(3);
  NotedModel own(Kind::kEnqueues), second(Kind::kEnqueues), third(Kind::kEnqueues);
  world.startFollower(1, second);
  world.startFollower(2, third);
  std::vector<StepFlight> flights(3);
  {
    LeadModel lead(own, world.rank(0));
    EXPECT_TRUE(lead.isEnqueued());
    EXPECT_TRUE(lead.picksTokens());
    Step step;
    step.draws = {{}, {.inverseTemperature = 2, .topK = 7, .topP = 0.5F, .minP = 0.25F, .u = 0.75F}};
    ASSERT_TRUE(lead.enqueue(step.input(/*wantsLogits=*/false), flights[0]).isOk());
    step.tokens = {-1, -2, 6, 7};
    ASSERT_TRUE(lead.copyPage(1, 2).isOk());
    ASSERT_TRUE(lead.enqueue(step.input(), flights[1]).isOk());
    ASSERT_TRUE(lead.wait(flights[0]).isOk());
    for (size_t i = 2; i < 9; ++i) {
      ASSERT_TRUE(lead.enqueue(step.input(), flights[i % 3]).isOk());
      ASSERT_TRUE(lead.wait(flights[(i + 2) % 3]).isOk());
    }
    ASSERT_TRUE(lead.wait(flights[8 % 3]).isOk());
  }
  world.join();
  const std::string draws = "0.000000 0 1.000000 0.000000 0.000000 | 2.000000 7 0.500000 0.250000 0.750000 | ";
  ASSERT_EQ(own.notes.size(), 10U);
  EXPECT_EQ(own.notes[0], "91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | " + draws + "2x2");
  EXPECT_EQ(own.notes[1], "copy 1 to 2");
  EXPECT_EQ(own.notes[9], "-1 -2 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | " + draws + "2x2");
  for (const NotedModel* model : {&second, &third}) {
    EXPECT_EQ(model->notes, own.notes);
    EXPECT_EQ(model->mostOnTheirWay, 2U);
    EXPECT_EQ(model->wantsLogits, own.wantsLogits);
    EXPECT_EQ(model->logitsRead, 0);
  }
  EXPECT_EQ(own.logitsRead, 8);
  for (const Status& status : world.status)
    EXPECT_TRUE(status.isOk()) << status.message();
}

TEST(LeadModel, AFollowerThatFailsEndsAllOthers) {
  for (const Kind kind : {Kind::kRuns, Kind::kEnqueues}) {
    World world(3);
    NotedModel own(kind), second(kind), third(kind, /*failsAt=*/1);
    world.startFollower(1, second);
    world.startFollower(2, third);
    Status status;
    {
      LeadModel lead(own, world.rank(0));
      const Step step;
      std::vector<float> logits(6);
      StepFlight flight;
      // Followers compute behind the broadcast: the leader hears of it at one of the next steps.
      for (int i = 0; i < 1000 && status.isOk(); ++i) {
        status = kind == Kind::kRuns ? lead.run(step.input(), {logits, {}}) : lead.enqueue(step.input(), flight);
        (void)lead.wait(flight);
      }
      EXPECT_EQ(lead.status().message(), status.message());
      EXPECT_EQ(lead.copyPage(0, 1).message(), status.message());
    }
    world.join();
    EXPECT_NE(status.message().find("rank 2 has failed: no memory"), std::string::npos) << status.message();
    EXPECT_EQ(world.status[2].message(), "no memory");
    EXPECT_NE(world.status[1].message().find("rank 2 has failed"), std::string::npos) << world.status[1].message();
  }
}

TEST(LeadModel, AFollowerWhoseDeviceIsLostEndsAllOthers) {
  World world(2);
  NotedModel own(Kind::kEnqueues), second(Kind::kEnqueues, /*failsAt=*/-1, /*failsToWaitFor=*/0);
  world.startFollower(1, second);
  {
    LeadModel lead(own, world.rank(0));
    StepFlight flight;
    Status status;
    for (int i = 0; i < 1000 && status.isOk(); ++i) {
      status = lead.enqueue(Step().input(), flight);
      (void)lead.wait(flight);
    }
    EXPECT_NE(status.message().find("rank 1 has failed: the device is lost"), std::string::npos) << status.message();
  }
  world.join();
  EXPECT_EQ(world.status[1].message(), "the device is lost");
}

TEST(LeadModel, AStepThatFailedBehindTheLastOneIsToldOf) {
  World world(2);
  NotedModel own(Kind::kEnqueues), second(Kind::kEnqueues, /*failsAt=*/-1, /*failsToWaitFor=*/1);
  world.startFollower(1, second);
  {
    LeadModel lead(own, world.rank(0));
    StepFlight flights[2];
    ASSERT_TRUE(lead.enqueue(Step().input(), flights[0]).isOk());
    ASSERT_TRUE(lead.enqueue(Step().input(), flights[1]).isOk());
  }
  world.join();
  EXPECT_EQ(world.status[1].message(), "the device is lost");
}

TEST(LeadModel, HearsOfAFollowerThatFailsThoughNobodyAsks) {
  World world(2);
  NotedModel own(Kind::kEnqueues), second(Kind::kEnqueues, /*failsAt=*/0);
  world.startFollower(1, second);
  LeadModel lead(own, world.rank(0));
  StepFlight flight;
  (void)lead.enqueue(Step().input(), flight);
  world.join();
  EXPECT_EQ(lead.status().message(), "rank 1 has failed: no memory");
}

TEST(LeadModel, ALeaderThatFailsEndsAllOthers) {
  for (const bool inWait : {false, true}) {
    World world(2);
    NotedModel own(Kind::kEnqueues, inWait ? -1 : 1, inWait ? 1 : -1), second(Kind::kEnqueues);
    world.startFollower(1, second);
    {
      LeadModel lead(own, world.rank(0));
      StepFlight flight;
      ASSERT_TRUE(lead.enqueue(Step().input(), flight).isOk());
      ASSERT_TRUE(lead.wait(flight).isOk());
      Status status = lead.enqueue(Step().input(), flight);
      if (inWait) {
        ASSERT_TRUE(status.isOk());
        status = lead.wait(flight).status();
      }
      EXPECT_EQ(status.message(), inWait ? "the device is lost" : "no memory");
      EXPECT_EQ(lead.status().message(), "rank 0 has failed: " + status.message());
    }
    world.join();
    EXPECT_NE(world.status[1].message().find("rank 0 has failed"), std::string::npos) << world.status[1].message();
  }
}

TEST(LeadModel, RefusesDevicesOfTwoKinds) {
  for (const bool draws : {false, true}) {
    World world(2);
    NotedModel own(Kind::kEnqueues), second;
    world.startFollower(1, second);
    {
      LeadModel lead(own, world.rank(0));
      Step step;
      if (draws)
        step.draws.resize(2);
      else
        step.tokens[0] = -1;
      StepFlight flight;
      (void)lead.enqueue(step.input(), flight); // it may have heard of the refusal
    }
    world.join();
    EXPECT_EQ(world.status[1].message(), "the leader's device picks tokens of a step, and this rank's does not: "
                                         "expected devices of one kind on all ranks");
    EXPECT_TRUE(second.notes.empty());
  }
}

TEST(LeadModel, FollowersWaitLongerThanTheTimeout) {
  World world(2, std::chrono::milliseconds(50));
  NotedModel own, second;
  world.startFollower(1, second);
  {
    LeadModel lead(own, world.rank(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(lead.copyPage(0, 1).isOk());
  }
  world.join();
  EXPECT_TRUE(world.status[1].isOk()) << world.status[1].message();
  EXPECT_EQ(second.notes.size(), 1U);
}

} // namespace
} // namespace jinx::llm

// Do followers do what the leader does? Models that write down their steps, ranks that are threads.
#include "runtime/llm/LeadModel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "runtime/comm/VirtualWorld.h"

namespace jinx::llm {
namespace {

/// Gives its step's number as each logit; fails at one step, if asked to.
class NotedModel final : public engine::StepModel {
 public:
  explicit NotedModel(int failsAt = -1) : failsAt_(failsAt) {}
  int32_t vocabulary() const override { return 3; }
  int32_t pages() const override { return 8; }
  Status run(const engine::StepInput& input, engine::StepRows rows) override {
    if (static_cast<int>(notes.size()) == failsAt_) return resourceError("no memory");
    std::string note;
    for (std::span<const int32_t> part : {input.tokens, input.sequence, input.position, input.slots, input.table, input.wanted}) {
      for (int32_t value : part)
        note += std::to_string(value) + " ";
      note += "| ";
    }
    note += std::to_string(input.sequences) + "x" + std::to_string(input.entries) + (input.wantsLogits ? " logits " : " ") + std::to_string(rows.logits.size());
    std::ranges::fill(rows.logits, static_cast<float>(notes.size()));
    notes.push_back(note);
    return Status::ok();
  }
  Status copyPage(int32_t from, int32_t to) override {
    notes.push_back("copy " + std::to_string(from) + " to " + std::to_string(to));
    return Status::ok();
  }

  std::vector<std::string> notes;

 private:
  int failsAt_;
};

/// Two sequences, as in runtime/engine/Model.h.
struct Step {
  std::vector<int32_t> tokens = {91, 5, 6, 7}, sequence = {0, 1, 1, 1}, position = {17, 0, 1, 2}, slots = {33, 144, 145, 146}, table = {4, 2, 9, engine::kNoPage}, wanted = {0, 3};
  engine::StepInput input(bool wantsLogits = true) const { return {tokens, sequence, position, slots, table, 2, 2, wanted, wantsLogits}; }
};

struct World {
  explicit World(int size, std::chrono::milliseconds timeout = std::chrono::seconds(20)) : world(*comm::VirtualWorld::create(size, {.timeout = timeout})), status(static_cast<size_t>(size)) {}
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
    const Step step;
    std::vector<float> logits(6);
    ASSERT_TRUE(lead.run(step.input(), {logits, {}}).isOk());
    ASSERT_TRUE(lead.copyPage(4, 7).isOk());
    ASSERT_TRUE(lead.run(step.input(), {logits, {}}).isOk());
    EXPECT_EQ(logits, std::vector<float>(6, 2.0F));
    ASSERT_TRUE(lead.run(step.input(/*wantsLogits=*/false), {}).isOk());
  }
  world.join();
  EXPECT_EQ(own.notes, (std::vector<std::string>{"91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 logits 6", "copy 4 to 7",
                                                 "91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 logits 6",
                                                 "91 5 6 7 | 0 1 1 1 | 17 0 1 2 | 33 144 145 146 | 4 2 9 -1 | 0 3 | 2x2 0"}));
  EXPECT_EQ(second.notes, own.notes);
  EXPECT_EQ(third.notes, own.notes);
  for (const Status& status : world.status)
    EXPECT_TRUE(status.isOk()) << status.message();
}

TEST(LeadModel, AFollowerThatFailsEndsAllOthers) {
  World world(3);
  NotedModel own, second, third(/*failsAt=*/1);
  world.startFollower(1, second);
  world.startFollower(2, third);
  Status status;
  {
    LeadModel lead(own, world.rank(0));
    const Step step;
    std::vector<float> logits(6);
    // Followers compute behind the broadcast: the leader hears of it at one of the next steps.
    for (int i = 0; i < 1000 && status.isOk(); ++i)
      status = lead.run(step.input(), {logits, {}});
  }
  world.join();
  EXPECT_NE(status.message().find("rank 2 has failed: no memory"), std::string::npos) << status.message();
  EXPECT_EQ(world.status[2].message(), "no memory");
  EXPECT_NE(world.status[1].message().find("rank 2 has failed"), std::string::npos) << world.status[1].message();
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

TEST(LeadModel, DrawsNoTokens) {
  World world(1);
  NotedModel own;
  LeadModel lead(own, world.rank(0));
  const Step step;
  const std::vector<engine::RowDraw> draws(2);
  engine::StepInput input = step.input();
  input.draws = draws;
  EXPECT_EQ(lead.run(input, {}).message(), "a model that is split over ranks draws no tokens, expected that logits are asked for");
}

} // namespace
} // namespace jinx::llm

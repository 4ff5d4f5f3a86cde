// Does a step come to other ranks as it was sent, whatever its size?
#include "runtime/llm/StepMessage.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "runtime/comm/VirtualWorld.h"

namespace jinx::llm {
namespace {

struct Sizes {
  size_t tokens = 1, sequences = 1, entries = 1, wanted = 1, draws = 0;
};

std::vector<int32_t> numbers(size_t count, int32_t first) {
  std::vector<int32_t> made(count);
  std::iota(made.begin(), made.end(), first);
  return made;
}

struct Step {
  explicit Step(const Sizes& sizes)
      : tokens(numbers(sizes.tokens, -2)), sequence(numbers(sizes.tokens, 1000)),
        position(numbers(sizes.tokens, 1 << 20)), slots(numbers(sizes.tokens, -1)),
        table(numbers(sizes.sequences * sizes.entries, 5)), wanted(numbers(sizes.wanted, 0)),
        sequences(static_cast<int32_t>(sizes.sequences)), entries(static_cast<int32_t>(sizes.entries)) {
    for (size_t i = 0; i < sizes.draws; ++i)
      draws.push_back({1.0F + static_cast<float>(i), static_cast<int32_t>(i), 0.5F, 0.25F, 0.125F});
  }
  engine::StepInput input(bool wantsLogits) const {
    return {tokens, sequence, position, slots, table, sequences, entries, wanted, wantsLogits, draws};
  }
  std::vector<int32_t> tokens, sequence, position, slots, table, wanted;
  int32_t sequences, entries;
  std::vector<engine::RowDraw> draws;
};

void expectSame(const engine::StepInput& got, const engine::StepInput& sent) {
  const auto same = [](std::span<const int32_t> a, std::span<const int32_t> b) { return std::ranges::equal(a, b); };
  EXPECT_TRUE(same(got.tokens, sent.tokens) && same(got.sequence, sent.sequence));
  EXPECT_TRUE(same(got.position, sent.position) && same(got.slots, sent.slots));
  EXPECT_TRUE(same(got.table, sent.table) && same(got.wanted, sent.wanted));
  EXPECT_EQ(got.sequences, sent.sequences);
  EXPECT_EQ(got.entries, sent.entries);
  EXPECT_EQ(got.wantsLogits, sent.wantsLogits);
  ASSERT_EQ(got.draws.size(), sent.draws.size());
  for (size_t i = 0; i < got.draws.size(); ++i) {
    EXPECT_EQ(got.draws[i].inverseTemperature, sent.draws[i].inverseTemperature);
    EXPECT_EQ(got.draws[i].topK, sent.draws[i].topK);
    EXPECT_EQ(got.draws[i].topP, sent.draws[i].topP);
    EXPECT_EQ(got.draws[i].minP, sent.draws[i].minP);
    EXPECT_EQ(got.draws[i].u, sent.draws[i].u);
  }
}

/// The head and what is around the size of the first message, in both directions: a message is used again and again.
const Sizes kSizes[] = {{},
                        {.tokens = 0, .sequences = 0, .entries = 0, .wanted = 0},
                        {.tokens = 64, .sequences = 64, .entries = 100, .wanted = 64, .draws = 64},
                        {.tokens = 2, .sequences = 2, .entries = 3, .wanted = 2, .draws = 2},
                        {.tokens = 1, .entries = StepMessage::kFirst - 8 - 5}, // fills the first one
                        {.tokens = 1, .entries = StepMessage::kFirst - 8 - 4}, // one number more
                        {.tokens = 1, .entries = StepMessage::kFirst - 8 - 10, .draws = 1},
                        {.tokens = 1, .entries = StepMessage::kFirst - 8 - 7, .draws = 1}, // a draw is cut
                        {.tokens = 1, .entries = 7}};

TEST(StepMessage, ComesAsItWasSent) {
  auto world = *comm::VirtualWorld::create(3);
  const auto send = [&] {
    auto comm = std::move(*world->communicator(0));
    StepMessage message;
    for (const bool wantsLogits : {false, true})
      for (const Sizes& sizes : kSizes) {
        message.setStep(Step(sizes).input(wantsLogits));
        ASSERT_TRUE(message.send(*comm).isOk());
        message.setCopy({3, 70000});
        ASSERT_TRUE(message.send(*comm).isOk());
      }
    message.setEnd();
    ASSERT_TRUE(message.send(*comm).isOk());
  };
  const auto receive = [&](int rank) {
    auto comm = std::move(*world->communicator(rank));
    StepMessage message;
    for (const bool wantsLogits : {false, true})
      for (const Sizes& sizes : kSizes) {
        ASSERT_TRUE(message.receive(*comm).isOk());
        ASSERT_EQ(message.kind(), StepMessage::Kind::kStep);
        const Step step(sizes);
        expectSame(message.step(), step.input(wantsLogits));
        ASSERT_TRUE(message.receive(*comm).isOk());
        ASSERT_EQ(message.kind(), StepMessage::Kind::kCopyPage);
        EXPECT_EQ(message.copy().from, 3);
        EXPECT_EQ(message.copy().to, 70000);
      }
    ASSERT_TRUE(message.receive(*comm).isOk());
    EXPECT_EQ(message.kind(), StepMessage::Kind::kEnd);
  };
  std::thread first(send), second(receive, 1), third(receive, 2);
  first.join();
  second.join();
  third.join();
}

TEST(StepMessage, StepsThatFitTakeOneCall) {
  for (const auto& [sizes, calls] : {std::pair<Sizes, int>{{.tokens = 1, .entries = StepMessage::kFirst - 8 - 5}, 1},
                                     {{.tokens = 1, .entries = StepMessage::kFirst - 8 - 4}, 2},
                                     {{.tokens = 40, .sequences = 40, .entries = 15, .wanted = 40, .draws = 40}, 1}}) {
    auto world = *comm::VirtualWorld::create(1);
    auto comm = std::move(*world->communicator(0));
    StepMessage message;
    message.setStep(Step(sizes).input(false));
    ASSERT_TRUE(message.send(*comm).isOk());
    EXPECT_EQ(comm->traffic().calls, calls);
  }
}

} // namespace
} // namespace jinx::llm

// An engine over the toy model, with a record of the steps that ran.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/engine/Engine.h"
#include "tests/unit/engine/ToyModel.h"

namespace jinx::engine {

struct RanStep {
  std::vector<int32_t> tokens, sequence, position, slots;
};

class RecordingModel : public ToyModel {
 public:
  using ToyModel::ToyModel;
  Status run(const StepInput& input, StepRows rows) override {
    const auto copy = [](std::span<const int32_t> values) { return std::vector<int32_t>(values.begin(), values.end()); };
    steps.push_back({copy(input.tokens), copy(input.sequence), copy(input.position), copy(input.slots)});
    if (failAt == static_cast<int>(steps.size())) return resourceError("the device is lost");
    return ToyModel::run(input, rows);
  }
  Status copyPage(int32_t from, int32_t to) override {
    copies.push_back({from, to});
    return ToyModel::copyPage(from, to);
  }

  std::vector<RanStep> steps;
  std::vector<std::pair<int32_t, int32_t>> copies;
  int failAt = 0; ///< the step, from 1, that does not run
};

struct Answer {
  std::vector<int32_t> tokens;
  FinishReason finish = FinishReason::kNone;
  std::string error;

  void take(const Output& output) {
    if (output.index >= 0) tokens.push_back(output.token);
    finish = output.finish;
    error = output.error;
  }
};

inline EngineOptions smallEngine() {
  EngineOptions options;
  options.key = {3, 4};
  options.scheduler.maxRunning = 8;
  options.scheduler.tokenBudget = 64;
  options.scheduler.prefillWhileDecoding = 64;
  options.scheduler.contextLength = 256;
  return options;
}

class Harness {
 public:
  static constexpr int32_t kVocabulary = 16;
  explicit Harness(EngineOptions options = smallEngine(), int32_t pages = 64) : model(kVocabulary, pages), stream(model) {
    auto made = Engine::create(std::move(options), stream);
    EXPECT_TRUE(made) << made.status().message();
    engine = std::move(*made);
  }

  RequestId submit(RequestOptions options) {
    const Admission admission = engine->submit(std::move(options));
    const auto* id = std::get_if<RequestId>(&admission);
    EXPECT_TRUE(id) << std::get<Refusal>(admission).message;
    return id ? *id : 0;
  }
  /// One step; its events are taken in.
  void step() {
    for (const Output& output : engine->step()) {
      answers[output.request].take(output);
      if (output.finish != FinishReason::kNone) ended.push_back(output.request);
    }
  }
  void run() {
    for (int i = 0; i < 10000 && !engine->isIdle(); ++i)
      step();
    EXPECT_TRUE(engine->isIdle());
    EXPECT_EQ(engine->pool().available(), engine->pool().pages());
  }

  RecordingModel model;
  QueuedSteps stream;
  std::unique_ptr<Engine> engine;
  std::map<RequestId, Answer> answers;
  std::vector<RequestId> ended; ///< in this order
};

/// `count` tokens that a seed decides.
inline std::vector<int32_t> toyText(uint64_t seed, int32_t count) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(toyMix(seed * 1000 + static_cast<uint64_t>(i)) % (Harness::kVocabulary - 1)));
  return tokens;
}

inline RequestOptions greedyRequest(std::vector<int32_t> prompt, int32_t maxTokens) {
  RequestOptions options;
  options.prompt = std::move(prompt);
  options.maxTokens = maxTokens;
  options.sampling.temperature = 0;
  return options;
}

} // namespace jinx::engine

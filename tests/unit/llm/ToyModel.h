// A language model of one formula, as a plan: what follows a token at a position, with draws of its own way. For tests
// of steps: their tokens can be told without it.
#pragma once

#include <map>

#include "runtime/engine/Engine.h"
#include "runtime/llm/PlanModel.h"
#include "tests/unit/runtime/TestPlan.h"
#include "tests/unit/runtime/TestSession.h"

namespace jinx::test {

using llm::PlanModel;

inline constexpr int32_t kVocabulary = 8;

/// What follows a token at a position.
inline int32_t next(int32_t token, int32_t position) { return (3 * token + position + 1) % kVocabulary; }

/// Of tokens, positions and wanted rows: the token at `next`.
inline void nextKernel(void* const* b, const int64_t*, int64_t begin, int64_t end, void*) {
  for (int64_t i = begin; i < end; ++i) {
    const int32_t row = static_cast<const int32_t*>(b[2])[i];
    static_cast<int32_t*>(b[3])[i] = next(static_cast<const int32_t*>(b[0])[row], static_cast<const int32_t*>(b[1])[row]);
  }
}

/// Of these and the rows that are shown: logits whose largest one is there.
inline void showKernel(void* const* b, const int64_t*, int64_t begin, int64_t end, void*) {
  for (int64_t i = begin; i < end; ++i)
    for (int32_t v = 0; v < kVocabulary; ++v)
      static_cast<float*>(b[2])[i * kVocabulary + v] =
          static_cast<float>(-std::abs(v - static_cast<const int32_t*>(b[0])[static_cast<const int32_t*>(b[1])[i]]));
}

/// What the toy draws of a row whose largest logit is at `best`: a cut of 5 is what it cannot decide.
inline int32_t drawn(int32_t best, int32_t topK) {
  return topK == 5 ? engine::kUndecided : (best + topK) % kVocabulary;
}

/// Of best, rows of draws, listed draws, their rows and top-k, and choices: what was picked. One that is not listed has
/// no top-k.
inline void pickKernel(void* const* b, const int64_t* sizes, int64_t begin, int64_t end, void*) {
  const auto value = [&](int operand, int64_t at) { return static_cast<const int32_t*>(b[operand])[at]; };
  for (int64_t i = begin; i < end; ++i) {
    const int64_t draw = value(5, i) - sizes[0], listed = draw - sizes[1];
    static_cast<int32_t*>(b[6])[i] =
        draw < 0 ? value(0, i)
        : listed < 0
            ? drawn(value(0, value(1, draw)), 0)
            : drawn(value(0, value(3, listed)), value(1, value(2, listed)) == value(3, listed) ? value(4, listed) : -1);
  }
}

inline std::shared_ptr<const PlanFile> toyPlan() {
  TestPlan t;
  for (const char* s : {"n", "s", "e", "r", "p", "h", "d", "l", "q"})
    t.symbol(s);
  std::map<std::string, uint32_t> in;
  for (const char* name : {"tokens", "sequence", "position", "slots"})
    in[name] = t.input(name, {"n"}, DType::kI32);
  t.input("table", {"s", "e"}, DType::kI32);
  in["rows"] = t.input("rows", {"r"}, DType::kI32);
  t.input("keys.0", {"p", "1", "16", "1"});
  in["shown.rows"] = t.input("shown.rows", {"h"}, DType::kI32);
  in["draw.rows"] = t.input("draw.rows", {"d"}, DType::kI32);
  for (const char* name : {"draw.inverse_temperature", "draw.min_p", "draw.u"})
    t.input(name, {"d"});
  for (const char* name : {"listed.draw", "listed.rows", "listed.top_k"})
    in[name] = t.input(name, {"l"}, DType::kI32);
  for (const char* name : {"listed.inverse_temperature", "listed.top_p", "listed.min_p", "listed.u"})
    t.input(name, {"l"});
  in["draw.choice"] = t.input("draw.choice", {"q"}, DType::kI32);
  const uint32_t logits = t.output("logits", {"h", std::to_string(kVocabulary)}),
                 best = t.output("best", {"r"}, DType::kI32), picked = t.output("picked", {"q"}, DType::kI32);
  t.launch(t.kernel("k_next", 4, 0), {in["tokens"], in["position"], in["rows"]}, {best}, {}, "r");
  t.launch(t.kernel("k_show", 3, 0), {best, in["shown.rows"]}, {logits}, {}, "h");
  t.launch(t.kernel("k_pick", 7, 2),
           {best, in["draw.rows"], in["listed.draw"], in["listed.rows"], in["listed.top_k"], in["draw.choice"]},
           {picked}, {"r", "d"}, "q");
  (*t.p.mutable_metadata())["llm.context_length"] = "64";
  return t.finish();
}

inline std::unique_ptr<PlanModel> toyModel(std::shared_ptr<Device> device) {
  return take(PlanModel::create(toyPlan(), std::move(device), {.pages = 40}));
}
inline DeviceOptions toyOptions() {
  return {.threads = 1, .kernels = {{"k_next", nextKernel}, {"k_show", showKernel}, {"k_pick", pickKernel}}};
}
inline std::unique_ptr<PlanModel> modelOnDevice() { return toyModel(std::make_shared<SeparateDevice>(toyOptions())); }

/// Tokens of different sequences at one position, all of them wanted.
struct ToyStep {
  std::vector<int32_t> tokens, sequence, position, slots, table, wanted;
  std::vector<engine::RowDraw> draws; ///< greedy ones, or none
  bool wantsLogits;
  ToyStep(std::vector<int32_t> of, int32_t at, bool best)
      : tokens(std::move(of)), draws(best ? tokens.size() : 0), wantsLogits(!best) {
    for (int32_t i = 0; i < static_cast<int32_t>(tokens.size()); ++i) {
      sequence.push_back(i);
      position.push_back(at);
      slots.push_back(16 * i + at);
      table.push_back(i);
      wanted.push_back(i);
    }
  }
  engine::StepInput input() const {
    return {tokens, sequence, position,    slots, table, static_cast<int32_t>(tokens.size()),
            1,      wanted,   wantsLogits, draws};
  }
};

/// All tokens of requests of many lengths.
inline std::vector<std::vector<int32_t>> answersOf(engine::StepStream& stream, bool overlaps) {
  engine::EngineOptions options;
  options.key = {1, 2};
  options.scheduler.maxRunning = 4;
  options.scheduler.tokenBudget = options.scheduler.prefillWhileDecoding = 7;
  options.scheduler.contextLength = 64;
  options.overlaps = overlaps;
  auto engine = take(engine::Engine::create(std::move(options), stream));
  std::map<engine::RequestId, std::vector<int32_t>> answers;
  for (int32_t i = 0; i < 9; ++i) {
    engine::RequestOptions request;
    for (int32_t k = 0; k <= 5 * i % 17; ++k)
      request.prompt.push_back((i + k) % kVocabulary);
    request.maxTokens = 1 + 7 * i % 12;
    // The toy draws in a way of its own, and with a cut of 5 not at all: the host does, from logits.
    request.sampling = {
        .temperature = i % 3 == 1 ? 1.0f : 0.0f, .topK = i == 4 ? 5 : 3, .seed = static_cast<uint64_t>(i)};
    if (i == 5) request.sampling.logprobs = 2; // a step with it gives logits
    const engine::Admission admission = engine->submit(std::move(request));
    EXPECT_TRUE(std::holds_alternative<engine::RequestId>(admission));
  }
  for (int i = 0; i < 1000 && !engine->isIdle(); ++i)
    for (const engine::Output& output : engine->step())
      if (output.index >= 0) answers[output.request].push_back(output.token);
  EXPECT_TRUE(engine->isIdle());
  std::vector<std::vector<int32_t>> ordered;
  for (auto& [id, tokens] : answers)
    ordered.push_back(tokens);
  return ordered;
}

} // namespace jinx::test

// What is a language model to the engine? Plans of the right form run, others are refused by name.
#include "runtime/llm/PlanModel.h"

#include "runtime/device/CpuDevice.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::llm {
namespace {

using namespace jinx::test;

constexpr int64_t kVocabulary = 8;

/// A plan of a step whose logits are rows of a table: those that `rows` names. \param change  of the input of that name: other dims or type, or none
struct StepPlan : TestPlan {
  explicit StepPlan(const std::string& changed = "", const Dims& dims = {}, DType type = DType::kI32) {
    for (const char* s : {"n", "s", "e", "r", "p"})
      symbol(s);
    const std::pair<const char*, Dims> inputs[] = {{"tokens", {"n"}}, {"sequence", {"n"}}, {"position", {"n"}}, {"slots", {"n"}}, {"table", {"s", "e"}}, {"rows", {"r"}}};
    uint32_t rows = 0;
    for (const auto& [name, own] : inputs) {
      const bool isChanged = changed == name;
      rows = input(isChanged && dims.empty() ? changed + "?" : name, isChanged && !dims.empty() ? dims : own, isChanged ? type : DType::kI32);
    }
    for (const char* name : {"keys.0", "values.0"})
      input(name, changed == name ? dims : Dims{"p", "2", "16", "4"}, changed == name ? type : DType::kF32);
    Tensor table = Tensor::make(DType::kF32, {4, kVocabulary});
    for (int64_t i = 0; i < table.size(); ++i)
      table.as<float>()[i] = static_cast<float>(i);
    hostCall("Gather", {constant("w", table), rows}, {output(changed == "logits" ? "y" : "logits", {"r", std::to_string(kVocabulary)})});
    (*p.mutable_metadata())["llm.context_length"] = "64";
  }
};

Expected<std::unique_ptr<PlanModel>> make(StepPlan plan, PlanModelOptions options = {.pages = 3}) {
  return PlanModel::create(plan.finish(), std::make_shared<CpuDevice>(DeviceOptions{.threads = 1}), options);
}

TEST(PlanModel, RunsStepsAndCopiesPages) {
  auto model = take(make(StepPlan()));
  EXPECT_EQ(model->vocabulary(), kVocabulary);
  EXPECT_EQ(model->pages(), 3);
  EXPECT_EQ(model->contextLength(), 64);
  EXPECT_EQ(model->bytesOfPage(), 2 * 2 * 16 * 4 * 4);
  const std::vector<int32_t> tokens = {5, 6, 7}, sequence = {0, 0, 1}, position = {0, 1, 0}, slots = {16, 17, 0}, table = {1, engine::kNoPage, 0, engine::kNoPage}, wanted = {1, 2};
  std::vector<float> logits(wanted.size() * kVocabulary);
  engine::StepInput step{tokens, sequence, position, slots, table, 2, 2, wanted};
  Status status = model->run(step, {logits, {}});
  ASSERT_TRUE(status.isOk()) << status.message();
  for (size_t i = 0; i < logits.size(); ++i)
    EXPECT_EQ(logits[i], static_cast<float>(kVocabulary + static_cast<int64_t>(i)));
  EXPECT_EQ(model->run(step, {std::span(logits).first(3), {}}).message(), "got room for 3 logits and 0 tokens, expected 16 and 0");
  EXPECT_FALSE(model->picksTokens());
  const std::vector<engine::RowDraw> draws(wanted.size());
  step.draws = draws;
  EXPECT_EQ(model->run(step, {}).message(), "the plan draws no tokens, expected that logits are asked for");
  EXPECT_TRUE(model->copyPage(2, 0).isOk());
  EXPECT_EQ(model->copyPage(0, 3).message(), "copies page 0 to 3 of 3");
}

TEST(PlanModel, SaysWhatEndsATextAsThePlanDoes) {
  auto endsOf = [](const char* text) {
    StepPlan plan;
    if (text) (*plan.p.mutable_metadata())["llm.eos_token_id"] = text;
    auto model = take(make(std::move(plan)));
    return std::vector<int32_t>(model->endTokens().begin(), model->endTokens().end());
  };
  EXPECT_EQ(endsOf("2"), std::vector<int32_t>{2});
  EXPECT_EQ(endsOf("2,7"), (std::vector<int32_t>{2, 7}));
  for (const char* text : {static_cast<const char*>(nullptr), "", "8", "-1", "2,", "2,,3", "2 3"})
    EXPECT_TRUE(endsOf(text).empty()) << (text ? text : "none");
}

TEST(PlanModel, RefusesWhatIsNoStep) {
  auto refusal = [](StepPlan plan, PlanModelOptions options = {.pages = 3}) { return make(std::move(plan), options).status().message(); };
  EXPECT_EQ(refusal(StepPlan("tokens")), "loading a language model: the plan has no input \"tokens\": it is no step of a language model");
  EXPECT_EQ(refusal(StepPlan("slots", {"n"}, DType::kI64)), "loading a language model: input \"slots\" is i64 of rank 1, expected i32 of rank 1");
  EXPECT_EQ(refusal(StepPlan("table", {"s", "e", "2"})), "loading a language model: input \"table\" is i32 of rank 3, expected i32 of rank 2");
  EXPECT_EQ(refusal(StepPlan("keys.0", {"p", "2", "n", "4"}, DType::kF32)), "loading a language model: input \"keys.0\" has extent n in dimension 2, expected a number");
  EXPECT_EQ(refusal(StepPlan("keys.0", {"p", "2"}, DType::kF32)), "loading a language model: input \"keys.0\" is no pool, expected keys.0, values.0, … beside those of a step");
  EXPECT_EQ(refusal(StepPlan("logits")), "loading a language model: the plan has 1 outputs, expected \"logits\", f32 [rows, vocabulary], and with an input \"draw.rows\" also \"best\" and \"picked\", i32; compile the model again");
  EXPECT_EQ(refusal(StepPlan(), {.pages = 0}), "loading a language model: has 0 pages, expected at least 1");
  StepPlan nameless;
  nameless.p.mutable_metadata()->clear();
  EXPECT_EQ(refusal(std::move(nameless)), "loading a language model: the plan does not say how long a sequence may be (metadata \"llm.context_length\"), and no length was given");
}

} // namespace
} // namespace jinx::llm

// Are texts of a batch padded, masked and given back in their order? Over a plan whose embedding of a text is a row of a table for its first token,
// and the number of tokens that count.
#include "runtime/llm/EmbeddingModel.h"

#include "runtime/device/CpuDevice.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::llm {
namespace {

using namespace jinx::test;

constexpr int64_t kVocabulary = 8, kContext = 5;

/// embedding[i] = [sum over the text of 10^token, number of tokens], of those that count.
/// \param change  of the input of that name: other dims or type, or another name
struct EncoderPlan : TestPlan {
  explicit EncoderPlan(const std::string& changed = "", const Dims& dims = {}, DType type = DType::kI32) {
    for (const char* s : {"b", "s"})
      symbol(s);
    uint32_t ports[2] = {};
    const char* names[] = {"input_ids", "attention_mask"};
    for (size_t i = 0; i < 2; ++i) {
      const bool isChanged = changed == names[i];
      ports[i] = input(isChanged && dims.empty() ? changed + "?" : names[i], isChanged && !dims.empty() ? dims : Dims{"b", "s"}, isChanged ? type : DType::kI32);
    }
    Tensor table = Tensor::make(DType::kF32, {kVocabulary, 2});
    float power = 1;
    for (int64_t i = 0; i < kVocabulary; ++i, power *= 10)
      table.as<float>()[2 * i] = power, table.as<float>()[2 * i + 1] = 1;
    const Dims rows = {"b", "s", "2"};
    const uint32_t looked = host("looked", rows), mask = host("mask", {"b", "s"}), column = host("column", {"b", "s", "1"}), kept = host("kept", rows);
    hostCall("Gather", {constant("w", table), ports[0]}, {looked});
    (*hostCall("Cast", {ports[1]}, {mask}).mutable_attributes())["to"].set_i(1);
    hostCall("Unsqueeze", {mask, constant("last", Tensor::fromInts(std::vector<int64_t>{2}))}, {column});
    hostCall("Mul", {looked, column}, {kept});
    plan::HostCall& sum = hostCall("ReduceSum", {kept, constant("axis", Tensor::fromInts(std::vector<int64_t>{1}))}, {output(changed == "embedding" ? "y" : "embedding", {"b", "2"})});
    (*sum.mutable_attributes())["keepdims"].set_i(0);
    (*p.mutable_metadata())["llm.context_length"] = std::to_string(kContext);
    (*p.mutable_metadata())["llm.vocabulary"] = std::to_string(kVocabulary);
  }
};

Expected<std::unique_ptr<EmbeddingModel>> make(EncoderPlan plan) { return EmbeddingModel::create(plan.finish(), std::make_shared<CpuDevice>(DeviceOptions{.threads = 1})); }

TEST(EmbeddingModel, GivesVectorsInTheOrderOfTheTexts) {
  auto model = take(make(EncoderPlan()));
  EXPECT_EQ(model->width(), 2);
  EXPECT_EQ(model->contextLength(), kContext);
  EXPECT_EQ(model->vocabulary(), kVocabulary);
  const std::vector<std::vector<int32_t>> texts = {{1}, {2, 0, 1}, {3, 3}, {0, 1, 2, 3, 0}, {4}};
  auto vectors = model->embed(texts);
  ASSERT_TRUE(vectors.isOk()) << vectors.status().message();
  const std::vector<std::vector<float>> want = {{10, 1}, {111, 3}, {2000, 2}, {1112, 5}, {10000, 1}};
  EXPECT_EQ(*vectors, want);
  EXPECT_TRUE(take(model->embed({})).empty());
}

TEST(EmbeddingModel, RunsManyTextsInParts) {
  auto model = take(make(EncoderPlan()));
  std::vector<std::vector<int32_t>> texts;
  for (size_t i = 0; i < EmbeddingModel::kTokensOfRun + 3; ++i)
    texts.emplace_back(i % kContext + 1, static_cast<int32_t>(i % 3));
  auto vectors = take(model->embed(texts));
  for (size_t i = 0; i < texts.size(); ++i) {
    const float one = i % 3 == 0 ? 1 : i % 3 == 1 ? 10 : 100, count = static_cast<float>(texts[i].size());
    ASSERT_EQ(vectors[i], (std::vector<float>{one * count, count})) << i;
  }
}

TEST(EmbeddingModel, RefusesTextsByNumber) {
  auto model = take(make(EncoderPlan()));
  auto refusal = [&](std::vector<std::vector<int32_t>> texts) { return model->embed(texts).status().message(); };
  EXPECT_EQ(refusal({{1}, {}}), "text 1 has no tokens");
  EXPECT_EQ(refusal({{1, 1, 1, 1, 1, 1}}), "text 0 has 6 tokens, expected at most 5");
  EXPECT_EQ(refusal({{1}, {2}, {8}}), "text 2 has token 8, expected one of 8");
  EXPECT_EQ(refusal({{-1}}), "text 0 has token -1, expected one of 8");
}

TEST(EmbeddingModel, RefusesWhatIsNoEncoder) {
  auto refusal = [](EncoderPlan plan) { return make(std::move(plan)).status().message(); };
  EXPECT_EQ(refusal(EncoderPlan("input_ids")), "loading an encoder: the plan has no input \"input_ids\": it is no encoder");
  EXPECT_EQ(refusal(EncoderPlan("attention_mask", {"b", "s"}, DType::kI64)), "loading an encoder: input \"attention_mask\" is i64 [b, s], expected i32 [texts, tokens]");
  EXPECT_EQ(refusal(EncoderPlan("embedding")), "loading an encoder: the plan has 1 outputs, expected one, \"embedding\", f32 [texts, width]");
  for (const char* name : {"llm.context_length", "llm.vocabulary"}) {
    EncoderPlan plan;
    (*plan.p.mutable_metadata())[name] = "many";
    EXPECT_NE(refusal(std::move(plan)).find(std::string("(metadata \"") + name + "\")"), std::string::npos);
  }
}

TEST(EmbeddingModel, KnowsAnEncoderByItsInputs) {
  EXPECT_TRUE(EmbeddingModel::isEncoder(*EncoderPlan().finish()));
  EXPECT_FALSE(EmbeddingModel::isEncoder(*EncoderPlan("attention_mask").finish()));
}

} // namespace
} // namespace jinx::llm

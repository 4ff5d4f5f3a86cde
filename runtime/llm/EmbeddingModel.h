// A compiled encoder: texts as tokens go in, a vector for each comes out. What frontends/llm/Encoder.h makes has this form:
//
//   input_ids, attention_mask   i32 [b, s]
//   embedding                   f32 [b, d]
//
//   JINX_TRY_ASSIGN(auto model, EmbeddingModel::create(plan, device));
//   JINX_TRY_ASSIGN(auto vectors, model->embed(texts));     // vectors[i] is of texts[i], of length 1
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/executor/Executor.h"

namespace jinx::llm {

class EmbeddingModel {
 public:
  /// \returns kInvalidArgument, naming it, for an input, an output or metadata that is not of this form
  static Expected<std::unique_ptr<EmbeddingModel>> create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device);
  /// Whether the plan has the inputs of an encoder: else it may be a language model (PlanModel.h), or something else.
  static bool isEncoder(const PlanFile& plan);

  int32_t width() const { return width_; }                 ///< elements of an embedding
  int32_t contextLength() const { return contextLength_; } ///< tokens of a text at most, with those of the frame
  int32_t vocabulary() const { return vocabulary_; }

  /// Texts of like lengths run together, so many that a run has about `kTokensOfRun` tokens with those that are padded.
  ///
  /// \param texts  [n] the tokens of each, with those of the frame ([CLS] … [SEP])
  /// \returns [n][width]; kInvalidArgument, with the text's number, for one without tokens, one that is too long, or a token that is none
  ///
  /// From any thread; calls run one after the other.
  Expected<std::vector<std::vector<float>>> embed(std::span<const std::vector<int32_t>> texts);

  static constexpr size_t kTokensOfRun = 4096;

 private:
  EmbeddingModel() = default;
  Status load(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device);
  Status check(std::span<const std::vector<int32_t>> texts) const;
  Status runBatch(std::span<const std::vector<int32_t>> texts, std::span<const size_t> batch, std::vector<std::vector<float>>& vectors);

  std::mutex mutex_; ///< of what is below
  std::unique_ptr<Session> session_;
  size_t idsInput_ = 0, maskInput_ = 1;
  int32_t width_ = 0, contextLength_ = 0, vocabulary_ = 0;
  std::vector<int32_t> ids_, mask_; ///< of a run, reused
  std::vector<float> rows_;
  std::vector<Value> inputs_, outputs_;
};

} // namespace jinx::llm

#include "runtime/llm/EmbeddingModel.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "runtime/llm/Metadata.h"

namespace jinx::llm {
namespace {

constexpr int32_t kMost = 1 << 30; ///< of any number of a plan
constexpr const char* kIds = "input_ids";
constexpr const char* kMask = "attention_mask";

std::string describe(const Port& port) {
  std::string dims;
  for (const std::string& dim : port.dims)
    dims += (dims.empty() ? "" : ", ") + dim;
  return std::string(name(port.dtype)) + " [" + dims + "]";
}

Expected<size_t> findInput(const Session& session, const char* wanted) {
  const auto ports = session.inputs();
  auto at = std::find_if(ports.begin(), ports.end(), [&](const Port& port) { return port.name == wanted; });
  if (at == ports.end()) return invalidArgument("the plan has no input \"" + std::string(wanted) + "\": it is no encoder");
  if (at->dtype != DType::kI32 || at->dims.size() != 2) return invalidArgument("input \"" + std::string(wanted) + "\" is " + describe(*at) + ", expected i32 [texts, tokens]");
  return static_cast<size_t>(at - ports.begin());
}

} // namespace

bool EmbeddingModel::isEncoder(const PlanFile& plan) {
  const auto& inputs = plan.plan().inputs();
  auto has = [&](const char* name) { return std::any_of(inputs.begin(), inputs.end(), [&](uint32_t input) { return plan.plan().values(static_cast<int>(input)).name() == name; }); };
  return inputs.size() == 2 && has(kIds) && has(kMask);
}

Expected<std::unique_ptr<EmbeddingModel>> EmbeddingModel::create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device) {
  std::unique_ptr<EmbeddingModel> model(new EmbeddingModel());
  JINX_TRY(model->load(std::move(plan), std::move(device)), "loading an encoder");
  return model;
}

Status EmbeddingModel::load(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device) {
  // Lengths of texts differ: what a binding takes is little beside a run.
  JINX_TRY_ASSIGN(session_, Session::create(plan, std::move(device), {.bindingCacheSize = 64}));
  JINX_TRY_ASSIGN(idsInput_, findInput(*session_, kIds));
  JINX_TRY_ASSIGN(maskInput_, findInput(*session_, kMask));
  if (session_->inputs().size() != 2) return invalidArgument("the plan has " + std::to_string(session_->inputs().size()) + " inputs, expected 2");
  const auto outputs = session_->outputs();
  if (outputs.size() != 1 || outputs[0].name != "embedding" || outputs[0].dtype != DType::kF32 || outputs[0].dims.size() != 2)
    return invalidArgument("the plan has " + std::to_string(outputs.size()) + " outputs, expected one, \"embedding\", f32 [texts, width]");
  const std::optional<int64_t> width = numberIn(outputs[0].dims[1]);
  if (!width || *width < 1 || *width > kMost) return invalidArgument("embeddings have " + outputs[0].dims[1] + " elements, expected a number");
  const auto context = numberOf(*plan, "llm.context_length", 1, kMost), vocabulary = numberOf(*plan, "llm.vocabulary", 1, kMost);
  if (!context) return invalidArgument("the plan does not say how long a text may be (metadata \"llm.context_length\")");
  if (!vocabulary) return invalidArgument("the plan does not say how many tokens there are (metadata \"llm.vocabulary\")");
  width_ = static_cast<int32_t>(*width), contextLength_ = *context, vocabulary_ = *vocabulary;
  inputs_.resize(2), outputs_.resize(1);
  return Status::ok();
}

Status EmbeddingModel::check(std::span<const std::vector<int32_t>> texts) const {
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string which = "text " + std::to_string(i);
    if (texts[i].empty()) return invalidArgument(which + " has no tokens");
    if (texts[i].size() > static_cast<size_t>(contextLength_))
      return invalidArgument(which + " has " + std::to_string(texts[i].size()) + " tokens, expected at most " + std::to_string(contextLength_));
    for (int32_t token : texts[i])
      if (token < 0 || token >= vocabulary_) return invalidArgument(which + " has token " + std::to_string(token) + ", expected one of " + std::to_string(vocabulary_));
  }
  return Status::ok();
}

Expected<std::vector<std::vector<float>>> EmbeddingModel::embed(std::span<const std::vector<int32_t>> texts) {
  JINX_TRY(check(texts));
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return texts[a].size() != texts[b].size() ? texts[a].size() > texts[b].size() : a < b; });
  std::vector<std::vector<float>> vectors(texts.size());
  std::lock_guard lock(mutex_);
  // The longest text of a run is its first.
  for (size_t first = 0; first < order.size();) {
    const size_t most = std::max<size_t>(1, kTokensOfRun / texts[order[first]].size());
    const auto batch = std::span(order).subspan(first, std::min(most, order.size() - first));
    JINX_TRY(runBatch(texts, batch, vectors));
    first += batch.size();
  }
  return vectors;
}

Status EmbeddingModel::runBatch(std::span<const std::vector<int32_t>> texts, std::span<const size_t> batch, std::vector<std::vector<float>>& vectors) {
  const size_t length = texts[batch[0]].size();
  const Shape shape = {static_cast<int64_t>(batch.size()), static_cast<int64_t>(length)};
  ids_.assign(batch.size() * length, 0);
  mask_.assign(batch.size() * length, 0);
  for (size_t i = 0; i < batch.size(); ++i) {
    const std::vector<int32_t>& text = texts[batch[i]];
    std::copy(text.begin(), text.end(), ids_.begin() + static_cast<std::ptrdiff_t>(i * length));
    std::fill_n(mask_.begin() + static_cast<std::ptrdiff_t>(i * length), text.size(), 1);
  }
  rows_.resize(batch.size() * static_cast<size_t>(width_));
  inputs_[idsInput_] = Tensor::wrap(DType::kI32, shape, ids_.data());
  inputs_[maskInput_] = Tensor::wrap(DType::kI32, shape, mask_.data());
  outputs_[0] = Tensor::wrap(DType::kF32, {shape[0], width_}, rows_.data());
  JINX_TRY(session_->run(inputs_, outputs_));
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto row = rows_.begin() + static_cast<std::ptrdiff_t>(i * static_cast<size_t>(width_));
    vectors[batch[i]].assign(row, row + width_);
  }
  return Status::ok();
}

} // namespace jinx::llm

#include "runtime/llm/PlanModel.h"

#include <algorithm>
#include <optional>

#include "runtime/llm/Metadata.h"

namespace jinx::llm {
namespace {

constexpr std::string_view kPoolNames[] = {"keys.", "values.", "key_scales.", "value_scales."};
constexpr size_t kPoolRank = 3; ///< at least: pages, heads, rows
constexpr size_t kLeastBlock = 4096; ///< bytes
constexpr double kArenaSlack = 1.25;  ///< a batch has new sizes again and again, and arenas of a step are small beside weights and pages

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

bool isPool(std::string_view name) {
  return std::any_of(std::begin(kPoolNames), std::end(kPoolNames), [&](std::string_view start) { return name.starts_with(start); });
}

} // namespace

Expected<std::unique_ptr<PlanModel>> PlanModel::create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device, const PlanModelOptions& options) {
  std::unique_ptr<PlanModel> model(new PlanModel(std::move(device)));
  JINX_TRY(model->load(std::move(plan), options), "loading a language model");
  return model;
}

PlanModel::~PlanModel() {
  session_.reset();
  for (Pool& pool : pools_)
    device_->release(pool.memory.data, pool.memory.sizeBytes);
  const auto release = [&](const Block& block) {
    if (block.data) device_->release(block.data, block.sizeBytes);
  };
  release(step_);
  for (const Turn& turn : turns_)
    for (const Block* block : {&turn.inputs, &turn.logits, &turn.best, &turn.picked})
      release(*block);
}

Status PlanModel::load(std::shared_ptr<const PlanFile> plan, const PlanModelOptions& options) {
  if (options.pages < 1) return invalidArgument("has " + std::to_string(options.pages) + " pages, expected at least 1");
  pages_ = options.pages;
  contextLength_ = options.contextLength;
  hostMemory_ = device_->has(capability::kHostMemory);
  // Steps differ in their numbers of tokens, sequences and rows: what a binding takes is little beside a step.
  JINX_TRY_ASSIGN(session_, Session::create(plan, device_, {.bindingCacheSize = 64, .parallelWork = options.parallelWork, .recordsRuns = true, .arenaSlack = kArenaSlack, .communicator = options.communicator}));
  JINX_TRY_ASSIGN(stream_, device_->createStream());
  inputs_.resize(session_->inputs().size());
  JINX_TRY(ports_.find(session_->inputs()));
  if (contextLength_ == 0) {
    const std::optional<int32_t> length = numberOf(*plan, "llm.context_length", 2, 1 << 30);
    if (!length) return invalidArgument("the plan does not say how long a sequence may be (metadata \"llm.context_length\"), and no length was given");
    contextLength_ = *length;
  }
  JINX_TRY(makePools());
  if (!hostMemory_) JINX_TRY(makeTurns());
  JINX_TRY(checkOutputs());
  endTokens_ = numbersOf(*plan, "llm.eos_token_id", 0, vocabulary_ - 1);
  return Status::ok();
}

Status PlanModel::makePools() {
  for (size_t k = 0; k < session_->inputs().size(); ++k) {
    const Port& port = session_->inputs()[k];
    if (ports_.contains(k)) continue;
    if (!isPool(port.name) || port.dims.size() < kPoolRank) return invalidArgument("input " + quoted(port.name) + " is no pool, expected keys.0, values.0, … beside those of a step");
    Shape shape = {pages_};
    for (size_t d = 1; d < port.dims.size(); ++d) {
      auto extent = numberIn(port.dims[d]);
      if (!extent || *extent < 1) return invalidArgument("input " + quoted(port.name) + " has extent " + port.dims[d] + " in dimension " + std::to_string(d) + ", expected a number");
      shape.push_back(*extent);
    }
    const int64_t bytes = packedBytes(port.dtype, numElements(shape));
    pools_.push_back({k, {}, bytes / pages_});
    JINX_TRY(reserve(pools_.back().memory, static_cast<size_t>(bytes)), "pool " + quoted(port.name) + " of " + std::to_string(bytes) + " bytes");
    bytesOfPage_ += bytes / pages_;
    inputs_[k] = Tensor::wrap(port.dtype, shape, pools_.back().memory.data);
    // What was never written is never read, but zeros are never NaN either.
    JINX_TRY(device_->clear(pools_.back().memory.data, static_cast<size_t>(bytes), *stream_));
  }
  JINX_TRY(stream_->synchronize());
  return pools_.empty() ? invalidArgument("the plan has no pools, expected keys.0, values.0, …") : Status::ok();
}

Status PlanModel::checkOutputs() {
  const auto ports = session_->outputs();
  const auto isTokens = [&](size_t i, std::string_view name) { return ports[i].name == name && ports[i].dtype == DType::kI32 && ports[i].dims.size() == 1; };
  const bool isLogits = !ports.empty() && ports[0].name == "logits" && ports[0].dtype == DType::kF32 && ports[0].dims.size() == 2;
  const bool isDrawn = ports.size() == 3 && isTokens(1, "best") && isTokens(2, "picked");
  if (!isLogits || !(ports_.haveDraws() ? isDrawn : ports.size() == 1))
    return invalidArgument("the plan has " + std::to_string(ports.size()) + " outputs, expected \"logits\", f32 [rows, vocabulary], and with an input \"draw.rows\" also \"best\" and \"picked\", i32; compile the model again");
  auto size = numberIn(ports[0].dims[1]);
  if (!size || *size < 1 || *size > (1 << 30)) return invalidArgument("logits have " + ports[0].dims[1] + " columns, expected the size of a vocabulary");
  vocabulary_ = static_cast<int32_t>(*size);
  outputs_.resize(ports.size());
  return Status::ok();
}

/// Room for so many bytes, and where it moves for half as many again: recorded launches have its address. It is zeros; what was there is lost, and the room with it where there is
/// no more.
Status PlanModel::reserve(Block& block, size_t sizeBytes) {
  if (block.sizeBytes >= sizeBytes && block.data) return Status::ok();
  const size_t size = std::max({sizeBytes, block.sizeBytes + block.sizeBytes / 2, kLeastBlock});
  if (block.data) { // a step on its way may use it
    JINX_TRY(stream_->synchronize());
    if (downloads_) JINX_TRY(downloads_->synchronize());
    device_->release(block.data, block.sizeBytes);
    block = {};
  }
  JINX_TRY_ASSIGN(block.data, device_->allocate(size));
  block.sizeBytes = size;
  JINX_TRY(device_->clear(block.data, size, *stream_));
  return stream_->synchronize(); // other streams write there
}

Status PlanModel::checkWanted(const engine::StepInput& input) const {
  if (input.draws.empty() || picksTokens()) return Status::ok();
  return invalidArgument("the plan draws no tokens, expected that logits are asked for");
}

Status PlanModel::run(const engine::StepInput& input, engine::StepRows rows) {
  JINX_TRY(checkWanted(input));
  const size_t wanted = input.wanted.size(), logits = input.wantsLogits ? wanted * static_cast<size_t>(vocabulary_) : 0;
  if (rows.logits.size() != logits || rows.tokens.size() != input.draws.size() || (!input.draws.empty() && input.draws.size() != wanted))
    return invalidArgument("got room for " + std::to_string(rows.logits.size()) + " logits and " + std::to_string(rows.tokens.size()) + " tokens, expected " + std::to_string(logits) + " and " +
                           std::to_string(input.draws.empty() ? 0 : wanted));
  return hostMemory_ ? runOnHost(input, rows.logits) : runOnDevice(input, rows);
}

Status PlanModel::runOnHost(const engine::StepInput& input, std::span<float> logits) {
  values_.resize(ports_.place(input));
  ports_.fill(input, values_);
  ports_.view(values_.data(), inputs_);
  outputs_[0] = Tensor::wrap(DType::kF32, {ports_.shown(), vocabulary_}, logits.data());
  hostBest_.resize(static_cast<size_t>(ports_.rows()));
  if (ports_.haveDraws()) {
    outputs_[1] = Tensor::wrap(DType::kI32, {ports_.rows()}, hostBest_.data());
    outputs_[2] = Tensor::wrap(DType::kI32, {0}, hostBest_.data());
  }
  return session_->run(inputs_, outputs_);
}

Status PlanModel::runOnDevice(const engine::StepInput& input, const engine::StepRows& rows) {
  JINX_TRY(enqueue(input, flight_));
  JINX_TRY_ASSIGN(const engine::StepRows found, wait(flight_));
  std::ranges::copy(found.logits, rows.logits.begin());
  std::ranges::copy(found.tokens, rows.tokens.begin());
  return Status::ok();
}

Status PlanModel::copyPage(int32_t from, int32_t to) {
  if (from < 0 || from >= pages_ || to < 0 || to >= pages_)
    return invalidArgument("copies page " + std::to_string(from) + " to " + std::to_string(to) + " of " + std::to_string(pages_));
  for (Pool& pool : pools_) {
    auto* bytes = static_cast<std::byte*>(pool.memory.data);
    JINX_TRY(device_->copyOnDevice(bytes + to * pool.bytesOfPage, bytes + from * pool.bytesOfPage, static_cast<size_t>(pool.bytesOfPage), *stream_));
  }
  return Status::ok(); // a step is enqueued behind them
}

} // namespace jinx::llm

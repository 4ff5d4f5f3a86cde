#include "runtime/llm/PlanModel.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "runtime/engine/OwnedStep.h"
#include "runtime/llm/Metadata.h"
#include "runtime/memory/AlignedBuffer.h"

namespace jinx::llm {
namespace {

constexpr const char* kStepNames[] = {"tokens", "sequence", "position", "slots", "table", "rows"};
constexpr std::string_view kPoolNames[] = {"keys.", "values.", "key_scales.", "value_scales."};
constexpr size_t kPoolRank = 3; ///< at least: pages, heads, rows
constexpr int32_t kLeastEntries = 16;
constexpr size_t kLeastBlock = 4096; ///< bytes
constexpr size_t kPortAlignment = 64; ///< values: 256 bytes
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
  for (Block* block : {&step_, &logits_, &turns_[0].inputs, &turns_[0].best, &turns_[1].inputs, &turns_[1].best})
    if (block->data) device_->release(block->data, block->sizeBytes);
}

Status PlanModel::load(std::shared_ptr<const PlanFile> plan, const PlanModelOptions& options) {
  if (options.pages < 1) return invalidArgument("has " + std::to_string(options.pages) + " pages, expected at least 1");
  pages_ = options.pages;
  contextLength_ = options.contextLength;
  hostMemory_ = device_->has(capability::kHostMemory);
  // Steps differ in their numbers of tokens, sequences and rows: what a binding takes is little beside a step.
  JINX_TRY_ASSIGN(session_, Session::create(plan, device_, {.bindingCacheSize = 64, .parallelWork = options.parallelWork, .recordsRuns = true, .arenaSlack = kArenaSlack}));
  JINX_TRY_ASSIGN(stream_, device_->createStream());
  JINX_TRY(findPorts());
  if (contextLength_ == 0) {
    const std::optional<int32_t> length = numberOf(*plan, "llm.context_length", 2, 1 << 30);
    if (!length) return invalidArgument("the plan does not say how long a sequence may be (metadata \"llm.context_length\"), and no length was given");
    contextLength_ = *length;
  }
  JINX_TRY(makePools());
  if (!hostMemory_) JINX_TRY(makeTurns());
  JINX_TRY(makeLogits());
  endTokens_ = numbersOf(*plan, "llm.eos_token_id", 0, vocabulary_ - 1);
  return Status::ok();
}

Status PlanModel::findPorts() {
  inputs_.resize(session_->inputs().size());
  for (const char* name : kStepNames) {
    const auto ports = session_->inputs();
    auto at = std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.name == name; });
    if (at == ports.end()) return invalidArgument("the plan has no input " + quoted(name) + ": it is no step of a language model");
    const size_t rank = std::string_view(name) == "table" ? 2 : 1;
    if (at->dtype != DType::kI32 || at->dims.size() != rank)
      return invalidArgument("input " + quoted(name) + " is " + std::string(jinx::name(at->dtype)) + " of rank " + std::to_string(at->dims.size()) + ", expected i32 of rank " + std::to_string(rank));
    ports_.push_back({name, static_cast<size_t>(at - ports.begin()), {}, 0});
  }
  return Status::ok();
}

Status PlanModel::makePools() {
  for (size_t k = 0; k < session_->inputs().size(); ++k) {
    const Port& port = session_->inputs()[k];
    if (std::any_of(ports_.begin(), ports_.end(), [&](const StepPort& p) { return p.input == k; })) continue;
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

Status PlanModel::makeLogits() {
  const auto ports = session_->outputs();
  const bool isLogits = !ports.empty() && ports[0].name == "logits" && ports[0].dtype == DType::kF32 && ports[0].dims.size() == 2;
  const bool isBest = ports.size() == 2 && ports[1].name == "best" && ports[1].dtype == DType::kI32 && ports[1].dims.size() == 1;
  if (!isLogits || (ports.size() != 1 && !isBest))
    return invalidArgument("the plan has " + std::to_string(ports.size()) + " outputs, expected \"logits\", f32 [rows, vocabulary], and nothing else but \"best\", i32 [rows]");
  auto size = numberIn(ports[0].dims[1]);
  if (!size || *size < 1 || *size > (1 << 30)) return invalidArgument("logits have " + ports[0].dims[1] + " columns, expected the size of a vocabulary");
  vocabulary_ = static_cast<int32_t>(*size);
  outputs_.resize(ports.size());
  return Status::ok();
}

/// Room for so many bytes, and where it moves for up to twice as many: recorded launches have its address. It is zeros.
Status PlanModel::reserve(Block& block, size_t sizeBytes) {
  if (block.sizeBytes >= sizeBytes && block.data) return Status::ok();
  Block larger{nullptr, block.data ? std::bit_ceil(sizeBytes) : std::max(sizeBytes, kLeastBlock)};
  JINX_TRY_ASSIGN(larger.data, device_->allocate(larger.sizeBytes));
  JINX_TRY(device_->clear(larger.data, larger.sizeBytes, *stream_));
  JINX_TRY(stream_->synchronize()); // other streams write there, and a step on its way uses the old one
  if (downloads_) JINX_TRY(downloads_->synchronize());
  if (block.data) device_->release(block.data, block.sizeBytes);
  block = larger;
  return Status::ok();
}

/// Where the values of each port lie behind those of the ports before it. \returns their number
size_t PlanModel::place(const engine::StepInput& input) {
  // Widths of a table are powers of two, so that sizes repeat from step to step.
  const auto entries = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(std::max(input.entries, kLeastEntries))));
  const auto tokens = static_cast<int64_t>(input.tokens.size()), wanted = static_cast<int64_t>(input.wanted.size());
  const Shape shapes[kStepInputs] = {{tokens}, {tokens}, {tokens}, {tokens}, {input.sequences, entries}, {wanted}};
  size_t end = 0;
  for (size_t i = 0; i < kStepInputs; ++i) {
    ports_[i].shape = shapes[i];
    ports_[i].begin = (end + kPortAlignment - 1) / kPortAlignment * kPortAlignment;
    end = ports_[i].begin + static_cast<size_t>(numElements(shapes[i]));
  }
  return end;
}

/// Placeholders are token 0.
void PlanModel::fill(const engine::StepInput& input, std::span<int32_t> values) const {
  const std::span<const int32_t> given[kStepInputs] = {input.tokens, input.sequence, input.position, input.slots, {}, input.wanted};
  for (size_t i = 0; i < kStepInputs; ++i)
    std::ranges::copy(given[i], values.begin() + static_cast<ptrdiff_t>(ports_[i].begin));
  for (int32_t& token : values.subspan(ports_[kTokens].begin, input.tokens.size()))
    token = std::max(token, 0);
  const std::span<int32_t> table = values.subspan(ports_[kTable].begin);
  const auto width = static_cast<size_t>(ports_[kTable].shape[1]), entries = static_cast<size_t>(input.entries);
  for (size_t s = 0; s < static_cast<size_t>(input.sequences); ++s)
    for (size_t e = 0; e < width; ++e)
      table[s * width + e] = e < entries ? std::max(input.table[s * entries + e], 0) : 0;
}

Status PlanModel::checkWanted(const engine::StepInput& input) const {
  if (!input.wantsBest || findsBest()) return Status::ok();
  return invalidArgument("the plan does not find the most probable tokens, expected that logits are asked for");
}

Status PlanModel::run(const engine::StepInput& input, engine::StepRows rows) {
  const size_t wanted = input.wanted.size();
  JINX_TRY(checkWanted(input));
  if (input.wantsBest ? rows.best.size() != wanted : rows.logits.size() != wanted * static_cast<size_t>(vocabulary_))
    return invalidArgument("got room for " + std::to_string(rows.logits.size()) + " logits and " + std::to_string(rows.best.size()) + " tokens, expected " + std::to_string(wanted) + " rows of " +
                           std::to_string(vocabulary_) + ", or tokens for them");
  return hostMemory_ ? runOnHost(input, rows.logits) : runOnDevice(input, rows);
}

Status PlanModel::runOnHost(const engine::StepInput& input, std::span<float> logits) {
  values_.resize(place(input));
  fill(input, values_);
  for (StepPort& port : ports_)
    inputs_[port.input] = Tensor::wrap(DType::kI32, port.shape, values_.data() + port.begin);
  const int64_t wanted = ports_[kRows].shape[0];
  outputs_[0] = Tensor::wrap(DType::kF32, {wanted, vocabulary_}, logits.data());
  hostBest_.resize(static_cast<size_t>(wanted));
  if (outputs_.size() > 1) outputs_[1] = Tensor::wrap(DType::kI32, {wanted}, hostBest_.data());
  return session_->run(inputs_, outputs_);
}

Status PlanModel::runOnDevice(const engine::StepInput& input, const engine::StepRows& rows) {
  JINX_TRY(enqueue(input, flight_));
  JINX_TRY_ASSIGN(const engine::StepRows found, wait(flight_));
  std::ranges::copy(found.logits, rows.logits.begin());
  std::ranges::copy(found.best, rows.best.begin());
  return Status::ok();
}

// ---- steps that are enqueued ----

Status PlanModel::makeTurns() {
  JINX_TRY_ASSIGN(uploads_, device_->createStream());
  JINX_TRY_ASSIGN(downloads_, device_->createStream());
  for (Turn& turn : turns_)
    for (std::unique_ptr<Event>* event : {&turn.uploaded, &turn.taken, &turn.ran, &turn.downloaded}) {
      JINX_TRY_ASSIGN(*event, device_->createEvent());
    }
  return Status::ok();
}

Status PlanModel::enqueue(const engine::StepInput& input, StepFlight& flight) {
  JINX_TRY(checkWanted(input));
  flight.rows = input.wanted.size();
  flight.givesBest = input.wantsBest;
  if (!flight.done) {
    JINX_TRY_ASSIGN(flight.done, device_->createEvent());
  }
  JINX_TRY(upload(input, flight));
  JINX_TRY(reserve(logits_, flight.rows * static_cast<size_t>(vocabulary_) * sizeof(float)));
  outputs_[0] = Tensor::wrap(DType::kF32, {static_cast<int64_t>(flight.rows), vocabulary_}, logits_.data);
  if (outputs_.size() > 1) outputs_[1] = Tensor::wrap(DType::kI32, {static_cast<int64_t>(flight.rows)}, turns_[turn_].best.data);
  JINX_TRY(session_->enqueue(inputs_, outputs_, *stream_));
  return download(flight);
}

Status PlanModel::upload(const engine::StepInput& input, StepFlight& flight) {
  const size_t count = place(input), bytes = count * sizeof(int32_t);
  JINX_TRY(flight.inputs.reserve(device_, std::bit_ceil(bytes)));
  auto* values = static_cast<int32_t*>(flight.inputs.data());
  fill(input, {values, count});
  Turn& turn = turns_[1 - turn_];
  JINX_TRY(reserve(step_, bytes));
  JINX_TRY(reserve(turn.inputs, bytes));
  JINX_TRY(reserve(turn.best, flight.rows * sizeof(int32_t)));
  if (turn.isUsed) {
    JINX_TRY(turn.taken->wait(*uploads_));
    JINX_TRY(turn.downloaded->wait(*stream_));
  }
  JINX_TRY(device_->copyToDevice(turn.inputs.data, values, bytes, *uploads_));
  JINX_TRY(turn.uploaded->record(*uploads_));
  JINX_TRY(turn.uploaded->wait(*stream_));
  JINX_TRY(device_->copyOnDevice(step_.data, turn.inputs.data, bytes, *stream_));
  JINX_TRY(turn.taken->record(*stream_));
  for (StepPort& port : ports_)
    inputs_[port.input] = Tensor::wrap(DType::kI32, port.shape, static_cast<int32_t*>(step_.data) + port.begin);
  JINX_TRY(fillPlaceholders(input));
  turn.isUsed = true;
  turn_ = 1 - turn_;
  return Status::ok();
}

/// Neighbouring tokens that stand for neighbouring rows come in one copy: in decode that is all of them.
Status PlanModel::fillPlaceholders(const engine::StepInput& input) {
  auto* tokens = static_cast<int32_t*>(step_.data) + ports_[kTokens].begin;
  const Block& best = turns_[turn_].best; // of the step enqueued last
  for (size_t begin = 0; begin < input.tokens.size();) {
    if (input.tokens[begin] >= 0) {
      ++begin;
      continue;
    }
    const size_t row = engine::rowOfPlaceholder(input.tokens[begin]);
    size_t end = begin + 1;
    while (end < input.tokens.size() && input.tokens[end] < 0 && engine::rowOfPlaceholder(input.tokens[end]) == row + (end - begin))
      ++end;
    const size_t bytes = (end - begin) * sizeof(int32_t);
    if (row * sizeof(int32_t) + bytes > best.sizeBytes) return internalError("a placeholder names row " + std::to_string(row + (end - begin) - 1) + ", which no step has given");
    JINX_TRY(device_->copyOnDevice(tokens + begin, static_cast<int32_t*>(best.data) + row, bytes, *stream_));
    begin = end;
  }
  return Status::ok();
}

Status PlanModel::download(StepFlight& flight) {
  const Turn& turn = turns_[turn_];
  const Block& from = flight.givesBest ? turn.best : logits_;
  const size_t bytes = flight.rows * (flight.givesBest ? sizeof(int32_t) : static_cast<size_t>(vocabulary_) * sizeof(float));
  JINX_TRY(flight.results.reserve(device_, std::bit_ceil(bytes)));
  JINX_TRY(turn.ran->record(*stream_));
  JINX_TRY(turn.ran->wait(*downloads_));
  JINX_TRY(device_->copyToHost(flight.results.data(), from.data, bytes, *downloads_));
  JINX_TRY(turn.downloaded->record(*downloads_));
  if (!flight.givesBest) JINX_TRY(turn.downloaded->wait(*stream_)); // the next step writes its logits there, too
  return flight.done->record(*downloads_);
}

Expected<engine::StepRows> PlanModel::wait(StepFlight& flight) {
  JINX_TRY(flight.done->synchronize());
  engine::StepRows rows;
  if (flight.givesBest) rows.best = {static_cast<int32_t*>(flight.results.data()), flight.rows};
  else rows.logits = {static_cast<float*>(flight.results.data()), flight.rows * static_cast<size_t>(vocabulary_)};
  return rows;
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

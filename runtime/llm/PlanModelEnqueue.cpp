// How does a step get to a device and back while the one in front of it runs? (decision 0045)
#include "runtime/engine/OwnedStep.h"
#include "runtime/llm/PlanModel.h"

namespace jinx::llm {

Status PlanModel::makeTurns() {
  JINX_TRY_ASSIGN(uploads_, device_->createStream());
  JINX_TRY_ASSIGN(downloads_, device_->createStream());
  JINX_TRY_ASSIGN(lookups_, device_->createStream());
  for (Turn& turn : turns_)
    for (std::unique_ptr<Event>* event : {&turn.uploaded, &turn.taken, &turn.ran, &turn.downloaded}) {
      JINX_TRY_ASSIGN(*event, device_->createEvent());
    }
  return Status::ok();
}

Status PlanModel::enqueue(const engine::StepInput& input, StepFlight& flight) {
  JINX_TRY(checkWanted(input));
  if (!flight.done) {
    JINX_TRY_ASSIGN(flight.done, device_->createEvent());
  }
  JINX_TRY(upload(input, flight));
  const Turn& turn = turns_[turn_];
  flight.turn = turn_;
  flight.shown = static_cast<size_t>(ports_.shown());
  flight.logits = input.wantsLogits && !input.leavesLogits ? input.wanted.size() * static_cast<size_t>(vocabulary_) : 0;
  flight.tokens = input.draws.size();
  outputs_[0] = Tensor::wrap(DType::kF32, {ports_.shown(), vocabulary_}, turn.logits.data);
  if (ports_.haveDraws()) {
    outputs_[1] = Tensor::wrap(DType::kI32, {ports_.rows()}, turn.best.data);
    outputs_[2] = Tensor::wrap(DType::kI32, {ports_.picked()}, turn.picked.data);
  }
  JINX_TRY(session_->enqueue(inputs_, outputs_, *stream_));
  return download(flight);
}

Status PlanModel::upload(const engine::StepInput& input, StepFlight& flight) {
  const size_t count = ports_.place(input), bytes = count * sizeof(int32_t);
  JINX_TRY(flight.inputs.reserve(device_, bytes));
  auto* values = static_cast<int32_t*>(flight.inputs.data());
  ports_.fill(input, {values, count});
  const Turn& before = turns_[turn_];
  Turn& turn = turns_[1 - turn_];
  JINX_TRY(reserve(step_, bytes));
  JINX_TRY(reserve(turn.inputs, bytes));
  JINX_TRY(reserveResults(turn));
  if (turn.isUsed) {
    JINX_TRY(turn.taken->wait(*uploads_));
    JINX_TRY(turn.downloaded->wait(*stream_));
  }
  JINX_TRY(device_->copyToDevice(turn.inputs.data, values, bytes, *uploads_));
  JINX_TRY(turn.uploaded->record(*uploads_));
  JINX_TRY(turn.uploaded->wait(*stream_));
  JINX_TRY(device_->copyOnDevice(step_.data, turn.inputs.data, bytes, *stream_));
  JINX_TRY(turn.taken->record(*stream_));
  ports_.view(static_cast<int32_t*>(step_.data), inputs_);
  JINX_TRY(fillPlaceholders(input, before));
  turn.isUsed = true;
  turn_ = 1 - turn_;
  return Status::ok();
}

Status PlanModel::reserveResults(Turn& turn) {
  const auto rows = static_cast<size_t>(ports_.rows());
  JINX_TRY(reserve(turn.logits, static_cast<size_t>(ports_.shown()) * static_cast<size_t>(vocabulary_) * sizeof(float)));
  JINX_TRY(reserve(turn.best, rows * sizeof(int32_t)));
  JINX_TRY(reserve(turn.picked, rows * sizeof(int32_t)));
  turn.tokens = ports_.picked() > 0 ? &turn.picked : &turn.best;
  return Status::ok();
}

/// Neighbouring tokens that stand for neighbouring rows come in one copy: in decode that is all of them.
Status PlanModel::fillPlaceholders(const engine::StepInput& input, const Turn& before) {
  auto* tokens = static_cast<int32_t*>(step_.data) + ports_.tokensAt();
  for (size_t begin = 0; begin < input.tokens.size();) {
    if (input.tokens[begin] >= 0) {
      ++begin;
      continue;
    }
    const size_t row = engine::rowOfPlaceholder(input.tokens[begin]);
    size_t end = begin + 1;
    while (end < input.tokens.size() && input.tokens[end] < 0 &&
           engine::rowOfPlaceholder(input.tokens[end]) == row + (end - begin))
      ++end;
    const size_t bytes = (end - begin) * sizeof(int32_t);
    if (!before.tokens || row * sizeof(int32_t) + bytes > before.tokens->sizeBytes)
      return internalError("a placeholder names row " + std::to_string(row + (end - begin) - 1) +
                           ", which no step has given");
    JINX_TRY(device_->copyOnDevice(tokens + begin, static_cast<int32_t*>(before.tokens->data) + row, bytes, *stream_));
    begin = end;
  }
  return Status::ok();
}

/// Tokens first, then logits.
Status PlanModel::download(StepFlight& flight) {
  const Turn& turn = turns_[turn_];
  const size_t tokens = flight.tokens * sizeof(int32_t), logits = flight.logits * sizeof(float);
  JINX_TRY(flight.results.reserve(device_, tokens + logits));
  JINX_TRY(turn.ran->record(*stream_));
  JINX_TRY(turn.ran->wait(*downloads_));
  auto* to = static_cast<std::byte*>(flight.results.data());
  if (tokens > 0) JINX_TRY(device_->copyToHost(to, turn.tokens->data, tokens, *downloads_));
  if (logits > 0) JINX_TRY(device_->copyToHost(to + tokens, turn.logits.data, logits, *downloads_));
  JINX_TRY(turn.downloaded->record(*downloads_));
  return flight.done->record(*downloads_);
}

Expected<engine::StepRows> PlanModel::wait(StepFlight& flight) {
  JINX_TRY(flight.done->synchronize());
  JINX_TRY(session_->status());
  auto* tokens = static_cast<int32_t*>(flight.results.data());
  return engine::StepRows{{reinterpret_cast<float*>(tokens + flight.tokens), flight.logits}, {tokens, flight.tokens}};
}

Expected<std::span<const float>> PlanModel::logitsOf(StepFlight& flight, size_t wanted) {
  const auto row = static_cast<size_t>(vocabulary_);
  const Block& from = turns_[flight.turn].logits;
  if (wanted >= flight.shown)
    return internalError("asks for logits of row " + std::to_string(wanted) + ", which the step has not");
  JINX_TRY(flight.row.reserve(device_, row * sizeof(float)));
  JINX_TRY(device_->copyToHost(flight.row.data(), static_cast<const float*>(from.data) + wanted * row,
                               row * sizeof(float), *lookups_));
  JINX_TRY(lookups_->synchronize());
  return std::span<const float>(static_cast<const float*>(flight.row.data()), row);
}

} // namespace jinx::llm

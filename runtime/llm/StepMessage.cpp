#include "runtime/llm/StepMessage.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace jinx::llm {
namespace {

enum Field { kKind, kTokens, kSequences, kEntries, kWanted, kDraws, kWantsLogits, kFields = 8 };
enum CopyField { kFrom = 1, kTo };

using engine::RowDraw;
static_assert(std::is_trivially_copyable_v<RowDraw> && sizeof(RowDraw) % sizeof(int32_t) == 0);
constexpr size_t kDrawSize = sizeof(RowDraw) / sizeof(int32_t);

} // namespace

void StepMessage::setEnd() { values_[kKind] = static_cast<int32_t>(Kind::kEnd); }

void StepMessage::setCopy(engine::PageCopy copy) {
  values_[kKind] = static_cast<int32_t>(Kind::kCopyPage);
  values_[kFrom] = copy.from;
  values_[kTo] = copy.to;
}

engine::PageCopy StepMessage::copy() const { return {values_[kFrom], values_[kTo]}; }

size_t StepMessage::size() const {
  if (kind() != Kind::kStep) return kFields;
  const auto value = [&](Field field) { return static_cast<size_t>(values_[field]); };
  return kFields + 4 * value(kTokens) + value(kSequences) * value(kEntries) + value(kWanted) +
         kDrawSize * value(kDraws);
}

void StepMessage::setStep(const engine::StepInput& input) {
  const int32_t head[kFields] = {static_cast<int32_t>(Kind::kStep),
                                 static_cast<int32_t>(input.tokens.size()),
                                 input.sequences,
                                 input.entries,
                                 static_cast<int32_t>(input.wanted.size()),
                                 static_cast<int32_t>(input.draws.size()),
                                 input.wantsLogits,
                                 0};
  std::ranges::copy(head, values_.begin());
  values_.resize(std::max(size(), kFirst));
  auto at = values_.begin() + kFields;
  for (std::span<const int32_t> part :
       {input.tokens, input.sequence, input.position, input.slots, input.table, input.wanted})
    at = std::ranges::copy(part, at).out;
  if (!input.draws.empty()) std::memcpy(&*at, input.draws.data(), input.draws.size_bytes());
}

engine::StepInput StepMessage::step() {
  auto rest = std::span<const int32_t>(values_).subspan(kFields);
  const auto take = [&](size_t count) {
    const auto part = rest.first(count);
    rest = rest.subspan(count);
    return part;
  };
  const auto tokens = static_cast<size_t>(values_[kTokens]);
  engine::StepInput input{.sequences = values_[kSequences], .entries = values_[kEntries]};
  input.tokens = take(tokens);
  input.sequence = take(tokens);
  input.position = take(tokens);
  input.slots = take(tokens);
  input.table = take(static_cast<size_t>(input.sequences) * static_cast<size_t>(input.entries));
  input.wanted = take(static_cast<size_t>(values_[kWanted]));
  input.wantsLogits = values_[kWantsLogits] != 0;
  draws_.resize(static_cast<size_t>(values_[kDraws]));
  if (!draws_.empty()) std::memcpy(draws_.data(), rest.data(), draws_.size() * sizeof(RowDraw));
  input.draws = draws_;
  return input;
}

Status StepMessage::send(comm::Communicator& world) { return exchange(world, /*isPatient=*/false); }

Status StepMessage::receive(comm::Communicator& world) {
  return exchange(world, /*isPatient=*/true).withContext("waiting for the leader");
}

Status StepMessage::exchange(comm::Communicator& world, bool isPatient) {
  comm::Call call{.op = comm::Op::kBroadcast,
                  .dtype = DType::kI32,
                  .count = static_cast<int64_t>(kFirst),
                  .name = "step of the leader",
                  .isPatient = isPatient};
  JINX_TRY(world.run(call, values_.data(), values_.data()));
  const size_t whole = size();
  if (whole <= kFirst) return Status::ok();
  values_.resize(whole);
  call.count = static_cast<int64_t>(whole - kFirst);
  call.name = "rest of the leader's step";
  call.isPatient = false;
  return world.run(call, values_.data() + kFirst, values_.data() + kFirst);
}

} // namespace jinx::llm

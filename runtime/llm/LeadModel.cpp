#include "runtime/llm/LeadModel.h"

#include <algorithm>
#include <array>

namespace jinx::llm {
namespace {

enum Kind : int32_t { kEnd, kStep, kCopyPage };

/// What comes: of a step its numbers of tokens, sequences, entries of the table and wanted tokens, whether it wants logits; of a copy the pages.
enum Field { kKind, kTokens, kSequences, kEntries, kWanted, kWantsLogits, kFields = 8 };
using Header = std::array<int32_t, kFields>;

Status broadcast(comm::Communicator& world, std::span<int32_t> values, std::string_view what, bool isPatient = false) {
  comm::Call call{.op = comm::Op::kBroadcast, .dtype = DType::kI32, .count = static_cast<int64_t>(values.size()), .name = what, .isPatient = isPatient};
  return world.run(call, values.data(), values.data());
}

size_t sizeOfStep(const Header& header) {
  return 4 * static_cast<size_t>(header[kTokens]) + static_cast<size_t>(header[kSequences]) * static_cast<size_t>(header[kEntries]) + static_cast<size_t>(header[kWanted]);
}

/// The parts of a step in the order in which they are sent.
template <typename Take>
void eachPart(const Header& header, Take&& take) {
  const auto tokens = static_cast<size_t>(header[kTokens]);
  for (int part = 0; part < 4; ++part)
    take(part, tokens);
  take(4, static_cast<size_t>(header[kSequences]) * static_cast<size_t>(header[kEntries]));
  take(5, static_cast<size_t>(header[kWanted]));
}

Status sendStep(comm::Communicator& world, const engine::StepInput& input, std::vector<int32_t>& values) {
  Header header{kStep, static_cast<int32_t>(input.tokens.size()), input.sequences, input.entries, static_cast<int32_t>(input.wanted.size()), input.wantsLogits};
  const std::span<const int32_t> parts[] = {input.tokens, input.sequence, input.position, input.slots, input.table, input.wanted};
  values.resize(sizeOfStep(header));
  auto at = values.begin();
  eachPart(header, [&](int part, size_t) { at = std::ranges::copy(parts[part], at).out; });
  JINX_TRY(broadcast(world, header, "step of the leader"));
  return broadcast(world, values, "tokens of the leader's step");
}

Status followStep(engine::StepModel& model, const Header& header, comm::Communicator& world, std::vector<int32_t>& values, std::vector<float>& logits) {
  values.resize(sizeOfStep(header));
  JINX_TRY(broadcast(world, values, "tokens of the leader's step"));
  std::span<const int32_t> parts[6];
  size_t at = 0;
  eachPart(header, [&](int part, size_t size) {
    parts[part] = std::span<const int32_t>(values).subspan(at, size);
    at += size;
  });
  const engine::StepInput input{.tokens = parts[0], .sequence = parts[1], .position = parts[2], .slots = parts[3], .table = parts[4], .sequences = header[kSequences],
                                .entries = header[kEntries], .wanted = parts[5], .wantsLogits = header[kWantsLogits] != 0};
  logits.resize(input.wantsLogits ? input.wanted.size() * static_cast<size_t>(model.vocabulary()) : 0);
  return model.run(input, {.logits = logits});
}

} // namespace

LeadModel::~LeadModel() {
  Header header{kEnd};
  (void)broadcast(*world_, header, "step of the leader"); // where the world has failed, they know
}

Status LeadModel::run(const engine::StepInput& input, engine::StepRows rows) {
  if (!input.draws.empty()) return invalidArgument("a model that is split over ranks draws no tokens, expected that logits are asked for");
  JINX_TRY(sendStep(*world_, input, values_));
  return own_.run(input, rows);
}

Status LeadModel::copyPage(int32_t from, int32_t to) {
  Header header{kCopyPage, from, to};
  JINX_TRY(broadcast(*world_, header, "step of the leader"));
  return own_.copyPage(from, to);
}

Status follow(engine::StepModel& model, comm::Communicator& world) {
  std::vector<int32_t> values;
  std::vector<float> logits;
  while (true) {
    Header header{};
    JINX_TRY(broadcast(world, header, "step of the leader", /*isPatient=*/true), "waiting for the leader");
    if (header[kKind] == kEnd) return Status::ok();
    Status done = header[kKind] == kCopyPage ? model.copyPage(header[1], header[2]) : followStep(model, header, world, values, logits);
    if (done.isOk()) continue;
    world.abort(done);
    return done;
  }
}

} // namespace jinx::llm

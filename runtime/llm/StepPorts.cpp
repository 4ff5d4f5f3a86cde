#include "runtime/llm/StepPorts.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace jinx::llm {
namespace {

struct Form {
  const char* name;
  DType dtype;
  size_t rank;
};
constexpr Form kForms[] = {{"tokens", DType::kI32, 1},
                           {"sequence", DType::kI32, 1},
                           {"position", DType::kI32, 1},
                           {"slots", DType::kI32, 1},
                           {"table", DType::kI32, 2},
                           {"rows", DType::kI32, 1},
                           {"shown.rows", DType::kI32, 1},
                           {"draw.rows", DType::kI32, 1},
                           {"draw.inverse_temperature", DType::kF32, 1},
                           {"draw.min_p", DType::kF32, 1},
                           {"draw.u", DType::kF32, 1},
                           {"listed.draw", DType::kI32, 1},
                           {"listed.rows", DType::kI32, 1},
                           {"listed.inverse_temperature", DType::kF32, 1},
                           {"listed.top_k", DType::kI32, 1},
                           {"listed.top_p", DType::kF32, 1},
                           {"listed.min_p", DType::kF32, 1},
                           {"listed.u", DType::kF32, 1},
                           {"draw.choice", DType::kI32, 1}};
constexpr int32_t kLeastEntries = 16;
constexpr size_t kPortAlignment = 64; ///< values: 256 bytes

bool isDrawn(const engine::RowDraw& draw) { return !draw.isGreedy(); }
/// Whether its token is one of the most probable ones, which are sorted for it.
bool isListed(const engine::RowDraw& draw) { return isDrawn(draw) && (draw.topK > 0 || draw.topP < 1); }

} // namespace

Status StepPorts::find(std::span<const Port> inputs) {
  const bool draws = std::ranges::any_of(inputs, [](const Port& p) { return p.name == kForms[kDrawRows].name; });
  for (const Form& form : std::span(kForms).first(draws ? kPorts : kStepPorts)) {
    const std::string name = "\"" + std::string(form.name) + "\"";
    const auto at = std::ranges::find_if(inputs, [&](const Port& p) { return p.name == form.name; });
    if (at == inputs.end()) return invalidArgument("the plan has no input " + name + ": it is no step of a language model");
    if (at->dtype != form.dtype || at->dims.size() != form.rank)
      return invalidArgument("input " + name + " is " + std::string(jinx::name(at->dtype)) + " of rank " + std::to_string(at->dims.size()) + ", expected " +
                             std::string(jinx::name(form.dtype)) + " of rank " + std::to_string(form.rank));
    ports_.push_back({static_cast<size_t>(at - inputs.begin()), form.dtype, {}, 0});
  }
  return Status::ok();
}

bool StepPorts::contains(size_t input) const {
  return std::ranges::any_of(ports_, [&](const StepPort& p) { return p.input == input; });
}

size_t StepPorts::place(const engine::StepInput& input) {
  // Widths of a table are powers of two, so that sizes repeat from step to step.
  const auto entries = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(std::max(input.entries, kLeastEntries))));
  const auto tokens = static_cast<int64_t>(input.tokens.size()), wanted = static_cast<int64_t>(input.wanted.size());
  const int64_t drawn = std::ranges::count_if(input.draws, isDrawn), listed = std::ranges::count_if(input.draws, isListed);
  // A row that is drawn may be undecided: its logits tell then.
  const int64_t shown = input.wantsLogits || drawn > 0 ? wanted : 0, picked = drawn > 0 ? wanted : 0;
  const auto sizeOf = [&](size_t port) {
    if (port == kShown) return shown;
    if (port < kListed) return drawn;
    return port < kChoice ? listed : picked;
  };
  const Shape shapes[kStepPorts] = {{tokens}, {tokens}, {tokens}, {tokens}, {input.sequences, entries}, {wanted}};
  size_t end = 0;
  for (size_t i = 0; i < ports_.size(); ++i) {
    ports_[i].shape = i < kStepPorts ? shapes[i] : Shape{sizeOf(i)};
    ports_[i].begin = (end + kPortAlignment - 1) / kPortAlignment * kPortAlignment;
    end = ports_[i].begin + static_cast<size_t>(numElements(ports_[i].shape));
  }
  return end;
}

void StepPorts::fill(const engine::StepInput& input, std::span<int32_t> values) const {
  const std::span<const int32_t> given[kStepPorts] = {input.tokens, input.sequence, input.position, input.slots, {}, input.wanted};
  for (size_t i = 0; i < kStepPorts; ++i)
    std::ranges::copy(given[i], values.begin() + static_cast<ptrdiff_t>(ports_[i].begin));
  for (int32_t& token : values.subspan(ports_[kTokens].begin, input.tokens.size()))
    token = std::max(token, 0);
  const std::span<int32_t> table = values.subspan(ports_[kTable].begin);
  const auto width = static_cast<size_t>(ports_[kTable].shape[1]), entries = static_cast<size_t>(input.entries);
  for (size_t s = 0; s < static_cast<size_t>(input.sequences); ++s)
    for (size_t e = 0; e < width; ++e)
      table[s * width + e] = e < entries ? std::max(input.table[s * entries + e], 0) : 0;
  if (!haveDraws()) return;
  const std::span<int32_t> rows = values.subspan(ports_[kShown].begin, static_cast<size_t>(shown()));
  std::iota(rows.begin(), rows.end(), 0);
  if (picked() > 0) fillDraws(input.draws, values);
}

void StepPorts::fillDraws(std::span<const engine::RowDraw> draws, std::span<int32_t> values) const {
  const auto put = [&](Which which, int32_t at, auto value) { values[ports_[which].begin + static_cast<size_t>(at)] = std::bit_cast<int32_t>(value); };
  const auto rows = static_cast<int32_t>(draws.size()), all = static_cast<int32_t>(ports_[kDrawRows].shape[0]);
  for (int32_t row = 0, drawn = 0, listed = 0; row < rows; ++row) {
    const engine::RowDraw& draw = draws[static_cast<size_t>(row)];
    put(kChoice, row, isListed(draw) ? rows + all + listed : isDrawn(draw) ? rows + drawn : row);
    if (!isDrawn(draw)) continue;
    put(kDrawRows, drawn, row);
    put(kInverseTemperature, drawn, draw.inverseTemperature);
    put(kMinP, drawn, isListed(draw) ? 0 : draw.minP);
    put(kU, drawn, draw.u);
    if (isListed(draw)) {
      put(kListed, listed, drawn);
      put(kListedRows, listed, row);
      put(kListedInverseTemperature, listed, draw.inverseTemperature);
      put(kTopK, listed, draw.topK);
      put(kTopP, listed, draw.topP);
      put(kListedMinP, listed, draw.minP);
      put(kListedU, listed, draw.u);
      ++listed;
    }
    ++drawn;
  }
}

void StepPorts::view(int32_t* values, std::span<Value> inputs) const {
  for (const StepPort& port : ports_)
    inputs[port.input] = Tensor::wrap(port.dtype, port.shape, values + port.begin);
}

} // namespace jinx::llm

// Hostile plans: opened, given a session, and run with small inputs. Their kernels are replaced by ones that do nothing, because
// code in a plan is trusted as a program is.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstring>

#include "runtime/executor/Executor.h"
#include "runtime/plan/PlanFile.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/Mutator.h"

namespace jinx::fuzz {
namespace {

using PlanPointer = std::shared_ptr<const PlanFile>;

void noKernel(void* const*, const int64_t*, int64_t, int64_t, void*) {}

bool hasLoops(const plan::Plan& plan) {
  for (const plan::Block& block : plan.blocks())
    for (const plan::Step& step : block.steps())
      if (step.control().kind() == plan::Control::LOOP) return true;
  return false;
}

/// Ones, of the extents that the plan's symbols at least have; empty when an input is no tensor of moderate size.
std::vector<Value> makeInputs(const Session& session) {
  std::map<std::string, int64_t> sizes;
  for (const plan::Symbol& symbol : session.plan().symbols())
    sizes[symbol.name()] = std::max<int64_t>(2, symbol.min());
  std::vector<Value> inputs;
  for (size_t k = 0; k < session.inputs().size(); ++k) {
    const Port& port = session.inputs()[k];
    auto shape = session.inputShape(k, sizes);
    if (!shape || port.dtype == DType::kInvalid || port.kind != plan::Value::TENSOR) return {};
    int64_t count = 1;
    for (int64_t extent : *shape)
      if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > 4096) return {};
    Tensor tensor = Tensor::make(port.dtype, *shape);
    if (port.dtype != DType::kString)
      for (int64_t i = 0; i < count; ++i)
        tensor.setDouble(i, 1);
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

void run(const PlanPointer& plan) {
  DeviceOptions options;
  options.threads = 1;
  for (const plan::Kernel& kernel : plan->plan().kernels())
    options.kernels[kernel.symbol()] = noKernel;
  auto device = makeDevice("cpu", options);
  if (!device) return;
  auto session = Session::create(plan, std::move(*device));
  if (!session || hasLoops(plan->plan())) return; // a loop may be as long as it says
  std::vector<Value> inputs = makeInputs(**session);
  if (inputs.size() != (*session)->inputs().size()) return;
  for (int call = 0; call < 2; ++call) { // the second one is the fast path
    std::vector<Value> outputs((*session)->outputs().size());
    if (!(*session)->run(inputs, outputs).isOk()) return;
  }
}

/// The header that belongs to what follows it; false when there is too little.
bool readHeader(std::span<const uint8_t> bytes, PlanFileHeader* header) {
  if (bytes.size() < sizeof *header) return false;
  std::memcpy(header, bytes.data(), sizeof *header);
  return header->messageSize <= bytes.size() - sizeof *header && header->messageSize < (1 << 28);
}

/// `bytes` with the checksums that they ought to have.
std::vector<uint8_t> withChecksums(std::span<const uint8_t> bytes, PlanFileHeader header) {
  std::vector<uint8_t> repaired(bytes.begin(), bytes.end());
  auto view = std::as_bytes(std::span(repaired));
  header.fileSize = repaired.size();
  header.messageChecksum = planChecksum(view.subspan(sizeof header, header.messageSize));
  header.checksum = planChecksum(std::as_bytes(std::span(&header, 1)).first(sizeof header - 8));
  std::memcpy(repaired.data(), &header, sizeof header);
  return repaired;
}

/// `bytes` with another message. Segments move back when it has grown.
std::vector<uint8_t> withMessage(std::span<const uint8_t> bytes, PlanFileHeader header, plan::Plan& plan) {
  size_t before = header.messageSize, after = plan.ByteSizeLong();
  size_t shift = after > before ? static_cast<size_t>(alignUp(static_cast<int64_t>(after - before + 64))) : 0;
  for (plan::Segment& s : *plan.mutable_segments())
    s.set_offset(s.offset() + shift);
  std::string message = plan.SerializePartialAsString();
  header.messageSize = message.size();
  std::vector<uint8_t> changed(bytes.size() + shift);
  std::copy(bytes.begin() + static_cast<ptrdiff_t>(sizeof header + before), bytes.end(),
            changed.begin() + static_cast<ptrdiff_t>(sizeof header + before + shift));
  std::memcpy(changed.data(), &header, sizeof header);
  std::memcpy(changed.data() + sizeof header, message.data(), message.size());
  return changed;
}

/// The plan with the segments that lie in the file, as if all checksums were right.
Expected<PlanPointer> withoutChecksums(std::span<const uint8_t> bytes, const PlanFileHeader& header) {
  plan::Plan plan;
  if (!plan.ParsePartialFromArray(bytes.data() + sizeof header, static_cast<int>(header.messageSize)))
    return invalidArgument("no message");
  std::vector<SegmentBytes> segments;
  auto view = std::as_bytes(bytes);
  for (const plan::Segment& s : plan.segments()) {
    size_t offset = std::min<size_t>(s.offset(), view.size());
    segments.push_back({view.subspan(offset, std::min<size_t>(s.size(), view.size() - offset)), nullptr});
  }
  return PlanFile::fromMemory(std::move(plan), std::move(segments));
}

} // namespace
} // namespace jinx::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  std::span<const uint8_t> bytes(data, size);
  (void)PlanFile::fromBytes(std::as_bytes(bytes)).isOk();
  PlanFileHeader header;
  if (!fuzz::readHeader(bytes, &header)) return 0;
  (void)PlanFile::fromBytes(std::as_bytes(std::span<const uint8_t>(fuzz::withChecksums(bytes, header)))).isOk();
  auto plan = fuzz::withoutChecksums(bytes, header);
  if (!plan) return 0;
  fuzz::countAccepted();
  fuzz::run(*plan);
  return 0;
}

/// Changes fields of the message three times of four, bytes otherwise.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  using namespace jinx;
  std::span<const uint8_t> bytes(data, size);
  PlanFileHeader header;
  plan::Plan plan;
  if (seed % 4 == 0 || !fuzz::readHeader(bytes, &header) ||
      !plan.ParseFromArray(data + sizeof header, static_cast<int>(header.messageSize)))
    return LLVMFuzzerMutate(data, size, maxSize);
  test::Mutator mutator(seed / 4);
  for (unsigned i = 0; i <= seed / 4 % 4; ++i)
    mutator.mutate(plan);
  std::vector<uint8_t> changed = fuzz::withMessage(bytes, header, plan);
  if (changed.size() > maxSize) return size;
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}

// Walks the steps of a program under a binding.
//
// The common step is a launch on placed values: its numbers are ready, it costs one call. Everything else takes the
// slow way, one method a kind of step, through three operations on values:
//
//   load(v)         the value for the host to read: a view of a placed value (copied from a device whose memory is not
//                   the host's)
//   store(v, x)     x becomes the value: copied into its place, or kept in its slot; its dims are checked against the
//                   plan, and bind the symbols that this value defines
//   transfer(a, b)  store(b, load(a)), without the detour where both are placed
//
// A view of a placed value does not own its bytes, which the next step may overwrite; so what goes into a slot is
// copied when it is such a view (`owned`). Host operators may therefore return their inputs, reshaped or not.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/executor/Binding.h"
#include "runtime/executor/Collectives.h"
#include "runtime/executor/Program.h"

namespace jinx {

/// Sees what a step has just computed, output by output, for the host to read until it returns: tools that look for the
/// first wrong number. `step` counts as in traces; a step in a loop comes once an iteration. A failure ends the run.
using StepObserver = std::function<Status(uint32_t step, size_t output, const Value& value)>;

class Interpreter {
 public:
  struct Environment {
    const Program& program;
    Device& device;
    Stream& stream;
    CachingAllocator& allocator; ///< device memory for tensors whose size is known only while running
    std::span<const KernelFunction* const> kernels;
    Collectives& collectives;
    int64_t parallelWork;
  };
  explicit Interpreter(const Environment& environment);

  /// Runs the main block. Slots of plan inputs are filled from `inputs`; placed inputs must be at their addresses
  /// already.
  Status run(Binding& binding, const BaseAddresses& bases, std::span<const Value> inputs, Trace* trace,
             const StepObserver& observer);
  /// After `run`: a value for the caller, owning its bytes.
  Expected<Value> result(uint32_t value);
  /// Empties all slots.
  void reset();

 private:
  friend class ControlFlow;

  Status runBlock(uint32_t block);
  /// Empties the slots that live inside a block, after its results have been taken.
  void leaveBlock(uint32_t block);
  Status runStep(const StepInfo& step);
  Status runLaunch(const StepInfo& step);
  Status runHost(const StepInfo& step);
  Status runCopy(const StepInfo& step);
  /// Shows what the step has computed.
  Status observe(const StepInfo& step);
  Status observeResults(const StepInfo& step);

  Expected<Value> load(uint32_t value);
  Status store(uint32_t value, Value content);
  Status transfer(uint32_t from, uint32_t to);

  Status storePlaced(uint32_t value, const Value& content);
  Status storeSlot(uint32_t value, Value content);
  Status checkTensor(const ValueInfo& v, const Tensor& t) const;
  Status bindDims(uint32_t value, const Tensor& t);
  Status bindSymbol(const SymbolInfo& symbol, size_t slot, int64_t extent);
  Status checkSizes(const ValueInfo& v);

  static constexpr size_t kShortestGraph = 2; ///< a launch alone is no shorter as a graph
  size_t launchRun(uint32_t block, size_t at) const;
  Status runGraph(const std::vector<uint32_t>& steps, size_t begin, size_t end);
  Status launchStatic(const StepInfo& step);
  void release(const StepInfo& step);

  Expected<int64_t> evaluate(const Formula& formula) const;
  Expected<Shape> evaluateDims(const ValueInfo& v) const;
  Expected<Tensor> makeDeviceTensor(DType type, Shape shape);
  Expected<Tensor> toHost(const Tensor& deviceTensor);
  Expected<Tensor> toDevice(const Tensor& hostTensor);
  /// Address of a value that is not placed and whose root exists.
  Expected<std::byte*> slotAddress(uint32_t value, int64_t* sizeBytes);
  Status ensureRoot(uint32_t value);
  Expected<void*> addressToRead(uint32_t value);
  Expected<void*> addressToWrite(uint32_t value);

  const ValueInfo& info(uint32_t value) const { return program_.values[value]; }
  /// True for a tensor whose bytes lie in device memory that the host cannot touch.
  bool onDevice(const ValueInfo& v) const { return !hostMemory_ && !v.host && v.dtype != DType::kString; }

  const Program& program_;
  Device& device_;
  Stream& stream_;
  CachingAllocator& allocator_;
  std::span<const KernelFunction* const> kernels_;
  Collectives& collectives_;
  const int64_t parallelWork_;
  const bool hostMemory_;
  const bool hasGraphs_;

  Binding* binding_ = nullptr;
  BaseAddresses bases_;
  Trace* trace_ = nullptr;
  const StepObserver* observer_ = nullptr; ///< of the present run, if it has one
  std::vector<int64_t> symbols_;
  std::vector<uint8_t> bound_;
  std::vector<Value> slots_;
  // of the launch being prepared
  std::vector<void*> pointers_;
  std::vector<int64_t> sizes_;
  std::vector<Tensor> temporaries_;
};

/// `value` with every tensor that only views foreign bytes replaced by a copy.
Value owned(Value value);

} // namespace jinx

// Everything about a program that follows from the sizes of its inputs: the values of symbols, dims and addresses of
// placed values, launches with all their numbers. A session keeps the last few, so that a call with sizes seen before
// evaluates nothing.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/executor/Program.h"
#include "runtime/memory/ArenaPlanner.h"

namespace jinx {

/// Where a placed value lies.
struct Placement {
  enum class Base : uint8_t { kNone, kArena, kConstant, kInput, kOutput };
  Base base = Base::kNone;
  uint32_t index = 0; ///< kConstant: the root value; kInput, kOutput: position
  int64_t offsetBytes = 0;
  int64_t sizeBytes = 0;
};

/// Launches of the main program, recorded for where the caller's tensors lie.
struct Recording {
  std::vector<void*> callers; ///< the pointers of `Binding::callerPointers`
  int64_t runs = 0;           ///< that had these
  std::map<uint32_t, std::unique_ptr<LaunchGraph>> graphs; ///< by the position of their first step; null where none is yet
};
/// A caller that goes on while a step runs takes turns between two sets of memory.
inline constexpr size_t kRecordings = 2;

struct Binding {
  std::vector<int64_t> key; ///< extents of all ranked inputs, in order
  std::vector<int64_t> symbols;
  std::vector<uint8_t> bound;        ///< per symbol
  std::vector<int64_t> dims;         ///< of placed values, at ValueInfo::dimStart
  std::vector<Placement> placements; ///< per value
  std::vector<KernelLaunch> launches;
  std::vector<void*> pointers;          ///< of all launches; filled by `setAddresses`
  std::vector<uint32_t> operands;       ///< the value behind each pointer
  std::vector<uint32_t> callerPointers; ///< indices of pointers into the caller's tensors: set anew each run
  std::vector<int64_t> sizes;           ///< of all launches
  std::vector<int64_t> counts;          ///< of collectives, in elements
  std::vector<uint8_t> fused;           ///< collectives that the launch behind carries out
  bool agreed = false;                  ///< all ranks have compared their schedules for these sizes
  int64_t scratchBytes = 0;             ///< most that a launch asks per thread
  int64_t arenaBytes = 0, largestLiveBytes = 0, totalBytes = 0; ///< as in ArenaLayout
  const void* arenaBase = nullptr;                              ///< for which `pointers` was filled
  std::vector<Recording> recordings; ///< for `arenaBase`; at most kRecordings, the one used last behind
  uint64_t lastUsed = 0;
  uint64_t runs = 0; ///< so far

  std::span<const int64_t> dimsOf(const ValueInfo& v) const { return {dims.data() + v.dimStart, v.dims.size()}; }
};

/// What the addresses of placed values are relative to, besides the arena.
struct BaseAddresses {
  std::byte* arena = nullptr;
  std::span<void* const> constants; ///< per value
  std::span<void* const> inputs;    ///< per plan input
  std::span<void* const> outputs;   ///< per plan output
};

struct BindingOptions {
  bool callerMemory = true;                       ///< false: inputs and outputs get device buffers in the arena
  int64_t parallelWork = 0;                       ///< launches with less work stay on one thread
  double arenaSlack = kTightArena;                ///< of `planArena`
  int64_t alignment = kBufferAlignment;           ///< of activations
  std::span<const KernelFunction* const> kernels; ///< per plan kernel
};

/// Appends the extents that a binding depends on: those of the ranked inputs.
void appendBindingKey(const Program& program, std::span<const Value> inputs, std::vector<int64_t>& key);

/// Compares each ranked input's extents with the plan's dims, binding symbols. kInvalidArgument names input, got and
/// expected.
Expected<Binding> makeBinding(const Program& program, std::span<const Value> inputs, const BindingOptions& options);

/// Extents of input `index` for given symbols; nullopt when some symbol is not given.
std::optional<Shape> inputShape(const Program& program, uint32_t index, const SizeExpr::Lookup& lookup);

void* addressOf(const Placement& placement, const BaseAddresses& bases);
/// Fills the pointers of all launches (or, with `callerOnly`, only those into the caller's tensors).
void setAddresses(Binding& binding, const BaseAddresses& bases, bool callerOnly);

/// The dims a value is declared with: "nx4x((h - 1) floordiv 2 + 1)".
std::string describeDims(const ValueInfo& value);

} // namespace jinx

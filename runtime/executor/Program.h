// A plan made ready to run: formulas compiled, operators looked up, lifetimes known. One per session, immutable;
// nothing of it depends on the sizes of a call (that is Binding.h).
//
// Values fall into two groups:
//   placed    numbers whose dims depend only on the inputs' dims: they have a fixed address per binding (in the arena,
//             in a constant, in the caller's tensors), so launches on them are prepared once per binding;
//   slots     everything else, a jinx::Value per run: host values, and tensors whose dims a step decides.
//
// Time runs over the flattened steps: both branches of an If, and the body of a Loop, lie between the begin and the end
// of their control step. What a loop body reads from outside stays alive to the loop's end, because the next iteration
// reads it again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/Attributes.h"
#include "runtime/base/SizeExpr.h"
#include "runtime/base/Tensor.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/plan/PlanFile.h"

namespace jinx {

/// A compiled size formula.
struct Formula {
  SizeProgram program;
  bool perStep = false; ///< reads a symbol that a step defines: known only while running
};

struct SymbolInfo {
  std::string name;
  int64_t min = 0, max = 0, multipleOf = 0;
  bool perStep = false;
  uint32_t definer = kNoValue; ///< perStep: the value whose dimension (re)binds it
  int order = -1;              ///< perStep: later symbols are defined later
  std::vector<uint32_t> checks; ///< Program::sizeChecks that can be made once this symbol is known
};

/// Two formulas that must agree.
struct SizeCheckInfo {
  Formula left, right;
  const plan::SizeCheck* source = nullptr;

  /// For the values of symbols. kInvalidArgument names the node, both formulas and what they are.
  Status check(std::span<const int64_t> symbols) const;
};

struct DimInfo {
  Formula formula;
  int symbol = -1; ///< slot when the dimension is exactly this symbol
};

struct ValueInfo {
  const plan::Value* source = nullptr;
  DType dtype = DType::kInvalid;
  bool host = false; ///< isHostValue
  bool ranked = true;
  bool placed = false;
  uint32_t root = 0; ///< end of the alias chain
  int input = -1;    ///< position among the plan's inputs
  int output = -1;   ///< position among the plan's outputs
  bool written = false; ///< an input that a launch changes: its memory is the caller's
  std::vector<DimInfo> dims;
  Formula aliasOffset;   ///< elements
  uint32_t dimStart = 0; ///< where its dims lie in Binding::dims
  int32_t firstUse = -1; ///< placed roots: lifetime in flattened time; firstUse < 0 when never used
  int32_t lastUse = -1;
  Tensor strings; ///< string constants
  const std::string& name() const { return source->name(); }
};

struct StepInfo {
  const plan::Step* source = nullptr;
  uint32_t index = 0; ///< in Program::steps
  int32_t time = 0;   ///< when it runs, in flattened time
  std::vector<uint32_t> inputs, outputs;
  std::vector<uint32_t> released; ///< slots that nothing reads after this step

  // launch
  std::vector<Formula> sizes;
  Formula programs, scratchBytes, work;
  bool hasWork = false;
  int64_t granule = 1;
  int staticLaunch = -1; ///< index into Binding::launches; -1 when operands or sizes are known only while running
  int sumOf = -1;        ///< index into Program::collectives: an all_reduce in front that its kernel may carry out

  // collective, and the wait for one
  Formula count;
  int collective = -1; ///< index into Program::collectives; a wait has that of its start

  // host
  HostOpFn hostFn = nullptr;
  Attributes attributes; ///< of host and control steps

  const std::string& name() const { return source->name(); }
  /// A collective whose sizes are data: the host must have them before it goes on.
  bool readsCounts() const {
    return source->has_collective() && source->collective().op() == plan::Collective::ALL_TO_ALL_V;
  }
};

struct BlockInfo {
  std::vector<uint32_t> steps;
  std::vector<uint32_t> params, results;
  uint32_t parent = 0;     ///< enclosing block
  uint32_t parentStep = 0; ///< position, within the parent's steps, of the control step that runs it
  int depth = 0;
  bool repeats = false;        ///< body of Loop, Scan or SequenceMap
  int32_t endTime = 0;         ///< of the control step that runs it
  std::vector<uint32_t> owned; ///< slots that live inside it: emptied when it ends
};

struct Program {
  std::shared_ptr<const PlanFile> file;
  std::vector<SymbolInfo> symbols;
  std::vector<SizeCheckInfo> sizeChecks; ///< a Binding makes those that no step has a part in, the Interpreter the others
  std::vector<ValueInfo> values;
  std::vector<StepInfo> steps;   ///< of all blocks, in flattened order (a control step comes before its blocks' steps)
  std::vector<BlockInfo> blocks; ///< as in the plan
  std::vector<uint32_t> collectives; ///< steps, in order
  std::vector<uint32_t> placementOrder; ///< placed values, aliased ones before their aliases
  int32_t endTime = 0;
  uint32_t numDims = 0; ///< length of Binding::dims
  int numStaticLaunches = 0;

  /// kUnimplemented, naming the node, when an operator has no host function.
  static Expected<std::unique_ptr<const Program>> build(std::shared_ptr<const PlanFile> file,
                                                        const HostOpTable& hostOps);

  const plan::Plan& plan() const { return file->plan(); }
};

/// A constant of the plan as a tensor over the plan's bytes (strings: a copy).
Tensor constantTensor(const PlanFile& file, uint32_t valueIndex);

} // namespace jinx

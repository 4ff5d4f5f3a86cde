#include "runtime/plan/PlanCheck.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/SizeExpr.h"
#include "runtime/plan/CollectiveCheck.h"
#include "runtime/plan/Mesh.h"
#include "runtime/plan/Pieces.h"
#include "runtime/plan/PlanFile.h"

namespace jinx {
namespace {

constexpr int kMaxEntries = 1 << 22; ///< values, steps, kernels, …
constexpr int kMaxRank = 64;
constexpr int kMaxBlockDepth = 64;
constexpr uint32_t kMaxOperands = 1 << 16;

std::string quoted(const std::string& text) { return "\"" + text.substr(0, 200) + "\""; }

/// Checks one plan; a method a topic. `where_` names what is being looked at.
class PlanChecker {
 public:
  PlanChecker(const plan::Plan& plan, std::span<const uint64_t> segmentSizes)
      : plan_(plan), segmentSizes_(segmentSizes) {}

  Status check() {
    JINX_TRY(checkCounts());
    JINX_TRY(checkSymbols());
    JINX_TRY(checkMesh(plan_.mesh()));
    if (plan_.external_above() && !plan_.has_mesh()) return invalidArgument("names external files from the folder above, which only a rank's plan may, and has no mesh");
    JINX_TRY(checkAliasChains());
    for (int i = 0; i < plan_.values_size(); ++i)
      JINX_TRY(checkValue(plan_.values(i)), "value " + quoted(plan_.values(i).name()));
    JINX_TRY(checkInterface());
    for (const plan::Kernel& k : plan_.kernels())
      JINX_TRY(checkKernel(k), "kernel " + quoted(k.symbol()));
    for (const plan::CodeObject& c : plan_.code()) {
      if (c.segment() >= segmentSizes_.size())
        return invalidArgument("code object " + quoted(c.isa()) + " has no such segment");
      if (c.format() == "cubin" && c.text_key().empty())
        return invalidArgument("cubin for " + quoted(c.isa()) + " names no text, expected the key of the one it was compiled from");
    }
    for (const plan::SizeCheck& c : plan_.size_checks()) {
      JINX_TRY(checkFormula(c.left()), "size check of " + quoted(c.node()));
      JINX_TRY(checkFormula(c.right()), "size check of " + quoted(c.node()));
    }
    JINX_TRY(checkProgram());
    return checkSymbolsAreBound();
  }

 private:
  // ---- small helpers ----

  Status checkFormula(const std::string& text) {
    if (!text.empty() && text.size() <= 18 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return Status::ok();
    if (goodFormulas_.count(text)) return Status::ok();
    JINX_TRY_ASSIGN(SizeExpr e, SizeExpr::parse(text));
    for (const std::string& name : e.symbols())
      if (!symbols_.count(name))
        return invalidArgument("formula " + quoted(text) + " uses the undeclared symbol " + quoted(name));
    goodFormulas_.insert(text);
    return Status::ok();
  }
  Status checkOptionalFormula(const std::string& text) { return text.empty() ? Status::ok() : checkFormula(text); }

  /// A launch-shape formula, over a0 … a<numSizes-1>.
  static Status checkLaunchFormula(const std::string& text, uint32_t numSizes) {
    if (text.empty()) return Status::ok();
    JINX_TRY_ASSIGN(SizeExpr e, SizeExpr::parse(text));
    for (const std::string& name : e.symbols()) {
      bool known = name.size() >= 2 && name.size() <= 6 && name[0] == 'a' &&
                   std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                   std::stoul(name.substr(1)) < numSizes;
      if (!known)
        return invalidArgument("formula " + quoted(text) + " uses " + quoted(name) +
                               ", which is no size of the launch");
    }
    return Status::ok();
  }

  bool isValue(uint32_t index) const { return index < static_cast<uint32_t>(plan_.values_size()); }
  const plan::Value& value(uint32_t index) const { return plan_.values(static_cast<int>(index)); }

  // ---- tables ----

  Status checkCounts() {
    if (plan_.version() != kPlanVersion)
      return invalidArgument("plan version " + std::to_string(plan_.version()) + " is unknown");
    if (plan_.segments_size() != static_cast<int>(segmentSizes_.size())) return invalidArgument("segments are missing");
    for (int count : {plan_.symbols_size(), plan_.values_size(), plan_.kernels_size(), plan_.blocks_size(),
                      plan_.code_size(), plan_.segments_size()})
      if (count > kMaxEntries) return invalidArgument("table with " + std::to_string(count) + " entries is too long");
    if (plan_.blocks_size() == 0) return invalidArgument("plan has no main block");
    return Status::ok();
  }

  Status checkSymbols() {
    for (const plan::Symbol& s : plan_.symbols()) {
      if (!SizeExpr::isSymbolName(s.name()))
        return invalidArgument("symbol " + quoted(s.name()) + " is not an identifier");
      if (!symbols_.insert(s.name()).second)
        return invalidArgument("symbol " + quoted(s.name()) + " is declared twice");
      if (s.defined_by_step()) stepSymbols_.insert(s.name());
      if (s.min() < 0 || s.max() < 0 || (s.max() != 0 && s.max() < s.min()) || s.multiple_of() < 0)
        return invalidArgument("symbol " + quoted(s.name()) + " has an empty range");
    }
    return Status::ok();
  }

  /// Finds the root of every alias, following each link once.
  Status checkAliasChains() {
    constexpr uint32_t kUnknown = kNoValue, kOnPath = kNoValue - 1;
    roots_.assign(static_cast<size_t>(plan_.values_size()), kUnknown);
    std::vector<uint32_t> path;
    for (uint32_t i = 0; i < roots_.size(); ++i) {
      uint32_t at = i;
      while (roots_[at] == kUnknown && value(at).where() == plan::Value::ALIAS) {
        roots_[at] = kOnPath;
        path.push_back(at);
        at = value(at).alias_of();
        if (!isValue(at))
          return invalidArgument("value " + quoted(value(path.back()).name()) + " is an alias of no value");
        if (roots_[at] == kOnPath)
          return invalidArgument("value " + quoted(value(at).name()) + " is an alias of itself");
      }
      if (roots_[at] == kUnknown) roots_[at] = at;
      for (uint32_t seen : path)
        roots_[seen] = roots_[at];
      path.clear();
    }
    return Status::ok();
  }

  Status checkValue(const plan::Value& v) {
    if (v.dtype() >= static_cast<uint32_t>(kNumDTypes))
      return invalidArgument("unknown element type " + std::to_string(v.dtype()));
    if (!plan::Value::Kind_IsValid(v.kind()) || !plan::Value::Storage_IsValid(v.where()))
      return invalidArgument("unknown kind");
    if (v.dims_size() > kMaxRank) return invalidArgument("rank " + std::to_string(v.dims_size()) + " is beyond 64");
    for (const std::string& dim : v.dims())
      JINX_TRY(checkFormula(dim));
    JINX_TRY(checkOptionalFormula(v.alias_offset()));
    JINX_TRY(checkPart(plan_.mesh(), v));
    for (const plan::WholeDim& dim : v.whole().dims())
      JINX_TRY(checkFormula(dim.size()), "whole");
    DType type = static_cast<DType>(v.dtype());
    bool placed =
        v.where() == plan::Value::ARENA || v.where() == plan::Value::ALIAS || v.where() == plan::Value::CONSTANT;
    if (type == DType::kInvalid && !isHostValue(v)) return invalidArgument("tensor without an element type");
    if (placed && (v.kind() != plan::Value::TENSOR || v.unranked() ||
                   (type == DType::kString && v.where() != plan::Value::CONSTANT)))
      return invalidArgument("strings, sequences, optionals and unranked tensors must be HOST, INPUT or OUTPUT");
    if (v.where() == plan::Value::ALIAS && isHostValue(value(roots_[v.alias_of()])))
      return invalidArgument("alias of a host value");
    return v.where() == plan::Value::CONSTANT ? checkConstant(v, type) : Status::ok();
  }

  Status checkConstant(const plan::Value& v, DType type) {
    const plan::ConstantData& c = v.constant();
    int64_t count = 1;
    for (const std::string& dim : v.dims()) {
      JINX_TRY_ASSIGN(SizeExpr e, SizeExpr::parse(dim));
      std::optional<int64_t> extent = e.constant();
      if (!extent || *extent < 0) return invalidArgument("dimension " + quoted(dim) + " of a constant is not a number");
      if (__builtin_mul_overflow(count, *extent, &count) || count > (int64_t{1} << 56))
        return invalidArgument("constant is too large");
    }
    if (type == DType::kString) {
      if (c.strings_size() != count)
        return invalidArgument("constant has " + std::to_string(c.strings_size()) + " strings, expected " +
                               std::to_string(count));
      return Status::ok();
    }
    if (c.size() != static_cast<uint64_t>(packedBytes(type, count)))
      return invalidArgument("constant has " + std::to_string(c.size()) + " bytes, its dimensions need " +
                             std::to_string(packedBytes(type, count)));
    const uint64_t elementBytes = static_cast<uint64_t>(std::min(64, std::max(8, bitWidth(type)))) / 8;
    if (c.pieces().empty()) return checkPlace(c, elementBytes);
    uint64_t bytes = 0;
    for (const plan::ConstantPiece& piece : c.pieces()) {
      JINX_TRY(checkPiece(piece, elementBytes));
      JINX_TRY(checkPlace(piece, elementBytes));
      if (piece.size() > c.size() - bytes) return invalidArgument("constant has more bytes in its pieces than in all");
      bytes += piece.size();
    }
    return bytes == c.size() ? Status::ok() : invalidArgument("constant has fewer bytes in its pieces than in all");
  }

  /// \param place  of a constant, or of a piece of one
  template <typename Place> Status checkPlace(const Place& place, uint64_t elementBytes) const {
    if ((place.external_file().empty() ? place.offset() : place.external_offset()) % elementBytes != 0)
      return invalidArgument("constant at an unaligned offset");
    if (!place.external_file().empty()) return checkExternalPath(place.external_file());
    const uint64_t reach = reachOf(place);
    if (reach == 0) return Status::ok();
    if (place.segment() >= segmentSizes_.size()) return invalidArgument("constant in no segment");
    uint64_t available = segmentSizes_[place.segment()];
    if (place.offset() > available || reach > available - place.offset())
      return invalidArgument("constant does not lie in its segment");
    return Status::ok();
  }

  /// A plan may name files beside it, a rank's plan files beside the folder of ranks; it may not reach out of that folder.
  static Status checkExternalPath(const std::string& path) {
    bool outside =
        path[0] == '/' || path == ".." || path.rfind("../", 0) == 0 || path.find("/../") != std::string::npos ||
        (path.size() >= 3 && path.compare(path.size() - 3, 3, "/..") == 0) || path.find('\0') != std::string::npos;
    return outside ? invalidArgument("external file " + quoted(path) + " is outside the plan's folder") : Status::ok();
  }

  Status checkInterface() {
    std::unordered_set<uint32_t> inputs;
    std::unordered_set<std::string_view> names;
    for (uint32_t i : plan_.inputs()) {
      if (!isValue(i)) return invalidArgument("plan input is no value");
      plan::Value::Storage where = value(i).where();
      if (where != plan::Value::INPUT && where != plan::Value::HOST)
        return invalidArgument("plan input " + quoted(value(i).name()) + " is stored as neither INPUT nor HOST");
      if (!names.insert(value(i).name()).second || !inputs.insert(i).second)
        return invalidArgument("two inputs have the name " + quoted(value(i).name()));
    }
    for (int i = 0; i < plan_.values_size(); ++i)
      if (plan_.values(i).where() == plan::Value::INPUT && !inputs.count(static_cast<uint32_t>(i)))
        return invalidArgument("value " + quoted(plan_.values(i).name()) + " is INPUT and not among the plan's inputs");
    names.clear();
    for (uint32_t i : plan_.outputs()) {
      if (!isValue(i)) return invalidArgument("plan output is no value");
      if (!names.insert(value(i).name()).second)
        return invalidArgument("two outputs have the name " + quoted(value(i).name()));
    }
    return Status::ok();
  }

  Status checkKernel(const plan::Kernel& k) {
    if (!SizeExpr::isSymbolName(k.symbol())) return invalidArgument("not an identifier");
    if (!kernelNames_.insert(k.symbol()).second) return invalidArgument("two kernels have this name");
    if (k.num_buffers() > kMaxOperands || k.num_sizes() > kMaxOperands) return invalidArgument("too many parameters");
    if (k.grid_size() > 3 || k.cluster_size() > 3) return invalidArgument("launch shape beyond three dimensions");
    if (k.block_threads() > 1024) return invalidArgument("block of more than 1024 threads");
    for (const std::string& g : k.grid())
      JINX_TRY(checkLaunchFormula(g, k.num_sizes()));
    JINX_TRY(checkLaunchFormula(k.shared_bytes(), k.num_sizes()));
    for (const plan::TensorMap& m : k.tensor_maps()) {
      if (m.buffer() >= k.num_buffers() || m.dtype() >= static_cast<uint32_t>(kNumDTypes))
        return invalidArgument("tensor map of no buffer");
      const bool isRun = m.window_size() == 6 && m.dims_size() == 4;
      if (m.dims_size() < 1 || m.dims_size() > 5 || m.strides_bytes_size() != m.dims_size() - 1 ||
          (isRun ? m.box_size() != 2 : m.window_size() != 0 || m.box_size() != m.dims_size()))
        return invalidArgument("tensor map with a wrong number of dimensions");
      for (const std::string& d : m.dims())
        JINX_TRY(checkLaunchFormula(d, k.num_sizes()));
      for (const std::string& d : m.strides_bytes())
        JINX_TRY(checkLaunchFormula(d, k.num_sizes()));
    }
    return Status::ok();
  }

  // ---- the program ----

  Status checkProgram() {
    defined_.assign(static_cast<size_t>(plan_.values_size()), false);
    blockUsed_.assign(static_cast<size_t>(plan_.blocks_size()), false);
    for (uint32_t i = 0; i < defined_.size(); ++i)
      defined_[i] = value(i).where() == plan::Value::CONSTANT;
    for (uint32_t i : plan_.inputs())
      defined_[i] = true;
    blockUsed_[0] = true;
    if (plan_.blocks(0).params_size() != 0) return invalidArgument("the main block has parameters");
    JINX_TRY(checkBlock(0, 0));
    if (!inFlight_.empty())
      return invalidArgument("step " + quoted(plan_.blocks(0).steps(static_cast<int>(inFlight_.begin()->first)).name()) + " starts a collective that nothing waits for");
    for (size_t b = 0; b < blockUsed_.size(); ++b)
      if (!blockUsed_[b]) return invalidArgument("block " + std::to_string(b) + " is used by no step");
    for (uint32_t i : plan_.outputs())
      if (!isDefined(i)) return invalidArgument("output " + quoted(value(i).name()) + " is never written");
    return Status::ok();
  }

  bool isDefined(uint32_t index) const { return defined_[roots_[index]]; }

  void define(uint32_t index) {
    uint32_t root = roots_[index];
    if (!defined_[root]) scope_.push_back(root);
    defined_[root] = true;
  }

  Status checkRead(uint32_t index) const {
    if (!isValue(index)) return invalidArgument("operand is no value");
    if (!isDefined(index)) return invalidArgument("reads " + quoted(value(index).name()) + " before it is written");
    for (const auto& [at, step] : inFlight_)
      if (touches(step->outputs(), index))
        return invalidArgument("reads " + quoted(value(index).name()) + ", which " + quoted(step->name()) + " is writing: wait for it first");
    return Status::ok();
  }

  /// A launch may write an input of the plan where it takes it as an operand: in place.
  bool isInPlace(uint32_t index, const plan::Step* step) const {
    if (!step || !step->has_launch() || value(index).where() != plan::Value::ALIAS) return false;
    return value(roots_[index]).where() == plan::Value::INPUT &&
           std::any_of(step->inputs().begin(), step->inputs().end(),
                       [&](uint32_t i) { return i != kNoValue && roots_[i] == roots_[index]; });
  }

  Status checkWrite(uint32_t index, const plan::Step* step = nullptr) const {
    if (!isValue(index)) return invalidArgument("result is no value");
    for (const auto& [at, started] : inFlight_)
      if (touches(started->outputs(), index) || touches(started->inputs(), index))
        return invalidArgument("writes " + quoted(value(index).name()) + ", which " + quoted(started->name()) + " is using: wait for it first");
    if (isInPlace(index, step)) return Status::ok();
    plan::Value::Storage where = value(roots_[index]).where();
    if (where == plan::Value::CONSTANT || where == plan::Value::INPUT)
      return invalidArgument("writes " + quoted(value(index).name()) + ", which is an input or a constant");
    return Status::ok();
  }

  Status checkBlock(uint32_t blockIndex, int depth) {
    if (depth > kMaxBlockDepth) return invalidArgument("blocks nest deeper than " + std::to_string(kMaxBlockDepth));
    const plan::Block& block = plan_.blocks(static_cast<int>(blockIndex));
    size_t scopeStart = scope_.size();
    for (uint32_t p : block.params()) {
      JINX_TRY(checkWrite(p), "block parameter");
      define(p);
    }
    for (int at = 0; at < block.steps_size(); ++at) {
      const plan::Step& step = block.steps(at);
      if (++numSteps_ > kMaxEntries) return invalidArgument("too many steps");
      if (step.has_wait()) JINX_TRY(checkWait(step, depth), "step " + quoted(step.name()));
      JINX_TRY(checkStep(step, depth), "step " + quoted(step.name()));
      if (step.launch().has_sum_of()) JINX_TRY(checkSum(block, at, depth), "step " + quoted(step.name()));
      if (step.has_collective() && step.collective().starts()) inFlight_[static_cast<uint32_t>(at)] = &step;
    }
    for (uint32_t r : block.results())
      JINX_TRY(checkRead(r), "block result");
    if (blockIndex != 0) { // what a body defines is not seen outside
      for (size_t i = scopeStart; i < scope_.size(); ++i)
        defined_[scope_[i]] = false;
      scope_.resize(scopeStart);
    }
    return Status::ok();
  }

  Status checkStep(const plan::Step& step, int depth) {
    for (uint32_t i : step.inputs())
      if (i != kNoValue) JINX_TRY(checkRead(i));
    for (uint32_t o : step.outputs())
      if (o != kNoValue) JINX_TRY(checkWrite(o, &step));
    JINX_TRY(checkOptionalFormula(step.flops()));
    JINX_TRY(checkOptionalFormula(step.bytes()));
    switch (step.what_case()) {
    case plan::Step::kLaunch:
      JINX_TRY(checkLaunch(step));
      break;
    case plan::Step::kHost:
      if (step.outputs_size() == 0) return invalidArgument("host call without a result");
      JINX_TRY(checkAttributes(step.host().attributes()));
      break;
    case plan::Step::kControl:
      JINX_TRY(checkControl(step, depth));
      break;
    case plan::Step::kCopy:
      JINX_TRY(checkCopy(step));
      break;
    case plan::Step::kCollective:
      JINX_TRY(checkCollective(step, depth));
      if (step.collective().starts()) return Status::ok(); // its wait has the result
      break;
    case plan::Step::kWait:
      break;
    case plan::Step::WHAT_NOT_SET:
      return invalidArgument("does nothing");
    }
    for (uint32_t o : step.outputs())
      if (o != kNoValue) define(o);
    return Status::ok();
  }

  Status checkCollective(const plan::Step& step, int depth) {
    if (depth > 0) return invalidArgument("is a collective in a body of control flow, expected the main block");
    if (!plan_.has_mesh()) return invalidArgument("is a collective, and the plan has no mesh");
    JINX_TRY(checkCollectiveFields(plan_.mesh(), step));
    JINX_TRY(checkFormula(step.collective().count()));
    JINX_TRY(checkKnownSize(step.collective().count()));
    std::optional<uint32_t> type;
    for (const auto* operands : {&step.inputs(), &step.outputs()}) {
      for (int at = 0; at < operands->size(); ++at) {
        const uint32_t i = operands->Get(at);
        if (i == kNoValue) return invalidArgument("collective with an omitted operand");
        const plan::Value& v = value(i);
        if (isHostValue(v) || isHostValue(value(roots_[i])) || v.dtype() == static_cast<uint32_t>(DType::kString) || v.dtype() == 0)
          return invalidArgument("collective on " + quoted(v.name()) + ", which is no ranked tensor of numbers");
        const bool isCounts = operands == &step.inputs() && at > 0; // of an all_to_all_v
        if (isCounts && v.dtype() != static_cast<uint32_t>(DType::kI64)) return invalidArgument("counts " + quoted(v.name()) + " are no i64");
        if (!isCounts && type.value_or(v.dtype()) != v.dtype()) return invalidArgument("operand and result have different element types");
        if (!isCounts) type = v.dtype();
        for (const auto& text : v.dims())
          JINX_TRY(checkKnownSize(text));
        JINX_TRY(checkKnownSize(v.alias_offset()));
        for (const auto& text : value(roots_[i]).dims())
          JINX_TRY(checkKnownSize(text));
      }
    }
    return Status::ok();
  }

  /// The wait ends what the step names, and has its operands.
  Status checkWait(const plan::Step& step, int depth) {
    auto started = depth > 0 ? inFlight_.end() : inFlight_.find(step.wait().start());
    if (started == inFlight_.end()) return invalidArgument("waits for step " + std::to_string(step.wait().start()) + " of the block, which has started no collective");
    const plan::Step& start = *started->second;
    if (!std::ranges::equal(step.inputs(), start.inputs()) || !std::ranges::equal(step.outputs(), start.outputs()))
      return invalidArgument("has other operands than " + quoted(start.name()) + ", for which it waits");
    inFlight_.erase(started);
    return Status::ok();
  }

  /// A launch that may carry out an all_reduce in front of it: its kernel adds up, and has the operands of both.
  Status checkSum(const plan::Block& block, int at, int depth) const {
    const plan::Step& step = block.steps(at);
    const uint32_t position = step.launch().sum_of();
    if (depth > 0 || position >= static_cast<uint32_t>(at)) return invalidArgument("makes the sum of step " + std::to_string(position) + ", expected one in front of it in the main program");
    const plan::Step& sum = block.steps(static_cast<int>(position));
    const plan::Collective& call = sum.collective();
    if (!sum.has_collective() || call.op() != plan::Collective::ALL_REDUCE || call.reduction() != plan::Collective::SUM || call.starts())
      return invalidArgument("makes the sum of " + quoted(sum.name()) + ", expected an all_reduce by sum that does not only start");
    if (!touches(step.inputs(), sum.inputs(0)) || !touches(step.inputs(), sum.outputs(0)))
      return invalidArgument("makes the sum of " + quoted(sum.name()) + ", expected its operand and its result among the inputs");
    for (int between = static_cast<int>(position) + 1; between < at; ++between)
      if (touches(block.steps(between).inputs(), sum.outputs(0)) || touches(block.steps(between).outputs(), sum.inputs(0)))
        return invalidArgument("makes the sum of " + quoted(sum.name()) + ", which " + quoted(block.steps(between).name()) + " in front of it needs");
    const int64_t ranks = groupSize(plan_.mesh(), axesOf(call));
    const int64_t own = plan_.kernels(static_cast<int>(step.launch().kernel())).sum_ranks();
    return own == ranks ? Status::ok() : invalidArgument("makes a sum of " + std::to_string(ranks) + " ranks, its kernel of " + std::to_string(own));
  }

  /// Ranks compare sizes before the first step.
  Status checkKnownSize(const std::string& text) const {
    if (text.empty() || stepSymbols_.empty()) return Status::ok();
    JINX_TRY_ASSIGN(SizeExpr e, SizeExpr::parse(text));
    for (const std::string& name : e.symbols())
      if (stepSymbols_.count(name)) return invalidArgument("has size " + quoted(text) + ", which a step tells: expected one that the inputs do");
    return Status::ok();
  }

  template <typename Operands> bool touches(const Operands& operands, uint32_t index) const {
    return std::any_of(operands.begin(), operands.end(), [&](uint32_t i) { return i != kNoValue && roots_[i] == roots_[index]; });
  }

  Status checkLaunch(const plan::Step& step) {
    const plan::Launch& launch = step.launch();
    if (launch.kernel() >= static_cast<uint32_t>(plan_.kernels_size())) return invalidArgument("launches no kernel");
    const plan::Kernel& kernel = plan_.kernels(static_cast<int>(launch.kernel()));
    if (static_cast<uint32_t>(step.inputs_size() + step.outputs_size()) != kernel.num_buffers())
      return invalidArgument("has " + std::to_string(step.inputs_size() + step.outputs_size()) + " operands, kernel " +
                             quoted(kernel.symbol()) + " takes " + std::to_string(kernel.num_buffers()));
    if (static_cast<uint32_t>(launch.sizes_size()) != kernel.num_sizes())
      return invalidArgument("gives " + std::to_string(launch.sizes_size()) + " sizes, kernel " +
                             quoted(kernel.symbol()) + " takes " + std::to_string(kernel.num_sizes()));
    for (const auto* operands : {&step.inputs(), &step.outputs()}) {
      for (uint32_t i : *operands) {
        if (i == kNoValue) return invalidArgument("launch with an omitted operand");
        const plan::Value& v = value(i);
        if (v.kind() != plan::Value::TENSOR || v.unranked() || v.dtype() == static_cast<uint32_t>(DType::kString) ||
            v.dtype() == 0)
          return invalidArgument("launch on " + quoted(v.name()) + ", which is no ranked tensor of numbers");
      }
    }
    for (const std::string& s : launch.sizes())
      JINX_TRY(checkFormula(s));
    JINX_TRY(checkFormula(launch.programs()));
    JINX_TRY(checkOptionalFormula(launch.scratch_bytes()));
    return checkOptionalFormula(launch.work());
  }

  Status checkCopy(const plan::Step& step) {
    if (step.inputs_size() != 1 || step.outputs_size() != 1 || step.inputs(0) == kNoValue ||
        step.outputs(0) == kNoValue)
      return invalidArgument("copy needs one input and one output");
    return Status::ok();
  }

  template <typename Map>
  Status checkAttributes(const Map& attributes) {
    for (const auto& [name, attribute] : attributes) {
      if (attribute.value_case() != plan::Attr::kTensor) continue;
      if (!isValue(attribute.tensor()) || value(attribute.tensor()).where() != plan::Value::CONSTANT)
        return invalidArgument("attribute " + quoted(name) + " is no constant");
    }
    return Status::ok();
  }

  Status checkControl(const plan::Step& step, int depth) {
    const plan::Control& control = step.control();
    JINX_TRY(checkAttributes(control.attributes()));
    if (!plan::Control::Kind_IsValid(control.kind())) return invalidArgument("unknown control flow");
    int wanted = control.kind() == plan::Control::IF ? 2 : 1;
    if (control.blocks_size() != wanted)
      return invalidArgument("has " + std::to_string(control.blocks_size()) + " blocks, expected " +
                             std::to_string(wanted));
    for (uint32_t b : control.blocks()) {
      if (b >= blockUsed_.size()) return invalidArgument("runs no block");
      if (blockUsed_[b]) return invalidArgument("block " + std::to_string(b) + " has two users");
      blockUsed_[b] = true;
      JINX_TRY(checkControlShape(step, plan_.blocks(static_cast<int>(b))));
      JINX_TRY(checkBlock(b, depth + 1), "block " + std::to_string(b));
    }
    return Status::ok();
  }

  static Status expectCount(const char* what, int got, int expected) {
    if (got == expected) return Status::ok();
    return invalidArgument(std::string("has ") + std::to_string(got) + " " + what + ", expected " +
                           std::to_string(expected));
  }

  Status checkControlShape(const plan::Step& step, const plan::Block& body) {
    int inputs = step.inputs_size(), outputs = step.outputs_size();
    switch (step.control().kind()) {
    case plan::Control::IF:
      JINX_TRY(expectCount("inputs", inputs, 1));
      JINX_TRY(expectCount("block parameters", body.params_size(), 0));
      return expectCount("block results", body.results_size(), outputs);
    case plan::Control::LOOP:
      if (inputs < 2) return invalidArgument("loop needs a trip count and a condition (either may be omitted)");
      JINX_TRY(expectCount("block parameters", body.params_size(), inputs));
      if (outputs < inputs - 2) return invalidArgument("loop yields fewer values than it carries");
      return expectCount("block results", body.results_size(), outputs + 1);
    case plan::Control::SCAN: {
      auto it = step.control().attributes().find("num_scan_inputs");
      if (it == step.control().attributes().end()) return invalidArgument("scan without num_scan_inputs");
      int first =
          step.control().opset() != 0 && step.control().opset() < 9 ? 1 : 0; // Scan 8: sequence_lens comes first
      if (it->second.i() < 1 || it->second.i() > inputs - first)
        return invalidArgument("scan with a wrong num_scan_inputs");
      JINX_TRY(expectCount("block parameters", body.params_size(), inputs - first));
      if (outputs < inputs - first - static_cast<int>(it->second.i()))
        return invalidArgument("scan yields fewer values than it carries");
      return expectCount("block results", body.results_size(), outputs);
    }
    case plan::Control::SEQUENCE_MAP:
      if (inputs < 1) return invalidArgument("sequence map without a sequence");
      JINX_TRY(expectCount("block parameters", body.params_size(), inputs));
      return expectCount("block results", body.results_size(), outputs);
    default:
      return invalidArgument("unknown control flow");
    }
  }

  Status checkSymbolsAreBound() {
    std::unordered_set<std::string_view> byInput, byStep;
    std::unordered_set<uint32_t> inputs(plan_.inputs().begin(), plan_.inputs().end());
    for (uint32_t i = 0; i < static_cast<uint32_t>(plan_.values_size()); ++i) {
      auto& names = inputs.count(i) ? byInput : byStep;
      if (inputs.count(i) || isHostValue(value(i)) || value(i).where() == plan::Value::OUTPUT ||
          value(i).where() == plan::Value::ARENA)
        for (const std::string& dim : value(i).dims())
          names.insert(dim);
    }
    for (const plan::Symbol& s : plan_.symbols())
      if (!(s.defined_by_step() ? byStep : byInput).count(s.name()) &&
          !(s.defined_by_step() && byInput.count(s.name())))
        return invalidArgument("symbol " + quoted(s.name()) + " is the dimension of no " +
                               (s.defined_by_step() ? "value" : "input"));
    return Status::ok();
  }

  const plan::Plan& plan_;
  std::span<const uint64_t> segmentSizes_;
  std::unordered_set<std::string> symbols_, stepSymbols_, goodFormulas_, kernelNames_;
  std::map<uint32_t, const plan::Step*> inFlight_; ///< collectives that are started, by position
  std::vector<uint32_t> roots_; ///< the value at the end of each value's alias chain
  std::vector<bool> defined_;   ///< by alias root
  std::vector<uint32_t> scope_; ///< roots defined in the blocks being walked, innermost last
  std::vector<bool> blockUsed_;
  int numSteps_ = 0;
};

} // namespace

bool isHostValue(const plan::Value& value) {
  if (value.where() == plan::Value::HOST || value.kind() != plan::Value::TENSOR || value.unranked()) return true;
  return value.dtype() == static_cast<uint32_t>(DType::kString) && value.where() != plan::Value::CONSTANT;
}

uint32_t aliasRoot(const plan::Plan& plan, uint32_t valueIndex) {
  while (plan.values(static_cast<int>(valueIndex)).where() == plan::Value::ALIAS)
    valueIndex = plan.values(static_cast<int>(valueIndex)).alias_of();
  return valueIndex;
}

Status checkPlan(const plan::Plan& plan, std::span<const uint64_t> segmentSizes) {
  return PlanChecker(plan, segmentSizes).check();
}

} // namespace jinx

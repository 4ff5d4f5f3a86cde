#include "runtime/executor/Program.h"

#include <unordered_map>

#include "runtime/executor/Lifetimes.h"
#include "runtime/plan/PlanCheck.h"

namespace jinx {
namespace {

class ProgramBuilder {
 public:
  ProgramBuilder(std::shared_ptr<const PlanFile> file, const HostOpTable& hostOps)
      : program_(std::make_unique<Program>()), plan_(file->plan()), hostOps_(hostOps) {
    program_->file = std::move(file);
  }

  Expected<std::unique_ptr<const Program>> build() {
    addSymbols();
    JINX_TRY(addValues());
    program_->blocks.resize(static_cast<size_t>(plan_.blocks_size()));
    JINX_TRY(addBlock(0, 0, 0, 0));
    for (StepInfo& step : program_->steps)
      findStaticLaunch(step);
    JINX_TRY(addSizeChecks());
    computeLifetimes(*program_);
    return std::unique_ptr<const Program>(std::move(program_));
  }

 private:
  // ---- formulas ----

  Expected<Formula> formula(const std::string& text) {
    if (text.empty()) return Formula();
    auto known = formulas_.find(text);
    if (known != formulas_.end()) return known->second;
    JINX_TRY_ASSIGN(SizeExpr e, SizeExpr::parse(text));
    auto slot = [&](std::string_view name) {
      auto it = symbolSlots_.find(std::string(name));
      return it == symbolSlots_.end() ? -1 : it->second;
    };
    Formula f;
    JINX_TRY_ASSIGN(f.program, SizeProgram::compile(e, slot));
    for (int s : f.program.slots())
      f.perStep |= program_->symbols[static_cast<size_t>(s)].perStep;
    formulas_.emplace(text, f);
    return f;
  }

  void addSymbols() {
    for (const plan::Symbol& s : plan_.symbols()) {
      symbolSlots_[s.name()] = static_cast<int>(program_->symbols.size());
      SymbolInfo& symbol = program_->symbols.emplace_back();
      symbol = {s.name(), s.min(), s.max(), s.multiple_of(), s.defined_by_step()};
    }
  }

  /// The first value, in program order, that has the symbol as a dimension binds it.
  void addDefiner(uint32_t index) {
    for (const DimInfo& dim : program_->values[index].dims) {
      if (dim.symbol < 0) continue;
      SymbolInfo& symbol = program_->symbols[static_cast<size_t>(dim.symbol)];
      if (!symbol.perStep || symbol.definer != kNoValue) continue;
      symbol.definer = index;
      symbol.order = numDefined_++;
    }
  }

  /// A check that reads symbols of steps belongs to the one that is known last.
  Status addSizeChecks() {
    for (const plan::SizeCheck& source : plan_.size_checks()) {
      SizeCheckInfo check;
      check.source = &source;
      JINX_TRY_ASSIGN(check.left, formula(source.left()));
      JINX_TRY_ASSIGN(check.right, formula(source.right()));
      SymbolInfo* last = nullptr;
      for (const Formula* f : {&check.left, &check.right})
        for (int slot : f->program.slots()) {
          SymbolInfo& symbol = program_->symbols[static_cast<size_t>(slot)];
          if (symbol.perStep && (!last || symbol.order > last->order)) last = &symbol;
        }
      if (last) last->checks.push_back(static_cast<uint32_t>(program_->sizeChecks.size()));
      program_->sizeChecks.push_back(std::move(check));
    }
    return Status::ok();
  }

  // ---- values ----

  Status addValues() {
    std::vector<ValueInfo>& values = program_->values;
    values.resize(static_cast<size_t>(plan_.values_size()));
    for (uint32_t i = 0; i < values.size(); ++i)
      JINX_TRY(addValue(i), "value \"" + plan_.values(static_cast<int>(i)).name() + "\"");
    for (int k = 0; k < plan_.inputs_size(); ++k) {
      values[plan_.inputs(k)].input = k;
      addDefiner(plan_.inputs(k));
    }
    for (int k = 0; k < plan_.outputs_size(); ++k)
      values[plan_.outputs(k)].output = k;
    findRootsAndPlaced();
    return Status::ok();
  }

  Status addValue(uint32_t index) {
    const plan::Value& source = plan_.values(static_cast<int>(index));
    ValueInfo& v = program_->values[index];
    v.source = &source;
    v.dtype = static_cast<DType>(source.dtype());
    v.host = isHostValue(source);
    v.ranked = !source.unranked() && source.kind() == plan::Value::TENSOR;
    v.dimStart = program_->numDims;
    if (v.ranked) {
      for (const std::string& text : source.dims()) {
        DimInfo dim;
        JINX_TRY_ASSIGN(dim.formula, formula(text));
        auto it = symbolSlots_.find(text);
        dim.symbol = it == symbolSlots_.end() ? -1 : it->second;
        v.dims.push_back(std::move(dim));
      }
      program_->numDims += static_cast<uint32_t>(v.dims.size());
    }
    JINX_TRY_ASSIGN(v.aliasOffset, formula(source.alias_offset()));
    if (source.where() == plan::Value::CONSTANT && v.dtype == DType::kString)
      v.strings = constantTensor(*program_->file, index);
    return Status::ok();
  }

  static bool dimsAreStatic(const ValueInfo& v) {
    for (const DimInfo& dim : v.dims)
      if (dim.formula.perStep) return false;
    return !v.aliasOffset.perStep;
  }

  /// Follows alias chains from their roots outwards, each link once.
  void findRootsAndPlaced() {
    std::vector<ValueInfo>& values = program_->values;
    std::vector<bool> done(values.size(), false);
    std::vector<uint32_t> path;
    for (uint32_t i = 0; i < values.size(); ++i) {
      for (uint32_t at = i; !done[at]; at = values[at].source->alias_of()) {
        path.push_back(at);
        if (values[at].source->where() != plan::Value::ALIAS) break;
      }
      for (; !path.empty(); path.pop_back()) {
        ValueInfo& v = values[path.back()];
        done[path.back()] = true;
        if (v.source->where() == plan::Value::ALIAS) {
          const ValueInfo& base = values[v.source->alias_of()];
          v.root = base.root;
          v.placed = base.placed && dimsAreStatic(v);
        } else {
          v.root = path.back();
          v.placed = !v.host && v.dtype != DType::kString && dimsAreStatic(v);
        }
        if (v.placed) program_->placementOrder.push_back(path.back());
      }
    }
  }

  // ---- steps ----

  Status addBlock(uint32_t index, uint32_t parent, uint32_t parentStep, int depth) {
    const plan::Block& source = plan_.blocks(static_cast<int>(index));
    {
      BlockInfo& block = program_->blocks[index];
      block.params.assign(source.params().begin(), source.params().end());
      block.results.assign(source.results().begin(), source.results().end());
      block.parent = parent;
      block.parentStep = parentStep;
      block.depth = depth;
    }
    for (uint32_t p : source.params())
      addDefiner(p);
    for (const plan::Step& step : source.steps()) {
      uint32_t stepIndex = static_cast<uint32_t>(program_->steps.size());
      uint32_t position = static_cast<uint32_t>(program_->blocks[index].steps.size());
      program_->blocks[index].steps.push_back(stepIndex);
      program_->steps.emplace_back();
      JINX_TRY(fillStep(step, stepIndex), "step \"" + step.name() + "\"");
      if (step.has_control()) {
        for (uint32_t b : step.control().blocks()) {
          program_->blocks[b].repeats = step.control().kind() != plan::Control::IF;
          JINX_TRY(addBlock(b, index, position, depth + 1));
        }
      }
      for (uint32_t o : step.outputs())
        if (o != kNoValue) addDefiner(o);
    }
    return Status::ok();
  }

  Status fillStep(const plan::Step& source, uint32_t index) {
    StepInfo& step = program_->steps[index];
    step.source = &source;
    step.index = index;
    step.inputs.assign(source.inputs().begin(), source.inputs().end());
    step.outputs.assign(source.outputs().begin(), source.outputs().end());
    for (uint32_t o : source.outputs())
      if (o != kNoValue && program_->values[program_->values[o].root].input >= 0)
        program_->values[program_->values[o].root].written = true;
    if (source.has_launch()) return fillLaunch(source.launch(), step);
    if (source.has_control()) return fillAttributes(source.control().attributes(), step);
    if (source.has_collective()) {
      step.collective = static_cast<int>(program_->collectives.size());
      program_->collectives.push_back(index);
      JINX_TRY_ASSIGN(step.count, formula(source.collective().count()));
      return Status::ok();
    }
    if (source.has_wait()) { // both are in the main block
      step.collective = program_->steps[program_->blocks[0].steps[source.wait().start()]].collective;
      return Status::ok();
    }
    if (!source.has_host()) return Status::ok();
    const plan::HostCall& call = source.host();
    step.hostFn = hostOps_.find(call.domain(), call.op(), call.opset());
    if (!step.hostFn)
      return unimplemented("operator " + (call.domain().empty() ? "" : call.domain() + ".") + call.op() + " (opset " +
                           std::to_string(call.opset()) + ") has no host implementation");
    return fillAttributes(call.attributes(), step);
  }

  Status fillLaunch(const plan::Launch& launch, StepInfo& step) {
    for (const std::string& text : launch.sizes()) {
      JINX_TRY_ASSIGN(Formula f, formula(text));
      step.sizes.push_back(std::move(f));
    }
    JINX_TRY_ASSIGN(step.programs, formula(launch.programs()));
    JINX_TRY_ASSIGN(step.scratchBytes, formula(launch.scratch_bytes()));
    JINX_TRY_ASSIGN(step.work, formula(launch.work()));
    step.hasWork = !launch.work().empty();
    step.granule = std::max<int64_t>(1, launch.granule());
    if (launch.has_sum_of()) // both are in the main block
      step.sumOf = program_->steps[program_->blocks[0].steps[launch.sum_of()]].collective;
    return Status::ok();
  }

  template <typename Map>
  Status fillAttributes(const Map& attributes, StepInfo& step) {
    for (const auto& [name, a] : attributes) {
      switch (a.value_case()) {
      case plan::Attr::kI:
        step.attributes.set(name, a.i());
        break;
      case plan::Attr::kF:
        step.attributes.set(name, a.f());
        break;
      case plan::Attr::kS:
        step.attributes.set(name, a.s());
        break;
      case plan::Attr::kInts:
        step.attributes.set(name, std::vector<int64_t>(a.ints().v().begin(), a.ints().v().end()));
        break;
      case plan::Attr::kFloats:
        step.attributes.set(name, std::vector<double>(a.floats().v().begin(), a.floats().v().end()));
        break;
      case plan::Attr::kStrings:
        step.attributes.set(name, std::vector<std::string>(a.strings().v().begin(), a.strings().v().end()));
        break;
      case plan::Attr::kTensor:
        step.attributes.set(name, constantTensor(*program_->file, a.tensor()));
        break;
      case plan::Attr::VALUE_NOT_SET:
        return invalidArgument("attribute \"" + name + "\" has no value");
      }
    }
    return Status::ok();
  }

  void findStaticLaunch(StepInfo& step) {
    if (!step.source->has_launch()) return;
    bool known = !step.programs.perStep && !step.scratchBytes.perStep && !step.work.perStep;
    for (const Formula& f : step.sizes)
      known &= !f.perStep;
    for (const auto* operands : {&step.inputs, &step.outputs})
      for (uint32_t i : *operands)
        known &= program_->values[i].placed;
    if (known) step.staticLaunch = program_->numStaticLaunches++;
  }

  std::unique_ptr<Program> program_;
  const plan::Plan& plan_;
  const HostOpTable& hostOps_;
  std::unordered_map<std::string, int> symbolSlots_;
  int numDefined_ = 0; ///< symbols of steps that have a definer
  std::unordered_map<std::string, Formula> formulas_;
};

} // namespace

Status SizeCheckInfo::check(std::span<const int64_t> symbols) const {
  bool ok = true;
  int64_t a = left.program.run(symbols.data(), &ok), b = right.program.run(symbols.data(), &ok);
  if (ok && a == b) return Status::ok();
  auto side = [&](const std::string& formula, int64_t value) {
    return ok ? formula + " = " + std::to_string(value) : formula + " (cannot be computed)";
  };
  return invalidArgument((source->node().empty() ? std::string() : source->node() + ": ") + "sizes must be equal: " +
                         side(source->left(), a) + " and " + side(source->right(), b));
}

Tensor constantTensor(const PlanFile& file, uint32_t valueIndex) {
  const plan::Value& v = file.plan().values(static_cast<int>(valueIndex));
  Shape shape;
  for (const std::string& dim : v.dims())
    shape.push_back(SizeExpr::parse(dim)->constant().value());
  DType type = static_cast<DType>(v.dtype());
  if (type == DType::kString) {
    Tensor t = Tensor::make(type, std::move(shape));
    for (int i = 0; i < v.constant().strings_size(); ++i)
      t.setString(i, v.constant().strings(i));
    return t;
  }
  return Tensor::wrap(type, std::move(shape), const_cast<std::byte*>(file.constantBytes(valueIndex).data()));
}

Expected<std::unique_ptr<const Program>> Program::build(std::shared_ptr<const PlanFile> file,
                                                        const HostOpTable& hostOps) {
  return ProgramBuilder(std::move(file), hostOps).build();
}

} // namespace jinx

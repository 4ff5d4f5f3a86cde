#include "runtime/executor/Binding.h"

#include <algorithm>

namespace jinx {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

/// Binds symbols to the extents of inputs.
class SymbolBinder {
 public:
  SymbolBinder(const Program& program, Binding& binding)
      : p_(program), b_(binding), boundBy_(program.symbols.size(), kNoValue) {}

  Status bindAll(std::span<const Value> inputs) {
    for (size_t k = 0; k < inputs.size(); ++k) {
      const ValueInfo& v = input(k);
      const Tensor* t = tensorOrNull(inputs[k]);
      if (!v.ranked || !t) continue;
      JINX_TRY(bindShape(static_cast<uint32_t>(p_.plan().inputs(static_cast<int>(k))), *t),
               "input " + quoted(v.name()) + " has shape " + toString(t->shape()) + ", expected " + describeDims(v));
    }
    for (size_t k = 0; k < inputs.size(); ++k) {
      const ValueInfo& v = input(k);
      const Tensor* t = tensorOrNull(inputs[k]);
      if (!v.ranked || !t) continue;
      JINX_TRY(checkFormulas(v, *t),
               "input " + quoted(v.name()) + " has shape " + toString(t->shape()) + ", expected " + describeDims(v));
    }
    return Status::ok();
  }

 private:
  const ValueInfo& input(size_t k) const { return p_.values[p_.plan().inputs(static_cast<int>(k))]; }

  Status bindShape(uint32_t index, const Tensor& t) {
    const ValueInfo& v = p_.values[index];
    if (t.rank() != static_cast<int64_t>(v.dims.size()))
      return invalidArgument("rank is " + std::to_string(t.rank()) + ", not " + std::to_string(v.dims.size()));
    for (size_t d = 0; d < v.dims.size(); ++d) {
      int s = v.dims[d].symbol;
      if (s < 0) continue;
      size_t slot = static_cast<size_t>(s);
      int64_t extent = t.dim(static_cast<int64_t>(d));
      std::string where = "dimension " + std::to_string(d) + " is " + std::to_string(extent);
      if (b_.bound[slot]) {
        if (b_.symbols[slot] == extent || v.source->any_input_size()) continue;
        return invalidArgument(where + ", but " + p_.symbols[slot].name + " is " + std::to_string(b_.symbols[slot]) +
                               " in input " + quoted(p_.values[boundBy_[slot]].name()));
      }
      JINX_TRY(checkRange(p_.symbols[slot], extent), where);
      b_.symbols[slot] = extent;
      b_.bound[slot] = 1;
      boundBy_[slot] = index;
    }
    return Status::ok();
  }

  static Status checkRange(const SymbolInfo& s, int64_t extent) {
    if (extent < s.min) return invalidArgument(s.name + " must be at least " + std::to_string(s.min));
    if (s.max != 0 && extent > s.max) return invalidArgument(s.name + " must be at most " + std::to_string(s.max));
    if (s.multipleOf > 1 && extent % s.multipleOf != 0)
      return invalidArgument(s.name + " must be a multiple of " + std::to_string(s.multipleOf));
    return Status::ok();
  }

  Status checkFormulas(const ValueInfo& v, const Tensor& t) const {
    if (v.source->any_input_size()) return Status::ok();
    for (size_t d = 0; d < v.dims.size(); ++d) {
      const DimInfo& dim = v.dims[d];
      if (dim.symbol >= 0) continue;
      bool known = true;
      for (int s : dim.formula.program.slots())
        known &= b_.bound[static_cast<size_t>(s)] != 0;
      if (!known) continue;
      bool ok = true;
      int64_t expected = dim.formula.program.run(b_.symbols.data(), &ok), got = t.dim(static_cast<int64_t>(d));
      if (!ok || expected != got)
        return invalidArgument("dimension " + std::to_string(d) + " is " + std::to_string(got) + ", not " +
                               (ok ? std::to_string(expected) : "computable"));
    }
    return Status::ok();
  }

  const Program& p_;
  Binding& b_;
  std::vector<uint32_t> boundBy_; ///< the input that bound each symbol
};

class Binder {
 public:
  Binder(const Program& program, const BindingOptions& options) : p_(program), options_(options) {}

  Expected<Binding> run(std::span<const Value> inputs) {
    b_.symbols.assign(p_.symbols.size(), 0);
    b_.bound.assign(p_.symbols.size(), 0);
    appendBindingKey(p_, inputs, b_.key);
    JINX_TRY(SymbolBinder(p_, b_).bindAll(inputs));
    for (size_t s = 0; s < p_.symbols.size(); ++s)
      if (!b_.bound[s] && !p_.symbols[s].perStep)
        return internalError("size " + p_.symbols[s].name + " is bound by no input given");
    for (const SizeCheckInfo& check : p_.sizeChecks)
      if (!check.left.perStep && !check.right.perStep) JINX_TRY(check.check(b_.symbols));
    JINX_TRY(placeValues());
    JINX_TRY(planActivations());
    JINX_TRY(prepareLaunches());
    return std::move(b_);
  }

 private:
  Expected<int64_t> evaluate(const Formula& f, const char* what) const {
    bool ok = true;
    int64_t value = f.program.run(b_.symbols.data(), &ok);
    if (!ok) return invalidArgument(std::string(what) + " cannot be computed for " + describeSymbols());
    if (value < 0)
      return invalidArgument(std::string(what) + " is " + std::to_string(value) + " for " + describeSymbols());
    return value;
  }

  std::string describeSymbols() const {
    std::string text;
    for (size_t s = 0; s < p_.symbols.size(); ++s)
      if (b_.bound[s]) text += (text.empty() ? "" : ", ") + p_.symbols[s].name + "=" + std::to_string(b_.symbols[s]);
    return text.empty() ? "constant sizes" : text;
  }

  Status placeValues() {
    b_.dims.assign(p_.numDims, 0);
    b_.placements.resize(p_.values.size());
    for (uint32_t i : p_.placementOrder)
      JINX_TRY(place(i), "value " + quoted(p_.values[i].name()));
    return Status::ok();
  }

  Status place(uint32_t index) {
    const ValueInfo& v = p_.values[index];
    Placement& at = b_.placements[index];
    int64_t count = 1;
    for (size_t d = 0; d < v.dims.size(); ++d) {
      JINX_TRY_ASSIGN(int64_t extent, evaluate(v.dims[d].formula, "a dimension"));
      b_.dims[v.dimStart + d] = extent;
      if (__builtin_mul_overflow(count, extent, &count) || count > (int64_t{1} << 56))
        return invalidArgument("has too many elements for " + describeSymbols());
    }
    at.sizeBytes = packedBytes(v.dtype, count);
    switch (v.source->where()) {
    case plan::Value::ARENA:
      at.base = Placement::Base::kArena;
      break;
    case plan::Value::INPUT:
      at = {Placement::Base::kInput, static_cast<uint32_t>(v.input), 0, at.sizeBytes};
      break;
    case plan::Value::OUTPUT:
      at = {Placement::Base::kOutput, static_cast<uint32_t>(v.output), 0, at.sizeBytes};
      break;
    case plan::Value::CONSTANT:
      at = {Placement::Base::kConstant, index, 0, at.sizeBytes};
      break;
    case plan::Value::ALIAS:
      return placeAlias(v, at);
    default:
      return internalError("has no place");
    }
    if (v.source->where() == plan::Value::OUTPUT && v.output < 0) at.base = Placement::Base::kArena;
    bool callers = at.base == Placement::Base::kInput || at.base == Placement::Base::kOutput;
    if (callers && !options_.callerMemory) at.base = Placement::Base::kArena;
    return Status::ok();
  }

  Status placeAlias(const ValueInfo& v, Placement& at) {
    const Placement& base = b_.placements[v.source->alias_of()];
    JINX_TRY_ASSIGN(int64_t elements, evaluate(v.aliasOffset, "its offset"));
    int64_t bits;
    if (__builtin_mul_overflow(elements, static_cast<int64_t>(bitWidth(v.dtype)), &bits) || bits % 8 != 0)
      return invalidArgument("its offset is not a whole number of bytes");
    if (bits / 8 > base.sizeBytes || at.sizeBytes > base.sizeBytes - bits / 8)
      return invalidArgument("needs " + std::to_string(at.sizeBytes) + " bytes at offset " + std::to_string(bits / 8) +
                             " of " + quoted(p_.values[v.source->alias_of()].name()) + ", which has " +
                             std::to_string(base.sizeBytes));
    at = {base.base, base.index, base.offsetBytes + bits / 8, at.sizeBytes};
    return Status::ok();
  }

  Status planActivations() {
    std::vector<ArenaItem> items;
    std::vector<uint32_t> owners;
    for (uint32_t i : p_.placementOrder) {
      const ValueInfo& v = p_.values[i];
      if (v.root != i || b_.placements[i].base != Placement::Base::kArena || v.firstUse < 0) continue;
      const bool lastsToEnd = v.output >= 0 || v.written; // the caller gets it back
      items.push_back({b_.placements[i].sizeBytes, v.input >= 0 ? 0 : v.firstUse, lastsToEnd ? p_.endTime : v.lastUse});
      owners.push_back(i);
    }
    ArenaLayout layout = planArena(items, options_.arenaSlack, options_.alignment);
    std::vector<int64_t> offsets(p_.values.size(), 0);
    for (size_t k = 0; k < owners.size(); ++k)
      offsets[owners[k]] = layout.offsets[k];
    for (uint32_t i : p_.placementOrder)
      if (b_.placements[i].base == Placement::Base::kArena) b_.placements[i].offsetBytes += offsets[p_.values[i].root];
    b_.arenaBytes = layout.sizeBytes;
    b_.largestLiveBytes = layout.largestLiveBytes;
    b_.totalBytes = layout.totalBytes;
    return Status::ok();
  }

  Status prepareLaunches() {
    size_t numSizes = 0, numOperands = 0;
    for (const StepInfo& step : p_.steps) {
      if (step.staticLaunch < 0) continue;
      numSizes += step.sizes.size();
      numOperands += step.inputs.size() + step.outputs.size();
    }
    b_.sizes.reserve(
        numSizes); // spans into these stay valid: they never grow beyond this, and a move keeps their addresses
    b_.operands.reserve(numOperands);
    b_.pointers.assign(numOperands, nullptr);
    b_.launches.resize(static_cast<size_t>(p_.numStaticLaunches));
    for (const StepInfo& step : p_.steps)
      if (step.staticLaunch >= 0) JINX_TRY(prepareLaunch(step), "step " + quoted(step.name()));
    return Status::ok();
  }

  Status prepareLaunch(const StepInfo& step) {
    KernelLaunch& launch = b_.launches[static_cast<size_t>(step.staticLaunch)];
    size_t firstSize = b_.sizes.size(), firstOperand = b_.operands.size();
    for (const Formula& f : step.sizes) {
      bool ok = true;
      b_.sizes.push_back(f.program.run(b_.symbols.data(), &ok));
      if (!ok) return invalidArgument("a size cannot be computed for " + describeSymbols());
    }
    for (const auto* operands : {&step.inputs, &step.outputs}) {
      for (uint32_t i : *operands) {
        Placement::Base base = b_.placements[i].base;
        if (base == Placement::Base::kInput || base == Placement::Base::kOutput)
          b_.callerPointers.push_back(static_cast<uint32_t>(b_.operands.size()));
        b_.operands.push_back(i);
      }
    }
    launch.kernel = options_.kernels[step.source->launch().kernel()];
    launch.sizes = {b_.sizes.data() + firstSize, step.sizes.size()};
    launch.buffers = {b_.pointers.data() + firstOperand, b_.operands.size() - firstOperand};
    JINX_TRY_ASSIGN(launch.programs, evaluate(step.programs, "the number of programs"));
    JINX_TRY_ASSIGN(launch.scratchBytes, evaluate(step.scratchBytes, "its scratch size"));
    JINX_TRY_ASSIGN(int64_t work, evaluate(step.work, "its work"));
    launch.granule = step.granule;
    launch.parallel = !step.hasWork || work >= options_.parallelWork;
    launch.step = step.index;
    b_.scratchBytes = std::max(b_.scratchBytes, launch.scratchBytes);
    return Status::ok();
  }

  const Program& p_;
  const BindingOptions& options_;
  Binding b_;
};

} // namespace

void appendBindingKey(const Program& program, std::span<const Value> inputs, std::vector<int64_t>& key) {
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Tensor* t = tensorOrNull(inputs[k]);
    if (!t || !program.values[program.plan().inputs(static_cast<int>(k))].ranked) continue;
    key.insert(key.end(), t->shape().begin(), t->shape().end());
  }
}

Expected<Binding> makeBinding(const Program& program, std::span<const Value> inputs, const BindingOptions& options) {
  return Binder(program, options).run(inputs);
}

std::optional<Shape> inputShape(const Program& program, uint32_t index, const SizeExpr::Lookup& lookup) {
  const ValueInfo& v = program.values[program.plan().inputs(static_cast<int>(index))];
  if (!v.ranked) return std::nullopt;
  Shape shape;
  for (const std::string& text : v.source->dims()) {
    std::optional<int64_t> extent = SizeExpr::parse(text)->evaluate(lookup);
    if (!extent) return std::nullopt;
    shape.push_back(*extent);
  }
  return shape;
}

void* addressOf(const Placement& placement, const BaseAddresses& bases) {
  std::byte* base = nullptr;
  switch (placement.base) {
  case Placement::Base::kNone:
    return nullptr;
  case Placement::Base::kArena:
    base = bases.arena;
    break;
  case Placement::Base::kConstant:
    base = static_cast<std::byte*>(bases.constants[placement.index]);
    break;
  case Placement::Base::kInput:
    base = static_cast<std::byte*>(bases.inputs[placement.index]);
    break;
  case Placement::Base::kOutput:
    base = static_cast<std::byte*>(bases.outputs[placement.index]);
    break;
  }
  return base + placement.offsetBytes;
}

void setAddresses(Binding& binding, const BaseAddresses& bases, bool callerOnly) {
  if (callerOnly) {
    for (uint32_t i : binding.callerPointers)
      binding.pointers[i] = addressOf(binding.placements[binding.operands[i]], bases);
    return;
  }
  for (size_t i = 0; i < binding.operands.size(); ++i)
    binding.pointers[i] = addressOf(binding.placements[binding.operands[i]], bases);
}

std::string describeDims(const ValueInfo& value) {
  if (!value.ranked) return "any shape";
  if (value.dims.empty()) return "scalar";
  std::string text;
  for (const std::string& dim : value.source->dims()) {
    bool plain =
        SizeExpr::isSymbolName(dim) || (!dim.empty() && dim.find_first_not_of("0123456789") == std::string::npos);
    text += (text.empty() ? "" : "x") + (plain ? dim : "(" + dim + ")");
  }
  return text;
}

} // namespace jinx

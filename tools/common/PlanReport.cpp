#include "tools/common/PlanReport.h"

#include <cstring>

#include <elf.h>

#include "runtime/executor/Binding.h"
#include "runtime/executor/Program.h"
#include "runtime/plan/PlanCheck.h"
#include "tools/common/InputValues.h"

namespace jinx::tools {
namespace {

/// Sizes of the functions that an ELF shared object exports. Nothing for what is no such object; never reads beyond the
/// bytes.
std::map<std::string, uint64_t> functionSizes(std::span<const std::byte> elf) {
  std::map<std::string, uint64_t> sizes;
  const auto read = [&](uint64_t offset, auto& to) {
    if (offset > elf.size() || sizeof to > elf.size() - offset) return false;
    std::memcpy(&to, elf.data() + offset, sizeof to);
    return true;
  };
  Elf64_Ehdr header;
  if (!read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return sizes;
  for (unsigned s = 0; s < header.e_shnum; ++s) {
    Elf64_Shdr symbols, names;
    if (!read(header.e_shoff + s * sizeof symbols, symbols) || symbols.sh_type != SHT_DYNSYM) continue;
    if (!read(header.e_shoff + symbols.sh_link * sizeof names, names)) continue;
    Elf64_Sym symbol;
    for (uint64_t at = 0; at + sizeof symbol <= symbols.sh_size && read(symbols.sh_offset + at, symbol);
         at += sizeof symbol) {
      const uint64_t begin = names.sh_offset + symbol.st_name;
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || begin >= elf.size()) continue;
      const char* text = reinterpret_cast<const char*>(elf.data() + begin);
      sizes[std::string(text, strnlen(text, elf.size() - begin))] = symbol.st_size;
    }
  }
  return sizes;
}

class ReportBuilder {
 public:
  ReportBuilder(std::shared_ptr<const PlanFile> file) : file_(std::move(file)), plan_(file_->plan()) {}

  Expected<PlanReport> build(std::span<const frontends::DimOverride> dims) {
    report_.name = plan_.model_name();
    report_.producer = plan_.producer();
    report_.target = plan_.target();
    report_.path = file_->path();
    report_.version = plan_.version();
    report_.options.assign(plan_.options().begin(), plan_.options().end());
    report_.metadata.insert(plan_.metadata().begin(), plan_.metadata().end());
    JINX_TRY(bind(dims));
    for (uint32_t index : plan_.inputs())
      report_.inputs.push_back(describe(index));
    for (uint32_t index : plan_.outputs())
      report_.outputs.push_back(describe(index));
    addConstants();
    addKernels();
    if (program_)
      for (const StepInfo& step : program_->steps)
        addStep(step);
    addMemory();
    return std::move(report_);
  }

 private:
  /// Sizes, and places of activations as a run with these sizes would have them.
  Status bind(std::span<const frontends::DimOverride> dims) {
    const std::vector<Port> ports = portsOf(plan_);
    JINX_TRY_ASSIGN(std::vector<Shape> shapes, inputShapes(plan_, ports, dims, false));
    auto program = Program::build(file_, HostOpTable::standard());
    if (!program) {
      report_.memory.problem = program.status().message();
      return Status::ok();
    }
    program_ = std::move(*program);
    std::vector<Value> inputs;
    for (size_t i = 0; i < ports.size(); ++i)
      inputs.push_back(ports[i].kind == plan::Value::TENSOR ? Value(Tensor::wrap(ports[i].dtype, shapes[i], nullptr))
                                                            : Value());
    const std::vector<const KernelFunction*> kernels(static_cast<size_t>(plan_.kernels_size()), nullptr);
    auto binding = makeBinding(*program_, inputs, BindingOptions{.kernels = kernels});
    if (!binding) {
      report_.memory.problem = binding.status().message();
      return Status::ok();
    }
    binding_ = std::move(*binding);
    for (size_t i = 0; i < program_->symbols.size(); ++i)
      if (binding_->bound[i]) report_.sizes[program_->symbols[i].name] = binding_->symbols[i];
    return Status::ok();
  }

  std::optional<int64_t> evaluate(const std::string& text) const {
    auto size = SizeExpr::parse(text.empty() ? "0" : text);
    if (!size) return std::nullopt;
    return size->evaluate([&](std::string_view name) -> std::optional<int64_t> {
      auto known = report_.sizes.find(std::string(name));
      return known == report_.sizes.end() ? std::nullopt : std::optional(known->second);
    });
  }

  std::optional<int64_t> evaluateSet(const std::string& text) const {
    return text.empty() ? std::nullopt : evaluate(text);
  }

  ValueReport describe(uint32_t index) const {
    const plan::Value& value = plan_.values(static_cast<int>(index));
    ValueReport r;
    r.name = value.name();
    r.dtype = std::string(name(static_cast<DType>(value.dtype())));
    r.dims.assign(value.dims().begin(), value.dims().end());
    if (value.kind() != plan::Value::TENSOR)
      r.dtype = (value.kind() == plan::Value::SEQUENCE ? "sequence of " : "optional ") + r.dtype;
    Shape shape;
    for (const std::string& text : value.dims())
      if (auto extent = evaluate(text)) shape.push_back(*extent);
    const bool known = value.kind() == plan::Value::TENSOR && !value.unranked() && shape.size() == r.dims.size();
    r.shape = known ? toString(shape) : "?";
    if (known) r.bytes = packedBytes(static_cast<DType>(value.dtype()), numElements(shape));
    return r;
  }

  std::string inShort(uint32_t index) const {
    if (index == kNoValue) return "-";
    const ValueReport r = describe(index);
    return r.name + " " + r.dtype + "[" + (r.shape == "scalar" ? "" : r.shape) + "]";
  }

  void addConstants() {
    for (int i = 0; i < plan_.values_size(); ++i)
      if (plan_.values(i).where() == plan::Value::CONSTANT) {
        report_.constants.push_back(describe(static_cast<uint32_t>(i)));
        report_.memory.constantBytes += report_.constants.back().bytes;
      }
  }

  void addKernels() {
    for (const plan::Kernel& kernel : plan_.kernels())
      report_.kernels.push_back({kernel.symbol(), kernel.provenance(), {}, {}});
    for (const plan::CodeObject& object : plan_.code()) {
      const auto bytes = file_->segment(object.segment());
      report_.code.push_back({object.isa(), object.format(), bytes.size()});
      if (object.format() != "elf") continue;
      const auto sizes = functionSizes(bytes);
      for (KernelReport& kernel : report_.kernels)
        if (auto known = sizes.find(kernel.symbol); known != sizes.end())
          kernel.codeBytes[object.isa()] = known->second;
    }
  }

  void addStep(const StepInfo& info) {
    const plan::Step& step = *info.source;
    StepReport r;
    r.index = static_cast<int>(report_.steps.size());
    r.depth = depthOf(step);
    r.name = step.name();
    r.nodes.assign(step.nodes().begin(), step.nodes().end());
    r.flops = evaluateSet(step.flops());
    r.bytes = evaluateSet(step.bytes());
    r.kind = "copy";
    if (step.has_launch()) {
      r.kind = "launch";
      KernelReport& kernel = report_.kernels[step.launch().kernel()];
      r.kernel = kernel.symbol;
      kernel.steps.push_back(r.index);
      r.programs = evaluateSet(step.launch().programs());
    } else if (step.has_host()) {
      r.kind = "host";
      r.kernel = (step.host().domain().empty() ? "" : step.host().domain() + "::") + step.host().op();
    } else if (step.has_control()) {
      r.kind = "control";
      r.kernel = plan::Control::Kind_Name(step.control().kind());
    }
    for (uint32_t index : step.inputs())
      r.inputs.push_back(inShort(index));
    for (uint32_t index : step.outputs())
      r.outputs.push_back(inShort(index));
    report_.steps.push_back(std::move(r));
  }

  int depthOf(const plan::Step& step) {
    if (depths_.empty())
      for (size_t b = 0; b < program_->blocks.size(); ++b)
        for (const plan::Step& s : plan_.blocks(static_cast<int>(b)).steps())
          depths_[&s] = program_->blocks[b].depth;
    return depths_[&step];
  }

  void addMemory() {
    MemoryReport& memory = report_.memory;
    if (!binding_) return;
    memory.arenaBytes = binding_->arenaBytes;
    memory.largestLiveBytes = binding_->largestLiveBytes;
    memory.separateBytes = binding_->totalBytes;
    memory.scratchBytes = binding_->scratchBytes;
    for (uint32_t i : program_->placementOrder) {
      const ValueInfo& value = program_->values[i];
      const Placement& at = binding_->placements[i];
      if (value.root != i || at.base != Placement::Base::kArena || value.firstUse < 0) continue;
      memory.arena.push_back({value.name(), at.offsetBytes, at.sizeBytes, value.firstUse, value.lastUse});
    }
  }

  std::shared_ptr<const PlanFile> file_;
  const plan::Plan& plan_;
  std::unique_ptr<const Program> program_;
  std::optional<Binding> binding_;
  std::map<const plan::Step*, int> depths_;
  PlanReport report_;
};

} // namespace

Expected<PlanReport> makePlanReport(std::shared_ptr<const PlanFile> file,
                                    std::span<const frontends::DimOverride> dims) {
  return ReportBuilder(std::move(file)).build(dims);
}

} // namespace jinx::tools

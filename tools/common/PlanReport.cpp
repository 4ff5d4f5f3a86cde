#include "tools/common/PlanReport.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <elf.h>

#include "runtime/device/cuda/Nvrtc.h"
#include "runtime/executor/Binding.h"
#include "runtime/executor/Collectives.h"
#include "runtime/executor/Program.h"
#include "runtime/plan/Mesh.h"
#include "runtime/plan/PlanCheck.h"
#include "tools/common/InputValues.h"

namespace jinx::tools {
namespace {

using SizeTable = std::map<std::string, int64_t>;

std::optional<int64_t> evaluate(const std::string& text, const SizeTable& sizes) {
  auto size = SizeExpr::parse(text);
  if (!size) return std::nullopt;
  return size->evaluate([&](std::string_view name) -> std::optional<int64_t> {
    auto known = sizes.find(std::string(name));
    return known == sizes.end() ? std::nullopt : std::optional(known->second);
  });
}

std::optional<Shape> shapeFor(const std::vector<std::string>& dims, const SizeTable& sizes) {
  Shape shape;
  for (const std::string& text : dims) {
    const auto extent = evaluate(text, sizes);
    if (!extent) return std::nullopt;
    shape.push_back(*extent);
  }
  return shape;
}

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
    report_.ranks = ranksText();
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
  /// Sizes, and places of activations as a run with these sizes would have them. Sizes that are not given are the
  /// least, or larger where a model cannot work on so little (a window longer than its input).
  Status bind(std::span<const frontends::DimOverride> dims) {
    auto program = Program::build(file_, HostOpTable::standard());
    if (!program) {
      report_.memory.problem = program.status().message();
      return inputShapes(plan_, portsOf(plan_), dims, false).status();
    }
    program_ = std::move(*program);
    for (int64_t least : {1, 16, 256, 4096}) {
      JINX_TRY(tryToBind(dims, least));
      if (binding_) return Status::ok();
    }
    return Status::ok();
  }

  /// The first failure is the one that is told.
  Status tryToBind(std::span<const frontends::DimOverride> dims, int64_t least) {
    const std::vector<Port> ports = portsOf(plan_);
    JINX_TRY_ASSIGN(std::vector<Shape> shapes, inputShapes(plan_, ports, dims, false, least));
    std::vector<Value> inputs;
    for (size_t i = 0; i < ports.size(); ++i)
      inputs.push_back(ports[i].kind == plan::Value::TENSOR ? Value(Tensor::wrap(ports[i].dtype, shapes[i], nullptr))
                                                            : Value());
    const std::vector<const KernelFunction*> kernels(static_cast<size_t>(plan_.kernels_size()), nullptr);
    const int64_t alignment = plan_.target().starts_with("cpu") ? static_cast<int64_t>(kBufferAlignment) : kDeviceAlignment;
    auto binding = makeBinding(*program_, inputs, BindingOptions{.alignment = alignment, .kernels = kernels});
    if (!binding) {
      if (report_.memory.problem.empty()) report_.memory.problem = binding.status().message();
      return Status::ok();
    }
    report_.memory.problem.clear();
    binding_ = std::move(*binding);
    for (size_t i = 0; i < program_->symbols.size(); ++i)
      if (binding_->bound[i]) report_.sizes[program_->symbols[i].name] = binding_->symbols[i];
    return Status::ok();
  }

  std::optional<int64_t> evaluateSet(const std::string& text) const {
    return text.empty() ? std::nullopt : evaluate(text, report_.sizes);
  }

  std::string ranksText() const {
    std::string text = describeMesh(plan_.mesh()), coordinates;
    for (const plan::MeshCoordinate& c : plan_.mesh().coordinates())
      coordinates += (coordinates.empty() ? "; for " : ", ") + plan_.mesh().axes(static_cast<int>(c.axis())).name() + " = " + std::to_string(c.at());
    return text + coordinates;
  }

  /// "[8, 64 by tp]".
  std::string wholeText(const plan::Value& value) const {
    std::string text;
    for (const plan::WholeDim& dim : value.whole().dims()) {
      text += (text.empty() ? "" : ", ") + dim.size();
      for (int a = 0; a < dim.axes_size(); ++a)
        text += (a ? ", " : " by ") + plan_.mesh().axes(static_cast<int>(dim.axes(a))).name();
    }
    return value.has_whole() ? "[" + text + "]" : "";
  }

  ValueReport describe(uint32_t index) const {
    const plan::Value& value = plan_.values(static_cast<int>(index));
    ValueReport r;
    r.name = value.name();
    r.dtype = std::string(name(static_cast<DType>(value.dtype())));
    r.dims.assign(value.dims().begin(), value.dims().end());
    r.whole = wholeText(value);
    if (value.kind() != plan::Value::TENSOR)
      r.dtype = (value.kind() == plan::Value::SEQUENCE ? "sequence of " : "optional ") + r.dtype;
    const bool ranked = value.kind() == plan::Value::TENSOR && !value.unranked();
    const std::optional<Shape> shape = ranked ? shapeFor(r.dims, report_.sizes) : std::nullopt;
    r.shape = shape ? toString(*shape) : "?";
    if (shape) r.bytes = packedBytes(static_cast<DType>(value.dtype()), numElements(*shape));
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
      CodeReport& code = codeOf(object);
      ++code.count;
      code.bytes += bytes.size();
      if (object.format() == "cuda") continue;
      const auto sizes = object.format() == "elf" ? functionSizes(bytes)
                                                  : cuda::functionsOf({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
      for (KernelReport& kernel : report_.kernels)
        if (auto known = sizes.find(kernel.symbol); known != sizes.end())
          kernel.codeBytes[object.isa()] = known->second;
    }
    countTextsWithCubins();
  }

  /// Texts whose cubin the plan carries, as a GPU of their level asks for it.
  void countTextsWithCubins() {
    std::set<std::string> keys;
    for (const plan::CodeObject& object : plan_.code())
      if (object.format() == "cubin") keys.insert(object.text_key());
    for (const plan::CodeObject& object : plan_.code()) {
      if (keys.empty() || object.format() != "cuda") continue;
      const auto bytes = file_->segment(object.segment());
      const std::string arch = object.isa().substr(object.isa().find(':') + 1);
      const bool isThere = keys.count(cuda::textKey({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, {.arch = arch}));
      for (CodeReport& code : report_.code)
        if (code.isa == object.isa() && code.format == "cubin") code.texts += isThere;
    }
  }

  CodeReport& codeOf(const plan::CodeObject& object) {
    for (CodeReport& code : report_.code)
      if (code.isa == object.isa() && code.format == object.format()) return code;
    return report_.code.emplace_back(CodeReport{object.isa(), object.format(), 0, 0, 0});
  }

  void addStep(const StepInfo& info) {
    const plan::Step& step = *info.source;
    StepReport r;
    r.index = static_cast<int>(report_.steps.size());
    r.depth = depthOf(step);
    r.inside = r.depth ? lastStepAt(r.depth - 1) : -1;
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
      r.products = plan_.kernels(static_cast<int>(step.launch().kernel())).products();
      if (info.sumOf >= 0) r.sumOf = static_cast<int>(program_->collectives[static_cast<size_t>(info.sumOf)]);
      r.problem = step.launch().problem();
      r.choice = step.launch().choice();
    } else if (step.has_host()) {
      r.kind = "host";
      r.kernel = (step.host().domain().empty() ? "" : step.host().domain() + "::") + step.host().op();
    } else if (step.has_control()) {
      r.kind = "control";
      r.kernel = plan::Control::Kind_Name(step.control().kind());
    } else if (step.has_collective()) {
      r.kind = "collective";
      r.kernel = describeCollective(plan_.mesh(), step.collective()) + (step.collective().starts() ? ", starts" : "");
    } else if (step.has_wait()) {
      r.kind = "wait";
    }
    for (uint32_t index : step.inputs()) {
      r.inputs.push_back(inShort(index));
      auto made = index == kNoValue ? madeBy_.end() : madeBy_.find(storageOf(index));
      if (made != madeBy_.end() && std::find(r.reads.begin(), r.reads.end(), made->second) == r.reads.end())
        r.reads.push_back(made->second);
    }
    for (uint32_t index : step.outputs()) {
      r.outputs.push_back(inShort(index));
      if (index != kNoValue) madeBy_[storageOf(index)] = r.index;
    }
    if (!r.bytes) r.bytes = bytesMoved(step);
    report_.steps.push_back(std::move(r));
  }

  /// Operands and results, each once; nothing when a size is known only while running.
  std::optional<int64_t> bytesMoved(const plan::Step& step) const {
    std::set<uint32_t> values(step.inputs().begin(), step.inputs().end());
    values.insert(step.outputs().begin(), step.outputs().end());
    values.erase(kNoValue);
    int64_t bytes = 0;
    for (uint32_t index : values) {
      const ValueReport value = describe(index);
      if (value.shape == "?") return std::nullopt;
      bytes += value.bytes;
    }
    return bytes;
  }

  /// The value whose bytes `index` is: itself, or what it is a view of.
  uint32_t storageOf(uint32_t index) const {
    while (plan_.values(static_cast<int>(index)).where() == plan::Value::ALIAS)
      index = plan_.values(static_cast<int>(index)).alias_of();
    return index;
  }

  int lastStepAt(int depth) const {
    auto step = std::find_if(report_.steps.rbegin(), report_.steps.rend(),
                             [&](const StepReport& s) { return s.depth == depth; });
    return step == report_.steps.rend() ? -1 : step->index;
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
    if (!binding_ || program_->steps.empty()) return;
    memory.arenaBytes = binding_->arenaBytes;
    memory.largestLiveBytes = binding_->largestLiveBytes;
    memory.separateBytes = binding_->totalBytes;
    memory.scratchBytes = binding_->scratchBytes;
    for (uint32_t i : program_->placementOrder) {
      const ValueInfo& value = program_->values[i];
      const Placement& at = binding_->placements[i];
      if (value.root != i || at.base != Placement::Base::kArena || value.firstUse < 0) continue;
      memory.arena.push_back(
          {value.name(), at.offsetBytes, at.sizeBytes, firstStepFrom(value.firstUse), lastStepUntil(value.lastUse)});
    }
  }

  /// Flattened time also passes between steps, where blocks begin and end.
  int firstStepFrom(int32_t time) const {
    const auto& steps = program_->steps;
    auto step = std::find_if(steps.begin(), steps.end(), [&](const StepInfo& s) { return s.time >= time; });
    return static_cast<int>(std::min(step, steps.end() - 1) - steps.begin());
  }
  int lastStepUntil(int32_t time) const {
    const auto& steps = program_->steps;
    auto after = std::find_if(steps.begin(), steps.end(), [&](const StepInfo& s) { return s.time > time; });
    return static_cast<int>(std::max(after, steps.begin() + 1) - 1 - steps.begin());
  }

  std::shared_ptr<const PlanFile> file_;
  const plan::Plan& plan_;
  std::unique_ptr<const Program> program_;
  std::optional<Binding> binding_;
  std::map<const plan::Step*, int> depths_;
  std::map<uint32_t, int> madeBy_; ///< last step so far that wrote a value
  PlanReport report_;
};

} // namespace

std::string shapeText(const std::vector<std::string>& dims, const SizeTable& sizes) {
  const auto shape = shapeFor(dims, sizes);
  return shape ? toString(*shape) : "?";
}

Expected<PlanReport> makePlanReport(std::shared_ptr<const PlanFile> file,
                                    std::span<const frontends::DimOverride> dims) {
  return ReportBuilder(std::move(file)).build(dims);
}

} // namespace jinx::tools

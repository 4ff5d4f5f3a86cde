#include "tools/driver/Compiler.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "codegen/cpu/CompileCpu.h"
#include "codegen/cuda/PlanKernel.h"
#include "codegen/plan/PlanBuilder.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "frontends/gguf/GgufImporter.h"
#include "frontends/huggingface/HuggingFaceImporter.h"
#include "frontends/native/NativeImporter.h"
#include "frontends/onnx/OnnxImporter.h"
#include "ir/Dist/Dist.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "passes/Passes.h"
#include "runtime/base/File.h"
#include "runtime/device/cuda/Nvrtc.h"
#include "tools/driver/Cubins.h"
#include "tools/driver/FusionView.h"
#include "tools/driver/ModelModule.h"
#include "tools/driver/PassLog.h"
#include "tools/driver/Remarks.h"
#include "llvm/Support/raw_ostream.h"

namespace jinx::driver {
namespace {

constexpr const char* kBaselineIsa = "x86-64"; ///< runs everywhere

bool isCuda(const std::string& target) { return target.rfind("cuda:", 0) == 0; }
/// What CUDA text is written for: "sm_90a" of "cuda:sm_90a".
std::string archOf(const std::string& target) { return target.substr(target.find(':') + 1); }

/// A context with every dialect the compiler uses, loaded up front: passes run in several threads.
std::unique_ptr<mlir::MLIRContext> makeContext(unsigned threads) {
  mlir::DialectRegistry registry;
  registry.insert<dist::DistDialect, graph::GraphDialect, tile::TileDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect,
                  mlir::cf::ControlFlowDialect>();
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  using Threading = mlir::MLIRContext::Threading;
  auto context = std::make_unique<mlir::MLIRContext>(registry, threads > 1 ? Threading::ENABLED : Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

class Stopwatch {
 public:
  explicit Stopwatch(StageTimes& times) : times_(times) {}
  void lap(const std::string& stage) {
    auto now = std::chrono::steady_clock::now();
    times_.emplace_back(stage, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

 private:
  StageTimes& times_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Errors of a failed pass, joined: the text of the Status. Warnings become remarks.
class CollectDiagnostics : public mlir::ScopedDiagnosticHandler {
 public:
  CollectDiagnostics(mlir::MLIRContext* context, std::vector<Remark>& remarks)
      : ScopedDiagnosticHandler(context, [this, &remarks](mlir::Diagnostic& d) {
          if (d.getSeverity() == mlir::DiagnosticSeverity::Error) {
            llvm::raw_string_ostream stream(text_);
            if (!text_.empty()) stream << "; ";
            stream << d.getLocation() << ": " << d;
          } else if (d.getSeverity() == mlir::DiagnosticSeverity::Warning) {
            remarks.push_back({"analysis", "compiler", "Warning", locationName(d.getLocation()), d.str()});
          }
        }) {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

frontends::ImportOptions languageModelOptions(const CompileOptions& options) {
  frontends::ImportOptions import = options.import;
  import.isForGpu = isCuda(options.target);
  return import;
}

Expected<mlir::OwningOpRef<mlir::ModuleOp>> import(mlir::MLIRContext& context, const std::string& path,
                                                   const CompileOptions& options) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return notFound("cannot open " + path + ": " + std::strerror(errno));
  if (std::error_code error; std::filesystem::is_directory(path, error)) {
    if (std::filesystem::exists(path + "/config.json", error)) return frontends::importHuggingFace(context, path, languageModelOptions(options));
    return invalidArgument(path + " is a folder without a config.json, expected a model");
  }
  char head[4] = {};
  file.read(head, sizeof head);
  auto endsWith = [&](std::string_view suffix) {
    return path.size() >= suffix.size() && path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
  };
  if (std::string_view(head, 4) == "GGUF" || endsWith(".gguf")) return frontends::importGguf(context, path, languageModelOptions(options));
  if (!options.import.keyValueType.empty()) return invalidArgument("--kv is about language models, got " + path);
  if (!options.import.activationType.empty()) return invalidArgument("--activations is about language models, got " + path);
  if (options.import.picksTokens) return invalidArgument("--draws is about language models, got " + path);
  bool native =
      endsWith(".mlir") || endsWith(".mlirbc") || (head[0] == 'M' && head[1] == 'L' && uint8_t(head[2]) == 0xEF);
  if (native) return frontends::importNative(context, path, options.import);
  return frontends::importOnnx(context, path, options.import);
}

std::string print(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(64).elideLargeResourceString(64);
  module.print(stream, flags);
  return text;
}

/// CUDA text of every kernel, into the plan or, readable, into `text`.
Status addCudaCode(mlir::ModuleOp module, const std::string& arch, bool earlyLaunch, std::string* text, PlanWriter* writer) {
  std::vector<cuda::CudaKernel> kernels;
  bool ok = true;
  module.walk([&](tile::KernelOp kernel) {
    auto emitted = cuda::emitCuda(kernel, {.arch = arch, .earlyLaunch = earlyLaunch});
    ok = ok && mlir::succeeded(emitted);
    if (ok) kernels.push_back(std::move(*emitted));
  });
  if (!ok) return internalError("a kernel that the scheduler accepted has no CUDA text");
  if (writer) return cuda::addToPlan(kernels, arch, *writer);
  for (const cuda::CudaKernel& kernel : kernels) {
    *text += "// in front of this text: the device library's";
    for (const std::string& file : kernel.libraries)
      *text += " " + file;
    *text += "\n" + kernel.text + "\n";
  }
  return Status::ok();
}

std::vector<tile::KernelOp> kernelsOf(mlir::ModuleOp module) {
  std::vector<tile::KernelOp> kernels;
  module.walk([&](tile::KernelOp kernel) { kernels.push_back(kernel); });
  return kernels;
}

Status addCode(mlir::ModuleOp module, const std::string& isa, const CompileOptions& options, std::string* text,
               PlanWriter* writer) {
  if (isCuda(isa)) return addCudaCode(module, archOf(isa), options.earlyLaunch, text, writer);
  std::vector<tile::KernelOp> kernels = kernelsOf(module);
  cpu::CompileOptions compile;
  compile.isa = isa;
  compile.threads = options.threads;
  compile.llvmText = text;
  JINX_TRY_ASSIGN(std::vector<uint8_t> code, cpu::compileKernels(kernels, compile));
  if (!writer || code.empty()) return Status::ok();
  auto bytes = std::make_shared<std::vector<uint8_t>>(std::move(code));
  uint32_t segment = writer->addSegment("code." + isa, std::as_bytes(std::span(*bytes)), bytes);
  plan::CodeObject* object = writer->plan().add_code();
  object->set_isa(isa);
  object->set_segment(segment);
  object->set_format("elf");
  return Status::ok();
}

/// Names of the pipeline's passes, each once.
std::vector<std::string> passNames(mlir::MLIRContext& context) {
  mlir::PassManager pm(&context);
  for (bool cuda : {false, true}) { // some passes are for one target
    passes::PipelineOptions options;
    options.cuda = cuda;
    passes::buildPipeline(pm, options);
  }
  std::string text, word;
  llvm::raw_string_ostream stream(text);
  pm.printAsTextualPipeline(stream); // builtin.module(func.func(a{x=1 y=2},b),c)
  std::vector<std::string> names;
  int options = 0;
  for (char c : text + ",") {
    if (c == '{') ++options;
    if (options == 0 && c != ',' && c != '(' && c != ')') word += c;
    if (c == '}') --options;
    if (c == '(') word.clear();
    if (options > 0 || (c != ',' && c != ')')) continue;
    if (!word.empty() && std::find(names.begin(), names.end(), word) == names.end()) names.push_back(word);
    word.clear();
  }
  return names;
}

/// What is disabled, by the passes' full names.
Expected<std::vector<std::string>> disabledPasses(mlir::MLIRContext& context, const std::vector<std::string>& given) {
  std::vector<std::string> known = passNames(context), disabled;
  for (const std::string& name : given) {
    bool found = false;
    for (const std::string& full : known)
      if (name == full || "jinx-" + name == full || name == "all") {
        disabled.push_back(full);
        found = true;
      }
    if (found) continue;
    std::string list;
    for (const std::string& full : known)
      list += (list.empty() ? "" : ", ") + full;
    return invalidArgument("there is no pass '" + name + "' to disable, there are " + list);
  }
  return disabled;
}

Status checkOptions(const CompileOptions& options) {
  if (options.target != "cpu" && !(isCuda(options.target) && gpuArchitecture(archOf(options.target))))
    return unimplemented("target " + options.target + ": there are cpu, " + gpuTargets());
  if (!options.isas.empty() && isCuda(options.target))
    return invalidArgument("--isa is about target cpu, got target " + options.target);
  if (!options.f32Products.empty() && !(isCuda(options.target) && gpuArchitecture(archOf(options.target))->hasCopyEngine()))
    return invalidArgument("--f32-products is about target cuda:" + std::string(GpuArchitecture().name) + ", got target " + options.target);
  if (options.activationBits != 0 && isCuda(options.target))
    return invalidArgument("--activation-bits is about target cpu, got target " + options.target);
  if (!options.earlyLaunch && !(isCuda(options.target) && gpuArchitecture(archOf(options.target))->startsEarly()))
    return invalidArgument("--no-early-launch is about target cuda:" + std::string(GpuArchitecture().name) + ", got target " + options.target);
  if (options.cubins && !isCuda(options.target))
    return invalidArgument("--cubins is about a target cuda:sm_…, got target " + options.target);
  if (options.cubins) JINX_TRY(cuda::checkNvrtc(), "--cubins");
  if (options.emit == "cuda" && !isCuda(options.target))
    return invalidArgument("--emit cuda is about a target cuda:sm_…, got target " + options.target);
  if (options.emit == "llvm" && isCuda(options.target))
    return invalidArgument("--emit llvm is about target cpu, got target " + options.target + "; CUDA text is --emit cuda");
  constexpr const char* kForms[] = {"graph", "tile", "cuda", "llvm", "plan"};
  if (std::find(std::begin(kForms), std::end(kForms), options.emit) == std::end(kForms))
    return invalidArgument("cannot emit '" + options.emit + "', expected graph, tile, cuda, llvm or plan");
  if (options.dumpDir.empty()) return Status::ok();
  std::error_code error;
  std::filesystem::create_directories(options.dumpDir, error);
  return error ? systemError(error.value(), "cannot make the folder " + options.dumpDir) : Status::ok();
}

/// What to make code for: instruction-set levels, the one that schedules are sized for first, or the CUDA target.
Expected<std::vector<std::string>> isaLevels(const CompileOptions& options) {
  if (isCuda(options.target)) return std::vector<std::string>{options.target};
  std::vector<std::string> isas = options.isas;
  if (isas.empty()) {
    isas = {cpu::hostIsa()};
    if (options.portable && isas[0] != kBaselineIsa && options.emit == "plan") isas.push_back(kBaselineIsa);
  }
  for (const std::string& isa : isas) JINX_TRY(cpu::isaLevel(isa).status());
  return isas;
}

/// What schedules must know of the machine.
Status sizeSchedules(const std::string& isa, passes::PipelineOptions& pipeline) {
  pipeline.cuda = isCuda(isa);
  if (pipeline.cuda) {
    pipeline.canEmit = [arch = archOf(isa)](tile::KernelOp kernel) { return mlir::succeeded(cuda::emitCuda(kernel, {.arch = arch})); };
    return Status::ok();
  }
  JINX_TRY_ASSIGN(cpu::IsaLevel level, cpu::isaLevel(isa));
  pipeline.vectorBytes = level.vectorBytes;
  pipeline.registers = level.registers;
  pipeline.byteDots = level.byteDots;
  return Status::ok();
}

/// Levels without the features that no kernel uses, each once.
std::vector<std::string> leastLevels(mlir::ModuleOp module, const std::vector<std::string>& isas) {
  std::vector<tile::KernelOp> kernels = kernelsOf(module);
  std::vector<std::string> least;
  for (const std::string& isa : isas) {
    std::string name = isCuda(isa) ? isa : cpu::leastIsa(isa, kernels);
    if (std::find(least.begin(), least.end(), name) == least.end()) least.push_back(name);
  }
  return least;
}

/// The file's or the folder's name.
std::string nameOf(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path.substr(path.find_last_of('/') + 1);
}

/// Where nothing is said, language models round activations to 8 bits beside codes: prompts are read twice as fast, at a KL of 0.003 (SmolLM2).
int64_t activationBits(mlir::ModuleOp module, const CompileOptions& options) {
  if (options.activationBits != 0 || isCuda(options.target)) return options.activationBits;
  auto metadata = module->getAttrOfType<mlir::DictionaryAttr>("jinx.metadata");
  return metadata && metadata.contains("llm.architecture") ? 8 : 0;
}

/// "key=value", sorted: how this plan came about.
void recordOptions(plan::Plan& plan, const CompileOptions& options, int64_t activationBits, const std::vector<std::string>& isas) {
  std::vector<std::string> lines = {std::string("fusion=") + (options.fusion ? "on" : "off")};
  for (const std::string& isa : isas)
    lines.push_back("isa=" + isa);
  for (const std::string& pass : options.disabledPasses)
    lines.push_back("disabled=" + pass);
  if (!options.measured.empty()) lines.push_back("tuning=" + options.measuredOn);
  if (!options.earlyLaunch) lines.push_back("early-launch=off");
  if (activationBits != 0) lines.push_back("activation-bits=" + std::to_string(activationBits));
  if (!options.f32Products.empty()) lines.push_back("f32-products=" + options.f32Products);
  if (!options.import.keyValueType.empty()) lines.push_back("kv=" + options.import.keyValueType);
  if (!options.import.activationType.empty()) lines.push_back("activations=" + options.import.activationType);
  if (options.import.picksTokens) lines.push_back("draws=on");
  if (options.cubins) lines.push_back("cubins=nvrtc " + cuda::nvrtcVersion());
  if (!options.quantized.empty()) lines.push_back("quantize=" + options.quantized);
  for (const frontends::DimOverride& dim : options.import.dims)
    lines.push_back("dim." + dim.name + "=" + std::to_string(dim.min) +
                    (dim.isConstant() ? "" : ".." + (dim.max == dim.kUnbounded ? "" : std::to_string(dim.max))));
  std::sort(lines.begin(), lines.end());
  plan.clear_options();
  for (const std::string& line : lines)
    plan.add_options(line);
}

} // namespace

std::string checkPassName(const std::string& name) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto disabled = disabledPasses(context, {name});
  return disabled ? "" : disabled.status().message();
}

namespace {

/// Where a module comes from: a file, or what was made of one.
using ModuleSource = std::function<Expected<mlir::OwningOpRef<mlir::ModuleOp>>()>;

/// `external` is read after the module has come from its source.
Expected<Compiled> compileFrom(const ModuleSource& source, std::shared_ptr<mlir::MLIRContext> context, const std::string& path, const CompileOptions& options,
                               const std::vector<ExternalFile>& external = {}) {
  Compiled result;
  Stopwatch watch(result.times);
  auto stage = [&](const char* name, double fraction) {
    if (options.progress) options.progress(name, fraction);
  };
  stage("import", 0);
  JINX_TRY_ASSIGN(std::vector<std::string> disabled, disabledPasses(*context, options.disabledPasses));
  JINX_TRY_ASSIGN(std::vector<std::string> isas, isaLevels(options));
  std::vector<Remark> remarks;
  if (options.remarks) collectRemarks(*context, remarks);
  CollectDiagnostics diagnostics(context.get(), remarks);
  watch.lap("start");
  auto imported = source();
  if (!imported) return imported.status();
  auto module = std::make_shared<mlir::OwningOpRef<mlir::ModuleOp>>(std::move(*imported));
  if (options.remarks) addHostRemarks(**module, remarks);
  watch.lap("import");

  stage("optimize", 0.2);
  passes::PipelineOptions pipeline;
  pipeline.fusion = options.fusion;
  pipeline.activationBits = activationBits(**module, options);
  if (!options.f32Products.empty()) pipeline.f32Products = options.f32Products;
  pipeline.disabled = std::move(disabled);
  JINX_TRY(sizeSchedules(isas[0], pipeline));
  if (isCuda(isas[0]))
    (**module)->setAttr(schedules::kGpuAttribute, mlir::StringAttr::get(context.get(), archOf(isas[0])));
  pipeline.schedule = options.emit != "graph";
  pipeline.tuning.measured = options.measured;
  pipeline.tuning.asked = [&result](const schedules::Question& question) {
    const bool isKnown = std::any_of(result.questions.begin(), result.questions.end(),
                                     [&](const schedules::Question& q) { return q.problem == question.problem; });
    if (!isKnown) result.questions.push_back(question);
  };
  mlir::PassManager pm(context.get());
  pm.enableVerifier(true);
  pm.addInstrumentation(std::make_unique<PassLog>(result.passes, options.dumpDir));
  if (options.view) pm.addInstrumentation(std::make_unique<FusionView>(result.view));
  passes::buildPipeline(pm, pipeline);
  bool optimized = mlir::succeeded(pm.run(**module));
  result.remarks = remarks;
  if (!optimized) return internalError("compiling " + path + ": " + diagnostics.text());
  watch.lap("optimize");
  if (options.emit == "graph" || options.emit == "tile") {
    result.text = print(**module);
    return result;
  }

  stage("generate code", 0.4);
  bool wantText = options.emit == "llvm" || options.emit == "cuda";
  auto writer = std::make_unique<PlanWriter>();
  if (!wantText) JINX_TRY(buildPlan(**module, *writer, external), "building the plan of " + path);
  watch.lap("plan");
  isas = leastLevels(**module, isas);
  for (const std::string& name : isas) {
    JINX_TRY(addCode(**module, name, options, wantText ? &result.text : nullptr, wantText ? nullptr : writer.get()));
    watch.lap("code " + name);
  }
  if (options.cubins && !wantText) {
    stage("compile cubins", 0.6);
    JINX_TRY(addCubins(*writer, archOf(options.target), options.threads));
    watch.lap("cubins");
  }
  result.remarks = std::move(remarks);
  if (wantText) return result;
  plan::Plan& plan = writer->plan();
  plan.set_version(kPlanVersion);
  plan.set_producer("jinx 0.1.0");
  plan.set_target(options.target);
  plan.set_model_name(nameOf(path));
  recordOptions(plan, options, pipeline.activationBits, isas);
  result.plan = std::move(writer);
  struct Keep {
    std::shared_ptr<mlir::MLIRContext> context; // outlives the module
    std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> module;
  };
  result.keepAlive = std::make_shared<Keep>(Keep{context, module});
  stage("done", 1);
  return result;
}

} // namespace

namespace {

/// As `import`, and the files in which weights stay, by names relative to the folder that options say.
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importWithFiles(mlir::MLIRContext& context, const std::string& path, const CompileOptions& options,
                                                            std::vector<ExternalFile>& external) {
  if (options.externalFolder.empty()) return import(context, path, options);
  std::string outside; // a file of weights that the folder is not above
  CompileOptions own = options;
  own.import.mapped = [&](const std::string& file, std::span<const std::byte> bytes) {
    std::error_code error;
    const std::string name = std::filesystem::relative(file, options.externalFolder, error).generic_string();
    if (!error && !name.starts_with("..")) external.push_back({name, bytes});
    else outside = file;
  };
  auto module = import(context, path, own);
  if (!module || outside.empty()) return module;
  return invalidArgument("weights cannot stay in " + outside + ": the plan goes to " + options.externalFolder + ", expected the folder of the weights or one above it");
}

} // namespace

Expected<Compiled> compileModel(const std::string& path, const CompileOptions& options) {
  JINX_TRY(checkOptions(options));
  std::shared_ptr<mlir::MLIRContext> context = makeContext(options.threads);
  std::vector<ExternalFile> external;
  return compileFrom([&] { return importWithFiles(*context, path, options, external); }, context, path, options, external);
}

Expected<std::shared_ptr<ModelModule>> importModel(const std::string& path, const CompileOptions& options) {
  JINX_TRY(checkOptions(options));
  auto model = std::make_shared<ModelModule>();
  model->name = path;
  model->context = makeContext(options.threads);
  std::vector<Remark> warnings;
  CollectDiagnostics diagnostics(model->context.get(), warnings);
  JINX_TRY_ASSIGN(model->module, importWithFiles(*model->context, path, options, model->external));
  return model;
}

Expected<Compiled> compileModule(std::shared_ptr<ModelModule> model, const CompileOptions& options) {
  JINX_TRY(checkOptions(options));
  auto source = [&]() -> Expected<mlir::OwningOpRef<mlir::ModuleOp>> { return std::move(model->module); };
  return compileFrom(source, model->context, model->name, options, model->external);
}

Status writeModule(ModelModule& model, const std::string& path) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (std::filesystem::path(path).extension() == ".mlir")
    model.module->print(stream, mlir::OpPrintingFlags().enableDebugInfo());
  else if (mlir::failed(mlir::writeBytecodeToFile(*model.module, stream)))
    return internalError("the module has no bytecode");
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  JINX_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

} // namespace jinx::driver

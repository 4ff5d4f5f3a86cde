// From tile kernels to machine code: MLIR lowering, LLVM's optimiser and code generator, the in-process linker.
//
// Kernels are dealt out to a few modules that are compiled in parallel, each in a context of its own: LLVM is the cost here
// (tens of milliseconds a kernel), everything before it is small change.
#include "codegen/cpu/CompileCpu.h"

#include <mutex>
#include <numeric>

#include "codegen/cpu/AccurateMath.h"
#include "codegen/cpu/Bf16Bits.h"
#include "codegen/cpu/ByteFloats.h"
#include "codegen/cpu/LinkObjects.h"
#include "codegen/cpu/TileToCpu.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "runtime/base/Parallel.h"

using namespace mlir;

namespace jinx::cpu {
namespace {

/// A processor without fma computes math.fma by a library call a lane; a product and a sum serve the polynomials as well.
struct FusedIfFast : mlir::OpRewritePattern<mlir::math::FmaOp> {
  using mlir::OpRewritePattern<mlir::math::FmaOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::FMulAddOp>(op, op.getA(), op.getB(), op.getC());
    return success();
  }
};

/// exp, tanh, erf, … of f32 tiles as polynomials: no call, full width. Conversions to and from bf16 as shifts: the libraries that LLVM
/// would call for them are not on every machine.
struct PolynomialMathPass : PassWrapper<PolynomialMathPass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PolynomialMathPass)
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns);
    populateAccurateMathPatterns(patterns);
    populateByteFloatPatterns(patterns);
    patterns.add<FusedIfFast>(&getContext());
    arith::populateExpandBFloat16Patterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) signalPassFailure();
  }
};

/// Arithmetic on bf16 becomes arithmetic on f32 between conversions.
void addBf16Passes(PassManager &pm) {
  pm.addNestedPass<func::FuncOp>(math::createMathExtendToSupportedTypes({/*extraTypeStrs=*/{"f16"}, /*targetTypeStr=*/"f32"}));
  pm.addNestedPass<func::FuncOp>(arith::createArithEmulateUnsupportedFloats({/*sourceTypeStrs=*/{"bf16"}, /*targetTypeStr=*/"f32"}));
}

bool hasValues(ModuleOp module, llvm::function_ref<bool(Type)> ofType) {
  auto matches = [&](Type type) { return ofType(getElementTypeOrSelf(type)); };
  return module.walk([&](Operation *op) {
    return llvm::any_of(op->getOperandTypes(), matches) || llvm::any_of(op->getResultTypes(), matches) ? WalkResult::interrupt()
                                                                                                      : WalkResult::advance();
  }).wasInterrupted();
}

bool computesInBf16(ModuleOp module) {
  return hasValues(module, [](Type type) { return type.isBF16(); });
}

bool computesInHalf(ModuleOp module) {
  return hasValues(module, [](Type type) { return type.isBF16() || type.isF16(); });
}

void addLoweringPasses(PassManager &pm) {
  pm.addNestedPass<func::FuncOp>(std::make_unique<PolynomialMathPass>());
  pm.addNestedPass<func::FuncOp>(createBf16BitsPass());
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());  // a call a lane: f64 erf, which nothing else computes
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

/// Loads every dialect that the lowering makes, before threads share the context: loading one later would be a race.
void loadLoweringDialects(MLIRContext *context) {
  PassManager pm(context);
  addBf16Passes(pm);
  addLoweringPasses(pm);
  DialectRegistry registry;
  pm.getDependentDialects(registry);
  context->appendDialectRegistry(registry);
  context->loadAllAvailableDialects();
}

LogicalResult lowerToLlvmDialect(ModuleOp module, bool verify) {
  PassManager pm(module.getContext());
  pm.enableVerifier(verify);
  if (computesInBf16(module)) addBf16Passes(pm);
  addLoweringPasses(pm);
  return pm.run(module);
}

constexpr const char *kV4 = "x86-64-v4", *kV4Vnni = "x86-64-v4-vnni";

/// The level that only has to run everywhere: compiled quickly rather than for speed.
bool isPortable(const std::string &isa) { return isa == "x86-64"; }
/// What LLVM calls the processor of a level without its features.
std::string processorOf(const std::string &isa) { return isa == kV4Vnni ? kV4 : isa; }

Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(const std::string &isa) {
  static std::once_flag once;  // LLVM's registry of targets is process-wide
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string error;
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) return internalError("LLVM has no x86-64 target: " + error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::string features = isa.starts_with(kV4) ? "-prefer-256-bit" : "";
  if (isa == kV4Vnni) features += ",+avx512vnni";
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(triple, processorOf(isa), features, options, llvm::Reloc::PIC_,
                                                                           std::nullopt,
                                                                           isPortable(isa) ? llvm::CodeGenOptLevel::None
                                                                                           : llvm::CodeGenOptLevel::Default));
  if (!machine) return internalError("LLVM cannot generate code for " + isa);
  return machine;
}

enum class Effort {
  kFull,      ///< O2: the levels that are meant to be fast
  kPortable,  ///< the baseline, in a quarter of O1's time, and as fast as with it
  kHalf,      ///< O1 for 16-bit floats at the baseline: it leaves none in registers, for which the code generator would call a library
};

void optimise(llvm::Module &module, llvm::TargetMachine &machine, Effort effort) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;  // tiles are vectors already
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = effort == Effort::kFull;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  if (effort != Effort::kPortable) {
    llvm::OptimizationLevel level = effort == Effort::kFull ? llvm::OptimizationLevel::O2 : llvm::OptimizationLevel::O1;
    builder.buildPerModuleDefaultPipeline(level).run(module, mam);
    return;
  }
  // What makes a loop a loop, and takes out of it what stays.
  llvm::FunctionPassManager functions;
  functions.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  functions.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  functions.addPass(llvm::SimplifyCFGPass());
  functions.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LoopRotatePass());
  loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
  functions.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), /*UseMemorySSA=*/true));
  functions.addPass(llvm::InstCombinePass());
  llvm::ModulePassManager modules;
  modules.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(functions)));
  modules.run(module, mam);
}

Expected<std::vector<uint8_t>> compileModule(ModuleOp module, const CompileOptions &options, std::string &text) {
  Effort effort = !isPortable(options.isa) ? Effort::kFull : computesInHalf(module) ? Effort::kHalf : Effort::kPortable;
  if (failed(lowerToLlvmDialect(module, options.verifyIr))) return internalError("lowering to the LLVM dialect failed");
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, context);
  if (!llvmModule) return internalError("translation to LLVM IR failed");
  JINX_TRY_ASSIGN(auto machine, makeTargetMachine(options.isa));
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &fn : *llvmModule) {
    if (fn.isDeclaration()) continue;
    fn.addFnAttr("target-cpu", processorOf(options.isa));
    fn.addFnAttr("prefer-vector-width", "512");
    fn.addFnAttr("min-legal-vector-width", "512");
    fn.addFnAttr(llvm::Attribute::NoUnwind);
  }
  optimise(*llvmModule, *machine, effort);
  if (options.llvmText) llvm::raw_string_ostream(text) << *llvmModule;
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return internalError("LLVM cannot emit objects for " + options.isa);
  codegen.run(*llvmModule);
  return std::vector<uint8_t>(object.begin(), object.end());
}

}  // namespace

Expected<IsaLevel> isaLevel(const std::string &name) {
  if (name == kV4Vnni) return IsaLevel{name, 64, 32, /*byteDots=*/true};
  if (name == kV4) return IsaLevel{name, 64, 32};
  if (name == "x86-64-v3") return IsaLevel{name, 32, 16};
  if (name == "x86-64") return IsaLevel{name, 16, 16};
  return notFound("unknown instruction-set level '" + name + "', expected x86-64, x86-64-v3, x86-64-v4 or x86-64-v4-vnni");
}

std::string hostIsa() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto has = [&](std::initializer_list<const char *> names) {
    return llvm::all_of(names, [&](const char *name) { return features.lookup(name); });
  };
  if (has({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})) return has({"avx512vnni"}) ? kV4Vnni : kV4;
  if (has({"avx2", "fma", "bmi2", "f16c"})) return "x86-64-v3";
  return "x86-64";
}

std::string leastIsa(const std::string &isa, llvm::ArrayRef<tile::KernelOp> kernels) {
  auto multipliesBytes = [](tile::KernelOp kernel) {
    auto ofBytes = [](Operation *op) { return llvm::isa<tile::Dp4aOp>(op) || (llvm::isa<tile::DotOp>(op) && cast<tile::DotOp>(op).ofBytes()); };
    return kernel->walk([&](Operation *op) { return ofBytes(op) ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted();
  };
  return isa == kV4Vnni && llvm::none_of(kernels, multipliesBytes) ? kV4 : isa;
}

Expected<std::vector<uint8_t>> compileKernels(llvm::ArrayRef<tile::KernelOp> kernels, const CompileOptions &options) {
  JINX_TRY_ASSIGN(IsaLevel level, isaLevel(options.isa));
  Lanes lanes{level.vectorBytes, level.registers, /*masked=*/level.vectorBytes >= 32, level.byteDots};
  // A few kernels a module: enough modules to balance the threads, few enough to share LLVM's fixed costs. Not by the number of threads:
  // kernels of one module share constants, so the same model would give other bytes on another machine.
  size_t chunk = std::clamp<size_t>(kernels.size() / 8 + 1, 1, 8);
  size_t modules = (kernels.size() + chunk - 1) / chunk;
  if (kernels.empty()) return std::vector<uint8_t>();  // a plan of host calls only carries no code
  MLIRContext *context = tile::KernelOp(kernels[0])->getContext();
  loadLoweringDialects(context);
  std::vector<OwningOpRef<ModuleOp>> lowered(modules);
  std::vector<std::vector<uint8_t>> objects(modules);
  std::vector<Status> statuses(modules);
  std::vector<std::string> texts(modules);
  std::vector<size_t> sizes(modules);
  inParallel(options.threads, modules, [&](size_t m) {
    lowered[m] = ModuleOp::create(UnknownLoc::get(context));
    for (tile::KernelOp kernel : kernels.slice(m * chunk, std::min(chunk, kernels.size() - m * chunk)))
      if (failed(lowerKernel(kernel, lanes, *lowered[m]))) statuses[m] = internalError("kernel " + kernel.getSymName().str() + " cannot be lowered");
    lowered[m]->walk([&](Operation *) { ++sizes[m]; });
  });
  for (Status &status : statuses) JINX_TRY(std::move(status));
  std::vector<size_t> order(modules);  // large ones first: no thread begins one while the others have no more to do
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) { return std::pair(sizes[b], a) < std::pair(sizes[a], b); });
  inParallel(options.threads, modules, [&](size_t i) {
    size_t m = order[i];
    auto object = compileModule(*lowered[m], options, texts[m]);
    if (object) {
      objects[m] = std::move(*object);
    } else {
      statuses[m] = object.status();
    }
  });
  for (Status &status : statuses) JINX_TRY(std::move(status), "compiling kernels for " + options.isa);
  if (options.llvmText)
    for (const std::string &text : texts) *options.llvmText += text;
  return linkShared(objects);
}

}  // namespace jinx::cpu

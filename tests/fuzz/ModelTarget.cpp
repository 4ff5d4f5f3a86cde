#include "tests/fuzz/ModelTarget.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"

namespace jinx::fuzz {

mlir::MLIRContext& context() {
  constexpr int kLifetime = 200; // inputs
  static std::unique_ptr<mlir::MLIRContext> current;
  static int age = 0;
  if (current && ++age % kLifetime != 0) return *current;
  mlir::DialectRegistry registry;
  registry.insert<graph::GraphDialect, tile::TileDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect, mlir::math::MathDialect,
                  mlir::scf::SCFDialect, mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect, mlir::cf::ControlFlowDialect>();
  current = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
  current->loadAllAvailableDialects();
  return *current;
}

void optimize(mlir::ModuleOp module) {
  std::string messages;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic& diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error) messages += diagnostic.str() + "\n";
  });
  mlir::PassManager pm(module.getContext());
  passes::PipelineOptions options;
  options.vectorBytes = 16;
  options.registers = 16;
  passes::buildPipeline(pm, options);
  if (mlir::succeeded(pm.run(module))) return;
  std::fprintf(stderr, "a pass fails: %s\n", messages.c_str());
  std::abort();
}

} // namespace jinx::fuzz

// jinx-opt: runs single passes on IR from a file; for lit tests and for looking closely.
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Passes.h"

int main(int argc, char** argv) {
  mlir::DialectRegistry registry;
  registry.insert<jinx::dist::DistDialect, jinx::graph::GraphDialect, jinx::tile::TileDialect, mlir::func::FuncDialect,
                  mlir::arith::ArithDialect, mlir::math::MathDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect, mlir::cf::ControlFlowDialect>();
  mlir::registerTransformsPasses();
  jinx::passes::registerJinxPasses();
  jinx::passes::registerJinxDistPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Jinx's passes\n", registry));
}

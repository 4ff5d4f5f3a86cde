// jinx-opt: runs single passes on IR from a file; for lit tests and for looking closely.
#include <algorithm>
#include <string_view>
#include <vector>

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Passes.h"

/// Where remarks are asked for, passes run on one function after the other: MLIR's engine loses remarks that are made at once.
static std::vector<char*> withOneThreadForRemarks(int argc, char** argv) {
  static char oneThread[] = "--mlir-disable-threading";
  std::vector<char*> arguments(argv, argv + argc);
  if (std::any_of(argv, argv + argc, [](std::string_view argument) { return argument.starts_with("--remark"); })) arguments.push_back(oneThread);
  return arguments;
}

int main(int argc, char** argv) {
  mlir::DialectRegistry registry;
  registry.insert<jinx::dist::DistDialect, jinx::graph::GraphDialect, jinx::tile::TileDialect, mlir::func::FuncDialect,
                  mlir::arith::ArithDialect, mlir::math::MathDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect, mlir::cf::ControlFlowDialect>();
  mlir::registerTransformsPasses();
  jinx::passes::registerJinxPasses();
  jinx::passes::registerJinxDistPasses();
  std::vector<char*> arguments = withOneThreadForRemarks(argc, argv);
  return mlir::asMainReturnCode(mlir::MlirOptMain(static_cast<int>(arguments.size()), arguments.data(), "Jinx's passes\n", registry));
}

// The passes, and the pipeline that compiles a graph for the CPU.
#pragma once

#include "codegen/schedules/Choice.h"
#include "ir/Graph/Graph.h"
#include "ir/Tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/Remarks.h"
#include "passes/Statistic.h"

namespace mlir {
class PassManager;
}

namespace jinx::passes {

// The runtime has a Value and an Attribute of its own (namespace jinx); in passes the plain names mean MLIR's.
using mlir::Attribute;
using mlir::Value;

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// Says of a kernel whether the backend can make code of it; where not, with diagnostics.
using KernelCheck = std::function<bool(tile::KernelOp)>;
/// What schedules are told of sizes, and what they say of those they chose (codegen/schedules/Choice.h).
struct Tuning {
  schedules::MeasuredChoices measured;
  std::function<void(const schedules::Question &)> asked;  ///< called for each choice; may be empty
};
std::unique_ptr<mlir::Pass> createFuseSums(KernelCheck canEmit);
std::unique_ptr<mlir::Pass> createScheduleGroups(ScheduleGroupsOptions options, KernelCheck canEmit, Tuning tuning = {});

/// How to compile.
struct PipelineOptions {
  bool fusion = true;
  bool schedule = true;               ///< off: stop at groups
  std::vector<std::string> disabled;  ///< pass arguments to leave out ("jinx-fuse")
  int64_t vectorBytes = 64;
  int64_t registers = 32;
  bool byteDots = false;              ///< CPU: there is an instruction that multiplies bytes and adds four products (VNNI)
  int64_t activationBits = 0;         ///< with byteDots, of products with codes: 8, 16, 24; 32: they stay floats; 0: as jinx-split-activations likes
  std::string f32Products = "split";  ///< CUDA: how tensor cores multiply f32: split, tf32, or not at all (scalar)
  bool cuda = false;                  ///< kernels for CUDA; what is said of the CPU means nothing then
  KernelCheck canEmit;                ///< CUDA: whether code generation takes a kernel; empty: it takes all
  Tuning tuning;
};
/// Adds every pass from an imported graph to launches of tile kernels.
void buildPipeline(mlir::PassManager &pm, const PipelineOptions &options);

}  // namespace jinx::passes

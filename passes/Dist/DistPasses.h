// The passes of sharding, in the order in which they run: docs/guides/shard.md tells it on an example.
//
//   annotated --jinx-place-values--> placed --jinx-move-reshards--> placed --jinx-partition--> own --jinx-form-rings--> own --jinx-rank-program--> ranked --jinx-lower-collectives--> ranked,
//
// which the other passes take.
#pragma once

#include "ir/Dist/Forms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/Remarks.h"
#include "passes/Statistic.h"

namespace jinx::passes {

using mlir::Attribute;
using mlir::Value;

#define GEN_PASS_DECL
#include "passes/Dist/DistPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Dist/DistPasses.h.inc"

}  // namespace jinx::passes

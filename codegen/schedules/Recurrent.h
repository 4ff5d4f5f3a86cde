// The recurrent schedule: an LSTM or GRU layer over time, state in private memory.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.lstm or jinx.gru with packed recurrence weights.
mlir::FailureOr<Scheduled> scheduleRecurrent(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

}  // namespace jinx::schedules

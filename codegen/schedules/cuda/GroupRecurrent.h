// The recurrent schedule for CUDA: an LSTM or GRU layer over time, a block for a sequence.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.lstm or jinx.gru with packed recurrence weights.
mlir::FailureOr<Scheduled> scheduleCudaRecurrent(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

/// The group, or, where its kernel keeps its states in results that nobody wants, one that gives them too in its place.
graph::GroupOp giveStates(graph::GroupOp group);

}  // namespace jinx::schedules

// Which gradients of attention are the CUDA schedule's (CudaAttentionGrad.h), and its kernels.
//
// A group "attention_grad" holds one jinx.attention_grad and gives dk and dv, or dq: one kernel each. lse and delta are filled up to
// kAttentionGradRows (jinx-form-attention-grad does it).
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Why the schedule does not take it; empty if it does.
std::string whyNoCudaAttentionGrad(graph::AttentionGradOp op);
mlir::FailureOr<Scheduled> scheduleCudaAttentionGrad(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder &builder);

}  // namespace jinx::schedules

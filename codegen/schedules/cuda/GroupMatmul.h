// The matmul schedule on CUDA: products and convolutions of a group as tiles of a product with an epilogue hole.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers what scheduleMatmul covers: f32 (convolutions without padding: the input is padded before) on scalar units; by rows, 16-bit floats,
/// f32 and bytes, on tensor cores: through the copy engine where there is one and rows are such as it reads (GroupWgmma.h), else fetched by warps.
mlir::FailureOr<Scheduled> scheduleCudaMatmul(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

/// The ranges of rows for which a group's one product has kernels; none where its rows are known, or its kernel is one for all.
std::optional<RowRanges> rowRangesOf(graph::GroupOp group);

}  // namespace jinx::schedules

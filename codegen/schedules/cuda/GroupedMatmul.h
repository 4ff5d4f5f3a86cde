// The grouped schedule on CUDA: a grouped product as tiles of the products of its groups.
#pragma once

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

/// Covers groups that hold one jinx.packed_grouped_matmul, or two of 16-bit floats that read one operand and the same ends (jinx-pair-products; through the copy
/// engine), and what is elementwise behind it: by rows on tensor cores, through the copy engine where there is one and rows are such as it reads, else fetched by
/// warps; in panels on scalar units.
mlir::FailureOr<Scheduled> scheduleCudaGrouped(graph::GroupOp group, llvm::StringRef name, const Target &target, mlir::OpBuilder &builder);

/// Likewise as rowRangesOf (GroupMatmul.h): few rows of a group on the average, whose tokens are columns, or any number.
std::optional<RowRanges> groupedRowRangesOf(graph::GroupOp group);

}  // namespace jinx::schedules

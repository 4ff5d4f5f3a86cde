// Groups of operators whose lanes depend on each other: a running sum, a scatter, a sort, a recurrence, rows that a block shares.
#pragma once

#include "CudaTestSupport.h"
#include "codegen/schedules/cuda/ColumnStrips.h"

namespace jinx::cuda::testing {

/// Three rows of 2,500, walked by a block in three tiles.
inline constexpr const char *kRunningSum = R"(
func.func @main(%arg0: tensor<3x2500xf32>) -> tensor<3x2500xf32> {
  %0 = jinx.group "scan"(%arg0) : (tensor<3x2500xf32>) -> tensor<3x2500xf32> {
  ^bb0(%x: tensor<3x2500xf32>):
    %y = jinx.cumsum %x axis 1 : tensor<3x2500xf32> -> tensor<3x2500xf32>
    jinx.yield %y : tensor<3x2500xf32>
  }
  return %0 : tensor<3x2500xf32>
})";

/// 200 rows of three numbers, added to seven.
inline constexpr const char *kScatterAdd = R"(
func.func @main(%arg0: tensor<7x3xf32>, %arg1: tensor<200x1xi64>, %arg2: tensor<200x3xf32>) -> tensor<7x3xf32> {
  %0 = jinx.group "scatter"(%arg0, %arg1, %arg2) : (tensor<7x3xf32>, tensor<200x1xi64>, tensor<200x3xf32>) -> tensor<7x3xf32> {
  ^bb0(%x: tensor<7x3xf32>, %i: tensor<200x1xi64>, %u: tensor<200x3xf32>):
    %y = jinx.scatter_nd add, %x, %i, %u : tensor<7x3xf32>, tensor<200x1xi64>, tensor<200x3xf32> -> tensor<7x3xf32>
    jinx.yield %y : tensor<7x3xf32>
  }
  return %0 : tensor<7x3xf32>
})";

/// The five greatest of each of two rows of 5,000, tile by tile.
inline constexpr const char *kTopFive = R"(
func.func @main(%arg0: tensor<2x5000xf32>) -> (tensor<2x5xf32>, tensor<2x5xi64>) {
  %0:2 = jinx.group "sort"(%arg0) : (tensor<2x5000xf32>) -> (tensor<2x5xf32>, tensor<2x5xi64>) {
  ^bb0(%x: tensor<2x5000xf32>):
    %v, %i = jinx.top_k %x axis 1 : tensor<2x5000xf32> -> tensor<2x5xf32>, tensor<2x5xi64>
    jinx.yield %v, %i : tensor<2x5xf32>, tensor<2x5xi64>
  }
  return %0#0, %0#1 : tensor<2x5xf32>, tensor<2x5xi64>
})";

/// Six steps of two sequences, 40 units.
inline constexpr const char *kLstm = R"(
func.func @main(%arg0: tensor<6x2x160xf32>, %arg1: tensor<4x3x40x16xf32>, %arg2: tensor<2x40xf32>) -> tensor<6x2x40xf32> {
  %0 = jinx.group "recurrent"(%arg0, %arg1, %arg2, %arg2) : (tensor<6x2x160xf32>, tensor<4x3x40x16xf32>, tensor<2x40xf32>, tensor<2x40xf32>) -> tensor<6x2x40xf32> {
  ^bb0(%x: tensor<6x2x160xf32>, %r: tensor<4x3x40x16xf32>, %h: tensor<2x40xf32>, %c: tensor<2x40xf32>):
    %ys, %hn, %cn = jinx.lstm %x, %r, %h, %c : (tensor<6x2x160xf32>, tensor<4x3x40x16xf32>, tensor<2x40xf32>, tensor<2x40xf32>)
        -> (tensor<6x2x40xf32>, tensor<2x40xf32>, tensor<2x40xf32>)
    jinx.yield %ys : tensor<6x2x40xf32>
  }
  return %0 : tensor<6x2x40xf32>
})";

/// 130 rows of 76 in parts of 48, of which the last has 34: each part in three strips, the third with 12 of 32 columns.
inline constexpr const char *kSumOfParts = R"(
func.func @main(%arg0: tensor<3x48x76xf32>) -> tensor<3x1x76xf32> {
  %0 = jinx.group "rows"(%arg0) : (tensor<3x48x76xf32>) -> tensor<3x1x76xf32> {
  ^bb0(%x: tensor<3x48x76xf32>):
    %y = jinx.reduce sum, %x axes [1] : tensor<3x48x76xf32> -> tensor<3x1x76xf32>
    jinx.yield %y : tensor<3x1x76xf32>
  }
  return %0 : tensor<3x1x76xf32>
})";
inline CudaKernel sumOfParts() {
  return scheduleForCuda(kSumOfParts, [](graph::GroupOp group, mlir::OpBuilder &builder) {
    return schedules::scheduleColumnStrips(group, "sum", {1, 130}, builder);
  }).kernel;
}

}  // namespace jinx::cuda::testing

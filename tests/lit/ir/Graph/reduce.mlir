// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// Reduced dimensions stay, with extent 1.
// CHECK-LABEL: @reduce
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>
func.func @reduce(%x: tensor<2x3x4xf32>) {
  // CHECK: jinx.reduce sum, %[[X]] axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  %0 = jinx.reduce sum, %x axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  // CHECK: jinx.reduce max, %[[X]] axes [0]
  %1 = jinx.reduce max, %x axes [0] : tensor<2x3x4xf32> -> tensor<1x3x4xf32>
  // CHECK: jinx.reduce min, %[[X]] axes [0]
  %2 = jinx.reduce min, %x axes [0] : tensor<2x3x4xf32> -> tensor<1x3x4xf32>
  // CHECK: jinx.reduce prod, %[[X]] axes []
  %3 = jinx.reduce prod, %x axes [] : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  return
}

// CHECK-LABEL: @pool
// CHECK-SAME: (%[[X:.*]]: tensor<1x3x8x8xf32>
func.func @pool(%x: tensor<1x3x8x8xf32>) {
  // CHECK: jinx.pool max, %[[X]] {dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>} : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  %0 = jinx.pool max, %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  // CHECK: jinx.pool average, %[[X]]
  %1 = jinx.pool average, %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  // CHECK: jinx.pool average_include_pad, %[[X]]
  %2 = jinx.pool average_include_pad, %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  return
}

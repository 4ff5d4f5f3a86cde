// RUN: jinx-opt %s --split-input-file --jinx-gather-codes | FileCheck %s

// Codes of 4 bits are bytes where rows are gathered; blocks are along the last dimension of what is gathered.
// CHECK-LABEL: @blocks
// CHECK-SAME: (%[[I:.*]]: tensor<2x3xi64>)
// CHECK: %[[B:.*]] = jinx.cast %{{.*}} : tensor<100x64xi4> -> tensor<100x64xi8>
// CHECK: %[[Q:.*]] = jinx.gather %[[B]], %[[I]]{{.*}} -> tensor<2x3x64xi8>
// CHECK: %[[S:.*]] = jinx.gather %{{.*}}, %[[I]]{{.*}} -> tensor<2x3x2xf16>
// CHECK: jinx.dequantize %[[Q]], %[[S]] block 32 along 2 : tensor<2x3x64xi8>, tensor<2x3x2xf16> -> tensor<2x3x64xf32>
func.func @blocks(%i: tensor<2x3xi64>) -> tensor<2x3x64xf32> {
  %c = jinx.constant dense<3> : tensor<100x64xi4>
  %s = jinx.constant dense<0.5> : tensor<100x2xf16>
  %w = jinx.dequantize %c, %s block 32 along 1 : tensor<100x64xi4>, tensor<100x2xf16> -> tensor<100x64xf32>
  %y = jinx.gather %w, %i axis 0 : tensor<100x64xf32>, tensor<2x3xi64> -> tensor<2x3x64xf32>
  return %y : tensor<2x3x64xf32>
}

// -----

// A scale of each column is the same for all rows; one of the whole table has no dimensions.
// CHECK-LABEL: @columns
// CHECK: %[[Q:.*]] = jinx.gather %{{.*}} -> tensor<5x8xui8>
// CHECK: %[[S:.*]] = jinx.reshape %{{.*}} : tensor<1x8xf32> -> tensor<1x8xf32>
// CHECK: jinx.dequantize %[[Q]], %[[S]] zero %{{.*}} : tensor<5x8xui8>, tensor<1x8xf32> zero tensor<ui8> -> tensor<5x8xf32>
func.func @columns(%i: tensor<5xi32>) -> tensor<5x8xf32> {
  %c = jinx.constant dense<3> : tensor<100x8xui8>
  %s = jinx.constant dense<0.5> : tensor<1x8xf32>
  %z = jinx.constant dense<128> : tensor<ui8>
  %w = jinx.dequantize %c, %s zero %z : tensor<100x8xui8>, tensor<1x8xf32> zero tensor<ui8> -> tensor<100x8xf32>
  %y = jinx.gather %w, %i axis 0 : tensor<100x8xf32>, tensor<5xi32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

// Levels are of codes of 4 bits.
// CHECK-LABEL: @levels
// CHECK: %[[W:.*]] = jinx.dequantize
// CHECK: jinx.gather %[[W]]
func.func @levels(%i: tensor<5xi32>) -> tensor<5x8xf32> {
  %c = jinx.constant dense<3> : tensor<100x8xui4>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %w = jinx.dequantize %c, %s levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<100x8xui4>, tensor<f32> -> tensor<100x8xf32>
  %y = jinx.gather %w, %i axis 0 : tensor<100x8xf32>, tensor<5xi32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

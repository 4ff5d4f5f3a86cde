// RUN: jinx-opt %s --jinx-form-scaled-matmul | FileCheck %s
module attributes {jinx.gpu = "sm_90a"} {

// Scales of 128 x 128 blocks are read before they are repeated.
// CHECK-LABEL: @blocks
// CHECK-SAME: (%[[A:.*]]: tensor<5x256xf8E4M3FN>, %[[S:.*]]: tensor<5x2xf32>, %[[W:.*]]: tensor<200x256xf8E4M3FN>, %[[T:.*]]: tensor<2x2xf32>)
// CHECK: %[[Y:.*]] = jinx.scaled_matmul %[[A]], %[[W]] scales %[[S]], %[[T]] shared 128 : {{.*}} -> tensor<5x200xf32>
// CHECK: jinx.cast %[[Y]] : tensor<5x200xf32> -> tensor<5x200xbf16>
func.func @blocks(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<2x2xf32>) -> tensor<5x200xbf16> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xbf16>
  %0 = jinx.reshape %t : tensor<2x2xf32> -> tensor<2x1x2xf32>
  %1 = jinx.broadcast %0 : tensor<2x1x2xf32> -> tensor<2x128x2xf32>
  %2 = jinx.reshape %1 : tensor<2x128x2xf32> -> tensor<256x2xf32>
  %3 = jinx.slice %2 starts ["0", "0"] steps [1, 1] : tensor<256x2xf32> -> tensor<200x2xf32>
  %v = jinx.dequantize %w, %3 block 128 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x2xf32> -> tensor<200x256xbf16>
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xbf16>, tensor<200x256xbf16> -> tensor<5x200xbf16>
  return %y : tensor<5x200xbf16>
}

// Weights [k, n] are turned, with their scales; rows are filled up to 16 bytes. Each column has scales of its own.
// CHECK-LABEL: @columns
// CHECK-SAME: (%[[A:.*]]: tensor<3x5x200xf8E4M3FN>, %[[S:.*]]: tensor<3x5x2xf32>, %[[W:.*]]: tensor<200x7xf8E4M3FN>, %[[T:.*]]: tensor<2x7xf32>)
// CHECK: %[[WT:.*]] = jinx.transpose %[[W]], [1, 0]
// CHECK: %[[TT:.*]] = jinx.transpose %[[T]], [1, 0]
// CHECK: %[[B:.*]] = jinx.pad %[[A]] {{.*}} -> tensor<3x5x208xf8E4M3FN>
// CHECK: %[[R:.*]] = jinx.pad %[[WT]] {{.*}} -> tensor<7x208xf8E4M3FN>
// CHECK: jinx.scaled_matmul %[[B]], %[[R]] scales %[[S]], %[[TT]] shared 1
func.func @columns(%a: tensor<3x5x200xf8E4M3FN>, %s: tensor<3x5x2xf32>, %w: tensor<200x7xf8E4M3FN>, %t: tensor<2x7xf32>) -> tensor<3x5x7xf32> {
  %x = jinx.dequantize %a, %s block 128 along 2 : tensor<3x5x200xf8E4M3FN>, tensor<3x5x2xf32> -> tensor<3x5x200xf32>
  %v = jinx.dequantize %w, %t block 128 along 0 : tensor<200x7xf8E4M3FN>, tensor<2x7xf32> -> tensor<200x7xf32>
  %y = jinx.matmul %x, %v : tensor<3x5x200xf32>, tensor<200x7xf32> -> tensor<3x5x7xf32>
  return %y : tensor<3x5x7xf32>
}

// Scales of rows, or one number, beside scales of blocks are repeated along k; what all columns share is one of blocks.
// CHECK-LABEL: @rows
// CHECK-DAG: %[[S:.*]] = jinx.broadcast %{{.*}} : tensor<5x1xf32> -> tensor<5x2xf32>
// CHECK: jinx.scaled_matmul %{{.*}}, %{{.*}} scales %[[S]], %{{.*}} shared 1
// CHECK: %[[T:.*]] = jinx.broadcast %{{.*}} : tensor<f32> -> tensor<2x2xf32>
// CHECK: jinx.scaled_matmul %{{.*}}, %{{.*}} scales %{{.*}}, %[[T]] shared 128
func.func @rows(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x1xf32>, %w: tensor<200x256xf8E5M2>, %t: tensor<200x2xf32>, %u: tensor<f32>, %q: tensor<5x2xf32>) -> (tensor<5x200xf32>, tensor<5x200xf32>) {
  %x = jinx.dequantize %a, %s : tensor<5x256xf8E4M3FN>, tensor<5x1xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 1 : tensor<200x256xf8E5M2>, tensor<200x2xf32> -> tensor<200x256xf32>
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  %b = jinx.dequantize %a, %q block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xf32>
  %n = jinx.dequantize %w, %u : tensor<200x256xf8E5M2>, tensor<f32> -> tensor<200x256xf32>
  %z = jinx.matmul %b, %n transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y, %z : tensor<5x200xf32>, tensor<5x200xf32>
}

// Tests that scales that stand still along k are left to an epilogue, and blocks of another size to arithmetic.
// CHECK-LABEL: @kept
// CHECK-NOT: jinx.scaled_matmul
func.func @kept(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x1xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x1xf32>, %u: tensor<200x8xf32>) -> (tensor<5x200xf32>, tensor<5x200xf32>) {
  %x = jinx.dequantize %a, %s : tensor<5x256xf8E4M3FN>, tensor<5x1xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t : tensor<200x256xf8E4M3FN>, tensor<200x1xf32> -> tensor<200x256xf32>
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  %n = jinx.dequantize %w, %u block 32 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x8xf32> -> tensor<200x256xf32>
  %z = jinx.matmul %x, %n transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y, %z : tensor<5x200xf32>, tensor<5x200xf32>
}

}

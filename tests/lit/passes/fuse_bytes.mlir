// RUN: jinx-opt %s --split-input-file --jinx-simplify --jinx-fuse | FileCheck %s

// Bytes that a product is quantized to are its kernel's result, and what reads them as floats reads bytes: the second product's residual here.
// CHECK-LABEL: @residual
// CHECK: %[[Q:.*]] = jinx.group "matmul"{{.*}} -> tensor<64x64xui8> {
// CHECK: jinx.packed_matmul
// CHECK: jinx.group "matmul"({{.*}}%[[Q]]{{.*}}) : {{.*}} -> tensor<64x64xf32> {
// CHECK: jinx.packed_matmul
func.func @residual(%a: tensor<64x64xui8>, %b: tensor<64x64xui8>, %w: tensor<4x16x64xi8>) -> tensor<64x64xf32> {
  %low = jinx.constant dense<0.0> : tensor<f32>
  %high = jinx.constant dense<255.0> : tensor<f32>
  %s = jinx.constant dense<0.3> : tensor<f32>
  %0 = jinx.packed_matmul %a, %w : tensor<64x64xui8>, tensor<4x16x64xi8> -> tensor<64x64xi32>
  %1 = jinx.cast %0 : tensor<64x64xi32> -> tensor<64x64xf32>
  %2 = jinx.mul %1, %s : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %3 = jinx.round %2 : tensor<64x64xf32> -> tensor<64x64xf32>
  %4 = jinx.max %3, %low : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %5 = jinx.min %4, %high : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %q = jinx.cast %5 : tensor<64x64xf32> -> tensor<64x64xui8>
  %6 = jinx.cast %q : tensor<64x64xui8> -> tensor<64x64xf32>
  %7 = jinx.mul %6, %s : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %8 = jinx.packed_matmul %b, %w : tensor<64x64xui8>, tensor<4x16x64xi8> -> tensor<64x64xi32>
  %9 = jinx.cast %8 : tensor<64x64xi32> -> tensor<64x64xf32>
  %10 = jinx.mul %9, %s : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %11 = jinx.round %10 : tensor<64x64xf32> -> tensor<64x64xf32>
  %12 = jinx.max %11, %low : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %13 = jinx.min %12, %high : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %r = jinx.cast %13 : tensor<64x64xf32> -> tensor<64x64xui8>
  %14 = jinx.cast %r : tensor<64x64xui8> -> tensor<64x64xf32>
  %y = jinx.add %14, %7 : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// -----

// Tests that floats which are quantized and read again, with no product before them, stay one kernel without bytes.
// CHECK-LABEL: @fake
// CHECK: jinx.group "rows"
// CHECK: jinx.floor
// CHECK-NOT: jinx.group
func.func @fake(%a: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %low = jinx.constant dense<0.0> : tensor<f32>
  %high = jinx.constant dense<255.0> : tensor<f32>
  %4 = jinx.max %a, %low : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %5 = jinx.min %4, %high : tensor<64x64xf32>, tensor<f32> -> tensor<64x64xf32>
  %q = jinx.cast %5 : tensor<64x64xf32> -> tensor<64x64xui8>
  %6 = jinx.cast %q : tensor<64x64xui8> -> tensor<64x64xf32>
  return %6 : tensor<64x64xf32>
}

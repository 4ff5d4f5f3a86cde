// RUN: jinx-opt %s --split-input-file --jinx-narrow-products | FileCheck %s

// Scales of rows and of columns come after the product.
// CHECK-LABEL: @bytes
// CHECK-SAME: (%[[A:.*]]: tensor<4x16xi8>, %[[B:.*]]: tensor<16x6xi8>, %[[S:.*]]: tensor<4x1xf32>, %[[T:.*]]: tensor<6xf32>
// CHECK: %[[P:.*]] = jinx.matmul %[[A]], %[[B]] : tensor<4x16xi8>, tensor<16x6xi8> -> tensor<4x6xi32>
// CHECK: %[[F:.*]] = jinx.cast %[[P]] : tensor<4x6xi32> -> tensor<4x6xf32>
// CHECK: %[[G:.*]] = jinx.mul %[[F]], %[[S]]
// CHECK: %[[Y:.*]] = jinx.mul %[[G]], %[[T]]
// CHECK: return %[[Y]]
func.func @bytes(%a: tensor<4x16xi8>, %b: tensor<16x6xi8>, %s: tensor<4x1xf32>, %t: tensor<6xf32>) -> tensor<4x6xf32> {
  %0 = jinx.cast %a : tensor<4x16xi8> -> tensor<4x16xf32>
  %1 = jinx.mul %0, %s : tensor<4x16xf32>, tensor<4x1xf32> -> tensor<4x16xf32>
  %2 = jinx.cast %b : tensor<16x6xi8> -> tensor<16x6xf32>
  %3 = jinx.mul %2, %t : tensor<16x6xf32>, tensor<6xf32> -> tensor<16x6xf32>
  %y = jinx.matmul %1, %3 : tensor<4x16xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// Tests that a scale which varies along k keeps the product as it is.
// CHECK-LABEL: @scale_along_k
// CHECK: jinx.matmul {{.*}} : tensor<4x16xf32>, tensor<16x6xf32>
func.func @scale_along_k(%a: tensor<4x16xi8>, %b: tensor<16x6xi8>, %s: tensor<16xf32>) -> tensor<4x6xf32> {
  %0 = jinx.cast %a : tensor<4x16xi8> -> tensor<4x16xf32>
  %1 = jinx.mul %0, %s : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
  %2 = jinx.cast %b : tensor<16x6xi8> -> tensor<16x6xf32>
  %y = jinx.matmul %1, %2 : tensor<4x16xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// Zero points are taken out by sums over k; those that are 0 are not there.
// CHECK-LABEL: @zero_points
// CHECK-SAME: (%[[A:.*]]: tensor<4x16xui8>, %[[B:.*]]: tensor<6x16xui8>, %[[ZA:.*]]: tensor<ui8>
// CHECK: %[[P:.*]] = jinx.matmul %[[A]], %[[B]] transpose_b : tensor<4x16xui8>, tensor<6x16xui8> -> tensor<4x6xi32>
// CHECK: %[[Z:.*]] = jinx.cast %[[ZA]] : tensor<ui8> -> tensor<i32>
// CHECK: %[[W:.*]] = jinx.cast %[[B]] : tensor<6x16xui8> -> tensor<6x16xi32>
// CHECK: %[[R:.*]] = jinx.reduce sum, %[[W]] axes [1] : tensor<6x16xi32> -> tensor<6x1xi32>
// CHECK: %[[C:.*]] = jinx.transpose %[[R]]
// CHECK: %[[M:.*]] = jinx.mul %[[C]], %[[Z]]
// CHECK: jinx.sub %[[P]], %[[M]]
// CHECK-NOT: jinx.sub
func.func @zero_points(%a: tensor<4x16xui8>, %b: tensor<6x16xui8>, %za: tensor<ui8>) -> tensor<4x6xf32> {
  %zb = jinx.constant dense<0> : tensor<ui8>
  %0 = jinx.cast %a : tensor<4x16xui8> -> tensor<4x16xf32>
  %1 = jinx.cast %za : tensor<ui8> -> tensor<f32>
  %2 = jinx.sub %0, %1 : tensor<4x16xf32>, tensor<f32> -> tensor<4x16xf32>
  %3 = jinx.cast %b : tensor<6x16xui8> -> tensor<6x16xf32>
  %4 = jinx.cast %zb : tensor<ui8> -> tensor<f32>
  %5 = jinx.sub %3, %4 : tensor<6x16xf32>, tensor<f32> -> tensor<6x16xf32>
  %y = jinx.matmul %2, %5 transpose_b : tensor<4x16xf32>, tensor<6x16xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// 8-bit floats, with a scale each, by way of halves; the right one is transposed.
// CHECK-LABEL: @floats8
// CHECK-SAME: (%[[A:.*]]: tensor<4x16xf8E4M3FN>, %[[B:.*]]: tensor<6x16xf8E5M2>
// CHECK: jinx.matmul %[[A]], %[[B]] transpose_b : tensor<4x16xf8E4M3FN>, tensor<6x16xf8E5M2> -> tensor<4x6xf32>
// CHECK: %[[Y:.*]] = jinx.cast {{.*}} : tensor<4x6xf32> -> tensor<4x6xf16>
// CHECK: return %[[Y]]
func.func @floats8(%a: tensor<4x16xf8E4M3FN>, %b: tensor<6x16xf8E5M2>, %s: tensor<f16>) -> tensor<4x6xf16> {
  %0 = jinx.cast %a : tensor<4x16xf8E4M3FN> -> tensor<4x16xf16>
  %1 = jinx.mul %0, %s : tensor<4x16xf16>, tensor<f16> -> tensor<4x16xf16>
  %2 = jinx.cast %b : tensor<6x16xf8E5M2> -> tensor<6x16xf16>
  %3 = jinx.transpose %2, [1, 0] : tensor<6x16xf16> -> tensor<16x6xf16>
  %y = jinx.matmul %1, %3 : tensor<4x16xf16>, tensor<16x6xf16> -> tensor<4x6xf16>
  return %y : tensor<4x6xf16>
}

// -----

// Tests that sums which i32 may not hold stay sums of floats.
// CHECK-LABEL: @long
// CHECK: jinx.matmul {{.*}} -> tensor<4x6xf32>
func.func @long(%a: tensor<4x40000xi8>, %b: tensor<40000x6xi8>) -> tensor<4x6xf32> {
  %0 = jinx.cast %a : tensor<4x40000xi8> -> tensor<4x40000xf32>
  %1 = jinx.cast %b : tensor<40000x6xi8> -> tensor<40000x6xf32>
  %y = jinx.matmul %0, %1 : tensor<4x40000xf32>, tensor<40000x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// Tests that a product with one operand of floats stays.
// CHECK-LABEL: @weights_alone
// CHECK: jinx.matmul {{.*}} : tensor<4x16xf32>, tensor<16x6xf32>
func.func @weights_alone(%a: tensor<4x16xf32>, %b: tensor<16x6xi8>) -> tensor<4x6xf32> {
  %1 = jinx.cast %b : tensor<16x6xi8> -> tensor<16x6xf32>
  %y = jinx.matmul %a, %1 : tensor<4x16xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

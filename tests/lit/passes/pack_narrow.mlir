// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-pack | FileCheck %s --check-prefix=PANELS

// Bytes are multiplied as they are, whatever their signs; k is filled up to 16 bytes.
// CHECK-LABEL: @bytes
// CHECK-SAME: (%[[A:.*]]: tensor<4x20xui8>, %[[B:.*]]: tensor<20x6xi8>
// CHECK: %[[T:.*]] = jinx.transpose %[[B]]
// CHECK: %[[FA:.*]] = jinx.pad %[[A]]{{.*}} -> tensor<4x32xui8>
// CHECK: %[[FB:.*]] = jinx.pad %[[T]]{{.*}} -> tensor<6x32xi8>
// CHECK: jinx.packed_matmul %[[FA]], %[[FB]] by_rows : tensor<4x32xui8>, tensor<6x32xi8> -> tensor<4x6xi32>
func.func @bytes(%a: tensor<4x20xui8>, %b: tensor<20x6xi8>) -> tensor<4x6xi32> {
  %y = jinx.matmul %a, %b : tensor<4x20xui8>, tensor<20x6xi8> -> tensor<4x6xi32>
  return %y : tensor<4x6xi32>
}

// -----

// Weights that f32 sums would be exact for stay bytes too.
// CHECK-LABEL: @constant_bytes
// CHECK: jinx.packed_matmul {{.*}} by_rows : tensor<4x16xi8>, tensor<2x16xi8> -> tensor<4x2xi32>
func.func @constant_bytes(%a: tensor<4x16xi8>) -> tensor<4x2xi32> {
  %b = jinx.constant dense<3> : tensor<2x16xi8>
  %y = jinx.matmul %a, %b transpose_b : tensor<4x16xi8>, tensor<2x16xi8> -> tensor<4x2xi32>
  return %y : tensor<4x2xi32>
}

// -----

// CHECK-LABEL: @floats8
// CHECK-SAME: (%[[A:.*]]: tensor<4x16xf8E4M3FN>, %[[B:.*]]: tensor<6x16xf8E5M2>
// CHECK: jinx.packed_matmul %[[A]], %[[B]] by_rows fast_sums : tensor<4x16xf8E4M3FN>, tensor<6x16xf8E5M2> -> tensor<4x6xf32>
// Where there are no tensor cores, they are f32 before the product.
// PANELS-LABEL: @floats8
// PANELS-SAME: (%[[A:.*]]: tensor<4x16xf8E4M3FN>, %[[B:.*]]: tensor<6x16xf8E5M2>
// PANELS-DAG: %[[FA:.*]] = jinx.cast %[[A]] : tensor<4x16xf8E4M3FN> -> tensor<4x16xf32>
// PANELS-DAG: %[[FB:.*]] = jinx.cast %[[B]] : tensor<6x16xf8E5M2> -> tensor<6x16xf32>
// PANELS: %[[P:.*]] = jinx.pack %[[FB]] transpose
// PANELS: %[[Y:.*]] = jinx.packed_matmul %[[FA]], %[[P]]
// PANELS: return %[[Y]]
func.func @floats8(%a: tensor<4x16xf8E4M3FN>, %b: tensor<6x16xf8E5M2>) -> tensor<4x6xf32> {
  %y = jinx.matmul %a, %b transpose_b fast_sums : tensor<4x16xf8E4M3FN>, tensor<6x16xf8E5M2> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// Tests that formats which no tensor core has are f32 before the product.
// CHECK-LABEL: @other_floats8
// CHECK-NOT: by_rows
func.func @other_floats8(%a: tensor<4x16xf8E4M3FNUZ>, %b: tensor<6x16xf8E4M3FNUZ>) -> tensor<4x6xf32> {
  %y = jinx.matmul %a, %b transpose_b : tensor<4x16xf8E4M3FNUZ>, tensor<6x16xf8E4M3FNUZ> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

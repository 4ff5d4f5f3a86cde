// RUN: jinx-opt %s --split-input-file --jinx-fetch-by-warps | FileCheck %s

// A small product reads rows as they lie; a constant right operand was filled up at no cost, and stays so.
// CHECK-LABEL: @small
// CHECK-SAME: (%[[A:.*]]: tensor<4x13xf16>, %[[B:.*]]: tensor<20x16xf16>)
// CHECK-NOT: jinx.pad
// CHECK: jinx.packed_matmul %[[A]], %[[B]] by_rows : tensor<4x13xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
func.func @small(%a: tensor<4x13xf16>, %b: tensor<20x16xf16>) -> tensor<4x20xf16> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xf16> -> tensor<4x16xf16>
  %y = jinx.packed_matmul %p, %b by_rows : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return %y : tensor<4x20xf16>
}

// -----

// So does its right operand, where that is filled up when the model runs.
// CHECK-LABEL: @both
// CHECK-SAME: (%[[A:.*]]: tensor<4x13xbf16>, %[[B:.*]]: tensor<20x13xbf16>)
// CHECK: jinx.packed_matmul %[[A]], %[[B]] by_rows
func.func @both(%a: tensor<4x13xbf16>, %b: tensor<20x13xbf16>) -> tensor<4x20xbf16> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xbf16> -> tensor<4x16xbf16>
  %q = jinx.pad %b low ["0", "0"] mode constant : tensor<20x13xbf16> -> tensor<20x16xbf16>
  %y = jinx.packed_matmul %p, %q by_rows : tensor<4x16xbf16>, tensor<20x16xbf16> -> tensor<4x20xbf16>
  return %y : tensor<4x20xbf16>
}

// -----

// What is transposed is written anyway: its pad is part of that kernel.
// CHECK-LABEL: @transposed
// CHECK: %[[B:.*]] = jinx.pad
// CHECK: jinx.packed_matmul %{{.*}}, %[[B]] by_rows : tensor<4x13xf16>, tensor<20x16xf16>
func.func @transposed(%a: tensor<4x13xf16>, %b: tensor<13x20xf16>) -> tensor<4x20xf16> {
  %t = jinx.transpose %b, [1, 0] : tensor<13x20xf16> -> tensor<20x13xf16>
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xf16> -> tensor<4x16xf16>
  %q = jinx.pad %t low ["0", "0"] mode constant : tensor<20x13xf16> -> tensor<20x16xf16>
  %y = jinx.packed_matmul %p, %q by_rows : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return %y : tensor<4x20xf16>
}

// -----

// Tests that a large product keeps its pad: reading rows at any place would lose more.
// CHECK-LABEL: @large
// CHECK: %[[A:.*]] = jinx.pad
// CHECK: jinx.packed_matmul %[[A]],
func.func @large(%a: tensor<2048x1021xf16>, %b: tensor<2048x1024xf16>) -> tensor<2048x2048xf16> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<2048x1021xf16> -> tensor<2048x1024xf16>
  %y = jinx.packed_matmul %p, %b by_rows : tensor<2048x1024xf16>, tensor<2048x1024xf16> -> tensor<2048x2048xf16>
  return %y : tensor<2048x2048xf16>
}

// -----

// Tests that a pad that is more than a filling up of rows stays.
// CHECK-LABEL: @margin
// CHECK: %[[A:.*]] = jinx.pad
// CHECK: jinx.packed_matmul %[[A]],
func.func @margin(%a: tensor<3x13xf16>, %b: tensor<20x16xf16>) -> tensor<4x20xf16> {
  %p = jinx.pad %a low ["1", "0"] mode constant : tensor<3x13xf16> -> tensor<4x16xf16>
  %y = jinx.packed_matmul %p, %b by_rows : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return %y : tensor<4x20xf16>
}

// -----

// Tests that products of 8-bit floats, which warps do not multiply, keep theirs.
// CHECK-LABEL: @floats8
// CHECK: jinx.pad
func.func @floats8(%a: tensor<4x13xf8E4M3FN>, %b: tensor<20x16xf8E4M3FN>) -> tensor<4x20xf32> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xf8E4M3FN> -> tensor<4x16xf8E4M3FN>
  %y = jinx.packed_matmul %p, %b by_rows : tensor<4x16xf8E4M3FN>, tensor<20x16xf8E4M3FN> -> tensor<4x20xf32>
  return %y : tensor<4x20xf32>
}

// -----

// So do those of f32.
// CHECK-LABEL: @floats32
// CHECK: jinx.pad
func.func @floats32(%a: tensor<4x13xf32>, %b: tensor<20x16xf32>) -> tensor<4x20xf32> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xf32> -> tensor<4x16xf32>
  %y = jinx.packed_matmul %p, %b by_rows : tensor<4x16xf32>, tensor<20x16xf32> -> tensor<4x20xf32>
  return %y : tensor<4x20xf32>
}

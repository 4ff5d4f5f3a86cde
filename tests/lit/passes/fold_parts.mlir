// RUN: jinx-opt %s --split-input-file --jinx-fold-constants | FileCheck %s

// Parts of constants in resources are no copies: what has no bytes here folds all the same.

// CHECK-LABEL: @rows_and_columns
// CHECK: jinx.constant #jinx.part<dense_resource<w> : tensor<64x64xbf16>, [32, 0]> : tensor<32x64xbf16>
// CHECK: jinx.constant #jinx.part<dense_resource<w> : tensor<64x64xbf16>, [0, 48]> : tensor<64x16xbf16>
// CHECK-NOT: jinx.slice
func.func @rows_and_columns() -> (tensor<32x64xbf16>, tensor<64x16xbf16>) {
  %w = jinx.constant dense_resource<w> : tensor<64x64xbf16>
  %r = jinx.slice %w starts ["32", "0"] steps [1, 1] : tensor<64x64xbf16> -> tensor<32x64xbf16>
  %c = jinx.slice %w starts ["0", "48"] steps [1, 1] : tensor<64x64xbf16> -> tensor<64x16xbf16>
  return %r, %c : tensor<32x64xbf16>, tensor<64x16xbf16>
}

// -----

// A part of a part is one of the whole; zeros behind the end are its elements, too.
// CHECK-LABEL: @filled_up
// CHECK: %[[P:.*]] = jinx.constant #jinx.part<dense_resource<w> : tensor<64x62xf32>, [16, 48]> : tensor<32x16xf32>
// CHECK: return %[[P]]
func.func @filled_up() -> tensor<32x16xf32> {
  %w = jinx.constant dense_resource<w> : tensor<64x62xf32>
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %r = jinx.slice %w starts ["16", "0"] steps [1, 1] : tensor<64x62xf32> -> tensor<32x62xf32>
  %p = jinx.pad %r value %zero low ["0", "0"] mode constant : tensor<32x62xf32>, tensor<f32> -> tensor<32x64xf32>
  %c = jinx.slice %p starts ["0", "48"] steps [1, 1] : tensor<32x64xf32> -> tensor<32x16xf32>
  return %c : tensor<32x16xf32>
}

// -----

// Tests what is computed as any operator is: zeros where the whole one goes on, another value, a margin in front, steps, and what is small.
// CHECK-LABEL: @no_parts
// CHECK: jinx.constant #jinx.part
// CHECK: jinx.pad
// CHECK: jinx.pad
// CHECK: jinx.pad
// CHECK: jinx.slice
// CHECK: jinx.slice
func.func @no_parts() -> (tensor<33x64xf32>, tensor<65x64xf32>, tensor<65x64xf32>, tensor<32x64xf32>, tensor<1x8xf32>) {
  %w = jinx.constant dense_resource<w> : tensor<64x64xf32>
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %one = jinx.constant dense<1.0> : tensor<f32>
  %r = jinx.slice %w starts ["0", "0"] steps [1, 1] : tensor<64x64xf32> -> tensor<32x64xf32>
  %a = jinx.pad %r value %zero low ["0", "0"] mode constant : tensor<32x64xf32>, tensor<f32> -> tensor<33x64xf32>
  %b = jinx.pad %w value %one low ["0", "0"] mode constant : tensor<64x64xf32>, tensor<f32> -> tensor<65x64xf32>
  %c = jinx.pad %w value %zero low ["1", "0"] mode constant : tensor<64x64xf32>, tensor<f32> -> tensor<65x64xf32>
  %d = jinx.slice %w starts ["0", "0"] steps [2, 1] : tensor<64x64xf32> -> tensor<32x64xf32>
  %e = jinx.slice %w starts ["0", "0"] steps [1, 1] : tensor<64x64xf32> -> tensor<1x8xf32>
  return %a, %b, %c, %d, %e : tensor<33x64xf32>, tensor<65x64xf32>, tensor<65x64xf32>, tensor<32x64xf32>, tensor<1x8xf32>
}

// -----

// Experts in a file one by one: a rank's are a part of the stack, zeros behind the last one, and so are some of their rows.
// CHECK-LABEL: @of_a_stack
// CHECK: jinx.constant #jinx.part<#jinx.stack<[dense_resource<e0> : tensor<64x32xbf16>, dense_resource<e1> : tensor<64x32xbf16>, dense_resource<e2> : tensor<64x32xbf16>]> : tensor<3x64x32xbf16>, [2, 16, 0]> : tensor<2x16x32xbf16>
// CHECK-NOT: jinx.slice
func.func @of_a_stack() -> tensor<2x16x32xbf16> {
  %w = jinx.constant #jinx.stack<[dense_resource<e0> : tensor<64x32xbf16>, dense_resource<e1> : tensor<64x32xbf16>, dense_resource<e2> : tensor<64x32xbf16>]> : tensor<3x64x32xbf16>
  %zero = jinx.constant dense<0.0> : tensor<bf16>
  %p = jinx.pad %w value %zero low ["0", "0", "0"] mode constant : tensor<3x64x32xbf16>, tensor<bf16> -> tensor<4x64x32xbf16>
  %r = jinx.slice %p starts ["2", "16", "0"] steps [1, 1, 1] : tensor<4x64x32xbf16> -> tensor<2x16x32xbf16>
  return %r : tensor<2x16x32xbf16>
}

// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s

// Tests that a part of a large constant is read back as it is printed, of several dimensions and beyond the end.
// CHECK-LABEL: @parts
func.func @parts() -> (tensor<16x32xbf16>, tensor<2x4x8xi8>, tensor<4xf32>) {
  // CHECK: jinx.constant #jinx.part<dense_resource<w{{.*}}> : tensor<32x32xbf16>, [16, 0]> : tensor<16x32xbf16>
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<32x32xbf16>, [16, 0]> : tensor<16x32xbf16>
  // CHECK: jinx.constant #jinx.part<dense_resource<e{{.*}}> : tensor<4x8x8xi8>, [2, 0, 0]> : tensor<2x4x8xi8>
  %b = jinx.constant #jinx.part<dense_resource<e> : tensor<4x8x8xi8>, [2, 0, 0]> : tensor<2x4x8xi8>
  // CHECK: jinx.constant #jinx.part<dense_resource<v{{.*}}> : tensor<6xf32>, [8]> : tensor<4xf32>
  %c = jinx.constant #jinx.part<dense_resource<v> : tensor<6xf32>, [8]> : tensor<4xf32>
  return %a, %b, %c : tensor<16x32xbf16>, tensor<2x4x8xi8>, tensor<4xf32>
}

// Tests a stack of large constants, and a part of one.
// CHECK-LABEL: @stacks
func.func @stacks() -> (tensor<2x16x32xbf16>, tensor<2x8x32xbf16>) {
  // CHECK: jinx.constant #jinx.stack<[dense_resource<e0{{.*}}> : tensor<16x32xbf16>, dense_resource<e1{{.*}}> : tensor<16x32xbf16>]> : tensor<2x16x32xbf16>
  %a = jinx.constant #jinx.stack<[dense_resource<e0> : tensor<16x32xbf16>, dense_resource<e1> : tensor<16x32xbf16>]> : tensor<2x16x32xbf16>
  // CHECK: jinx.constant #jinx.part<#jinx.stack<[dense_resource<e0{{.*}}> : tensor<16x32xbf16>, dense_resource<e1{{.*}}> : tensor<16x32xbf16>]> : tensor<2x16x32xbf16>, [1, 8, 0]> : tensor<2x8x32xbf16>
  %b = jinx.constant #jinx.part<#jinx.stack<[dense_resource<e0> : tensor<16x32xbf16>, dense_resource<e1> : tensor<16x32xbf16>]> : tensor<2x16x32xbf16>, [1, 8, 0]> : tensor<2x8x32xbf16>
  return %a, %b : tensor<2x16x32xbf16>, tensor<2x8x32xbf16>
}

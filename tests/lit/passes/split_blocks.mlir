// RUN: jinx-opt %s --split-input-file --jinx-split-blocks --verify-diagnostics | FileCheck %s

// A block of Q4_0: d = 2.0, then codes 0 and 1 (low and high half of each byte) of value -8 and -7 times d.
// CHECK-LABEL: @q4_0
// CHECK-DAG: %[[C:.*]] = jinx.constant dense<{{.*}}> : tensor<1x32xui4>
// CHECK-DAG: %[[S:.*]] = jinx.constant dense<2.000000e+00> : tensor<1x1xf16>
// CHECK-DAG: %[[Z:.*]] = jinx.constant dense<8> : tensor<ui4>
// CHECK: jinx.dequantize %[[C]], %[[S]] zero %[[Z]] block 32 along 1 : tensor<1x32xui4>, tensor<1x1xf16> zero tensor<ui4> -> tensor<1x32xf32>
func.func @q4_0() -> tensor<1x32xf32> {
  %b = jinx.constant dense<[[0, 64, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]]> : tensor<1x18xui8>
  %y = jinx.decode_blocks %b "Q4_0" : tensor<1x18xui8> -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
}

// -----

func.func @not_constant(%b: tensor<1x18xui8>) -> tensor<1x32xf32> {
  // expected-error @+1 {{has blocks that are no constant, expected the weights of a model}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<1x18xui8> -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
}

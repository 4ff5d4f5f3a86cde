// Gradients of attention as products: f32, whatever the operands are; heads of q that share k and v are a dimension.
// RUN: jinx-opt %s --split-input-file --jinx-expand-attention-grad | FileCheck %s

// CHECK-LABEL: @grouped
// CHECK: %[[S:.*]] = jinx.matmul %{{.*}}, %{{.*}} transpose_b : tensor<?x2x2x?x8xf32, {{.*}}>, tensor<?x2x1x?x8xf32, {{.*}}> -> tensor<?x2x2x?x?xf32
// CHECK: %[[P:.*]] = jinx.exp
// CHECK: %[[OFFSET:.*]] = jinx.sizes ["m - n"]
// CHECK: jinx.compare le
// CHECK: %[[SEEN:.*]] = jinx.select %{{.*}}, %[[P]],
// CHECK: %[[PT:.*]] = jinx.transpose %[[SEEN]], [0, 1, 2, 4, 3]
// CHECK: %[[DV:.*]] = jinx.matmul %[[PT]]
// CHECK: jinx.reduce sum, %[[DV]] axes [2]
// CHECK: jinx.matmul {{.*}} transpose_b
// CHECK: jinx.matmul
// CHECK: %[[DK:.*]] = jinx.matmul
// CHECK: jinx.reduce sum, %[[DK]] axes [2]
// CHECK-NOT: jinx.attention_grad
func.func @grouped(%q: tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, %k: tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, %v: tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, %dy: tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, %lse: tensor<?x4x?xf32, #jinx.dims<"b", "4", "n">>, %delta: tensor<?x4x?xf32, #jinx.dims<"b", "4", "n">>) -> (tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>) {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 0.5 causal
      : (tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, tensor<?x4x?xf32, #jinx.dims<"b", "4", "n">>, tensor<?x4x?xf32, #jinx.dims<"b", "4", "n">>) -> (tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>)
  return %dq, %dk, %dv : tensor<?x4x?x8xf32, #jinx.dims<"b", "4", "n", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>, tensor<?x2x?x8xf32, #jinx.dims<"b", "2", "m", "8">>
}

// -----

// Tests that gradients that nothing reads are not computed, and that halves are products of f32.
// CHECK-LABEL: @values_only
// CHECK-COUNT-2: jinx.matmul {{.*}}xf32>
// CHECK-NOT: jinx.matmul
// CHECK: jinx.cast {{.*}} -> tensor<1x2x7x8xbf16>
func.func @values_only(%q: tensor<1x2x5x8xbf16>, %k: tensor<1x2x7x8xbf16>, %lse: tensor<1x2x5xf32>) -> tensor<1x2x7x8xbf16> {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %k, %q, %lse, %lse scale 0.5
      : (tensor<1x2x5x8xbf16>, tensor<1x2x7x8xbf16>, tensor<1x2x7x8xbf16>, tensor<1x2x5x8xbf16>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
        -> (tensor<1x2x5x8xbf16>, tensor<1x2x7x8xbf16>, tensor<1x2x7x8xbf16>)
  return %dv : tensor<1x2x7x8xbf16>
}

// Which gradients of attention does the CUDA schedule take, and as what?
// RUN: jinx-opt %s --split-input-file --jinx-expand-attention-grad=keep=true --jinx-form-attention-grad | FileCheck %s

// Two groups of one operator; lse and delta are filled up before, and a row that sees nothing gets +inf.
// CHECK-LABEL: @both
// CHECK-SAME: (%[[Q:.*]]: tensor<1x4x5x64xf16>, %[[K:.*]]: tensor<1x2x7x64xf16>, %[[V:.*]]: tensor<1x2x7x64xf16>, %[[DY:.*]]: tensor<1x4x5x64xf16>, %[[LSE:.*]]: tensor<1x4x5xf32>, %[[DELTA:.*]]: tensor<1x4x5xf32>)
// CHECK-DAG: %[[INF:.*]] = jinx.constant dense<0x7F800000> : tensor<f32>
// CHECK-DAG: %[[ZERO:.*]] = jinx.constant dense<0.000000e+00> : tensor<f32>
// CHECK-DAG: %[[HIDDEN:.*]] = jinx.constant dense<0xFF800000> : tensor<f32>
// CHECK: %[[SEES:.*]] = jinx.compare ne, %[[LSE]], %[[HIDDEN]]
// CHECK: %[[L0:.*]] = jinx.select %[[SEES]], %[[LSE]], %[[INF]]
// CHECK: %[[L1:.*]] = jinx.pad %[[L0]] value %[[INF]] low ["0", "0", "0"] mode constant : tensor<1x4x5xf32>, tensor<f32> -> tensor<1x4x128xf32>
// CHECK: %[[D0:.*]] = jinx.select %[[SEES]], %[[DELTA]], %[[ZERO]]
// CHECK: %[[D1:.*]] = jinx.pad %[[D0]] value %[[ZERO]] low ["0", "0", "0"] mode constant : tensor<1x4x5xf32>, tensor<f32> -> tensor<1x4x128xf32>
// CHECK: %[[DKV:.*]]:2 = jinx.group "attention_grad"(%[[Q]], %[[K]], %[[V]], %[[DY]], %[[L1]], %[[D1]])
// CHECK: %{{.*}}, %[[DK:.*]], %[[DV:.*]] = jinx.attention_grad {{.*}} scale 1.250000e-01 causal
// CHECK: jinx.yield %[[DK]], %[[DV]]
// CHECK: %[[DQ:.*]] = jinx.group "attention_grad"(%[[Q]], %[[K]], %[[V]], %[[DY]], %[[L1]], %[[D1]])
// CHECK: %[[DQ1:.*]], %{{.*}}, %{{.*}} = jinx.attention_grad
// CHECK: jinx.yield %[[DQ1]]
// CHECK: return %[[DQ]], %[[DKV]]#0, %[[DKV]]#1
func.func @both(%q: tensor<1x4x5x64xf16>, %k: tensor<1x2x7x64xf16>, %v: tensor<1x2x7x64xf16>, %dy: tensor<1x4x5x64xf16>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) -> (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>) {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 0.125 causal
      : (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>, tensor<1x4x5x64xf16>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>)
  return %dq, %dk, %dv : tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>
}

// -----

// Tests that what nothing reads has no group.
// CHECK-LABEL: @queries_only
// CHECK-COUNT-1: jinx.group "attention_grad"
// CHECK-NOT: jinx.group
func.func @queries_only(%q: tensor<1x4x5x64xf16>, %k: tensor<1x2x7x64xf16>, %v: tensor<1x2x7x64xf16>, %dy: tensor<1x4x5x64xf16>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) -> tensor<1x4x5x64xf16> {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 0.125
      : (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>, tensor<1x4x5x64xf16>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>)
  return %dq : tensor<1x4x5x64xf16>
}

// -----

// Tests that a head dimension that is no multiple of 16 is written as products.
// CHECK-LABEL: @odd_depth
// CHECK-NOT: jinx.attention_grad
// CHECK-COUNT-5: jinx.matmul
func.func @odd_depth(%q: tensor<1x2x5x24xf16>, %lse: tensor<1x2x5xf32>) -> (tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>) {
  %dq, %dk, %dv = jinx.attention_grad %q, %q, %q, %q, %lse, %lse scale 0.125
      : (tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
        -> (tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>)
  return %dq, %dk, %dv : tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>
}

// -----

// delta is a sum of rows: what only it reads is made in its kernel. A whole number of blocks of rows is not filled up.
// CHECK-LABEL: @row_sums
// CHECK-SAME: %[[DY:[a-z0-9]+]]: tensor<1x4x128x64xf16>, %[[Y:[a-z0-9]+]]: tensor<1x4x128x64xf16>, %[[LSE:[a-z0-9]+]]: tensor<1x4x128xf32>)
// CHECK: %[[SUMS:.*]] = jinx.group "rows"(%[[Y]], %[[DY]])
// CHECK-COUNT-2: jinx.cast
// CHECK: %[[P:.*]] = jinx.mul
// CHECK: %[[S:.*]] = jinx.reduce sum, %[[P]]
// CHECK: jinx.yield %[[S]]
// CHECK: %[[DELTA:.*]] = jinx.reshape %[[SUMS]]
// CHECK-NOT: jinx.pad
// CHECK: jinx.group "attention_grad"
func.func @row_sums(%q: tensor<1x4x128x64xf16>, %k: tensor<1x2x7x64xf16>, %dy: tensor<1x4x128x64xf16>, %y: tensor<1x4x128x64xf16>, %lse: tensor<1x4x128xf32>) -> tensor<1x4x128x64xf16> {
  %a = jinx.cast %y : tensor<1x4x128x64xf16> -> tensor<1x4x128x64xf32>
  %b = jinx.cast %dy : tensor<1x4x128x64xf16> -> tensor<1x4x128x64xf32>
  %p = jinx.mul %a, %b : tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32> -> tensor<1x4x128x64xf32>
  %s = jinx.reduce sum, %p axes [3] : tensor<1x4x128x64xf32> -> tensor<1x4x128x1xf32>
  %delta = jinx.reshape %s : tensor<1x4x128x1xf32> -> tensor<1x4x128xf32>
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %k, %dy, %lse, %delta scale 0.125 : (tensor<1x4x128x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>, tensor<1x4x128x64xf16>, tensor<1x4x128xf32>, tensor<1x4x128xf32>) -> (tensor<1x4x128x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>)
  return %dq : tensor<1x4x128x64xf16>
}

// -----

// Tests that an operator whose value is a result too is no part of the sum's kernel.
// CHECK-LABEL: @rows_wanted
// CHECK: %[[P:.*]] = jinx.mul
// CHECK-NOT: jinx.group "rows"
// CHECK: jinx.reduce sum, %[[P]]
func.func @rows_wanted(%q: tensor<1x4x128x64xf16>, %k: tensor<1x2x7x64xf16>, %dy: tensor<1x4x128x64xf32>, %lse: tensor<1x4x128xf32>) -> (tensor<1x4x128x64xf16>, tensor<1x4x128x64xf32>) {
  %p = jinx.mul %dy, %dy : tensor<1x4x128x64xf32>, tensor<1x4x128x64xf32> -> tensor<1x4x128x64xf32>
  %s = jinx.reduce sum, %p axes [3] : tensor<1x4x128x64xf32> -> tensor<1x4x128x1xf32>
  %delta = jinx.reshape %s : tensor<1x4x128x1xf32> -> tensor<1x4x128xf32>
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %k, %q, %lse, %delta scale 0.125 : (tensor<1x4x128x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>, tensor<1x4x128x64xf16>, tensor<1x4x128xf32>, tensor<1x4x128xf32>) -> (tensor<1x4x128x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>)
  return %dq, %p : tensor<1x4x128x64xf16>, tensor<1x4x128x64xf32>
}

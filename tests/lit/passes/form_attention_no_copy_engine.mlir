// Tests that attention stays apart where its kernel's copy engine is missing, and that this is said.
// RUN: jinx-opt %s --verify-diagnostics --remarks-filter='jinx-form-attention' --remark-format=emitRemark --jinx-form-attention=cuda=true | FileCheck %s

// CHECK-LABEL: @plain
// CHECK-NOT: jinx.group
module attributes {jinx.gpu = "sm_80"} {
  func.func @plain(%q: tensor<2x5x64xf16>, %k: tensor<2x8x64xf16>, %v: tensor<2x64x8xf16>) -> tensor<2x5x64xf16> {
    %s = jinx.packed_matmul %q, %k by_rows : tensor<2x5x64xf16>, tensor<2x8x64xf16> -> tensor<2x5x8xf16>
    %m = jinx.reduce max, %s axes [2] : tensor<2x5x8xf16> -> tensor<2x5x1xf16>
    %d = jinx.sub %s, %m : tensor<2x5x8xf16>, tensor<2x5x1xf16> -> tensor<2x5x8xf16>
    %e = jinx.exp %d : tensor<2x5x8xf16> -> tensor<2x5x8xf16>
    %l = jinx.reduce sum, %e axes [2] : tensor<2x5x8xf16> -> tensor<2x5x1xf16>
    %p = jinx.div %e, %l : tensor<2x5x8xf16>, tensor<2x5x1xf16> -> tensor<2x5x8xf16>
    // expected-remark @below {{[Missed] Kept | Category:jinx-form-attention | Remark="softmax and packed_matmul stay apart: their kernel needs a copy engine, which GPUs have from sm_90 on"}}
    %o = jinx.packed_matmul %p, %v by_rows : tensor<2x5x8xf16>, tensor<2x64x8xf16> -> tensor<2x5x64xf16>
    return %o : tensor<2x5x64xf16>
  }
}

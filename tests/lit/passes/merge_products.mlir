// RUN: jinx-opt %s --split-input-file --jinx-merge-products | FileCheck %s

// q, k and v: one product with a constant in three pieces, whose heads are told apart behind it. A cast in between goes behind the slice.
// CHECK-LABEL: @heads
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xbf16
// CHECK-DAG: %[[Q:.*]] = jinx.constant dense<1.000000e+00> : tensor<128x64xbf16>
// CHECK-DAG: %[[K:.*]] = jinx.constant dense<2.000000e+00> : tensor<32x64xbf16>
// CHECK-DAG: %[[V:.*]] = jinx.constant dense<3.000000e+00> : tensor<32x64xbf16>
// CHECK: %[[W:.*]] = jinx.concat %[[Q]], %[[K]], %[[V]] axis 0 {{.*}} -> tensor<192x64xbf16>
// CHECK-NEXT: %[[Y:.*]] = jinx.packed_matmul %[[X]], %[[W]] by_rows {{.*}} -> tensor<?x192xbf16
// CHECK-NEXT: %[[H:.*]] = jinx.reshape %[[Y]] {{.*}} -> tensor<?x6x32xbf16
// CHECK: %[[A:.*]] = jinx.slice %[[H]] starts ["0", "0", "0"] steps [1, 1, 1] {{.*}} -> tensor<?x4x32xbf16
// CHECK: %[[F:.*]] = jinx.cast %[[A]] {{.*}} -> tensor<?x4x32xf32
// CHECK: %[[B:.*]] = jinx.slice %[[H]] starts ["0", "4", "0"] {{.*}} -> tensor<?x1x32xbf16
// CHECK: %[[C:.*]] = jinx.slice %[[H]] starts ["0", "5", "0"] {{.*}} -> tensor<?x1x32xbf16
// CHECK: return %[[F]], %[[B]], %[[C]]
func.func @heads(%x: tensor<?x64xbf16, #jinx.dims<"n", "64">>) -> (tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>, tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>, tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>) {
  %wq = jinx.constant dense<1.0> : tensor<128x64xbf16>
  %q = jinx.packed_matmul %x, %wq by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<128x64xbf16> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %wide = jinx.cast %q : tensor<?x128xbf16, #jinx.dims<"n", "128">> -> tensor<?x128xf32, #jinx.dims<"n", "128">>
  %a = jinx.reshape %wide : tensor<?x128xf32, #jinx.dims<"n", "128">> -> tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>
  %wk = jinx.constant dense<2.0> : tensor<32x64xbf16>
  %k = jinx.packed_matmul %x, %wk by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<32x64xbf16> -> tensor<?x32xbf16, #jinx.dims<"n", "32">>
  %b = jinx.reshape %k : tensor<?x32xbf16, #jinx.dims<"n", "32">> -> tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>
  %wv = jinx.constant dense<3.0> : tensor<32x64xbf16>
  %v = jinx.packed_matmul %x, %wv by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<32x64xbf16> -> tensor<?x32xbf16, #jinx.dims<"n", "32">>
  %c = jinx.reshape %v : tensor<?x32xbf16, #jinx.dims<"n", "32">> -> tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>
  return %a, %b, %c : tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>, tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>, tensor<?x1x32xbf16, #jinx.dims<"n", "1", "32">>
}

// -----

// One product alone, heads of another depth, a result that something else reads, an operand that is no constant: as they are.
// CHECK-LABEL: @apart
// CHECK-NOT: jinx.concat
// CHECK-COUNT-4: jinx.packed_matmul
func.func @apart(%x: tensor<8x64xbf16>, %w: tensor<32x64xbf16>) -> (tensor<8x1x32xbf16>, tensor<8x2x16xbf16>, tensor<8x1x32xbf16>, tensor<8x32xbf16>, tensor<8x1x32xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %a = jinx.reshape %p : tensor<8x32xbf16> -> tensor<8x1x32xbf16>
  %d = jinx.constant dense<2.0> : tensor<32x64xbf16>
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %b = jinx.reshape %q : tensor<8x32xbf16> -> tensor<8x2x16xbf16>
  %e = jinx.constant dense<3.0> : tensor<32x64xbf16>
  %r = jinx.packed_matmul %x, %e by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %f = jinx.reshape %r : tensor<8x32xbf16> -> tensor<8x1x32xbf16>
  %s = jinx.packed_matmul %x, %w by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %g = jinx.reshape %s : tensor<8x32xbf16> -> tensor<8x1x32xbf16>
  return %a, %b, %f, %r, %g : tensor<8x1x32xbf16>, tensor<8x2x16xbf16>, tensor<8x1x32xbf16>, tensor<8x32xbf16>, tensor<8x1x32xbf16>
}

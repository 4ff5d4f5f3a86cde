// RUN: jinx-opt %s --split-input-file --jinx-pair-products | FileCheck %s

// A gate: one product with a constant in two pieces, its halves, and what is made of them. The first product has the first half. What has more readers
// stays outside.
// CHECK-LABEL: @silu
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xbf16
// CHECK-DAG: %[[G:.*]] = jinx.constant dense<1.000000e+00> : tensor<128x64xbf16>
// CHECK-DAG: %[[U:.*]] = jinx.constant dense<2.000000e+00> : tensor<128x64xbf16>
// CHECK: %[[W:.*]] = jinx.concat %[[G]], %[[U]] axis 0 {{.*}} -> tensor<256x64xbf16>
// CHECK: %[[Y:.*]] = jinx.group "matmul"(%[[X]], %[[W]]) {{.*}} -> tensor<?x128xbf16
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x64xbf16, {{.*}}>, %[[B:.*]]: tensor<256x64xbf16>):
// CHECK-NEXT: %[[P:.*]] = jinx.packed_matmul %[[A]], %[[B]] by_rows {{.*}} -> tensor<?x256xbf16
// CHECK-NEXT: %[[FIRST:.*]] = jinx.slice %[[P]] starts ["0", "0"] steps [1, 1] {{.*}} -> tensor<?x128xbf16
// CHECK-NEXT: %[[SECOND:.*]] = jinx.slice %[[P]] starts ["0", "128"] steps [1, 1] {{.*}} -> tensor<?x128xbf16
// CHECK-NEXT: %[[S:.*]] = jinx.sigmoid %[[FIRST]]
// CHECK-NEXT: %[[T:.*]] = jinx.mul %[[FIRST]], %[[S]]
// CHECK-NEXT: %[[V:.*]] = jinx.mul %[[T]], %[[SECOND]]
// CHECK-NEXT: jinx.yield %[[V]]
// CHECK: %[[N:.*]] = jinx.neg %[[Y]]
// CHECK: return %[[Y]], %[[N]]
func.func @silu(%x: tensor<?x64xbf16, #jinx.dims<"n", "64">>) -> (tensor<?x128xbf16, #jinx.dims<"n", "128">>, tensor<?x128xbf16, #jinx.dims<"n", "128">>) {
  %wg = jinx.constant dense<1.0> : tensor<128x64xbf16>
  %g = jinx.packed_matmul %x, %wg by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<128x64xbf16> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %s = jinx.sigmoid %g : tensor<?x128xbf16, #jinx.dims<"n", "128">> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %t = jinx.mul %g, %s : tensor<?x128xbf16, #jinx.dims<"n", "128">>, tensor<?x128xbf16, #jinx.dims<"n", "128">> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %wu = jinx.constant dense<2.0> : tensor<128x64xbf16>
  %u = jinx.packed_matmul %x, %wu by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<128x64xbf16> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %y = jinx.mul %t, %u : tensor<?x128xbf16, #jinx.dims<"n", "128">>, tensor<?x128xbf16, #jinx.dims<"n", "128">> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  %z = jinx.neg %y : tensor<?x128xbf16, #jinx.dims<"n", "128">> -> tensor<?x128xbf16, #jinx.dims<"n", "128">>
  return %y, %z : tensor<?x128xbf16, #jinx.dims<"n", "128">>, tensor<?x128xbf16, #jinx.dims<"n", "128">>
}

// -----

// Biases are operands of the group, one value is a constant of its own, and a cast behind the gate joins.
// CHECK-LABEL: @biases
// CHECK-SAME: (%[[X:.*]]: tensor<8x64xf16>, %[[BIAS:.*]]: tensor<32xf16>)
// CHECK: jinx.group "matmul"(%[[X]], %{{.*}}, %[[BIAS]]) {{.*}} -> tensor<8x32xf32> {
// CHECK: jinx.constant dense<5.000000e-01> : tensor<f16>
// CHECK: jinx.add
// CHECK: jinx.mul
// CHECK: jinx.cast
// CHECK-NEXT: jinx.yield
// CHECK-NOT: jinx.mul
func.func @biases(%x: tensor<8x64xf16>, %bias: tensor<32xf16>) -> tensor<8x32xf32> {
  %c = jinx.constant dense<1.0> : tensor<32x64xf16>
  %d = jinx.constant dense<2.0> : tensor<32x64xf16>
  %half = jinx.constant dense<0.5> : tensor<f16>
  %g = jinx.packed_matmul %x, %c by_rows : tensor<8x64xf16>, tensor<32x64xf16> -> tensor<8x32xf16>
  %u = jinx.packed_matmul %x, %d by_rows : tensor<8x64xf16>, tensor<32x64xf16> -> tensor<8x32xf16>
  %b = jinx.add %g, %bias : tensor<8x32xf16>, tensor<32xf16> -> tensor<8x32xf16>
  %h = jinx.mul %u, %half : tensor<8x32xf16>, tensor<f16> -> tensor<8x32xf16>
  %y = jinx.mul %b, %h : tensor<8x32xf16>, tensor<8x32xf16> -> tensor<8x32xf16>
  %z = jinx.cast %y : tensor<8x32xf16> -> tensor<8x32xf32>
  return %z : tensor<8x32xf32>
}

// -----

// An operand that is no constant; weights that have another reader, too; another shape; a product that something else reads: as they are.
// CHECK-LABEL: @apart
// CHECK-NOT: jinx.group
// CHECK-COUNT-5: jinx.packed_matmul
func.func @apart(%x: tensor<8x64xbf16>, %w: tensor<32x64xbf16>) -> (tensor<8x32xbf16>, tensor<8x32xbf16>, tensor<8x16xbf16>, tensor<8x32xbf16>, tensor<32x64xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
  %d = jinx.constant dense<2.0> : tensor<32x64xbf16>
  %e = jinx.constant dense<3.0> : tensor<16x64xbf16>
  %f = jinx.constant dense<4.0> : tensor<32x64xbf16>
  %p = jinx.packed_matmul %x, %w by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %q = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %r = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %s = jinx.packed_matmul %x, %e by_rows : tensor<8x64xbf16>, tensor<16x64xbf16> -> tensor<8x16xbf16>
  %t = jinx.packed_matmul %x, %f by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %a = jinx.mul %p, %r : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  %b = jinx.mul %q, %t : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  return %a, %b, %s, %t, %c : tensor<8x32xbf16>, tensor<8x32xbf16>, tensor<8x16xbf16>, tensor<8x32xbf16>, tensor<32x64xbf16>
}

// -----

// A mixture of experts: the group has both grouped products, and weights of any origin, here one of them read by something else, too.
// CHECK-LABEL: @experts
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xbf16, {{.*}}>, %[[WG:.*]]: tensor<3x128x64xbf16>, %[[E:.*]]: tensor<3xi32>)
// CHECK: %[[WU:.*]] = jinx.constant dense<2.000000e+00> : tensor<3x128x64xbf16>
// CHECK-NOT: jinx.concat
// CHECK: %[[Y:.*]] = jinx.group "grouped"(%[[X]], %[[WG]], %[[E]], %[[WU]]) {{.*}} -> tensor<?x128xbf16
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x64xbf16, {{.*}}>, %[[B:.*]]: tensor<3x128x64xbf16>, %[[C:.*]]: tensor<3xi32>, %[[D:.*]]: tensor<3x128x64xbf16>):
// CHECK-NEXT: %[[G:.*]] = jinx.packed_grouped_matmul %[[A]], %[[B]] by_rows, %[[C]]
// CHECK-NEXT: %[[U:.*]] = jinx.packed_grouped_matmul %[[A]], %[[D]] by_rows, %[[C]]
// CHECK-NEXT: %[[S:.*]] = jinx.sigmoid %[[G]]
// CHECK-NEXT: %[[V:.*]] = jinx.mul %[[S]], %[[U]]
// CHECK-NEXT: jinx.yield %[[V]]
// CHECK: return %[[Y]], %[[WU]]
func.func @experts(%x: tensor<?x64xbf16, #jinx.dims<"t", "64">>, %wg: tensor<3x128x64xbf16>, %e: tensor<3xi32>) -> (tensor<?x128xbf16, #jinx.dims<"t", "128">>, tensor<3x128x64xbf16>) {
  %wu = jinx.constant dense<2.0> : tensor<3x128x64xbf16>
  %g = jinx.packed_grouped_matmul %x, %wg by_rows, %e : tensor<?x64xbf16, #jinx.dims<"t", "64">>, tensor<3x128x64xbf16>, tensor<3xi32> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  %u = jinx.packed_grouped_matmul %x, %wu by_rows, %e : tensor<?x64xbf16, #jinx.dims<"t", "64">>, tensor<3x128x64xbf16>, tensor<3xi32> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  %s = jinx.sigmoid %g : tensor<?x128xbf16, #jinx.dims<"t", "128">> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  %y = jinx.mul %s, %u : tensor<?x128xbf16, #jinx.dims<"t", "128">>, tensor<?x128xbf16, #jinx.dims<"t", "128">> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  return %y, %wu : tensor<?x128xbf16, #jinx.dims<"t", "128">>, tensor<3x128x64xbf16>
}

// -----

// Other ends are other rows.
// CHECK-LABEL: @other_ends
// CHECK-NOT: jinx.group
// CHECK-COUNT-2: jinx.packed_grouped_matmul
func.func @other_ends(%x: tensor<?x64xbf16, #jinx.dims<"t", "64">>, %wg: tensor<3x128x64xbf16>, %wu: tensor<3x128x64xbf16>, %e: tensor<3xi32>, %f: tensor<3xi32>) -> tensor<?x128xbf16, #jinx.dims<"t", "128">> {
  %g = jinx.packed_grouped_matmul %x, %wg by_rows, %e : tensor<?x64xbf16, #jinx.dims<"t", "64">>, tensor<3x128x64xbf16>, tensor<3xi32> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  %u = jinx.packed_grouped_matmul %x, %wu by_rows, %f : tensor<?x64xbf16, #jinx.dims<"t", "64">>, tensor<3x128x64xbf16>, tensor<3xi32> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  %y = jinx.mul %g, %u : tensor<?x128xbf16, #jinx.dims<"t", "128">>, tensor<?x128xbf16, #jinx.dims<"t", "128">> -> tensor<?x128xbf16, #jinx.dims<"t", "128">>
  return %y : tensor<?x128xbf16, #jinx.dims<"t", "128">>
}

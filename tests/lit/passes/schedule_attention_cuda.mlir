// How does the CUDA schedule mask by the diagonal? Keys that no row of a tile sees are not read where the last row sees them all.
// RUN: jinx-opt %s --split-input-file --jinx-form-attention=cuda=true --jinx-fuse=target=cuda --jinx-schedule=cuda=true | FileCheck %s

// CHECK-LABEL: tile.kernel @k0_attention
// The scale and log2(e) are one factor.
// CHECK: arith.constant 0.180336
// CHECK-NOT: arith.cmpi sle
// CHECK: Columns past the diagonal
func.func @causal(%q: tensor<2x8x64xf16>, %k: tensor<2x16x64xf16>, %v: tensor<2x16x64xf16>) -> tensor<2x8x64xf16> {
  %c = jinx.constant dense<0.125> : tensor<f16>
  %hidden = jinx.constant dense<0xFC00> : tensor<f16>
  %i = jinx.iota axis 0 {start = 8 : i64} : tensor<8x1xi64>
  %j = jinx.iota axis 1 : tensor<1x16xi64>
  %g = jinx.compare lt, %i, %j : tensor<8x1xi64>, tensor<1x16xi64> -> tensor<8x16xi1>
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x16x64xf16> -> tensor<2x64x16xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xf16>, tensor<2x16x64xf16> -> tensor<2x8x16xf16>
  %t = jinx.mul %s, %c : tensor<2x8x16xf16>, tensor<f16> -> tensor<2x8x16xf16>
  %x = jinx.select %g, %hidden, %t : tensor<8x16xi1>, tensor<f16>, tensor<2x8x16xf16> -> tensor<2x8x16xf16>
  %m = jinx.reduce max, %x axes [2] : tensor<2x8x16xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %x, %m : tensor<2x8x16xf16>, tensor<2x8x1xf16> -> tensor<2x8x16xf16>
  %e = jinx.exp %d : tensor<2x8x16xf16> -> tensor<2x8x16xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x16xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x16xf16>, tensor<2x8x1xf16> -> tensor<2x8x16xf16>
  %y = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x16xf16>, tensor<2x64x16xf16> -> tensor<2x8x64xf16>
  return %y : tensor<2x8x64xf16>
}

// -----

// Tests that a diagonal that ends elsewhere is a hole: numbers of rows and columns are compared.
// CHECK-LABEL: tile.kernel @k0_attention
// CHECK: arith.cmpi sgt
// CHECK-NOT: Columns past the diagonal
func.func @diagonal(%q: tensor<2x8x64xf16>, %k: tensor<2x16x64xf16>, %v: tensor<2x16x64xf16>) -> tensor<2x8x64xf16> {
  %hidden = jinx.constant dense<0xFC00> : tensor<f16>
  %i = jinx.iota axis 0 {start = 7 : i64} : tensor<8x1xi64>
  %j = jinx.iota axis 1 : tensor<1x16xi64>
  %g = jinx.compare lt, %i, %j : tensor<8x1xi64>, tensor<1x16xi64> -> tensor<8x16xi1>
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x16x64xf16> -> tensor<2x64x16xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xf16>, tensor<2x16x64xf16> -> tensor<2x8x16xf16>
  %x = jinx.select %g, %hidden, %s : tensor<8x16xi1>, tensor<f16>, tensor<2x8x16xf16> -> tensor<2x8x16xf16>
  %m = jinx.reduce max, %x axes [2] : tensor<2x8x16xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %x, %m : tensor<2x8x16xf16>, tensor<2x8x1xf16> -> tensor<2x8x16xf16>
  %e = jinx.exp %d : tensor<2x8x16xf16> -> tensor<2x8x16xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x16xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x16xf16>, tensor<2x8x1xf16> -> tensor<2x8x16xf16>
  %y = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x16xf16>, tensor<2x64x16xf16> -> tensor<2x8x64xf16>
  return %y : tensor<2x8x64xf16>
}

// -----

// Few queries: keys come in parts, of a length that a batch does not change, and a second kernel merges them. Query heads that share keys are
// rows of one tile.
// CHECK-LABEL: func.func @few_queries
// CHECK: %[[PARTS:.*]]:2 = jinx.launch @k0_attention({{.*}} programs "min(132, 2*((n - 1) floordiv 64)*b + 2*b)"
// CHECK-SAME: -> (tensor<?x2x4x?x64xf32, #jinx.dims<"b", "2", "4", "(n - 1) floordiv 64 + 1", "64">>, tensor<?x2x4x?xf32, #jinx.dims<"b", "2", "4", "(n - 1) floordiv 64 + 1">>)
// CHECK: jinx.launch @k0_attention_merge(%[[PARTS]]#0, %[[PARTS]]#1)
// CHECK-LABEL: tile.kernel @k0_attention(
// CHECK-LABEL: tile.kernel @k0_attention_merge(
func.func @few_queries(%q: tensor<?x8x1x64xf16, #jinx.dims<"b", "8", "1", "64">>, %k: tensor<?x2x?x64xf16, #jinx.dims<"b", "2", "8*n", "64">>, %v: tensor<?x2x?x64xf16, #jinx.dims<"b", "2", "8*n", "64">>) -> tensor<?x8x1x64xf16, #jinx.dims<"b", "8", "1", "64">> {
  %k1 = jinx.reshape %k : tensor<?x2x?x64xf16, #jinx.dims<"b", "2", "8*n", "64">> -> tensor<?x2x1x?x64xf16, #jinx.dims<"b", "2", "1", "8*n", "64">>
  %k2 = jinx.broadcast %k1 : tensor<?x2x1x?x64xf16, #jinx.dims<"b", "2", "1", "8*n", "64">> -> tensor<?x2x4x?x64xf16, #jinx.dims<"b", "2", "4", "8*n", "64">>
  %k3 = jinx.reshape %k2 : tensor<?x2x4x?x64xf16, #jinx.dims<"b", "2", "4", "8*n", "64">> -> tensor<?x8x?x64xf16, #jinx.dims<"b", "8", "8*n", "64">>
  %v1 = jinx.reshape %v : tensor<?x2x?x64xf16, #jinx.dims<"b", "2", "8*n", "64">> -> tensor<?x2x1x?x64xf16, #jinx.dims<"b", "2", "1", "8*n", "64">>
  %v2 = jinx.broadcast %v1 : tensor<?x2x1x?x64xf16, #jinx.dims<"b", "2", "1", "8*n", "64">> -> tensor<?x2x4x?x64xf16, #jinx.dims<"b", "2", "4", "8*n", "64">>
  %v3 = jinx.reshape %v2 : tensor<?x2x4x?x64xf16, #jinx.dims<"b", "2", "4", "8*n", "64">> -> tensor<?x8x?x64xf16, #jinx.dims<"b", "8", "8*n", "64">>
  %v4 = jinx.transpose %v3, [0, 1, 3, 2] : tensor<?x8x?x64xf16, #jinx.dims<"b", "8", "8*n", "64">> -> tensor<?x8x64x?xf16, #jinx.dims<"b", "8", "64", "8*n">>
  %s = jinx.packed_matmul %q, %k3 by_rows : tensor<?x8x1x64xf16, #jinx.dims<"b", "8", "1", "64">>, tensor<?x8x?x64xf16, #jinx.dims<"b", "8", "8*n", "64">> -> tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>
  %m = jinx.reduce max, %s axes [3] : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">> -> tensor<?x8x1x1xf16, #jinx.dims<"b", "8", "1", "1">>
  %d = jinx.sub %s, %m : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>, tensor<?x8x1x1xf16, #jinx.dims<"b", "8", "1", "1">> -> tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>
  %e = jinx.exp %d : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">> -> tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>
  %l = jinx.reduce sum, %e axes [3] : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">> -> tensor<?x8x1x1xf16, #jinx.dims<"b", "8", "1", "1">>
  %p = jinx.div %e, %l : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>, tensor<?x8x1x1xf16, #jinx.dims<"b", "8", "1", "1">> -> tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>
  %y = jinx.packed_matmul %p, %v4 by_rows : tensor<?x8x1x?xf16, #jinx.dims<"b", "8", "1", "8*n">>, tensor<?x8x64x?xf16, #jinx.dims<"b", "8", "64", "8*n">> -> tensor<?x8x1x64xf16, #jinx.dims<"b", "8", "1", "64">>
  return %y : tensor<?x8x1x64xf16, #jinx.dims<"b", "8", "1", "64">>
}

// -----

// Tests that heads which keep memory busy by themselves, by their number, have their keys whole.
// CHECK-LABEL: func.func @half_of_the_machine
// CHECK: jinx.launch @k0_attention
// CHECK-NOT: jinx.launch
func.func @half_of_the_machine(%q: tensor<66x1x64xf16>, %k: tensor<66x1024x64xf16>, %v: tensor<66x1024x64xf16>) -> tensor<66x1x64xf16> {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<66x1024x64xf16> -> tensor<66x64x1024xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<66x1x64xf16>, tensor<66x1024x64xf16> -> tensor<66x1x1024xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<66x1x1024xf16> -> tensor<66x1x1xf16>
  %d = jinx.sub %s, %m : tensor<66x1x1024xf16>, tensor<66x1x1xf16> -> tensor<66x1x1024xf16>
  %e = jinx.exp %d : tensor<66x1x1024xf16> -> tensor<66x1x1024xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<66x1x1024xf16> -> tensor<66x1x1xf16>
  %p = jinx.div %e, %l : tensor<66x1x1024xf16>, tensor<66x1x1xf16> -> tensor<66x1x1024xf16>
  %y = jinx.packed_matmul %p, %v1 by_rows : tensor<66x1x1024xf16>, tensor<66x64x1024xf16> -> tensor<66x1x64xf16>
  return %y : tensor<66x1x64xf16>
}

// -----

// One less, and they do not.
// CHECK-LABEL: func.func @less_than_half
// CHECK: jinx.launch @k0_attention(
// CHECK: jinx.launch @k0_attention_merge(
func.func @less_than_half(%q: tensor<65x1x64xf16>, %k: tensor<65x1024x64xf16>, %v: tensor<65x1024x64xf16>) -> tensor<65x1x64xf16> {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<65x1024x64xf16> -> tensor<65x64x1024xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<65x1x64xf16>, tensor<65x1024x64xf16> -> tensor<65x1x1024xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<65x1x1024xf16> -> tensor<65x1x1xf16>
  %d = jinx.sub %s, %m : tensor<65x1x1024xf16>, tensor<65x1x1xf16> -> tensor<65x1x1024xf16>
  %e = jinx.exp %d : tensor<65x1x1024xf16> -> tensor<65x1x1024xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<65x1x1024xf16> -> tensor<65x1x1xf16>
  %p = jinx.div %e, %l : tensor<65x1x1024xf16>, tensor<65x1x1xf16> -> tensor<65x1x1024xf16>
  %y = jinx.packed_matmul %p, %v1 by_rows : tensor<65x1x1024xf16>, tensor<65x64x1024xf16> -> tensor<65x1x64xf16>
  return %y : tensor<65x1x64xf16>
}

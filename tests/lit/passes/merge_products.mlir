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

// -----

// Biases between products and heads, added in f32: one constant behind one product, and what is rounded behind the sum is rounded behind the slice. The constants they were are gone.
// CHECK-LABEL: @biases
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xbf16
// CHECK-NOT: tensor<2xf32>
// CHECK: %[[W:.*]] = jinx.concat {{.*}} axis 0 {{.*}} -> tensor<8x64xbf16>
// CHECK-NEXT: %[[Y:.*]] = jinx.packed_matmul %[[X]], %[[W]] by_rows {{.*}} -> tensor<?x8xbf16
// CHECK-NEXT: %[[F:.*]] = jinx.cast %[[Y]] {{.*}} -> tensor<?x8xf32
// CHECK-NEXT: %[[B:.*]] = jinx.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00, 7.000000e+00, 7.000000e+00]> : tensor<8xf32>
// CHECK-NEXT: %[[S:.*]] = jinx.add %[[F]], %[[B]] {{.*}} -> tensor<?x8xf32
// CHECK-NEXT: %[[H:.*]] = jinx.reshape %[[S]] {{.*}} -> tensor<?x4x2xf32
// CHECK-NEXT: %[[A:.*]] = jinx.slice %[[H]] starts ["0", "0", "0"] {{.*}} -> tensor<?x2x2xf32
// CHECK-NEXT: %[[N:.*]] = jinx.cast %[[A]] {{.*}} -> tensor<?x2x2xbf16
// CHECK-NEXT: %[[Q:.*]] = jinx.cast %[[N]] {{.*}} -> tensor<?x2x2xf32
// CHECK-NEXT: %[[C:.*]] = jinx.slice %[[H]] starts ["0", "2", "0"] {{.*}} -> tensor<?x1x2xf32
// CHECK-NEXT: %[[K:.*]] = jinx.cast %[[C]] {{.*}} -> tensor<?x1x2xbf16
// CHECK-NEXT: %[[D:.*]] = jinx.slice %[[H]] starts ["0", "3", "0"] {{.*}} -> tensor<?x1x2xf32
// CHECK-NEXT: return %[[Q]], %[[K]], %[[D]]
func.func @biases(%x: tensor<?x64xbf16, #jinx.dims<"n", "64">>) -> (tensor<?x2x2xf32, #jinx.dims<"n", "2", "2">>, tensor<?x1x2xbf16, #jinx.dims<"n", "1", "2">>, tensor<?x1x2xf32, #jinx.dims<"n", "1", "2">>) {
  %wq = jinx.constant dense<1.0> : tensor<4x64xbf16>
  %bq = jinx.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %q = jinx.packed_matmul %x, %wq by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<4x64xbf16> -> tensor<?x4xbf16, #jinx.dims<"n", "4">>
  %qf = jinx.cast %q : tensor<?x4xbf16, #jinx.dims<"n", "4">> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  %qs = jinx.add %qf, %bq : tensor<?x4xf32, #jinx.dims<"n", "4">>, tensor<4xf32> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  %qn = jinx.cast %qs : tensor<?x4xf32, #jinx.dims<"n", "4">> -> tensor<?x4xbf16, #jinx.dims<"n", "4">>
  %qw = jinx.cast %qn : tensor<?x4xbf16, #jinx.dims<"n", "4">> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  %a = jinx.reshape %qw : tensor<?x4xf32, #jinx.dims<"n", "4">> -> tensor<?x2x2xf32, #jinx.dims<"n", "2", "2">>
  %wk = jinx.constant dense<2.0> : tensor<2x64xbf16>
  %bk = jinx.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %k = jinx.packed_matmul %x, %wk by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<2x64xbf16> -> tensor<?x2xbf16, #jinx.dims<"n", "2">>
  %kf = jinx.cast %k : tensor<?x2xbf16, #jinx.dims<"n", "2">> -> tensor<?x2xf32, #jinx.dims<"n", "2">>
  %ks = jinx.add %bk, %kf : tensor<1x2xf32>, tensor<?x2xf32, #jinx.dims<"n", "2">> -> tensor<?x2xf32, #jinx.dims<"n", "2">>
  %kn = jinx.cast %ks : tensor<?x2xf32, #jinx.dims<"n", "2">> -> tensor<?x2xbf16, #jinx.dims<"n", "2">>
  %b = jinx.reshape %kn : tensor<?x2xbf16, #jinx.dims<"n", "2">> -> tensor<?x1x2xbf16, #jinx.dims<"n", "1", "2">>
  %wv = jinx.constant dense<3.0> : tensor<2x64xbf16>
  %bv = jinx.constant dense<7.0> : tensor<2xf32>
  %v = jinx.packed_matmul %x, %wv by_rows : tensor<?x64xbf16, #jinx.dims<"n", "64">>, tensor<2x64xbf16> -> tensor<?x2xbf16, #jinx.dims<"n", "2">>
  %vf = jinx.cast %v : tensor<?x2xbf16, #jinx.dims<"n", "2">> -> tensor<?x2xf32, #jinx.dims<"n", "2">>
  %vs = jinx.add %vf, %bv : tensor<?x2xf32, #jinx.dims<"n", "2">>, tensor<2xf32> -> tensor<?x2xf32, #jinx.dims<"n", "2">>
  %c = jinx.reshape %vs : tensor<?x2xf32, #jinx.dims<"n", "2">> -> tensor<?x1x2xf32, #jinx.dims<"n", "1", "2">>
  return %a, %b, %c : tensor<?x2x2xf32, #jinx.dims<"n", "2", "2">>, tensor<?x1x2xbf16, #jinx.dims<"n", "1", "2">>, tensor<?x1x2xf32, #jinx.dims<"n", "1", "2">>
}

// -----

// A product without a bias beside one that has one: what is added to it is -0, and its numbers are of its type again.
// CHECK-LABEL: @bias_of_one
// CHECK: %[[F:.*]] = jinx.cast %{{.*}} : tensor<8x4xbf16> -> tensor<8x4xf32>
// CHECK-NEXT: %[[B:.*]] = jinx.constant dense<[-0.000000e+00, -0.000000e+00, 5.000000e+00, 6.000000e+00]> : tensor<4xf32>
// CHECK-NEXT: %[[S:.*]] = jinx.add %[[F]], %[[B]]
// CHECK-NEXT: %[[H:.*]] = jinx.reshape %[[S]]
// CHECK-NEXT: %[[A:.*]] = jinx.slice %[[H]] starts ["0", "0", "0"] {{.*}} -> tensor<8x1x2xf32>
// CHECK-NEXT: %[[Q:.*]] = jinx.cast %[[A]] : tensor<8x1x2xf32> -> tensor<8x1x2xbf16>
// CHECK-NEXT: %[[C:.*]] = jinx.slice %[[H]] starts ["0", "1", "0"] {{.*}} -> tensor<8x1x2xf32>
// CHECK-NEXT: %[[K:.*]] = jinx.cast %[[C]] : tensor<8x1x2xf32> -> tensor<8x1x2xbf16>
// CHECK-NEXT: return %[[Q]], %[[K]]
func.func @bias_of_one(%x: tensor<8x64xbf16>) -> (tensor<8x1x2xbf16>, tensor<8x1x2xbf16>) {
  %wq = jinx.constant dense<1.0> : tensor<2x64xbf16>
  %q = jinx.packed_matmul %x, %wq by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %a = jinx.reshape %q : tensor<8x2xbf16> -> tensor<8x1x2xbf16>
  %wk = jinx.constant dense<2.0> : tensor<2x64xbf16>
  %bk = jinx.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %k = jinx.packed_matmul %x, %wk by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %kf = jinx.cast %k : tensor<8x2xbf16> -> tensor<8x2xf32>
  %ks = jinx.add %kf, %bk : tensor<8x2xf32>, tensor<2xf32> -> tensor<8x2xf32>
  %kn = jinx.cast %ks : tensor<8x2xf32> -> tensor<8x2xbf16>
  %b = jinx.reshape %kn : tensor<8x2xbf16> -> tensor<8x1x2xbf16>
  return %a, %b : tensor<8x1x2xbf16>, tensor<8x1x2xbf16>
}

// -----

// Biases in the products' own type, one constant for both products: added without a cast.
// CHECK-LABEL: @biases_of_16_bits
// CHECK: %[[Y:.*]] = jinx.packed_matmul {{.*}} -> tensor<8x4xf16>
// CHECK-NEXT: %[[B:.*]] = jinx.constant dense<[5.000000e+00, 6.000000e+00, 5.000000e+00, 6.000000e+00]> : tensor<4xf16>
// CHECK-NEXT: jinx.add %[[Y]], %[[B]]
// CHECK-NOT: jinx.cast
func.func @biases_of_16_bits(%x: tensor<8x64xf16>) -> (tensor<8x1x2xf16>, tensor<8x1x2xf16>) {
  %bias = jinx.constant dense<[5.0, 6.0]> : tensor<2xf16>
  %wq = jinx.constant dense<1.0> : tensor<2x64xf16>
  %q = jinx.packed_matmul %x, %wq by_rows : tensor<8x64xf16>, tensor<2x64xf16> -> tensor<8x2xf16>
  %qs = jinx.add %q, %bias : tensor<8x2xf16>, tensor<2xf16> -> tensor<8x2xf16>
  %a = jinx.reshape %qs : tensor<8x2xf16> -> tensor<8x1x2xf16>
  %wk = jinx.constant dense<2.0> : tensor<2x64xf16>
  %k = jinx.packed_matmul %x, %wk by_rows : tensor<8x64xf16>, tensor<2x64xf16> -> tensor<8x2xf16>
  %ks = jinx.add %k, %bias : tensor<8x2xf16>, tensor<2xf16> -> tensor<8x2xf16>
  %b = jinx.reshape %ks : tensor<8x2xf16> -> tensor<8x1x2xf16>
  return %a, %b : tensor<8x1x2xf16>, tensor<8x1x2xf16>
}

// -----

// What is added is no constant, is one number, is a matrix, or makes more rows; sums of another type: as they are.
// CHECK-LABEL: @biases_apart
// CHECK-NOT: jinx.concat
// CHECK-COUNT-6: jinx.packed_matmul
func.func @biases_apart(%x: tensor<1x64xbf16>, %bias: tensor<2xf32>) -> (tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf16>, tensor<3x1x2xf32>, tensor<3x1x2xf32>) {
  %w = jinx.constant dense<1.0> : tensor<2x64xbf16>
  %row = jinx.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %p = jinx.packed_matmul %x, %w by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %ps = jinx.add %p, %row : tensor<1x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %a = jinx.reshape %ps : tensor<1x2xf32> -> tensor<1x1x2xf32>
  %w1 = jinx.constant dense<2.0> : tensor<2x64xbf16>
  %q = jinx.packed_matmul %x, %w1 by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %qs = jinx.add %q, %bias : tensor<1x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %b = jinx.reshape %qs : tensor<1x2xf32> -> tensor<1x1x2xf32>
  %w2 = jinx.constant dense<3.0> : tensor<2x64xbf16>
  %one = jinx.constant dense<5.0> : tensor<f32>
  %r = jinx.packed_matmul %x, %w2 by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %rs = jinx.add %r, %one : tensor<1x2xf32>, tensor<f32> -> tensor<1x2xf32>
  %c = jinx.reshape %rs : tensor<1x2xf32> -> tensor<1x1x2xf32>
  %w3 = jinx.constant dense<4.0> : tensor<2x64xbf16>
  %half = jinx.constant dense<[5.0, 6.0]> : tensor<2xf16>
  %s = jinx.packed_matmul %x, %w3 by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %sf = jinx.cast %s : tensor<1x2xf32> -> tensor<1x2xf16>
  %ss = jinx.add %sf, %half : tensor<1x2xf16>, tensor<2xf16> -> tensor<1x2xf16>
  %d = jinx.reshape %ss : tensor<1x2xf16> -> tensor<1x1x2xf16>
  %w4 = jinx.constant dense<5.0> : tensor<2x64xbf16>
  %matrix = jinx.constant dense<5.0> : tensor<3x2xf32>
  %t = jinx.packed_matmul %x, %w4 by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %ts = jinx.add %t, %matrix : tensor<1x2xf32>, tensor<3x2xf32> -> tensor<3x2xf32>
  %e = jinx.reshape %ts : tensor<3x2xf32> -> tensor<3x1x2xf32>
  %w5 = jinx.constant dense<6.0> : tensor<2x64xbf16>
  %column = jinx.constant dense<5.0> : tensor<3x1xf32>
  %u = jinx.packed_matmul %x, %w5 by_rows : tensor<1x64xbf16>, tensor<2x64xbf16> -> tensor<1x2xf32>
  %us = jinx.add %u, %column : tensor<1x2xf32>, tensor<3x1xf32> -> tensor<3x2xf32>
  %f = jinx.reshape %us : tensor<3x2xf32> -> tensor<3x1x2xf32>
  return %a, %b, %c, %d, %e, %f : tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf16>, tensor<3x1x2xf32>, tensor<3x1x2xf32>
}

// -----

// f16 does not hold every number of bf16: a product that has no bias is not rounded to the others' sums.
// CHECK-LABEL: @sums_that_round
// CHECK-NOT: jinx.concat
// CHECK-COUNT-2: jinx.packed_matmul
func.func @sums_that_round(%x: tensor<8x64xbf16>) -> (tensor<8x1x2xbf16>, tensor<8x1x2xf16>) {
  %wq = jinx.constant dense<1.0> : tensor<2x64xbf16>
  %q = jinx.packed_matmul %x, %wq by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %a = jinx.reshape %q : tensor<8x2xbf16> -> tensor<8x1x2xbf16>
  %wk = jinx.constant dense<2.0> : tensor<2x64xbf16>
  %bk = jinx.constant dense<[5.0, 6.0]> : tensor<2xf16>
  %k = jinx.packed_matmul %x, %wk by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %kh = jinx.cast %k : tensor<8x2xbf16> -> tensor<8x2xf16>
  %ks = jinx.add %kh, %bk : tensor<8x2xf16>, tensor<2xf16> -> tensor<8x2xf16>
  %b = jinx.reshape %ks : tensor<8x2xf16> -> tensor<8x1x2xf16>
  return %a, %b : tensor<8x1x2xbf16>, tensor<8x1x2xf16>
}

// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// CHECK-LABEL: @matmul
// CHECK: jinx.matmul %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
func.func @matmul(%a: tensor<4x8xf32>, %b: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// CHECK-LABEL: @matmul_transposed
// CHECK: jinx.matmul %{{.*}}, %{{.*}} transpose_b : tensor<4x8xf32>, tensor<16x8xf32> -> tensor<4x16xf32>
func.func @matmul_transposed(%a: tensor<4x8xf32>, %b: tensor<16x8xf32>) -> tensor<4x16xf32> {
  %y = jinx.matmul %a, %b transpose_b : tensor<4x8xf32>, tensor<16x8xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// Batch dimensions broadcast.
// CHECK-LABEL: @matmul_batch
// CHECK: jinx.matmul %{{.*}} : tensor<?x3x4x8xf32, #jinx.dims<"n", "3", "4", "8">>, tensor<3x8x2xf32> -> tensor<?x3x4x2xf32, #jinx.dims<"n", "3", "4", "2">>
func.func @matmul_batch(%a: tensor<?x3x4x8xf32, #jinx.dims<"n", "3", "4", "8">>, %b: tensor<3x8x2xf32>) -> tensor<?x3x4x2xf32, #jinx.dims<"n", "3", "4", "2">> {
  %y = jinx.matmul %a, %b : tensor<?x3x4x8xf32, #jinx.dims<"n", "3", "4", "8">>, tensor<3x8x2xf32> -> tensor<?x3x4x2xf32, #jinx.dims<"n", "3", "4", "2">>
  return %y : tensor<?x3x4x2xf32, #jinx.dims<"n", "3", "4", "2">>
}

// Convolutions of bytes, too, whatever their signs.
// CHECK-LABEL: @conv_bytes
// CHECK: jinx.conv {{.*}} : tensor<1x3x8xui8>, tensor<4x3x3xi8> -> tensor<1x4x6xi32>
func.func @conv_bytes(%x: tensor<1x3x8xui8>, %w: tensor<4x3x3xi8>) -> tensor<1x4x6xi32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64} : tensor<1x3x8xui8>, tensor<4x3x3xi8> -> tensor<1x4x6xi32>
  return %y : tensor<1x4x6xi32>
}

// Products of bytes accumulate in i32.
// CHECK-LABEL: @matmul_bytes
// CHECK: jinx.matmul %{{.*}} : tensor<4x8xi8>, tensor<8x16xi8> -> tensor<4x16xi32>
func.func @matmul_bytes(%a: tensor<4x8xi8>, %b: tensor<8x16xi8>) -> tensor<4x16xi32> {
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x16xi8> -> tensor<4x16xi32>
  return %y : tensor<4x16xi32>
}

// CHECK-LABEL: @conv
// CHECK: jinx.conv %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, group = 1 : i64, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x4x4xf32>
func.func @conv(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x4x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// The output extent of a dynamic input is a formula.
// CHECK-LABEL: @conv_symbolic
// CHECK: jinx.conv %{{.*}} -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2 + 1">>
func.func @conv_symbolic(%x: tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, %w: tensor<4x3x3xf32>) -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2 + 1">> {
  %y = jinx.conv %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, tensor<4x3x3xf32> -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2 + 1">>
  return %y : tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2 + 1">>
}

// The layout of x has no say in the layout of w.
// CHECK-LABEL: @conv_channels_last
// CHECK: jinx.conv %{{.*}}, %{{.*}} {channels_last, {{.*}}group = 2 : i64, {{.*}} : tensor<1x8x8x6xf32>, tensor<4x3x3x3xf32> -> tensor<1x6x6x4xf32>
func.func @conv_channels_last(%x: tensor<1x8x8x6xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x6x6x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64, channels_last}
      : tensor<1x8x8x6xf32>, tensor<4x3x3x3xf32> -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

// CHECK-LABEL: @depthwise_conv
// CHECK: jinx.depthwise_conv %{{.*}}, %{{.*}} {dilations = {{.*}} : tensor<1x8x8x4xf32>, tensor<3x3x4xf32> -> tensor<1x6x6x4xf32>
func.func @depthwise_conv(%x: tensor<1x8x8x4xf32>, %w: tensor<3x3x4xf32>) -> tensor<1x6x6x4xf32> {
  %y = jinx.depthwise_conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x8x8x4xf32>, tensor<3x3x4xf32> -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

// CHECK-LABEL: @pack
// CHECK-SAME: (%[[B:.*]]: tensor<8x20xf32>
func.func @pack(%b: tensor<8x20xf32>) {
  // CHECK: jinx.pack %[[B]] : tensor<8x20xf32> -> tensor<2x8x16xf32>
  %0 = jinx.pack %b : tensor<8x20xf32> -> tensor<2x8x16xf32>
  // CHECK: jinx.pack %[[B]] transpose : tensor<8x20xf32> -> tensor<1x20x16xf32>
  %1 = jinx.pack %b transpose : tensor<8x20xf32> -> tensor<1x20x16xf32>
  // CHECK: jinx.pack %[[B]] interleave 4 : tensor<8x20xf32> -> tensor<2x2x64xf32>
  %2 = jinx.pack %b interleave 4 : tensor<8x20xf32> -> tensor<2x2x64xf32>
  return
}

// Sums of 8-bit floats are f32, and the formats may differ.
// CHECK-LABEL: @grouped_matmul
// CHECK: jinx.grouped_matmul %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x8xbf16, #jinx.dims<"t", "8">>, tensor<3x8x16xbf16>, tensor<3xi32> -> tensor<?x16xbf16, #jinx.dims<"t", "16">>
// CHECK: jinx.grouped_matmul %{{.*}}, %{{.*}} transpose_w, %{{.*}} : tensor<10x16xf32>, tensor<3x4x16xf32>, tensor<3xi64> -> tensor<10x4xf32>
func.func @grouped_matmul(%x: tensor<?x8xbf16, #jinx.dims<"t", "8">>, %w: tensor<3x8x16xbf16>, %ends: tensor<3xi32>, %x2: tensor<10x16xf32>,
                          %w2: tensor<3x4x16xf32>, %ends2: tensor<3xi64>) -> (tensor<?x16xbf16, #jinx.dims<"t", "16">>, tensor<10x4xf32>) {
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<?x8xbf16, #jinx.dims<"t", "8">>, tensor<3x8x16xbf16>, tensor<3xi32> -> tensor<?x16xbf16, #jinx.dims<"t", "16">>
  %z = jinx.grouped_matmul %x2, %w2 transpose_w, %ends2 : tensor<10x16xf32>, tensor<3x4x16xf32>, tensor<3xi64> -> tensor<10x4xf32>
  return %y, %z : tensor<?x16xbf16, #jinx.dims<"t", "16">>, tensor<10x4xf32>
}

// A mixture of experts: what tokens choose, and what it weighs.
// CHECK-LABEL: @experts
// CHECK: jinx.experts silu %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x8xbf16, #jinx.dims<"n", "8">>, tensor<?x2xi64, #jinx.dims<"n", "2">>, {{.*}}) -> tensor<?x4xf32, #jinx.dims<"n", "4">>
// CHECK: jinx.experts gelu_tanh
func.func @experts(%x: tensor<?x8xbf16, #jinx.dims<"n", "8">>, %c: tensor<?x2xi64, #jinx.dims<"n", "2">>, %p: tensor<?x2xf32, #jinx.dims<"n", "2">>, %g: tensor<3x16x8xbf16>,
                   %d: tensor<3x4x16xbf16>) -> (tensor<?x4xf32, #jinx.dims<"n", "4">>, tensor<?x4xf32, #jinx.dims<"n", "4">>) {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d
      : (tensor<?x8xbf16, #jinx.dims<"n", "8">>, tensor<?x2xi64, #jinx.dims<"n", "2">>, tensor<?x2xf32, #jinx.dims<"n", "2">>, tensor<3x16x8xbf16>, tensor<3x16x8xbf16>, tensor<3x4x16xbf16>) -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  %z = jinx.experts gelu_tanh %x, %c, %p, %g, %g, %d
      : (tensor<?x8xbf16, #jinx.dims<"n", "8">>, tensor<?x2xi64, #jinx.dims<"n", "2">>, tensor<?x2xf32, #jinx.dims<"n", "2">>, tensor<3x16x8xbf16>, tensor<3x16x8xbf16>, tensor<3x4x16xbf16>) -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  return %y, %z : tensor<?x4xf32, #jinx.dims<"n", "4">>, tensor<?x4xf32, #jinx.dims<"n", "4">>
}

// CHECK-LABEL: @packed_grouped_matmul
// CHECK: jinx.packed_grouped_matmul %{{.*}}, %{{.*}}, %{{.*}} : tensor<10x8xf32>, tensor<3x2x8x16xf32>, tensor<3xi32> -> tensor<10x20xf32>
// CHECK: jinx.packed_grouped_matmul %{{.*}}, %{{.*}} by_rows tf32, %{{.*}} : tensor<10x8xf32>, tensor<3x20x8xf32>, tensor<3xi32> -> tensor<10x20xf32>
// CHECK: jinx.packed_grouped_matmul %{{.*}}, %{{.*}} by_rows, %{{.*}} : tensor<10x8xf16>, tensor<3x20x8xf16>, tensor<3xi32> -> tensor<10x20xf16>
func.func @packed_grouped_matmul(%x: tensor<10x8xf32>, %w: tensor<3x2x8x16xf32>, %ends: tensor<3xi32>, %x2: tensor<10x8xf16>, %w2: tensor<3x20x8xf16>,
                                 %w3: tensor<3x20x8xf32>) -> (tensor<10x20xf32>, tensor<10x20xf32>, tensor<10x20xf16>) {
  %y = jinx.packed_grouped_matmul %x, %w, %ends : tensor<10x8xf32>, tensor<3x2x8x16xf32>, tensor<3xi32> -> tensor<10x20xf32>
  %t = jinx.packed_grouped_matmul %x, %w3 by_rows tf32, %ends : tensor<10x8xf32>, tensor<3x20x8xf32>, tensor<3xi32> -> tensor<10x20xf32>
  %z = jinx.packed_grouped_matmul %x2, %w2 by_rows, %ends : tensor<10x8xf16>, tensor<3x20x8xf16>, tensor<3xi32> -> tensor<10x20xf16>
  return %y, %t, %z : tensor<10x20xf32>, tensor<10x20xf32>, tensor<10x20xf16>
}

// CHECK-LABEL: @matmul_floats8
// CHECK: jinx.matmul %{{.*}}, %{{.*}} : tensor<4x8xf8E4M3FN>, tensor<8x16xf8E5M2> -> tensor<4x16xf32>
// CHECK: jinx.matmul %{{.*}}, %{{.*}} fast_sums : tensor<4x8xf8E4M3FN>, tensor<8x16xf8E5M2> -> tensor<4x16xf32>
func.func @matmul_floats8(%a: tensor<4x8xf8E4M3FN>, %b: tensor<8x16xf8E5M2>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %x = jinx.matmul %a, %b : tensor<4x8xf8E4M3FN>, tensor<8x16xf8E5M2> -> tensor<4x16xf32>
  %y = jinx.matmul %a, %b fast_sums : tensor<4x8xf8E4M3FN>, tensor<8x16xf8E5M2> -> tensor<4x16xf32>
  return %x, %y : tensor<4x16xf32>, tensor<4x16xf32>
}

// CHECK-LABEL: @packed_matmul_narrow
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<4x16xui8>, tensor<20x16xi8> -> tensor<4x20xi32>
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows fast_sums : tensor<4x16xf8E5M2>, tensor<20x16xf8E4M3FN> -> tensor<4x20xf32>
func.func @packed_matmul_narrow(%a: tensor<4x16xui8>, %b: tensor<20x16xi8>, %c: tensor<4x16xf8E5M2>, %d: tensor<20x16xf8E4M3FN>) -> (tensor<4x20xi32>, tensor<4x20xf32>) {
  %x = jinx.packed_matmul %a, %b by_rows : tensor<4x16xui8>, tensor<20x16xi8> -> tensor<4x20xi32>
  %y = jinx.packed_matmul %c, %d by_rows fast_sums : tensor<4x16xf8E5M2>, tensor<20x16xf8E4M3FN> -> tensor<4x20xf32>
  return %x, %y : tensor<4x20xi32>, tensor<4x20xf32>
}

// f32 on tensor cores: products of three parts, or of the upper bits. A slice of channels is 32.
// CHECK-LABEL: @packed_f32_by_rows
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<4x12xf32>, tensor<20x12xf32> -> tensor<4x20xf32>
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows tf32 : tensor<4x12xf32>
// CHECK: jinx.packed_conv %{{.*}}, %{{.*}} by_rows tf32 {{{.*}}} : tensor<1x8x8x12xf32>, tensor<16x288xf32> -> tensor<1x6x6x16xf32>
func.func @packed_f32_by_rows(%a: tensor<4x12xf32>, %b: tensor<20x12xf32>, %x: tensor<1x8x8x12xf32>, %w: tensor<16x288xf32>) -> (tensor<4x20xf32>, tensor<4x20xf32>, tensor<1x6x6x16xf32>) {
  %p = jinx.packed_matmul %a, %b by_rows : tensor<4x12xf32>, tensor<20x12xf32> -> tensor<4x20xf32>
  %q = jinx.packed_matmul %a, %b by_rows tf32 : tensor<4x12xf32>, tensor<20x12xf32> -> tensor<4x20xf32>
  %r = jinx.packed_conv %x, %w by_rows tf32 {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x12xf32>, tensor<16x288xf32> -> tensor<1x6x6x16xf32>
  return %p, %q, %r : tensor<4x20xf32>, tensor<4x20xf32>, tensor<1x6x6x16xf32>
}

// Bytes: four rows of b together, sums in i32.
// CHECK-LABEL: @packed_matmul_bytes
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
func.func @packed_matmul_bytes(%a: tensor<4x8xui8>, %b: tensor<2x2x64xi8>) -> tensor<4x20xi32> {
  %y = jinx.packed_matmul %a, %b : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// CHECK-LABEL: @packed_matmul
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
func.func @packed_matmul(%a: tensor<4x8xf32>, %b: tensor<2x8x16xf32>) -> tensor<4x20xf32> {
  %y = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
  return %y : tensor<4x20xf32>
}

// Panels may have a batch that a has not.
// CHECK-LABEL: @packed_matmul_batch
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<3x2x8x16xf32> -> tensor<3x4x20xf32>
func.func @packed_matmul_batch(%a: tensor<4x8xf32>, %b: tensor<3x2x8x16xf32>) -> tensor<3x4x20xf32> {
  %y = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<3x2x8x16xf32> -> tensor<3x4x20xf32>
  return %y : tensor<3x4x20xf32>
}

// CHECK-LABEL: @packed_conv
// CHECK: jinx.packed_conv %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, group = 1 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x8x8x4xf32>
func.func @packed_conv(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf32>) -> tensor<1x8x8x4xf32> {
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x8x8x4xf32>
  return %y : tensor<1x8x8x4xf32>
}

// CHECK-LABEL: @lstm
// CHECK: jinx.lstm %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {reverse} : (tensor<5x2x12xf32>, tensor<12x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<5x2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
func.func @lstm(%xw: tensor<5x2x12xf32>, %r: tensor<12x3xf32>, %h: tensor<2x3xf32>, %c: tensor<2x3xf32>) {
  %ys, %hn, %cn = jinx.lstm %xw, %r, %h, %c {reverse}
      : (tensor<5x2x12xf32>, tensor<12x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<5x2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
  return
}

// CHECK-LABEL: @gru
// CHECK: jinx.gru %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {linear_before_reset} : (tensor<5x2x9xf32>, tensor<9x3xf32>, tensor<9xf32>, tensor<2x3xf32>) -> (tensor<5x2x3xf32>, tensor<2x3xf32>)
func.func @gru(%xw: tensor<5x2x9xf32>, %r: tensor<9x3xf32>, %rb: tensor<9xf32>, %h: tensor<2x3xf32>) {
  %ys, %hn = jinx.gru %xw, %r, %rb, %h {linear_before_reset}
      : (tensor<5x2x9xf32>, tensor<9x3xf32>, tensor<9xf32>, tensor<2x3xf32>) -> (tensor<5x2x3xf32>, tensor<2x3xf32>)
  return
}

// CHECK-LABEL: @attention_grad
// CHECK: jinx.attention_grad %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} scale 1.250000e-01 causal : (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x4x5x64xbf16>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>)
// lse and delta may be filled up.
// CHECK: jinx.attention_grad {{.*}} scale 1.250000e-01 : ({{.*}}, tensor<1x4x128xf32>, tensor<1x4x128xf32>)
func.func @attention_grad(%q: tensor<1x4x5x64xbf16>, %k: tensor<1x2x7x64xbf16>, %l: tensor<1x4x5xf32>, %f: tensor<1x4x128xf32>) {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %k, %q, %l, %l scale 0.125 causal
      : (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x4x5x64xbf16>, tensor<1x4x5xf32>, tensor<1x4x5xf32>)
        -> (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>)
  %eq, %ek, %ev = jinx.attention_grad %q, %k, %k, %q, %f, %f scale 0.125
      : (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x4x5x64xbf16>, tensor<1x4x128xf32>, tensor<1x4x128xf32>)
        -> (tensor<1x4x5x64xbf16>, tensor<1x2x7x64xbf16>, tensor<1x2x7x64xbf16>)
  return
}

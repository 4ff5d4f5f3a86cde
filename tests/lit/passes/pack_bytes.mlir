// RUN: jinx-opt %s --split-input-file --jinx-pack="byte-dots=true" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-pack | FileCheck %s --check-prefix=WITHOUT

// Unsigned bytes times constant signed ones have their rows interleaved; without the instruction they are no product of jinx-pack's.
// CHECK-LABEL: @bytes
// CHECK: %[[P:.*]] = jinx.pack %{{.*}} interleave 4 : tensor<8x20xi8> -> tensor<2x2x64xi8>
// CHECK: jinx.packed_matmul %{{.*}}, %[[P]] : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
// WITHOUT-LABEL: @bytes
// WITHOUT: jinx.matmul
func.func @bytes(%a: tensor<4x8xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Rows of b are filled up to a multiple of four; those of a are not.
// CHECK-LABEL: @odd_depth
// CHECK: %[[F:.*]] = jinx.pad %{{.*}} : tensor<7x20xi8> -> tensor<8x20xi8>
// CHECK: %[[P:.*]] = jinx.pack %[[F]] interleave 4 : tensor<8x20xi8> -> tensor<2x2x64xi8>
// CHECK: jinx.packed_matmul %{{.*}}, %[[P]] : tensor<4x7xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
func.func @odd_depth(%a: tensor<4x7xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<7x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x7xui8>, tensor<7x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Tests that two signed operands, which have no such instruction, are left alone (jinx-byte-products comes before).
// CHECK-LABEL: @signed
// CHECK-NOT: interleave
func.func @signed(%a: tensor<4x8xi8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Tests that what is no constant, and would be packed in every run, is left alone.
// CHECK-LABEL: @no_constant
// CHECK-NOT: interleave
func.func @no_constant(%a: tensor<4x8xui8>, %b: tensor<8x20xi8>) -> tensor<4x20xi32> {
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// What is left of bytes elsewhere: products of i32.
// CHECK-LABEL: @wide
// CHECK: jinx.packed_matmul %{{.*}} : tensor<4x8xi32>, tensor<2x8x16xi32> -> tensor<4x20xi32>
func.func @wide(%a: tensor<4x8xi32>, %b: tensor<8x20xi32>) -> tensor<4x20xi32> {
  %y = jinx.matmul %a, %b : tensor<4x8xi32>, tensor<8x20xi32> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// A row of a window is one run: 3*3 bytes are filled up to 12, in three rows.
// CHECK-LABEL: @conv
// CHECK: %[[F:.*]] = jinx.pad %{{.*}} : tensor<1x20x3x9xi8> -> tensor<1x20x3x12xi8>
// CHECK: %[[R:.*]] = jinx.reshape %[[F]] : tensor<1x20x3x12xi8> -> tensor<1x20x36xi8>
// CHECK: %[[P:.*]] = jinx.pack %[[R]] transpose interleave 4 : tensor<1x20x36xi8> -> tensor<1x2x9x64xi8>
// CHECK: jinx.packed_conv %{{.*}}, %[[P]] {{.*}} : tensor<1x8x8x3xui8>, tensor<1x2x9x64xi8> -> tensor<1x8x8x20xi32>
func.func @conv(%x: tensor<1x8x8x3xui8>) -> tensor<1x8x8x20xi32> {
  %w = jinx.constant dense<-3> : tensor<20x3x3x3xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last} : tensor<1x8x8x3xui8>, tensor<20x3x3x3xi8> -> tensor<1x8x8x20xi32>
  return %y : tensor<1x8x8x20xi32>
}

// -----

// Tests that with a dilation every tap is a run: 3 bytes are filled up to 4, nine times.
// CHECK-LABEL: @conv_dilated
// CHECK: jinx.pad %{{.*}} : tensor<1x20x9x3xi8> -> tensor<1x20x9x4xi8>
// CHECK: jinx.packed_conv {{.*}} tensor<1x2x9x64xi8> -> tensor<1x4x4x20xi32>
func.func @conv_dilated(%x: tensor<1x8x8x3xui8>) -> tensor<1x4x4x20xi32> {
  %w = jinx.constant dense<-3> : tensor<20x3x3x3xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 2, 2>, group = 1 : i64, channels_last} : tensor<1x8x8x3xui8>, tensor<20x3x3x3xi8> -> tensor<1x4x4x20xi32>
  return %y : tensor<1x4x4x20xi32>
}

// -----

// A 1x1 convolution of bytes is a product of bytes over all pixels.
// CHECK-LABEL: @conv_pointwise
// CHECK: jinx.packed_matmul %{{.*}} : tensor<1x8x8x6xui8>, tensor<2x2x64xi8> -> tensor<1x8x8x20xi32>
func.func @conv_pointwise(%x: tensor<1x8x8x6xui8>) -> tensor<1x8x8x20xi32> {
  %w = jinx.constant dense<-3> : tensor<20x6x1x1xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last} : tensor<1x8x8x6xui8>, tensor<20x6x1x1xi8> -> tensor<1x8x8x20xi32>
  return %y : tensor<1x8x8x20xi32>
}

// -----

// Recurrence weights of a quantized layer that fit into bytes.
// CHECK-LABEL: @lstm
// CHECK: %[[P:.*]] = jinx.pack %{{.*}} transpose interleave 4 : tensor<4x4x4xi8> -> tensor<4x1x1x64xi8>
// CHECK: jinx.lstm %{{.*}}, %[[P]]
// WITHOUT-LABEL: @lstm
// WITHOUT: jinx.pack %{{.*}} transpose : tensor<4x4x4xi8> -> tensor<4x1x4x16xi8>
func.func @lstm(%xw: tensor<5x1x16xf32>, %h: tensor<1x4xf32>, %c: tensor<1x4xf32>, %s: tensor<16xf32>) -> tensor<5x1x4xf32> {
  %r = jinx.constant dense<7.0> : tensor<16x4xf32>
  %ys, %hn, %cn = jinx.lstm %xw, %r, %h, %c, %s : (tensor<5x1x16xf32>, tensor<16x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<16xf32>)
      -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return %ys : tensor<5x1x4xf32>
}

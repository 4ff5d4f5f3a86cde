// RUN: jinx-opt %s --split-input-file --jinx-byte-products="byte-dots=true" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-byte-products | FileCheck %s --check-prefix=WITHOUT
// RUN: jinx-opt %s --split-input-file --jinx-byte-products="tensor-cores=true" | FileCheck %s --check-prefix=CUDA

// Unsigned times constant signed bytes are what the instruction multiplies; without it they are f32, exact here.
// CHECK-LABEL: @bytes
// CHECK: jinx.matmul %{{.*}} : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
// CHECK-NEXT: return
// WITHOUT-LABEL: @bytes
// WITHOUT: %[[P:.*]] = jinx.matmul %{{.*}} : tensor<4x8xf32>, tensor<8x20xf32> -> tensor<4x20xf32>
// WITHOUT: jinx.cast %[[P]] : tensor<4x20xf32> -> tensor<4x20xi32>
// CUDA-LABEL: @bytes
// CUDA: jinx.matmul %{{.*}} : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
func.func @bytes(%a: tensor<4x8xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Signed ones become unsigned: 128 times the sums of columns, 8 * -3, are taken out.
// CHECK-LABEL: @signed
// CHECK-SAME: %[[A:.*]]: tensor<4x8xi8>
// CHECK: %[[W:.*]] = jinx.cast %[[A]] : tensor<4x8xi8> -> tensor<4x8xi32>
// CHECK: %[[S:.*]] = jinx.constant dense<128> : tensor<i32>
// CHECK: %[[M:.*]] = jinx.add %[[W]], %[[S]]
// CHECK: %[[U:.*]] = jinx.cast %[[M]] : tensor<4x8xi32> -> tensor<4x8xui8>
// CHECK: %[[P:.*]] = jinx.matmul %[[U]], %{{.*}} : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
// CHECK: %[[C:.*]] = jinx.constant dense<-3072> : tensor<1x20xi32>
// CHECK: jinx.sub %[[P]], %[[C]]
func.func @signed(%a: tensor<4x8xi8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Weights of unsigned bytes become signed ones, and sums of rows come back; those up to 127 are signed as they are.
// CHECK-LABEL: @unsigned_weights
// CHECK: %[[B:.*]] = jinx.constant dense<72> : tensor<20x8xi8>
// CHECK: %[[R:.*]] = jinx.reduce sum, %{{.*}} axes [1] : tensor<4x8xi32> -> tensor<4x1xi32>
// CHECK: %[[P:.*]] = jinx.matmul %{{.*}}, %[[B]] transpose_b : tensor<4x8xui8>, tensor<20x8xi8> -> tensor<4x20xi32>
// CHECK: %[[M:.*]] = jinx.mul %[[R]]
// CHECK: jinx.add %[[P]], %[[M]]
// CHECK: jinx.constant dense<127> : tensor<20x8xi8>
// CHECK-NOT: jinx.reduce
// CHECK: jinx.matmul
// CHECK-NEXT: return
func.func @unsigned_weights(%a: tensor<4x8xui8>) -> (tensor<4x20xi32>, tensor<4x20xi32>) {
  %b = jinx.constant dense<200> : tensor<20x8xui8>
  %y = jinx.matmul %a, %b transpose_b : tensor<4x8xui8>, tensor<20x8xui8> -> tensor<4x20xi32>
  %c = jinx.constant dense<127> : tensor<20x8xui8>
  %z = jinx.matmul %a, %c transpose_b : tensor<4x8xui8>, tensor<20x8xui8> -> tensor<4x20xi32>
  return %y, %z : tensor<4x20xi32>, tensor<4x20xi32>
}

// -----

// Tests that what is no constant is multiplied as floats where they are exact for sure, else as i32.
// CHECK-LABEL: @no_constant
// CHECK: jinx.matmul %{{.*}} : tensor<4x8xf32>, tensor<8x20xf32> -> tensor<4x20xf32>
// CHECK: jinx.matmul %{{.*}} : tensor<4x600xi32>, tensor<600x20xi32> -> tensor<4x20xi32>
func.func @no_constant(%a: tensor<4x8xui8>, %b: tensor<8x20xi8>, %c: tensor<4x600xui8>, %d: tensor<600x20xi8>) -> (tensor<4x20xi32>, tensor<4x20xi32>) {
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  %z = jinx.matmul %c, %d : tensor<4x600xui8>, tensor<600x20xi8> -> tensor<4x20xi32>
  return %y, %z : tensor<4x20xi32>, tensor<4x20xi32>
}

// -----

// Constant weights whose sums f32 may not hold are two digits, low + 16 * high, with a product each.
// WITHOUT-LABEL: @digits
// WITHOUT: %[[L:.*]] = jinx.matmul %{{.*}} : tensor<4x700xf32>, tensor<700x20xf32>
// WITHOUT: %[[J:.*]] = jinx.cast %[[L]] : tensor<4x20xf32> -> tensor<4x20xi32>
// WITHOUT: %[[H:.*]] = jinx.matmul %{{.*}} : tensor<4x700xf32>, tensor<700x20xf32>
// WITHOUT: %[[I:.*]] = jinx.cast %[[H]] : tensor<4x20xf32> -> tensor<4x20xi32>
// WITHOUT: %[[S:.*]] = jinx.constant dense<16> : tensor<i32>
// WITHOUT: %[[M:.*]] = jinx.mul %[[I]], %[[S]]
// WITHOUT: jinx.add %[[J]], %[[M]]
func.func @digits(%a: tensor<4x700xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-100> : tensor<700x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x700xui8>, tensor<700x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Convolutions stay bytes where the instruction is, and are f32 elsewhere, tensor cores too.
// CHECK-LABEL: @conv
// CHECK: jinx.conv {{.*}} : tensor<1x3x8x8xui8>, tensor<20x3x3x3xi8> -> tensor<1x20x8x8xi32>
// CUDA-LABEL: @conv
// CUDA: jinx.conv {{.*}} : tensor<1x3x8x8xf32>, tensor<20x3x3x3xf32> -> tensor<1x20x8x8xf32>
func.func @conv(%x: tensor<1x3x8x8xui8>) -> tensor<1x20x8x8xi32> {
  %w = jinx.constant dense<-3> : tensor<20x3x3x3xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<1x3x8x8xui8>, tensor<20x3x3x3xi8> -> tensor<1x20x8x8xi32>
  return %y : tensor<1x20x8x8xi32>
}

// -----

// A signed image is padded before 128 is added to it.
// CHECK-LABEL: @conv_signed
// CHECK: %[[X:.*]] = jinx.pad %{{.*}} low ["0", "0", "1", "1"] mode constant : tensor<1x3x8x8xi8> -> tensor<1x3x10x10xi8>
// CHECK: jinx.cast %[[X]]
// CHECK: %[[P:.*]] = jinx.conv {{.*}} pads = array<i64: 0, 0, 0, 0>{{.*}} : tensor<1x3x10x10xui8>, tensor<20x3x3x3xi8> -> tensor<1x20x8x8xi32>
// CHECK: %[[C:.*]] = jinx.reshape %{{.*}} : tensor<20x1x1x1xi32> -> tensor<20x1x1xi32>
// CHECK: jinx.sub %[[P]], %[[C]]
func.func @conv_signed(%x: tensor<1x3x8x8xi8>) -> tensor<1x20x8x8xi32> {
  %w = jinx.constant dense<-3> : tensor<20x3x3x3xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<1x3x8x8xi8>, tensor<20x3x3x3xi8> -> tensor<1x20x8x8xi32>
  return %y : tensor<1x20x8x8xi32>
}

// -----

// Tests that a depthwise convolution is one of f32.
// CHECK-LABEL: @conv_depthwise
// CHECK: jinx.conv {{.*}} : tensor<1x4x8x8xf32>, tensor<4x1x3x3xf32> -> tensor<1x4x8x8xf32>
func.func @conv_depthwise(%x: tensor<1x4x8x8xui8>) -> tensor<1x4x8x8xi32> {
  %w = jinx.constant dense<-3> : tensor<4x1x3x3xi8>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 4 : i64} : tensor<1x4x8x8xui8>, tensor<4x1x3x3xi8> -> tensor<1x4x8x8xi32>
  return %y : tensor<1x4x8x8xi32>
}

// -----

// What quantizes the sums again is one product and one sum of constants.
// CHECK-LABEL: @requantized
// CHECK: %[[F:.*]] = jinx.cast %{{.*}} : tensor<4x20xi32> -> tensor<4x20xf32>
// CHECK: %[[S:.*]] = jinx.div %{{.*}}, %{{.*}} : tensor<20xf32>, tensor<f32> -> tensor<20xf32>
// CHECK: %[[M:.*]] = jinx.mul %[[F]], %[[S]]
// CHECK: %[[T:.*]] = jinx.div %{{.*}}, %{{.*}} : tensor<20xf32>, tensor<f32> -> tensor<20xf32>
// CHECK: %[[A:.*]] = jinx.add %[[M]], %[[T]]
// CHECK: jinx.round %[[A]]
// WITHOUT-LABEL: @requantized
// WITHOUT: jinx.div {{.*}} : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
func.func @requantized(%a: tensor<4x8xui8>) -> tensor<4x20xf32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %s = jinx.constant dense<0.25> : tensor<20xf32>
  %t = jinx.constant dense<7.0> : tensor<20xf32>
  %q = jinx.constant dense<0.3> : tensor<f32>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  %0 = jinx.cast %y : tensor<4x20xi32> -> tensor<4x20xf32>
  %1 = jinx.mul %0, %s : tensor<4x20xf32>, tensor<20xf32> -> tensor<4x20xf32>
  %2 = jinx.add %1, %t : tensor<4x20xf32>, tensor<20xf32> -> tensor<4x20xf32>
  %3 = jinx.div %2, %q : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
  %4 = jinx.round %3 : tensor<4x20xf32> -> tensor<4x20xf32>
  return %4 : tensor<4x20xf32>
}

// -----

// A residual stands between: the reciprocal is a constant.
// CHECK-LABEL: @requantized_residual
// CHECK: %[[A:.*]] = jinx.add
// CHECK: %[[I:.*]] = jinx.div %{{.*}}, %{{.*}} : tensor<f32>, tensor<f32> -> tensor<f32>
// CHECK: %[[M:.*]] = jinx.mul %[[A]], %[[I]]
// CHECK: jinx.round %[[M]]
func.func @requantized_residual(%a: tensor<4x8xui8>, %r: tensor<4x20xf32>) -> tensor<4x20xf32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %q = jinx.constant dense<0.3> : tensor<f32>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  %0 = jinx.cast %y : tensor<4x20xi32> -> tensor<4x20xf32>
  %1 = jinx.add %r, %0 : tensor<4x20xf32>, tensor<4x20xf32> -> tensor<4x20xf32>
  %2 = jinx.div %1, %q : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
  %3 = jinx.round %2 : tensor<4x20xf32> -> tensor<4x20xf32>
  return %3 : tensor<4x20xf32>
}

// -----

// Tests that floats which come from no product of bytes are divided as they say, and that sums which are not rounded are.
// CHECK-LABEL: @divided
// CHECK: jinx.div %{{.*}} : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
// CHECK: jinx.div %{{.*}} : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
func.func @divided(%a: tensor<4x8xui8>, %r: tensor<4x20xf32>) -> (tensor<4x20xf32>, tensor<4x20xf32>) {
  %q = jinx.constant dense<0.3> : tensor<f32>
  %0 = jinx.div %r, %q : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
  %1 = jinx.round %0 : tensor<4x20xf32> -> tensor<4x20xf32>
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  %2 = jinx.cast %y : tensor<4x20xi32> -> tensor<4x20xf32>
  %3 = jinx.div %2, %q : tensor<4x20xf32>, tensor<f32> -> tensor<4x20xf32>
  return %1, %3 : tensor<4x20xf32>, tensor<4x20xf32>
}

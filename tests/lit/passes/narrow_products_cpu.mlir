// RUN: jinx-opt %s --split-input-file --jinx-narrow-products="byte-dots=true" | FileCheck %s

// Scales of both operands are one constant for each column; a signed left operand becomes unsigned, and its zero point with it.
// CHECK-LABEL: @matmul
// CHECK: %[[U:.*]] = jinx.cast %{{.*}} : tensor<4x16xi32> -> tensor<4x16xui8>
// CHECK: %[[P:.*]] = jinx.matmul %[[U]], %{{.*}} : tensor<4x16xui8>, tensor<16x6xi8> -> tensor<4x6xi32>
// CHECK: jinx.sub %[[P]]
// CHECK: %[[S:.*]] = jinx.mul %{{.*}}, %{{.*}} : tensor<f32>, tensor<6xf32> -> tensor<6xf32>
// CHECK: jinx.mul %{{.*}}, %[[S]] : tensor<4x6xf32>, tensor<6xf32> -> tensor<4x6xf32>
func.func @matmul(%a: tensor<4x16xi8>) -> tensor<4x6xf32> {
  %b = jinx.constant dense<-3> : tensor<16x6xi8>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %t = jinx.constant dense<0.25> : tensor<6xf32>
  %0 = jinx.cast %a : tensor<4x16xi8> -> tensor<4x16xf32>
  %1 = jinx.mul %0, %s : tensor<4x16xf32>, tensor<f32> -> tensor<4x16xf32>
  %2 = jinx.cast %b : tensor<16x6xi8> -> tensor<16x6xf32>
  %3 = jinx.mul %2, %t : tensor<16x6xf32>, tensor<6xf32> -> tensor<16x6xf32>
  %y = jinx.matmul %1, %3 : tensor<4x16xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// Tests that a right operand which is no constant keeps the product as it is.
// CHECK-LABEL: @no_constant
// CHECK: jinx.matmul {{.*}} : tensor<4x16xf32>, tensor<16x6xf32>
func.func @no_constant(%a: tensor<4x16xi8>, %b: tensor<16x6xi8>) -> tensor<4x6xf32> {
  %0 = jinx.cast %a : tensor<4x16xi8> -> tensor<4x16xf32>
  %2 = jinx.cast %b : tensor<16x6xi8> -> tensor<16x6xf32>
  %y = jinx.matmul %0, %2 : tensor<4x16xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// A zero point of -128, as behind a relu, is 0 of unsigned bytes: no padding before, no sums.
// CHECK-LABEL: @conv
// CHECK-NOT: jinx.pad
// CHECK: %[[P:.*]] = jinx.conv {{.*}}pads = array<i64: 1, 1, 1, 1>{{.*}} : tensor<1x2x5x5xui8>, tensor<6x2x3x3xi8> -> tensor<1x6x5x5xi32>
// CHECK-NOT: jinx.sub
// CHECK: %[[F:.*]] = jinx.cast %[[P]] : tensor<1x6x5x5xi32> -> tensor<1x6x5x5xf32>
// CHECK: jinx.mul %[[F]], %{{.*}} : tensor<1x6x5x5xf32>, tensor<6x1x1xf32>
func.func @conv(%x: tensor<1x2x5x5xi8>) -> tensor<1x6x5x5xf32> {
  %w = jinx.constant dense<-3> : tensor<6x2x3x3xi8>
  %z = jinx.constant dense<-128> : tensor<i8>
  %t = jinx.constant dense<0.25> : tensor<6x1x1x1xf32>
  %0 = jinx.cast %x : tensor<1x2x5x5xi8> -> tensor<1x2x5x5xf32>
  %1 = jinx.cast %z : tensor<i8> -> tensor<f32>
  %2 = jinx.sub %0, %1 : tensor<1x2x5x5xf32>, tensor<f32> -> tensor<1x2x5x5xf32>
  %3 = jinx.cast %w : tensor<6x2x3x3xi8> -> tensor<6x2x3x3xf32>
  %4 = jinx.mul %3, %t : tensor<6x2x3x3xf32>, tensor<6x1x1x1xf32> -> tensor<6x2x3x3xf32>
  %y = jinx.conv %2, %4 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<1x2x5x5xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x5x5xf32>
  return %y : tensor<1x6x5x5xf32>
}

// -----

// Another zero point is what lies outside the image, and its product with the sums of weights, 18 * -3 * 5, is taken out.
// CHECK-LABEL: @conv_zero_point
// CHECK: %[[X:.*]] = jinx.pad %{{.*}} value %{{.*}} : tensor<1x2x5x5xui8>, tensor<ui8> -> tensor<1x2x7x7xui8>
// CHECK: %[[P:.*]] = jinx.conv %[[X]], {{.*}}pads = array<i64: 0, 0, 0, 0>{{.*}} -> tensor<1x6x5x5xi32>
// CHECK: jinx.constant dense<-270> : tensor<6x1x1x1xi32>
// CHECK: jinx.sub %[[P]]
func.func @conv_zero_point(%x: tensor<1x2x5x5xui8>) -> tensor<1x6x5x5xf32> {
  %w = jinx.constant dense<-3> : tensor<6x2x3x3xi8>
  %z = jinx.constant dense<5> : tensor<ui8>
  %0 = jinx.cast %x : tensor<1x2x5x5xui8> -> tensor<1x2x5x5xf32>
  %1 = jinx.cast %z : tensor<ui8> -> tensor<f32>
  %2 = jinx.sub %0, %1 : tensor<1x2x5x5xf32>, tensor<f32> -> tensor<1x2x5x5xf32>
  %3 = jinx.cast %w : tensor<6x2x3x3xi8> -> tensor<6x2x3x3xf32>
  %y = jinx.conv %2, %3 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<1x2x5x5xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x5x5xf32>
  return %y : tensor<1x6x5x5xf32>
}

// -----

// Tests that a scale which varies along the channels of the image keeps the convolution as it is.
// CHECK-LABEL: @conv_scale_along_channels
// CHECK: jinx.conv {{.*}} : tensor<1x2x5x5xf32>, tensor<6x2x3x3xf32>
func.func @conv_scale_along_channels(%x: tensor<1x2x5x5xui8>, %s: tensor<2x1x1xf32>) -> tensor<1x6x5x5xf32> {
  %w = jinx.constant dense<-3> : tensor<6x2x3x3xi8>
  %0 = jinx.cast %x : tensor<1x2x5x5xui8> -> tensor<1x2x5x5xf32>
  %1 = jinx.mul %0, %s : tensor<1x2x5x5xf32>, tensor<2x1x1xf32> -> tensor<1x2x5x5xf32>
  %3 = jinx.cast %w : tensor<6x2x3x3xi8> -> tensor<6x2x3x3xf32>
  %y = jinx.conv %1, %3 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<1x2x5x5xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x5x5xf32>
  return %y : tensor<1x6x5x5xf32>
}

// -----

// Maxima of dequantized bytes are maxima of the bytes.
// CHECK-LABEL: @pool
// CHECK-SAME: %[[X:.*]]: tensor<1x4x4x8xui8>
// CHECK: %[[P:.*]] = jinx.pool max, %[[X]] {{.*}} : tensor<1x4x4x8xui8> -> tensor<1x2x2x8xui8>
// CHECK: %[[F:.*]] = jinx.cast %[[P]] : tensor<1x2x2x8xui8> -> tensor<1x2x2x8xf32>
// CHECK: jinx.mul %[[F]]
func.func @pool(%x: tensor<1x4x4x8xui8>) -> tensor<1x2x2x8xf32> {
  %s = jinx.constant dense<0.25> : tensor<f32>
  %0 = jinx.cast %x : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = jinx.mul %0, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %y = jinx.pool max, %1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last} : tensor<1x4x4x8xf32> -> tensor<1x2x2x8xf32>
  return %y : tensor<1x2x2x8xf32>
}

// -----

// Tests that a scale which may be negative keeps maxima as they are.
// CHECK-LABEL: @pool_scale
// CHECK: jinx.pool max, {{.*}} : tensor<1x4x4x8xf32>
func.func @pool_scale(%x: tensor<1x4x4x8xui8>, %s: tensor<f32>) -> tensor<1x2x2x8xf32> {
  %0 = jinx.cast %x : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = jinx.mul %0, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %y = jinx.pool max, %1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last} : tensor<1x4x4x8xf32> -> tensor<1x2x2x8xf32>
  return %y : tensor<1x2x2x8xf32>
}

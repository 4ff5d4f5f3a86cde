// RUN: jinx-opt %s --split-input-file --jinx-pack="pad-images=true" | FileCheck %s

// For CUDA an image is padded before its convolution: the margins are zeros, and the convolution has no pads left.
// CHECK-LABEL: @padded
// CHECK: %[[X:.*]] = jinx.pad %{{.*}} low ["0", "1", "2", "0"] mode constant : tensor<1x8x8x3xf32> -> tensor<1x9x11x3xf32>
// CHECK: jinx.packed_conv %[[X]], %{{.*}} pads = array<i64: 0, 0, 0, 0>
func.func @padded(%x: tensor<1x8x8x3xf32>, %w: tensor<20x3x3x3xf32>) -> tensor<1x7x9x20xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 2, 0, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x8x8x3xf32>, tensor<20x3x3x3xf32> -> tensor<1x7x9x20xf32>
  return %y : tensor<1x7x9x20xf32>
}

// -----

// Tests that a convolution without pads gets none.
// CHECK-LABEL: @bare
// CHECK-NOT: jinx.pad
// CHECK: jinx.packed_conv
func.func @bare(%x: tensor<1x8x8x3xf32>, %w: tensor<20x3x3x3xf32>) -> tensor<1x6x6x20xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x8x8x3xf32>, tensor<20x3x3x3xf32> -> tensor<1x6x6x20xf32>
  return %y : tensor<1x6x6x20xf32>
}

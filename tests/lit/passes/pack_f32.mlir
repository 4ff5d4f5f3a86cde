// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores f32-products=split" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores f32-products=tf32" | FileCheck %s --check-prefix=TF32
// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores" | FileCheck %s --check-prefix=SCALAR

// CHECK-LABEL: @matmul
// CHECK: %[[T:.*]] = jinx.transpose
// CHECK: jinx.packed_matmul %{{.*}}, %[[T]] by_rows : tensor<8x32xf32>, tensor<20x32xf32> -> tensor<8x20xf32>
// TF32-LABEL: @matmul
// TF32: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows tf32 : tensor<8x32xf32>, tensor<20x32xf32> -> tensor<8x20xf32>
// SCALAR-LABEL: @matmul
// SCALAR: jinx.packed_matmul %{{.*}}, %{{.*}} : tensor<8x32xf32>, tensor<2x32x16xf32> -> tensor<8x20xf32>
func.func @matmul(%a: tensor<8x32xf32>, %b: tensor<32x20xf32>) -> tensor<8x20xf32> {
  %y = jinx.matmul %a, %b : tensor<8x32xf32>, tensor<32x20xf32> -> tensor<8x20xf32>
  return %y : tensor<8x20xf32>
}

// -----

// Tests that rows which a copy would have to fill up stay in panels.
// CHECK-LABEL: @odd
// CHECK-NOT: by_rows
func.func @odd(%a: tensor<8x37xf32>, %b: tensor<37x20xf32>) -> tensor<8x20xf32> {
  %y = jinx.matmul %a, %b : tensor<8x37xf32>, tensor<37x20xf32> -> tensor<8x20xf32>
  return %y : tensor<8x20xf32>
}

// -----

// Tests that little work stays in panels: a short k, few columns.
// CHECK-LABEL: @little
// CHECK-NOT: by_rows
func.func @little(%a: tensor<8x16xf32>, %b: tensor<16x20xf32>, %c: tensor<64x8xf32>, %d: tensor<8x64xf32>) -> (tensor<8x20xf32>, tensor<8x8xf32>) {
  %y = jinx.matmul %a, %b : tensor<8x16xf32>, tensor<16x20xf32> -> tensor<8x20xf32>
  %z = jinx.matmul %d, %c : tensor<8x64xf32>, tensor<64x8xf32> -> tensor<8x8xf32>
  return %y, %z : tensor<8x20xf32>, tensor<8x8xf32>
}

// -----

// Weights have slices of 32 channels a tap; channels are filled up to a multiple of 4.
// CHECK-LABEL: @window
// CHECK: %[[X:.*]] = jinx.pad {{.*}} -> tensor<1x5x5x24xf32>
// CHECK: jinx.packed_conv %[[X]], %{{.*}} by_rows {dilations = array<i64: 1, 1>, group = 1 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>{{.*}} : tensor<1x5x5x24xf32>, tensor<24x288xf32>
// TF32-LABEL: @window
// TF32: jinx.packed_conv %{{.*}}, %{{.*}} by_rows tf32
func.func @window(%x: tensor<1x5x5x22xf32>, %w: tensor<24x22x3x3xf32>) -> tensor<1x5x5x24xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x5x5x22xf32>, tensor<24x22x3x3xf32> -> tensor<1x5x5x24xf32>
  return %y : tensor<1x5x5x24xf32>
}

// -----

// A row of a window of few channels is one run of 7*4 elements in a slice of 32.
// CHECK-LABEL: @few_channels
// CHECK: jinx.packed_conv %{{.*}}, %{{.*}} by_rows runs {{{.*}}} : tensor<1x20x28x4xf32>, tensor<64x224xf32> -> tensor<1x10x11x64xf32>
// TF32-LABEL: @few_channels
// TF32: jinx.packed_conv %{{.*}}, %{{.*}} by_rows runs tf32
func.func @few_channels(%x: tensor<1x20x22x3xf32>, %w: tensor<64x3x7x7xf32>) -> tensor<1x10x11x64xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x20x22x3xf32>, tensor<64x3x7x7xf32> -> tensor<1x10x11x64xf32>
  return %y : tensor<1x10x11x64xf32>
}

// -----

// Tests that a window which the copy engine cannot walk, and groups, stay in panels.
// CHECK-LABEL: @strange_windows
// CHECK-NOT: by_rows
func.func @strange_windows(%x: tensor<1x33x33x32xf32>, %w: tensor<16x32x3x3xf32>, %g: tensor<16x16x3x3xf32>) -> (tensor<1x3x3x16xf32>, tensor<1x31x31x16xf32>) {
  %y = jinx.conv %x, %w {strides = array<i64: 11, 11>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x33x33x32xf32>, tensor<16x32x3x3xf32> -> tensor<1x3x3x16xf32>
  %z = jinx.conv %x, %g {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64, channels_last}
    : tensor<1x33x33x32xf32>, tensor<16x16x3x3xf32> -> tensor<1x31x31x16xf32>
  return %y, %z : tensor<1x3x3x16xf32>, tensor<1x31x31x16xf32>
}

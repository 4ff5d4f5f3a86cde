// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-pack | FileCheck %s --check-prefix=HOST

// Tensor cores read both operands along k: what is stored the other way is transposed before.
// CHECK-LABEL: @matmul
// CHECK-SAME: (%[[A:.*]]: tensor<4x16xf16>, %[[B:.*]]: tensor<16x20xf16>
// CHECK: %[[T:.*]] = jinx.transpose %[[B]], [1, 0] : tensor<16x20xf16> -> tensor<20x16xf16>
// CHECK: jinx.packed_matmul %[[A]], %[[T]] by_rows : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
// HOST-LABEL: @matmul
// HOST: jinx.matmul
func.func @matmul(%a: tensor<4x16xf16>, %b: tensor<16x20xf16>) -> tensor<4x20xf16> {
  %y = jinx.matmul %a, %b : tensor<4x16xf16>, tensor<16x20xf16> -> tensor<4x20xf16>
  return %y : tensor<4x20xf16>
}

// -----

// Rows are filled up to a multiple of 16 bytes, symbolic ones by a formula.
// CHECK-LABEL: @matmul_fills_up
// CHECK: %[[A:.*]] = jinx.pad {{.*}} -> tensor<4x?xbf16, #jinx.dims<"4", "8*((k - 1) floordiv 8) + 8">>
// CHECK: %[[B:.*]] = jinx.pad {{.*}} -> tensor<20x?xbf16, #jinx.dims<"20", "8*((k - 1) floordiv 8) + 8">>
// CHECK: jinx.packed_matmul %[[A]], %[[B]] by_rows
func.func @matmul_fills_up(%a: tensor<4x?xbf16, #jinx.dims<"4", "k">>, %b: tensor<20x?xbf16, #jinx.dims<"20", "k">>) -> tensor<4x20xbf16> {
  %y = jinx.matmul %a, %b transpose_b : tensor<4x?xbf16, #jinx.dims<"4", "k">>, tensor<20x?xbf16, #jinx.dims<"20", "k">> -> tensor<4x20xbf16>
  return %y : tensor<4x20xbf16>
}

// -----

// One row is the sums of the other operand's rows, each times it.
// CHECK-LABEL: @one_row
// CHECK-SAME: (%[[A:.*]]: tensor<1x1x16xf16>, %[[B:.*]]: tensor<20x16xf16>
// CHECK: %[[R:.*]] = jinx.reshape %[[A]] : tensor<1x1x16xf16> -> tensor<16xf16>
// CHECK: %[[P:.*]] = jinx.mul %[[B]], %[[R]] : tensor<20x16xf16>, tensor<16xf16> -> tensor<20x16xf16>
// CHECK: %[[S:.*]] = jinx.reduce sum, %[[P]] axes [1] : tensor<20x16xf16> -> tensor<20x1xf16>
// CHECK: jinx.reshape %[[S]] : tensor<20x1xf16> -> tensor<1x1x20xf16>
// HOST-LABEL: @one_row
// HOST: jinx.matmul
func.func @one_row(%a: tensor<1x1x16xf16>, %b: tensor<20x16xf16>) -> tensor<1x1x20xf16> {
  %y = jinx.matmul %a, %b transpose_b : tensor<1x1x16xf16>, tensor<20x16xf16> -> tensor<1x1x20xf16>
  return %y : tensor<1x1x20xf16>
}

// -----

// Tests that one row a matrix, of a batch, stays a product.
// CHECK-LABEL: @one_row_each
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows
func.func @one_row_each(%a: tensor<3x1x16xf16>, %b: tensor<20x16xf16>) -> tensor<3x1x20xf16> {
  %y = jinx.matmul %a, %b transpose_b : tensor<3x1x16xf16>, tensor<20x16xf16> -> tensor<3x1x20xf16>
  return %y : tensor<3x1x20xf16>
}

// -----

// Tests that one row of a depth that is not known stays a product.
// CHECK-LABEL: @one_row_of_any_depth
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows
func.func @one_row_of_any_depth(%a: tensor<1x?xf16, #jinx.dims<"1", "k">>, %b: tensor<20x?xf16, #jinx.dims<"20", "k">>) -> tensor<1x20xf16> {
  %y = jinx.matmul %a, %b transpose_b : tensor<1x?xf16, #jinx.dims<"1", "k">>, tensor<20x?xf16, #jinx.dims<"20", "k">> -> tensor<1x20xf16>
  return %y : tensor<1x20xf16>
}

// -----

// CHECK-LABEL: @pointwise
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<1x5x5x16xf16>, tensor<24x16xf16> -> tensor<1x5x5x24xf16>
func.func @pointwise(%x: tensor<1x5x5x16xf16>, %w: tensor<24x16x1x1xf16>) -> tensor<1x5x5x24xf16> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x5x5x16xf16>, tensor<24x16x1x1xf16> -> tensor<1x5x5x24xf16>
  return %y : tensor<1x5x5x24xf16>
}

// -----

// A window keeps its padding, which the copy engine fills in. Weights have slices of 64 channels a tap.
// CHECK-LABEL: @window
// CHECK: %[[W:.*]] = jinx.reshape %{{.*}} : tensor<24x9x64xf16> -> tensor<24x576xf16>
// CHECK: jinx.packed_conv %{{.*}}, %[[W]] by_rows {dilations = array<i64: 1, 1>, group = 1 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>
func.func @window(%x: tensor<1x5x5x16xf16>, %w: tensor<24x16x3x3xf16>) -> tensor<1x5x5x24xf16> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x5x5x16xf16>, tensor<24x16x3x3xf16> -> tensor<1x5x5x24xf16>
  return %y : tensor<1x5x5x24xf16>
}

// -----

// Tests that groups of several channels are products of f32.
// CHECK-LABEL: @groups
// CHECK: jinx.packed_conv %{{.*}} {{.*}}group = 2 : i64{{.*}} : tensor<1x5x5x16xf32>
// CHECK: jinx.cast {{.*}} -> tensor<1x5x5x24xf16>
func.func @groups(%x: tensor<1x5x5x16xf16>, %w: tensor<24x8x3x3xf16>) -> tensor<1x5x5x24xf16> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 2 : i64, channels_last}
    : tensor<1x5x5x16xf16>, tensor<24x8x3x3xf16> -> tensor<1x5x5x24xf16>
  return %y : tensor<1x5x5x24xf16>
}

// -----

// An image of few channels: a row of the window is one run of 7*4 elements in a slice of 64, and padding along w is in the image.
// CHECK-LABEL: @few_channels
// CHECK: %[[X:.*]] = jinx.pad {{.*}} -> tensor<1x20x28x4xf16>
// CHECK: jinx.packed_conv %[[X]], %{{.*}} by_rows runs {{{.*}}pads = array<i64: 3, 0, 3, 0>{{.*}}} : tensor<1x20x28x4xf16>, tensor<64x448xf16> -> tensor<1x10x11x64xf16>
func.func @few_channels(%x: tensor<1x20x22x3xf16>, %w: tensor<64x3x7x7xf16>) -> tensor<1x10x11x64xf16> {
  %y = jinx.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
    : tensor<1x20x22x3xf16>, tensor<64x3x7x7xf16> -> tensor<1x10x11x64xf16>
  return %y : tensor<1x10x11x64xf16>
}

// -----

// Weights of groups likewise; a depth that is no multiple of 16 bytes stays as it is.
// CHECK-LABEL: @grouped
// CHECK-SAME: (%[[X:.*]]: tensor<10x9xbf16>, %[[W:.*]]: tensor<3x9x20xbf16>, %[[E:.*]]: tensor<3xi32>)
// CHECK: %[[T:.*]] = jinx.transpose %[[W]], [0, 2, 1] : tensor<3x9x20xbf16> -> tensor<3x20x9xbf16>
// CHECK: jinx.packed_grouped_matmul %[[X]], %[[T]] by_rows, %[[E]] : tensor<10x9xbf16>, tensor<3x20x9xbf16>, tensor<3xi32> -> tensor<10x20xbf16>
// HOST-LABEL: @grouped
// HOST: jinx.packed_grouped_matmul %{{.*}} : tensor<10x9xf32>, tensor<3x2x9x16xf32>, tensor<3xi32> -> tensor<10x20xf32>
func.func @grouped(%x: tensor<10x9xbf16>, %w: tensor<3x9x20xbf16>, %e: tensor<3xi32>) -> tensor<10x20xbf16> {
  %y = jinx.grouped_matmul %x, %w, %e : tensor<10x9xbf16>, tensor<3x9x20xbf16>, tensor<3xi32> -> tensor<10x20xbf16>
  return %y : tensor<10x20xbf16>
}

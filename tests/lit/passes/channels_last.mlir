// RUN: jinx-opt %s --split-input-file --jinx-channels-last | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-channels-last --jinx-simplify | FileCheck %s --check-prefix=MEET

// A convolution is wrapped in transposes; its weights stay as they are.
// CHECK-LABEL: @wrap
// CHECK-SAME: (%[[X:.*]]: tensor<1x3x8x8xf32>, %[[W:.*]]: tensor<4x3x3x3xf32>
// CHECK: %[[T:.*]] = jinx.transpose %[[X]], [0, 2, 3, 1] : tensor<1x3x8x8xf32> -> tensor<1x8x8x3xf32>
// CHECK: %[[C:.*]] = jinx.conv %[[T]], %[[W]] {channels_last
// CHECK: %[[Y:.*]] = jinx.transpose %[[C]], [0, 3, 1, 2] : tensor<1x6x6x4xf32> -> tensor<1x4x6x6xf32>
// CHECK: return %[[Y]]
func.func @wrap(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}

// -----

// One spatial dimension.
// CHECK-LABEL: @wrap_line
// CHECK: jinx.transpose %{{.*}}, [0, 2, 1] : tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">> -> tensor<1x?x3xf32, #jinx.dims<"1", "w", "3">>
// CHECK: jinx.conv
// CHECK: jinx.transpose %{{.*}}, [0, 2, 1] : tensor<1x?x4xf32, #jinx.dims<"1", "w - 2", "4">> -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "w - 2">>
func.func @wrap_line(%x: tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, %w: tensor<4x3x3xf32>) -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "w - 2">> {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, tensor<4x3x3xf32> -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "w - 2">>
  return %y : tensor<1x4x?xf32, #jinx.dims<"1", "4", "w - 2">>
}

// -----

// Tests that a convolution in f64, which no packed form exists for, stays.
// CHECK-LABEL: @double
// CHECK-NOT: jinx.transpose
func.func @double(%x: tensor<1x3x8xf64>, %w: tensor<4x3x3xf64>) -> tensor<1x4x6xf64> {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf64>, tensor<4x3x3xf64> -> tensor<1x4x6xf64>
  return %y : tensor<1x4x6xf64>
}

// -----

// Tests that a function without convolutions keeps its layout.
// CHECK-LABEL: @no_convolution
// CHECK: jinx.transpose
// CHECK-NEXT: jinx.relu
func.func @no_convolution(%x: tensor<1x8x8x3xf32>) -> tensor<1x3x8x8xf32> {
  %t = jinx.transpose %x, [0, 3, 1, 2] : tensor<1x8x8x3xf32> -> tensor<1x3x8x8xf32>
  %y = jinx.relu %t : tensor<1x3x8x8xf32> -> tensor<1x3x8x8xf32>
  return %y : tensor<1x3x8x8xf32>
}

// -----

// Bias and activation move into the layout; the transposes between two convolutions meet and cancel.
// MEET-LABEL: @meet
// MEET: jinx.transpose
// MEET: jinx.conv
// MEET-NOT: jinx.transpose
// MEET: jinx.add %{{.*}} : tensor<1x8x8x4xf32>, tensor<1x1x1x4xf32> -> tensor<1x8x8x4xf32>
// MEET-NOT: jinx.transpose
// MEET: jinx.relu
// MEET-NOT: jinx.transpose
// MEET: jinx.conv
// MEET: jinx.transpose
// MEET: return
func.func @meet(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %v: tensor<5x4x1x1xf32>, %b: tensor<4x1x1xf32>) -> tensor<1x5x8x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %s = jinx.add %c, %b : tensor<1x4x8x8xf32>, tensor<4x1x1xf32> -> tensor<1x4x8x8xf32>
  %r = jinx.relu %s : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.conv %r, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x4x8x8xf32>, tensor<5x4x1x1xf32> -> tensor<1x5x8x8xf32>
  return %y : tensor<1x5x8x8xf32>
}

// -----

// Tests that an addition of a tensor just as big, in the old layout, stays above: transposing that one would cost as much.
// CHECK-LABEL: @big_operand
// CHECK: jinx.conv
// CHECK: jinx.transpose
// CHECK-NEXT: jinx.add
func.func @big_operand(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %b: tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.add %c, %b : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  return %y : tensor<1x4x8x8xf32>
}

// -----

// Operators with axes have them renamed.
// CHECK-LABEL: @pool
// CHECK: jinx.conv
// CHECK: jinx.pool max, %{{.*}} {channels_last, {{.*}}} : tensor<1x8x8x4xf32> -> tensor<1x4x4x4xf32>
// CHECK: jinx.transpose %{{.*}}, [0, 3, 1, 2]
// CHECK: return
func.func @pool(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x4x4xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.pool max, %c {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// -----

// CHECK-LABEL: @reduce
// CHECK: jinx.conv
// CHECK: jinx.reduce sum, %{{.*}} axes [1, 2] : tensor<1x8x8x4xf32> -> tensor<1x1x1x4xf32>
func.func @reduce(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x1x1xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.reduce sum, %c axes [2, 3] : tensor<1x4x8x8xf32> -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}

// -----

// CHECK-LABEL: @concat
// CHECK: jinx.conv
// CHECK: jinx.concat %[[A:.*]], %[[A]] axis 3 : tensor<1x8x8x4xf32>, tensor<1x8x8x4xf32> -> tensor<1x8x8x8xf32>
func.func @concat(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x8x8x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.concat %c, %c axis 1 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32> -> tensor<1x8x8x8xf32>
  return %y : tensor<1x8x8x8xf32>
}

// -----

// Tests that a concatenation with an operand in the old layout stays above.
// CHECK-LABEL: @concat_mixed
// CHECK: jinx.conv
// CHECK: jinx.transpose
// CHECK-NEXT: jinx.concat {{.*}} axis 1
func.func @concat_mixed(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x7x8x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.concat %c, %x axis 1 : tensor<1x4x8x8xf32>, tensor<1x3x8x8xf32> -> tensor<1x7x8x8xf32>
  return %y : tensor<1x7x8x8xf32>
}

// -----

// CHECK-LABEL: @slice_pad_resize
// CHECK: jinx.conv
// CHECK: jinx.slice %{{.*}} starts ["0", "2", "0", "1"] steps [1, 2, 1, 1] : tensor<1x8x8x4xf32> -> tensor<1x3x8x2xf32>
// CHECK: jinx.pad %{{.*}} low ["0", "1", "0", "0"] mode edge : tensor<1x3x8x2xf32> -> tensor<1x4x8x2xf32>
// CHECK: jinx.resize %{{.*}} scales = array<f64: 1.000000e+00, 2.000000e+00, 1.000000e+00, 1.000000e+00>{{.*}} : tensor<1x4x8x2xf32> -> tensor<1x8x8x2xf32>
func.func @slice_pad_resize(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x2x8x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %s = jinx.slice %c starts ["0", "1", "2", "0"] steps [1, 1, 2, 1] : tensor<1x4x8x8xf32> -> tensor<1x2x3x8xf32>
  %p = jinx.pad %s low ["0", "0", "1", "0"] mode edge : tensor<1x2x3x8xf32> -> tensor<1x2x4x8xf32>
  %y = jinx.resize %p {mode = "nearest", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 1.0, 1.0, 2.0, 1.0>}
      : tensor<1x2x4x8xf32> -> tensor<1x2x8x8xf32>
  return %y : tensor<1x2x8x8xf32>
}

// -----

// Tests that a reshape which merges dimensions ends image space: the transpose stays above it.
// CHECK-LABEL: @flatten
// CHECK: jinx.conv
// CHECK: jinx.transpose
// CHECK-NEXT: jinx.reshape
func.func @flatten(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x256xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = jinx.reshape %c : tensor<1x4x8x8xf32> -> tensor<1x256xf32>
  return %y : tensor<1x256xf32>
}

// -----

// Tests that a reshape which drops a dimension of extent 1 lets the transpose pass; the reduction below is then over rows.
// CHECK-LABEL: @squeeze
// CHECK: jinx.conv
// CHECK: %[[S:.*]] = jinx.reshape %{{.*}} : tensor<1x1x8x4xf32> -> tensor<1x8x4xf32>
// CHECK: jinx.reduce max, %[[S]] axes [1] : tensor<1x8x4xf32> -> tensor<1x1x4xf32>
// CHECK-NEXT: jinx.transpose %{{.*}}, [0, 2, 1]
func.func @squeeze(%x: tensor<1x3x1x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x1xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x1x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x1x8xf32>
  %s = jinx.reshape %c : tensor<1x4x1x8xf32> -> tensor<1x4x8xf32>
  %y = jinx.reduce max, %s axes [2] : tensor<1x4x8xf32> -> tensor<1x4x1xf32>
  return %y : tensor<1x4x1xf32>
}

// -----

// Tests that one which inserts such a dimension lets it pass too.
// CHECK-LABEL: @unsqueeze
// CHECK: jinx.conv
// CHECK: %[[S:.*]] = jinx.reshape %{{.*}} : tensor<1x8x4xf32> -> tensor<1x1x8x4xf32>
// CHECK: %[[R:.*]] = jinx.relu %[[S]]
// CHECK-NEXT: jinx.transpose %[[R]], [0, 3, 1, 2] : tensor<1x1x8x4xf32> -> tensor<1x4x1x8xf32>
func.func @unsqueeze(%x: tensor<1x3x8xf32>, %w: tensor<4x3x1xf32>) -> tensor<1x4x1x8xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x1xf32> -> tensor<1x4x8xf32>
  %s = jinx.reshape %c : tensor<1x4x8xf32> -> tensor<1x4x1x8xf32>
  %y = jinx.relu %s : tensor<1x4x1x8xf32> -> tensor<1x4x1x8xf32>
  return %y : tensor<1x4x1x8xf32>
}

// -----

// Tests that one which joins neighbours lets it pass: rows and columns lie beside each other in either layout.
// CHECK-LABEL: @flatten_pixels
// CHECK: jinx.conv
// CHECK: %[[S:.*]] = jinx.reshape %{{.*}} : tensor<1x8x8x4xf32> -> tensor<1x64x4xf32>
// CHECK: %[[R:.*]] = jinx.relu %[[S]]
// CHECK-NEXT: jinx.transpose %[[R]], [0, 2, 1]
func.func @flatten_pixels(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x64xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x8x8xf32>
  %s = jinx.reshape %c : tensor<1x4x8x8xf32> -> tensor<1x4x64xf32>
  %y = jinx.relu %s : tensor<1x4x64xf32> -> tensor<1x4x64xf32>
  return %y : tensor<1x4x64xf32>
}

// -----

// A transposed convolution with a window as large as its stride gives each pixel a block. Its channels split, the model's transpose joins
// the one above, and the blocks are brought together with the channels still last.
// CHECK-LABEL: @pixel_shuffle
// CHECK: %[[C:.*]] = jinx.conv
// CHECK: %[[S:.*]] = jinx.reshape %[[C]] : tensor<1x5x6x8xf32> -> tensor<1x5x6x2x2x2xf32>
// CHECK: %[[T:.*]] = jinx.transpose %[[S]], [0, 1, 3, 2, 4, 5] : tensor<1x5x6x2x2x2xf32> -> tensor<1x5x2x6x2x2xf32>
// CHECK: %[[J:.*]] = jinx.reshape %[[T]] : tensor<1x5x2x6x2x2xf32> -> tensor<1x10x12x2xf32>
// CHECK: %[[R:.*]] = jinx.relu %[[J]]
// CHECK-NEXT: jinx.transpose %[[R]], [0, 3, 1, 2]
func.func @pixel_shuffle(%x: tensor<1x3x5x6xf32>, %w: tensor<8x3x1x1xf32>) -> tensor<1x2x10x12xf32> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x5x6xf32>, tensor<8x3x1x1xf32> -> tensor<1x8x5x6xf32>
  %s = jinx.reshape %c : tensor<1x8x5x6xf32> -> tensor<1x2x2x2x5x6xf32>
  %t = jinx.transpose %s, [0, 3, 4, 1, 5, 2] : tensor<1x2x2x2x5x6xf32> -> tensor<1x2x5x2x6x2xf32>
  %j = jinx.reshape %t : tensor<1x2x5x2x6x2xf32> -> tensor<1x2x10x12xf32>
  %y = jinx.relu %j : tensor<1x2x10x12xf32> -> tensor<1x2x10x12xf32>
  return %y : tensor<1x2x10x12xf32>
}

// -----

// A reshape between formulas that the model's checks make equal is a change of names: the transpose passes it.
// CHECK-LABEL: @equal_sizes
// CHECK: jinx.conv
// CHECK: %[[S:.*]] = jinx.reshape %{{.*}} : tensor<1x?x8x4xf32, {{.*}}> -> tensor<1x?x8x4xf32, #jinx.dims<"1", "m", "8", "4">>
// CHECK: %[[R:.*]] = jinx.relu %[[S]]
// CHECK-NEXT: jinx.transpose %[[R]], [0, 3, 1, 2]
module attributes {jinx.size_checks = [{lhs = "m", rhs = "2*n", node = "Add"}]} {
  func.func @equal_sizes(%x: tensor<1x3x?x8xf32, #jinx.dims<"1", "3", "2*n", "8">>, %w: tensor<4x3x1x1xf32>)
      -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">> {
    %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
        : tensor<1x3x?x8xf32, #jinx.dims<"1", "3", "2*n", "8">>, tensor<4x3x1x1xf32> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "2*n", "8">>
    %s = jinx.reshape %c : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "2*n", "8">> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
    %y = jinx.relu %s : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
    return %y : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
  }
}

// -----

// Tests that without the check it may be any reshape: the transpose stays above it.
// CHECK-LABEL: @unknown_sizes
// CHECK: jinx.conv
// CHECK: jinx.transpose
// CHECK-NEXT: jinx.reshape
func.func @unknown_sizes(%x: tensor<1x3x?x8xf32, #jinx.dims<"1", "3", "2*n", "8">>, %w: tensor<4x3x1x1xf32>)
    -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">> {
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x?x8xf32, #jinx.dims<"1", "3", "2*n", "8">>, tensor<4x3x1x1xf32> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "2*n", "8">>
  %s = jinx.reshape %c : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "2*n", "8">> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
  %y = jinx.relu %s : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">> -> tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
  return %y : tensor<1x4x?x8xf32, #jinx.dims<"1", "4", "m", "8">>
}

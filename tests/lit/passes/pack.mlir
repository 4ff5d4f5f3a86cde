// RUN: jinx-opt %s --split-input-file --jinx-pack | FileCheck %s

// CHECK-LABEL: @matmul
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<8x20xf32>
// CHECK: %[[P:.*]] = jinx.pack %[[B]] : tensor<8x20xf32> -> tensor<2x8x16xf32>
// CHECK: jinx.packed_matmul %[[A]], %[[P]] : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
func.func @matmul(%a: tensor<4x8xf32>, %b: tensor<8x20xf32>) -> tensor<4x20xf32> {
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<8x20xf32> -> tensor<4x20xf32>
  return %y : tensor<4x20xf32>
}

// -----

// A transposed operand is transposed while it is packed.
// CHECK-LABEL: @matmul_transposed
// CHECK: jinx.pack %{{.*}} transpose : tensor<20x8xf32> -> tensor<2x8x16xf32>
func.func @matmul_transposed(%a: tensor<4x8xf32>, %b: tensor<20x8xf32>) -> tensor<4x20xf32> {
  %y = jinx.matmul %a, %b transpose_b : tensor<4x8xf32>, tensor<20x8xf32> -> tensor<4x20xf32>
  return %y : tensor<4x20xf32>
}

// -----

// The number of panels of a dynamic operand is a formula.
// CHECK-LABEL: @matmul_symbolic
// CHECK: jinx.pack %{{.*}} : tensor<2x8x?xf32, #jinx.dims<"2", "8", "s">> -> tensor<2x?x8x16xf32, #jinx.dims<"2", "(s - 1) floordiv 16 + 1", "8", "16">>
func.func @matmul_symbolic(%a: tensor<2x4x8xf32>, %b: tensor<2x8x?xf32, #jinx.dims<"2", "8", "s">>) -> tensor<2x4x?xf32, #jinx.dims<"2", "4", "s">> {
  %y = jinx.matmul %a, %b : tensor<2x4x8xf32>, tensor<2x8x?xf32, #jinx.dims<"2", "8", "s">> -> tensor<2x4x?xf32, #jinx.dims<"2", "4", "s">>
  return %y : tensor<2x4x?xf32, #jinx.dims<"2", "4", "s">>
}

// -----

// Tests that a product of bytes stays: its reference runs on the host.
// CHECK-LABEL: @bytes
// CHECK: jinx.matmul
// CHECK-NOT: jinx.pack
func.func @bytes(%a: tensor<4x8xi8>, %b: tensor<8x16xi8>) -> tensor<4x16xi32> {
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x16xi8> -> tensor<4x16xi32>
  return %y : tensor<4x16xi32>
}

// -----

// A 1x1 convolution without stride or padding is a product over all pixels.
// CHECK-LABEL: @pointwise
// CHECK-SAME: (%[[X:.*]]: tensor<1x8x8x3xf32>, %[[W:.*]]: tensor<20x3x1x1xf32>
// CHECK: %[[R:.*]] = jinx.reshape %[[W]] : tensor<20x3x1x1xf32> -> tensor<20x3xf32>
// CHECK: %[[P:.*]] = jinx.pack %[[R]] transpose : tensor<20x3xf32> -> tensor<2x3x16xf32>
// CHECK: jinx.packed_matmul %[[X]], %[[P]] : tensor<1x8x8x3xf32>, tensor<2x3x16xf32> -> tensor<1x8x8x20xf32>
func.func @pointwise(%x: tensor<1x8x8x3xf32>, %w: tensor<20x3x1x1xf32>) -> tensor<1x8x8x20xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x8x8x3xf32>, tensor<20x3x1x1xf32> -> tensor<1x8x8x20xf32>
  return %y : tensor<1x8x8x20xf32>
}

// -----

// Tests that a 1x1 convolution with a stride is no product over all pixels.
// CHECK-LABEL: @pointwise_strided
// CHECK-NOT: jinx.packed_matmul
// CHECK: jinx.packed_conv
func.func @pointwise_strided(%x: tensor<1x8x8x3xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x4x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x8x8x3xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// -----

// Rows of a panel are ordered kh, kw, channel.
// CHECK-LABEL: @conv
// CHECK-SAME: (%[[X:.*]]: tensor<1x8x8x3xf32>, %[[W:.*]]: tensor<4x3x3x3xf32>
// CHECK: %[[G:.*]] = jinx.reshape %[[W]] : tensor<4x3x3x3xf32> -> tensor<1x4x3x3x3xf32>
// CHECK: %[[T:.*]] = jinx.transpose %[[G]], [0, 1, 3, 4, 2]
// CHECK: %[[F:.*]] = jinx.reshape %[[T]] : tensor<1x4x3x3x3xf32> -> tensor<1x4x27xf32>
// CHECK: %[[P:.*]] = jinx.pack %[[F]] transpose : tensor<1x4x27xf32> -> tensor<1x1x27x16xf32>
// CHECK: jinx.packed_conv %[[X]], %[[P]] {{{.*}}group = 1 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>
func.func @conv(%x: tensor<1x8x8x3xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x8x8x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x8x8x3xf32>, tensor<4x3x3x3xf32> -> tensor<1x8x8x4xf32>
  return %y : tensor<1x8x8x4xf32>
}

// -----

// Groups have panels of their own.
// CHECK-LABEL: @grouped
// CHECK: jinx.pack %{{.*}} transpose : tensor<2x10x27xf32> -> tensor<2x1x27x16xf32>
// CHECK: jinx.packed_conv {{.*}}group = 2 : i64
func.func @grouped(%x: tensor<1x8x8x6xf32>, %w: tensor<20x3x3x3xf32>) -> tensor<1x6x6x20xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64, channels_last}
      : tensor<1x8x8x6xf32>, tensor<20x3x3x3xf32> -> tensor<1x6x6x20xf32>
  return %y : tensor<1x6x6x20xf32>
}

// -----

// A line is an image of height 1.
// CHECK-LABEL: @line
// CHECK: %[[X:.*]] = jinx.reshape %{{.*}} : tensor<2x9x3xf32> -> tensor<2x1x9x3xf32>
// CHECK: %[[Y:.*]] = jinx.packed_conv %[[X]], %{{.*}} {dilations = array<i64: 1, 2>, group = 1 : i64, kernel = array<i64: 1, 3>, pads = array<i64: 0, 1, 0, 2>, strides = array<i64: 1, 2>} : tensor<2x1x9x3xf32>, tensor<1x1x9x16xf32> -> tensor<2x1x4x4xf32>
// CHECK: jinx.reshape %[[Y]] : tensor<2x1x4x4xf32> -> tensor<2x4x4xf32>
func.func @line(%x: tensor<2x9x3xf32>, %w: tensor<4x3x3xf32>) -> tensor<2x4x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 2>, dilations = array<i64: 2>, group = 1 : i64, channels_last}
      : tensor<2x9x3xf32>, tensor<4x3x3xf32> -> tensor<2x4x4xf32>
  return %y : tensor<2x4x4xf32>
}

// -----

// One filter a channel.
// CHECK-LABEL: @depthwise
// CHECK: %[[T:.*]] = jinx.transpose %{{.*}}, [2, 3, 0, 1] : tensor<4x1x3x3xf32> -> tensor<3x3x4x1xf32>
// CHECK: %[[R:.*]] = jinx.reshape %[[T]] : tensor<3x3x4x1xf32> -> tensor<3x3x4xf32>
// CHECK: jinx.depthwise_conv %{{.*}}, %[[R]] {{.*}} : tensor<1x8x8x4xf32>, tensor<3x3x4xf32> -> tensor<1x6x6x4xf32>
func.func @depthwise(%x: tensor<1x8x8x4xf32>, %w: tensor<4x1x3x3xf32>) -> tensor<1x6x6x4xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 4 : i64, channels_last}
      : tensor<1x8x8x4xf32>, tensor<4x1x3x3xf32> -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

// -----

// Tests that two filters a channel are an ordinary grouped convolution.
// CHECK-LABEL: @channel_multiplier
// CHECK-NOT: jinx.depthwise_conv
// CHECK: jinx.packed_conv
func.func @channel_multiplier(%x: tensor<1x8x8x4xf32>, %w: tensor<8x1x3x3xf32>) -> tensor<1x6x6x8xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 4 : i64, channels_last}
      : tensor<1x8x8x4xf32>, tensor<8x1x3x3xf32> -> tensor<1x6x6x8xf32>
  return %y : tensor<1x6x6x8xf32>
}

// -----

// Tests that a convolution with its channels second stays: the layout pass comes first.
// CHECK-LABEL: @channels_second
// CHECK: jinx.conv
// CHECK-NOT: jinx.pack
func.func @channels_second(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32> {
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}

// -----

// Tests that weights of unknown extent stay.
// CHECK-LABEL: @dynamic_weights
// CHECK: jinx.conv
// CHECK-NOT: jinx.pack
func.func @dynamic_weights(%x: tensor<1x8x3xf32>, %w: tensor<?x3x3xf32, #jinx.dims<"o", "3", "3">>) -> tensor<1x6x?xf32, #jinx.dims<"1", "6", "o">> {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, channels_last}
      : tensor<1x8x3xf32>, tensor<?x3x3xf32, #jinx.dims<"o", "3", "3">> -> tensor<1x6x?xf32, #jinx.dims<"1", "6", "o">>
  return %y : tensor<1x6x?xf32, #jinx.dims<"1", "6", "o">>
}

// -----

// Recurrence weights are packed gate by gate.
// CHECK-LABEL: @lstm
// CHECK: %[[G:.*]] = jinx.reshape %{{.*}} : tensor<80x20xf32> -> tensor<4x20x20xf32>
// CHECK: %[[P:.*]] = jinx.pack %[[G]] transpose : tensor<4x20x20xf32> -> tensor<4x2x20x16xf32>
// CHECK: jinx.lstm %{{.*}}, %[[P]],
func.func @lstm(%xw: tensor<5x2x80xf32>, %r: tensor<80x20xf32>, %h: tensor<2x20xf32>, %c: tensor<2x20xf32>) -> tensor<5x2x20xf32> {
  %ys, %hn, %cn = jinx.lstm %xw, %r, %h, %c
      : (tensor<5x2x80xf32>, tensor<80x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>) -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>)
  return %ys : tensor<5x2x20xf32>
}

// -----

// CHECK-LABEL: @gru
// CHECK: jinx.pack %{{.*}} transpose : tensor<3x20x20xf32> -> tensor<3x2x20x16xf32>
// CHECK: jinx.gru
func.func @gru(%xw: tensor<5x2x60xf32>, %r: tensor<60x20xf32>, %rb: tensor<60xf32>, %h: tensor<2x20xf32>) -> tensor<5x2x20xf32> {
  %ys, %hn = jinx.gru %xw, %r, %rb, %h
      : (tensor<5x2x60xf32>, tensor<60x20xf32>, tensor<60xf32>, tensor<2x20xf32>) -> (tensor<5x2x20xf32>, tensor<2x20xf32>)
  return %ys : tensor<5x2x20xf32>
}

// -----

// Weights of every group in panels; sums of halves are f32 here.
// CHECK-LABEL: @grouped
// CHECK-SAME: (%[[X:.*]]: tensor<10x8xf16>, %[[W:.*]]: tensor<3x20x8xf16>, %[[E:.*]]: tensor<3xi32>)
// CHECK: %[[XF:.*]] = jinx.cast %[[X]] : tensor<10x8xf16> -> tensor<10x8xf32>
// CHECK: %[[WF:.*]] = jinx.cast %[[W]]
// CHECK: %[[P:.*]] = jinx.pack %[[WF]] transpose : tensor<3x20x8xf32> -> tensor<3x2x8x16xf32>
// CHECK: %[[Y:.*]] = jinx.packed_grouped_matmul %[[XF]], %[[P]], %[[E]] : tensor<10x8xf32>, tensor<3x2x8x16xf32>, tensor<3xi32> -> tensor<10x20xf32>
// CHECK: jinx.cast %[[Y]] : tensor<10x20xf32> -> tensor<10x20xf16>
func.func @grouped(%x: tensor<10x8xf16>, %w: tensor<3x20x8xf16>, %e: tensor<3xi32>) -> tensor<10x20xf16> {
  %y = jinx.grouped_matmul %x, %w transpose_w, %e : tensor<10x8xf16>, tensor<3x20x8xf16>, tensor<3xi32> -> tensor<10x20xf16>
  return %y : tensor<10x20xf16>
}

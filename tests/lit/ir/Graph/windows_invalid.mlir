// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @pool_rank(%x: tensor<3x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op x has rank 2 and y has rank 2, expected one rank of at least 3}}
  %y = jinx.pool max, %x {kernel = array<i64>, strides = array<i64>, pads = array<i64>, dilations = array<i64>} : tensor<3x8xf32> -> tensor<3x8xf32>
  return
}

// -----

func.func @pool_zero_kernel(%x: tensor<1x3x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op a kernel entry is 0, expected a positive number}}
  %y = jinx.pool max, %x {kernel = array<i64: 0>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x3x8xf32> -> tensor<1x3x8xf32>
  return
}

// -----

func.func @pool_zero_stride(%x: tensor<1x3x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op a stride or dilation is 0, expected a positive number}}
  %y = jinx.pool max, %x {kernel = array<i64: 1>, strides = array<i64: 0>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x3x8xf32> -> tensor<1x3x8xf32>
  return
}

// -----

func.func @pool_channels(%x: tensor<1x3x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op y is 1x4x8 and x is 1x3x8, expected the same batch and channels}}
  %y = jinx.pool max, %x {kernel = array<i64: 1>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x3x8xf32> -> tensor<1x4x8xf32>
  return
}

// -----

func.func @depthwise_ranks(%x: tensor<1x8x8x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @+1 {{'jinx.depthwise_conv' op x, w and y have ranks 4, 2 and 4, expected r, r - 1 and r for one r of at least 3}}
  %y = jinx.depthwise_conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x8x4xf32>, tensor<3x4xf32> -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @depthwise_channels(%x: tensor<1x8x8x4xf32>, %w: tensor<3x3x5xf32>) {
  // expected-error @+1 {{'jinx.depthwise_conv' op x is 1x8x8x4, w 3x3x5 and y 1x8x8x4, expected the same batch and channels}}
  %y = jinx.depthwise_conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x8x4xf32>, tensor<3x3x5xf32> -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @depthwise_kernel(%x: tensor<1x8x8x4xf32>, %w: tensor<?x3x4xf32, #jinx.dims<"k", "3", "4">>) {
  // expected-error @+1 {{'jinx.depthwise_conv' op a kernel extent is k, expected a number}}
  %y = jinx.depthwise_conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x8x4xf32>, tensor<?x3x4xf32, #jinx.dims<"k", "3", "4">> -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @depthwise_entries(%x: tensor<1x8x8x4xf32>, %w: tensor<3x3x4xf32>) {
  // expected-error @+1 {{'jinx.depthwise_conv' op strides, dilations and pads have 1, 2 and 4 entries, expected 2, 2 and 4}}
  %y = jinx.depthwise_conv %x, %w {strides = array<i64: 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x8x4xf32>, tensor<3x3x4xf32> -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @resize_scales(%x: tensor<1x3x8xf32>) {
  // expected-error @+1 {{'jinx.resize' op x and y have ranks 3 and 3 and there are 1 scales, expected one number for all three}}
  %y = jinx.resize %x {mode = "nearest", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 2.0>} : tensor<1x3x8xf32> -> tensor<1x3x16xf32>
  return
}

// -----

func.func @resize_negative(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.resize' op a scale is -2.000000e+00, expected a positive number, or 0 for the sizes' quotient}}
  %y = jinx.resize %x {mode = "nearest", coordinates = "asymmetric", rounding = "floor", scales = array<f64: -2.0>} : tensor<8xf32> -> tensor<16xf32>
  return
}

// -----

func.func @resize_mode(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.resize' op mode is 'cubic', expected nearest or linear}}
  %y = jinx.resize %x {mode = "cubic", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 2.0>} : tensor<8xf32> -> tensor<16xf32>
  return
}

// -----

func.func @resize_coordinates(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.resize' op coordinates are 'polar', expected half_pixel, pytorch_half_pixel, asymmetric or align_corners}}
  %y = jinx.resize %x {mode = "linear", coordinates = "polar", rounding = "floor", scales = array<f64: 2.0>} : tensor<8xf32> -> tensor<16xf32>
  return
}

// -----

func.func @gru_ranks(%xw: tensor<3x15xf32>, %r: tensor<15x5xf32>, %rb: tensor<15xf32>, %h: tensor<3x5xf32>) {
  // expected-error @+1 {{'jinx.gru' op xw and h0 have ranks 2 and 2, expected 3 and 2}}
  %ys, %hn = jinx.gru %xw, %r, %rb, %h : (tensor<3x15xf32>, tensor<15x5xf32>, tensor<15xf32>, tensor<3x5xf32>) -> (tensor<1x3x5xf32>, tensor<3x5xf32>)
  return
}

// -----

func.func @gru_hidden(%xw: tensor<1x3x15xf32>, %r: tensor<15x5xf32>, %rb: tensor<15xf32>, %h: tensor<3x?xf32, #jinx.dims<"3", "h">>) {
  // expected-error @+1 {{'jinx.gru' op has hidden size h, expected a number}}
  %ys, %hn = jinx.gru %xw, %r, %rb, %h : (tensor<1x3x15xf32>, tensor<15x5xf32>, tensor<15xf32>, tensor<3x?xf32, #jinx.dims<"3", "h">>) -> (tensor<1x3x5xf32>, tensor<3x5xf32>)
  return
}

// -----

func.func @gru_weights(%xw: tensor<1x3x15xf32>, %r: tensor<15x6xf32>, %rb: tensor<15xf32>, %h: tensor<3x5xf32>) {
  // expected-error @+1 {{'jinx.gru' op r is 15x6, expected 15x5}}
  %ys, %hn = jinx.gru %xw, %r, %rb, %h : (tensor<1x3x15xf32>, tensor<15x6xf32>, tensor<15xf32>, tensor<3x5xf32>) -> (tensor<1x3x5xf32>, tensor<3x5xf32>)
  return
}

// -----

func.func @lstm_cell(%xw: tensor<1x3x20xf32>, %r: tensor<20x5xf32>, %h: tensor<3x5xf32>, %c: tensor<3x6xf32>) {
  // expected-error @+1 {{'jinx.lstm' op c0 is 3x6, expected 3x5}}
  %ys, %hn, %cn = "jinx.lstm"(%xw, %r, %h, %c) : (tensor<1x3x20xf32>, tensor<20x5xf32>, tensor<3x5xf32>, tensor<3x6xf32>) -> (tensor<1x3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>)
  return
}

// -----

func.func @slice_outside(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.slice' op reads element 9 of dimension 0 of x, expected 0..7}}
  %y = jinx.slice %x starts ["5"] steps [2] : tensor<8xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_before(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.slice' op reads element -1 of dimension 0 of x, expected 0..7}}
  %y = jinx.slice %x starts ["1"] steps [-1] : tensor<8xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_formula(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.slice' op formula "1x"}}
  %y = jinx.slice %x starts ["1x"] steps [1] : tensor<8xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_rank(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.slice' op result has rank 2, expected 1 (rank of x)}}
  %y = jinx.slice %x starts ["0"] steps [1] : tensor<8xf32> -> tensor<8x1xf32>
  return
}

// -----

func.func @pad_value(%x: tensor<8xf32>, %v: tensor<2xf32>) {
  // expected-error @+1 {{'jinx.pad' op value is 'tensor<2xf32>', expected one element}}
  %y = jinx.pad %x value %v low ["1"] mode constant : tensor<8xf32>, tensor<2xf32> -> tensor<10xf32>
  return
}

// -----

func.func @iota_axis() {
  // expected-error @+1 {{'jinx.iota' op axis is 1, expected 0..0}}
  %y = jinx.iota axis 1 : tensor<4xi64>
  return
}

// -----

func.func @iota_strings() {
  // expected-error @+1 {{'jinx.iota' op result is 'tensor<4x!jinx.string>', expected numbers}}
  %y = jinx.iota axis 0 : tensor<4x!jinx.string>
  return
}

// -----

// expected-error @+1 {{has 1 formulas, expected 2 (the tensor's rank)}}
func.func @formulas(%x: tensor<?x2xf32, #jinx.dims<"n">>)

// -----

// expected-error @+1 {{formula "n floordiv": }}
func.func @no_formula(%x: tensor<?xf32, #jinx.dims<"n floordiv">>)

// -----

// expected-error @+1 {{formula "3" stands at a static dimension, expected "2"}}
func.func @other_extent(%x: tensor<?x2xf32, #jinx.dims<"n", "3">>)

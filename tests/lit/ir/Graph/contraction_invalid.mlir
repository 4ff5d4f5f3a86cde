// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @matmul_rank(%a: tensor<8xf32>, %b: tensor<8x4xf32>) {
  // expected-error @+2 {{operands have ranks 1 and 2, expected at least 2}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<8xf32>, tensor<8x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @matmul_depth(%a: tensor<4x8xf32>, %b: tensor<16x8xf32>) {
  // expected-error @+2 {{contraction is over 8 elements of a and 16 of b}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul_batch(%a: tensor<2x4x8xf32>, %b: tensor<3x8x4xf32>) {
  // expected-error @+2 {{batch shapes 2 and 3 do not broadcast together}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<2x4x8xf32>, tensor<3x8x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

func.func @matmul_result(%a: tensor<4x8xi8>, %b: tensor<8x4xi8>) {
  // expected-error @+2 {{'jinx.matmul' op inferred type(s) 'tensor<4x4xi32>' are incompatible with return type(s) of operation 'tensor<4x4xi8>'}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x4xi8> -> tensor<4x4xi8>
  return
}

// -----

// conv C1
func.func @conv_rank(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has rank 4 and w has rank 3, expected one rank of at least 3}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

// conv C2
func.func @conv_channels(%x: tensor<1x4x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has 4 channels, expected 3 (w.dim(1) * group)}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x4x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

// conv C2, with the channels last
func.func @conv_channels_last(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has 8 channels, expected 3 (w.dim(1) * group)}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, channels_last}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

// conv C3
func.func @conv_group(%x: tensor<1x6x8xf32>, %w: tensor<5x3x3xf32>) {
  // expected-error @+2 {{w has 5 output channels, expected a multiple of group = 2}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 2 : i64}
      : tensor<1x6x8xf32>, tensor<5x3x3xf32> -> tensor<1x5x6xf32>
  return
}

// -----

func.func @conv_geometry(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{strides, dilations and pads need 1, 1 and 2 entries}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

func.func @conv_stride(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{stride 0 and dilation 1 must be positive}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 0>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

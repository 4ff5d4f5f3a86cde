// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @order(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes must be sorted, distinct and below the rank 2; got 0}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce sum, %x axes [1, 0] : tensor<2x3xf32> -> tensor<1x1xf32>
  return
}

// -----

func.func @repeated(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes must be sorted, distinct and below the rank 2; got 1}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce sum, %x axes [1, 1] : tensor<2x3xf32> -> tensor<2x1xf32>
  return
}

// -----

func.func @range(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes must be sorted, distinct and below the rank 2; got 2}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce max, %x axes [2] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @negative(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes must be sorted, distinct and below the rank 2; got -1}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce max, %x axes [-1] : tensor<2x3xf32> -> tensor<2x1xf32>
  return
}

// -----

func.func @dropped_dimension(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{'jinx.reduce' op inferred type(s) 'tensor<2x1xf32>' are incompatible with return type(s) of operation 'tensor<2xf32>'}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce max, %x axes [1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @pool_kernel(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op needs 2 kernel, stride and dilation entries and 4 pads}}
  %y = jinx.pool max, %x {kernel = array<i64: 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_pads(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op needs 2 kernel, stride and dilation entries and 4 pads}}
  %y = jinx.pool max, %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  return
}

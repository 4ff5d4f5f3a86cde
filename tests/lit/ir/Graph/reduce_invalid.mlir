// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @order(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes are [1, 0], expected sorted, distinct numbers in 0..1}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce sum, %x axes [1, 0] : tensor<2x3xf32> -> tensor<1x1xf32>
  return
}

// -----

func.func @repeated(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes are [1, 1], expected sorted, distinct numbers in 0..1}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce sum, %x axes [1, 1] : tensor<2x3xf32> -> tensor<2x1xf32>
  return
}

// -----

func.func @range(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes are [2], expected sorted, distinct numbers in 0..1}}
  // expected-error @+1 {{'jinx.reduce' op failed to infer returned types}}
  %y = jinx.reduce max, %x axes [2] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @negative(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes are [-1], expected sorted, distinct numbers in 0..1}}
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
  // expected-error @+1 {{'jinx.pool' op kernel has 1 entries, expected 2}}
  %y = jinx.pool max, %x {kernel = array<i64: 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_pads(%x: tensor<1x3x8x8xf32>) {
  // expected-error @+1 {{'jinx.pool' op strides, dilations and pads have 2, 2 and 2 entries, expected 2, 2 and 4}}
  %y = jinx.pool max, %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32> -> tensor<1x3x4x4xf32>
  return
}

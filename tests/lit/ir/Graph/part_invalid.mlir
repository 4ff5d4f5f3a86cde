// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @rank() -> tensor<16xf32> {
  // expected-error @+1 {{part is 'tensor<16xf32>' of 'tensor<4x4xf32>', expected static shapes of one rank, at least 1, and one element type}}
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<4x4xf32>, [0]> : tensor<16xf32>
  return %a : tensor<16xf32>
}

// -----

func.func @element() -> tensor<2x4xf16> {
  // expected-error @+1 {{part is 'tensor<2x4xf16>' of 'tensor<4x4xf32>', expected static shapes of one rank, at least 1, and one element type}}
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<4x4xf32>, [0, 0]> : tensor<2x4xf16>
  return %a : tensor<2x4xf16>
}

// -----

func.func @bits() -> tensor<2x4xi4> {
  // expected-error @+1 {{part has elements of 'i4', expected ones of whole bytes}}
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<4x4xi4>, [0, 0]> : tensor<2x4xi4>
  return %a : tensor<2x4xi4>
}

// -----

func.func @starts() -> tensor<2x4xf32> {
  // expected-error @+1 {{part has 1 starts, expected 2 (a dimension each)}}
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<4x4xf32>, [0]> : tensor<2x4xf32>
  return %a : tensor<2x4xf32>
}

// -----

func.func @negative() -> tensor<2x4xf32> {
  // expected-error @+1 {{part starts at -1, expected 0 or more}}
  %a = jinx.constant #jinx.part<dense_resource<w> : tensor<4x4xf32>, [0, -1]> : tensor<2x4xf32>
  return %a : tensor<2x4xf32>
}

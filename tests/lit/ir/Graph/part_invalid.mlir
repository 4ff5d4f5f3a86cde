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

// -----

func.func @whole() -> tensor<2x4xf32> {
  // expected-error @+1 {{part is of dense<1.000000e+00> : tensor<4x4xf32>, expected a dense_resource or a stack}}
  %a = jinx.constant #jinx.part<dense<1.0> : tensor<4x4xf32>, [0, 0]> : tensor<2x4xf32>
  return %a : tensor<2x4xf32>
}

// -----

func.func @entries_of_bits() -> tensor<1x4xi4> {
  // expected-error @+1 {{stack has entries of 'tensor<4xi4>', expected a static shape of elements of whole bytes}}
  %a = jinx.constant #jinx.stack<[dense_resource<w> : tensor<4xi4>]> : tensor<1x4xi4>
  return %a : tensor<1x4xi4>
}

// -----

func.func @other_entry() -> tensor<2x4xf32> {
  // expected-error @+1 {{stack has entries of 'tensor<4xf32>' and 'tensor<5xf32>', expected one type}}
  %a = jinx.constant #jinx.stack<[dense_resource<w> : tensor<4xf32>, dense_resource<v> : tensor<5xf32>]> : tensor<2x4xf32>
  return %a : tensor<2x4xf32>
}

// -----

func.func @other_type() -> tensor<4x2xf32> {
  // expected-error @+1 {{stack is 'tensor<4x2xf32>', expected 'tensor<2x4xf32>'}}
  %a = jinx.constant #jinx.stack<[dense_resource<w> : tensor<4xf32>, dense_resource<v> : tensor<4xf32>]> : tensor<4x2xf32>
  return %a : tensor<4x2xf32>
}

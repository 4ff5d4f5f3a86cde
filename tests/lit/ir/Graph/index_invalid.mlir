// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @cumsum_axis(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis is 2, expected 0..1 (rank of x)}}
  // expected-error @+1 {{'jinx.cumsum' op failed to infer returned types}}
  %y = jinx.cumsum %x axis 2 : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @cumsum_bool(%x: tensor<2xi1>) {
  // expected-error @+2 {{elements are 'i1', expected floats or integers}}
  // expected-error @+1 {{'jinx.cumsum' op failed to infer returned types}}
  %y = jinx.cumsum %x axis 0 : tensor<2xi1> -> tensor<2xi1>
  return
}

// -----

func.func @gather_elements_axis(%x: tensor<2x3xf32>, %i: tensor<2x3xi64>) {
  // expected-error @+2 {{axis is -1, expected 0..1 (rank of x)}}
  // expected-error @+1 {{'jinx.gather_elements' op failed to infer returned types}}
  %y = jinx.gather_elements %x, %i axis -1 : tensor<2x3xf32>, tensor<2x3xi64> -> tensor<2x3xf32>
  return
}

// -----

func.func @gather_elements_indices(%x: tensor<2x3xf32>, %i: tensor<2x3xf32>) {
  // expected-error @+2 {{indices have element type 'f32', expected integers}}
  // expected-error @+1 {{'jinx.gather_elements' op failed to infer returned types}}
  %y = jinx.gather_elements %x, %i axis 0 : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @gather_elements_rank(%x: tensor<2x3xf32>, %i: tensor<2xi64>) {
  // expected-error @+2 {{indices have rank 1, expected 2 (rank of x)}}
  // expected-error @+1 {{'jinx.gather_elements' op failed to infer returned types}}
  %y = jinx.gather_elements %x, %i axis 0 : tensor<2x3xf32>, tensor<2xi64> -> tensor<2xf32>
  return
}

// -----

func.func @gather_elements_extent(%x: tensor<2x3xf32>, %i: tensor<9x4xi64>) {
  // expected-error @+2 {{dimension 1 of indices is 4, expected at most 3 (that of x)}}
  // expected-error @+1 {{'jinx.gather_elements' op failed to infer returned types}}
  %y = jinx.gather_elements %x, %i axis 0 : tensor<2x3xf32>, tensor<9x4xi64> -> tensor<9x4xf32>
  return
}

// -----

func.func @gather_nd_depth(%x: tensor<2x3xf32>, %i: tensor<2x?xi64, #jinx.dims<"2", "q">>) {
  // expected-error @+2 {{indices are 2xq, expected a last extent that is a number}}
  // expected-error @+1 {{'jinx.gather_nd' op failed to infer returned types}}
  %y = jinx.gather_nd %x, %i : tensor<2x3xf32>, tensor<2x?xi64, #jinx.dims<"2", "q">> -> tensor<2xf32>
  return
}

// -----

func.func @gather_nd_deep(%x: tensor<2x3xf32>, %i: tensor<5x3xi64>) {
  // expected-error @+2 {{indices are 5x3 with 0 batch dimensions, expected fewer of these than dimensions, and at most 2 dimensions of x in all}}
  // expected-error @+1 {{'jinx.gather_nd' op failed to infer returned types}}
  %y = jinx.gather_nd %x, %i : tensor<2x3xf32>, tensor<5x3xi64> -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_batch(%x: tensor<2x3xf32>, %i: tensor<5x1xi64>) {
  // expected-error @+2 {{batch dimension 0 of indices is 5, expected 2 (that of x)}}
  // expected-error @+1 {{'jinx.gather_nd' op failed to infer returned types}}
  %y = jinx.gather_nd %x, %i {batch = 1 : i64} : tensor<2x3xf32>, tensor<5x1xi64> -> tensor<5xf32>
  return
}

// -----

func.func @scatter_elements_type(%x: tensor<2x3xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf16>) {
  // expected-error @+2 {{updates have element type 'f16', expected 'f32' (that of x)}}
  // expected-error @+1 {{'jinx.scatter_elements' op failed to infer returned types}}
  %y = jinx.scatter_elements set, %x, %i, %u axis 0 : tensor<2x3xf32>, tensor<2x3xi64>, tensor<2x3xf16> -> tensor<2x3xf32>
  return
}

// -----

func.func @scatter_elements_bool(%x: tensor<2xi1>, %i: tensor<2xi64>) {
  // expected-error @+2 {{elements are 'i1', expected numbers for add}}
  // expected-error @+1 {{'jinx.scatter_elements' op failed to infer returned types}}
  %y = jinx.scatter_elements add, %x, %i, %x axis 0 : tensor<2xi1>, tensor<2xi64>, tensor<2xi1> -> tensor<2xi1>
  return
}

// -----

func.func @scatter_elements_updates(%x: tensor<2x3xf32>, %i: tensor<1x3xi64>) {
  // expected-error @+2 {{updates are 2x3, expected 1x3}}
  // expected-error @+1 {{'jinx.scatter_elements' op failed to infer returned types}}
  %y = jinx.scatter_elements set, %x, %i, %x axis 0 : tensor<2x3xf32>, tensor<1x3xi64>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @scatter_nd_updates(%x: tensor<2x3xf32>, %i: tensor<5x1xi64>) {
  // expected-error @+2 {{updates are 2x3, expected 5x3}}
  // expected-error @+1 {{'jinx.scatter_nd' op failed to infer returned types}}
  %y = jinx.scatter_nd set, %x, %i, %x : tensor<2x3xf32>, tensor<5x1xi64>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @top_k_axis(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{axis is 2, expected 0..1 (rank of x)}}
  %v:2 = jinx.top_k %x axis 2 : tensor<2x3xf32> -> tensor<2x3xf32>, tensor<2x3xi64>
  return
}

// -----

func.func @top_k_shape(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.top_k' op values is 1x2, expected 2x2}}
  %v:2 = jinx.top_k %x axis 1 : tensor<2x3xf32> -> tensor<1x2xf32>, tensor<2x2xi64>
  return
}

// -----

func.func @top_k_indices(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.top_k' op indices is 2x3, expected 2x2}}
  %v:2 = jinx.top_k %x axis 1 : tensor<2x3xf32> -> tensor<2x2xf32>, tensor<2x3xi64>
  return
}

// -----

func.func @top_k_count(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.top_k' op gives 4 elements along axis 1, expected at most 3}}
  %v:2 = jinx.top_k %x axis 1 : tensor<2x3xf32> -> tensor<2x4xf32>, tensor<2x4xi64>
  return
}

// -----

func.func @top_k_types(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.top_k' op gives 'f32' and 'i32', expected 'f32' and i64}}
  %v:2 = jinx.top_k %x axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>, tensor<2x3xi32>
  return
}

// -----

func.func @top_k_strings(%x: tensor<3x!jinx.string>) {
  // expected-error @+1 {{'jinx.top_k' op elements are '!jinx.string', expected numbers}}
  %v:2 = jinx.top_k %x axis 0 : tensor<3x!jinx.string> -> tensor<3x!jinx.string>, tensor<3xi64>
  return
}

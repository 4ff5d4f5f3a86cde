// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @sizes_count() {
  // expected-error @+1 {{'jinx.sizes' op has 1 formulas, expected one per element of 'tensor<2xi64>'}}
  %s = jinx.sizes ["n"] : tensor<2xi64>
  return
}

// -----

func.func @sizes_formula() {
  // expected-error @+1 {{'jinx.sizes' op formula "n +": size formula "n +": a number, a name or '(' expected at column 4}}
  %s = jinx.sizes ["n +"] : tensor<1xi64>
  return
}

// -----

func.func @reshape_elements(%x: tensor<2x6xf32>) {
  // expected-error @+1 {{'jinx.reshape' op result has 10 elements, expected 12}}
  %y = jinx.reshape %x : tensor<2x6xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @perm_length(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{perm has 1 entries, expected 2 (rank of x)}}
  // expected-error @+1 {{'jinx.transpose' op failed to infer returned types}}
  %y = jinx.transpose %x, [0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @perm_repeats(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{perm has 1 out of range or twice, expected each of 0..1 once}}
  // expected-error @+1 {{'jinx.transpose' op failed to infer returned types}}
  %y = jinx.transpose %x, [1, 1] : tensor<2x3xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @perm_range(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{perm has -1 out of range or twice, expected each of 0..1 once}}
  // expected-error @+1 {{'jinx.transpose' op failed to infer returned types}}
  %y = jinx.transpose %x, [0, -1] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @transpose_result(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{'jinx.transpose' op inferred type(s) 'tensor<3x2xf32>' are incompatible with return type(s) of operation 'tensor<2x3xf32>'}}
  // expected-error @+1 {{'jinx.transpose' op failed to infer returned types}}
  %y = jinx.transpose %x, [1, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_rank(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.broadcast' op operand has rank 2, expected at most 1}}
  %y = jinx.broadcast %x : tensor<2x3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @broadcast_dimension(%x: tensor<3xf32>) {
  // expected-error @+1 {{'jinx.broadcast' op dimension 0 of x is 3, expected 1 or 4}}
  %y = jinx.broadcast %x : tensor<3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_counts(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.slice' op has 1 starts and 2 steps, expected 2 of each (rank of x)}}
  %y = jinx.slice %x starts ["0"] steps [1, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @slice_step(%x: tensor<3xf32>) {
  // expected-error @+1 {{'jinx.slice' op a step is 0, expected a positive or negative number}}
  %y = jinx.slice %x starts ["0"] steps [0] : tensor<3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @concat_nothing() {
  // expected-error @+2 {{has 0 operands, expected at least one}}
  // expected-error @+1 {{'jinx.concat' op failed to infer returned types}}
  %y = "jinx.concat"() <{axis = 0 : i64}> : () -> tensor<2xf32>
  return
}

// -----

func.func @concat_axis(%x: tensor<2xf32>) {
  // expected-error @+2 {{axis is 1, expected 0..0}}
  // expected-error @+1 {{'jinx.concat' op failed to infer returned types}}
  %y = jinx.concat %x, %x axis 1 : tensor<2xf32>, tensor<2xf32> -> tensor<4xf32>
  return
}

// -----

func.func @concat_ranks(%a: tensor<2xf32>, %b: tensor<2x1xf32>) {
  // expected-error @+2 {{operands have ranks 1 and 2, expected one rank}}
  // expected-error @+1 {{'jinx.concat' op failed to infer returned types}}
  %y = jinx.concat %a, %b axis 0 : tensor<2xf32>, tensor<2x1xf32> -> tensor<4xf32>
  return
}

// -----

func.func @concat_dimension(%a: tensor<2x3xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+2 {{dimension 1 is 3 in one operand and 4 in another, expected one extent}}
  // expected-error @+1 {{'jinx.concat' op failed to infer returned types}}
  %y = jinx.concat %a, %b axis 0 : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @concat_element_types(%a: tensor<2xf32>, %b: tensor<2xi32>) {
  // expected-error @+2 {{operands have element types 'f32' and 'i32', expected one type}}
  // expected-error @+1 {{'jinx.concat' op failed to infer returned types}}
  %y = jinx.concat %a, %b axis 0 : tensor<2xf32>, tensor<2xi32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_low(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.pad' op has 1 low pads, expected 2 (rank of x)}}
  %y = jinx.pad %x low ["1"] mode edge : tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @gather_axis(%x: tensor<2x3xf32>, %i: tensor<4xi64>) {
  // expected-error @+2 {{axis is 2, expected 0..1}}
  // expected-error @+1 {{'jinx.gather' op failed to infer returned types}}
  %y = jinx.gather %x, %i axis 2 : tensor<2x3xf32>, tensor<4xi64> -> tensor<2x3x4xf32>
  return
}

// -----

// An axis counts from the front.
func.func @gather_negative_axis(%x: tensor<2x3xf32>, %i: tensor<4xi64>) {
  // expected-error @+2 {{axis is -1, expected 0..1}}
  // expected-error @+1 {{'jinx.gather' op failed to infer returned types}}
  %y = jinx.gather %x, %i axis -1 : tensor<2x3xf32>, tensor<4xi64> -> tensor<2x4xf32>
  return
}

// -----

func.func @gather_indices(%x: tensor<2x3xf32>, %i: tensor<4xf32>) {
  // expected-error @+2 {{operand has element type 'f32', expected an integer}}
  // expected-error @+1 {{'jinx.gather' op failed to infer returned types}}
  %y = jinx.gather %x, %i axis 0 : tensor<2x3xf32>, tensor<4xf32> -> tensor<4x3xf32>
  return
}

// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @broadcast(%a: tensor<2x3xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{shapes 2x3 and 4 do not broadcast together, expected equal extents or 1}}
  // expected-error @+1 {{'jinx.add' op failed to infer returned types}}
  %y = jinx.add %a, %b : tensor<2x3xf32>, tensor<4xf32> -> tensor<2x3xf32>
  return
}

// -----

// Two different symbols may differ: broadcasting them is not provably right.
func.func @symbols(%a: tensor<?xf32, #jinx.dims<"n">>, %b: tensor<?xf32, #jinx.dims<"2*m">>) {
  // expected-error @+2 {{shapes n and (2*m) do not broadcast together, expected equal extents or 1}}
  // expected-error @+1 {{'jinx.mul' op failed to infer returned types}}
  %y = jinx.mul %a, %b : tensor<?xf32, #jinx.dims<"n">>, tensor<?xf32, #jinx.dims<"2*m">> -> tensor<?xf32, #jinx.dims<"n">>
  return
}

// -----

func.func @element_types(%a: tensor<4xf32>, %b: tensor<4xf16>) {
  // expected-error @+2 {{operands have element types 'f32' and 'f16', expected one type}}
  // expected-error @+1 {{'jinx.sub' op failed to infer returned types}}
  %y = jinx.sub %a, %b : tensor<4xf32>, tensor<4xf16> -> tensor<4xf32>
  return
}

// -----

func.func @compare_element_types(%a: tensor<4xi32>, %b: tensor<4xi64>) {
  // expected-error @+2 {{operands have element types 'i32' and 'i64', expected one type}}
  // expected-error @+1 {{'jinx.compare' op failed to infer returned types}}
  %y = jinx.compare lt, %a, %b : tensor<4xi32>, tensor<4xi64> -> tensor<4xi1>
  return
}

// -----

func.func @compare_result(%a: tensor<4xf32>) {
  // expected-error @+2 {{'jinx.compare' op inferred type(s) 'tensor<4xi1>' are incompatible with return type(s) of operation 'tensor<4xf32>'}}
  // expected-error @+1 {{'jinx.compare' op failed to infer returned types}}
  %y = jinx.compare lt, %a, %a : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @unary_result(%x: tensor<4xf32>) {
  // expected-error @+2 {{'jinx.exp' op inferred type(s) 'tensor<4xf32>' are incompatible with return type(s) of operation 'tensor<5xf32>'}}
  // expected-error @+1 {{'jinx.exp' op failed to infer returned types}}
  %y = jinx.exp %x : tensor<4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @condition(%c: tensor<4xf32>, %a: tensor<4xf32>) {
  // expected-error @+2 {{condition has element type 'f32', expected i1}}
  // expected-error @+1 {{'jinx.select' op failed to infer returned types}}
  %y = jinx.select %c, %a, %a : tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @branches(%c: tensor<4xi1>, %a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+2 {{operands have element types 'f32' and 'i32', expected one type}}
  // expected-error @+1 {{'jinx.select' op failed to infer returned types}}
  %y = jinx.select %c, %a, %b : tensor<4xi1>, tensor<4xf32>, tensor<4xi32> -> tensor<4xf32>
  return
}

// -----

func.func @cast_rank(%x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.cast' op result has rank 2, expected 1}}
  %y = jinx.cast %x : tensor<4xf32> -> tensor<2x2xi32>
  return
}

// -----

func.func @no_float(%x: tensor<4xi32>) {
  // expected-error @+2 {{operand has element type 'i32', expected a float}}
  // expected-error @+1 {{'jinx.exp' op failed to infer returned types}}
  %y = jinx.exp %x : tensor<4xi32> -> tensor<4xi32>
  return
}

// -----

func.func @no_bits(%x: tensor<4xf32>) {
  // expected-error @+2 {{operand has element type 'f32', expected bool or an integer}}
  // expected-error @+1 {{'jinx.not' op failed to infer returned types}}
  %y = jinx.not %x : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @no_bits_either(%x: tensor<4xf32>) {
  // expected-error @+2 {{operand has element type 'f32', expected bool or an integer}}
  // expected-error @+1 {{'jinx.and' op failed to infer returned types}}
  %y = jinx.and %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// No n is n + 1.
func.func @other_formula(%x: tensor<?xf32, #jinx.dims<"n">>) {
  // expected-error @+2 {{'jinx.exp' op inferred type(s) 'tensor<?xf32, #jinx.dims<"n">>' are incompatible with return type(s) of operation 'tensor<?xf32, #jinx.dims<"n + 1">>'}}
  // expected-error @+1 {{'jinx.exp' op failed to infer returned types}}
  %y = jinx.exp %x : tensor<?xf32, #jinx.dims<"n">> -> tensor<?xf32, #jinx.dims<"n + 1">>
  return
}

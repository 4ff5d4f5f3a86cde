// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @rank(%a: tensor<64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op a has rank 1, expected at least 2}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<64xf32> -> tensor<2x27xi32>, tensor<2x2xf32>
  return
}

// -----

func.func @element(%a: tensor<5x64xf16>) {
  // expected-error @+1 {{'jinx.split_digits' op a has elements of 'f16', expected f32}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<5x64xf16> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @digits(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op has 4 digits, expected 1 to 3}}
  %w, %f = jinx.split_digits %a group 32 digits 4 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @zero(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op zero is 129, expected 0 to 128}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 129 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @group(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op group is 12 of rows of 64 elements, expected multiples of 8}}
  %w, %f = jinx.split_digits %a group 12 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @results(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op words and factors have elements of 'ui32' and 'f32', expected i32 and f32}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xui32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @words(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op words is 5x2x26, expected 5x2x27}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x26xi32>, tensor<5x2x2xf32>
  return
}

// -----

func.func @factors(%a: tensor<5x64xf32>) {
  // expected-error @+1 {{'jinx.split_digits' op factors is 5x2x1, expected 5x2x2}}
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x1xf32>
  return
}

// -----

func.func @product_codes(%a: tensor<5x2x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x16x64xi8>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op codes has elements of 'i8', expected ui32 (4-bit codes) or ui8 (beside digits)}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<2x16x64xi8>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_levels(%a: tensor<5x2x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op has no levels beside 4-bit codes, expected 16}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_elements(%a: tensor<5x2x27xf32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a and y have elements of 'f32' and 'f32', expected i32 (digits) and f32}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x27xf32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_group(%a: tensor<5x2x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op group is 12, expected a multiple of 8 (digits)}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 12 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_ranks(%a: tensor<5x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a and y have ranks 2 and 2, expected r >= 3 (digits) and r - 1}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x27xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_words(%a: tensor<5x2x36xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a has 36 words a group, expected 1 to 3 times 9}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x36xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_codes_shape(%a: tensor<5x2x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<3x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op codes is 3x8x16, expected 2x8x16}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<3x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_a(%a: tensor<5x3x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a is 5x3x27, expected 5x2x27}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x3x27xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_factors(%a: tensor<5x2x27xi32>, %f: tensor<5x2x3xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op factors is 5x2x3, expected 5x2x2}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x27xi32> factors tensor<5x2x3xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @product_scales(%a: tensor<5x2x27xi32>, %f: tensor<5x2x2xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x3x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op scales is 2x3x16, expected 2x2x16}}
  %y = jinx.dequant_matmul %a factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<2x8x16xui32>, tensor<2x3x16xf32> -> tensor<5x20xf32>
  return
}

// Which products read codes, and why the others do not.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-form-dequant-matmul' --remark-format=emitRemark --jinx-form-dequant-matmul -o /dev/null

func.func @formed(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<2x4xf32>
  %w = jinx.dequantize %c, %s block 32 along 0 : tensor<64x4xi4>, tensor<2x4xf32> -> tensor<64x4xf32>
  // expected-remark @below {{[Passed] Formed | Category:jinx-form-dequant-matmul | Remark="matmul: weights stay i4, a scale for each 32 along k"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

func.func @not_constant(%x: tensor<5x64xf32>, %c: tensor<64x4xi8>) -> tensor<5x4xf32> {
  %s = jinx.constant dense<0.5> : tensor<f32>
  %w = jinx.dequantize %c, %s : tensor<64x4xi8>, tensor<f32> -> tensor<64x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: codes and scales are no constants: they are packed when the model is compiled"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

func.func @width(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi16>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %w = jinx.dequantize %c, %s : tensor<64x4xi16>, tensor<f32> -> tensor<64x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: weights are i16, kernels read codes of 4 or 8 bits"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

func.func @depth(%x: tensor<5x60xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<60x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %w = jinx.dequantize %c, %s : tensor<60x4xi4>, tensor<f32> -> tensor<60x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: k is 60, expected a multiple of 8"}}
  %y = jinx.matmul %x, %w : tensor<5x60xf32>, tensor<60x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

func.func @group(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<16x4xf32>
  %w = jinx.dequantize %c, %s block 4 along 0 : tensor<64x4xi4>, tensor<16x4xf32> -> tensor<64x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: scales are of groups of 4, expected a multiple of 8"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

func.func @elements(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<64x4xf32>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<64x4xf32> -> tensor<64x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: scales are of single elements, expected one for each group along k"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

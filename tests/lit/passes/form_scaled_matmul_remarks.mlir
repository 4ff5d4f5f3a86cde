// Which products of 8-bit floats scale their sums of blocks, and why the others do not.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-form-scaled-matmul' --remark-format=emitRemark --jinx-form-scaled-matmul -o /dev/null
module attributes {jinx.gpu = "sm_90a"} {

func.func @formed(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<f32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t : tensor<200x256xf8E4M3FN>, tensor<f32> -> tensor<200x256xf32>
  // expected-remark @below {{[Passed] Formed | Category:jinx-form-scaled-matmul | Remark="matmul: of 8-bit floats, each 128 along k with a scale for a row and one for 128 rows of weights"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

func.func @bytes(%a: tensor<5x256xi8>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x2xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xi8>, tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x2xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: scales of blocks are beside i8, kernels read 8-bit floats with them"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

func.func @offsets(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x2xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s offset %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> offset tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x2xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: an operand has zero points or offsets, expected scales alone"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

func.func @short(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x8xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x8xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 32 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x8xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 32 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x8xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: scales are of blocks of 32 along k, expected 128"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

func.func @beside(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<2x1xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 0 : tensor<200x256xf8E4M3FN>, tensor<2x1xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: scales are of blocks beside k, expected blocks along k"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

func.func @batch(%a: tensor<3x5x256xf8E4M3FN>, %s: tensor<3x5x2xf32>, %w: tensor<3x200x256xf8E4M3FN>, %t: tensor<3x200x2xf32>) -> tensor<3x5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 2 : tensor<3x5x256xf8E4M3FN>, tensor<3x5x2xf32> -> tensor<3x5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 2 : tensor<3x200x256xf8E4M3FN>, tensor<3x200x2xf32> -> tensor<3x200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: the right operand has 3 dimensions, expected a matrix"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<3x5x256xf32>, tensor<3x200x256xf32> -> tensor<3x5x200xf32>
  return %y : tensor<3x5x200xf32>
}

}

// -----

module attributes {jinx.gpu = "sm_80"} {

func.func @ampere(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x2xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x2xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: sm_80 has no kernel that multiplies 8-bit floats, sm_90a has"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

}

// -----

func.func @processor(%a: tensor<5x256xf8E4M3FN>, %s: tensor<5x2xf32>, %w: tensor<200x256xf8E4M3FN>, %t: tensor<200x2xf32>) -> tensor<5x200xf32> {
  %x = jinx.dequantize %a, %s block 128 along 1 : tensor<5x256xf8E4M3FN>, tensor<5x2xf32> -> tensor<5x256xf32>
  %v = jinx.dequantize %w, %t block 128 along 1 : tensor<200x256xf8E4M3FN>, tensor<200x2xf32> -> tensor<200x256xf32>
  // expected-remark @below {{Remark="matmul: its operands are dequantized before: the processor multiplies no 8-bit floats"}}
  %y = jinx.matmul %x, %v transpose_b : tensor<5x256xf32>, tensor<200x256xf32> -> tensor<5x200xf32>
  return %y : tensor<5x200xf32>
}

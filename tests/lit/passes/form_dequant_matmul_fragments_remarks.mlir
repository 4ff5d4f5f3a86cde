// Which products read codes on a GPU, and why the others do not.
// RUN: jinx-opt %s --verify-diagnostics --remarks-filter='jinx-form-dequant-matmul' --remark-format=emitRemark --jinx-form-dequant-matmul -o /dev/null
module attributes {jinx.gpu = "sm_90a"} {

func.func @formed(%x: tensor<64x64xf16>) -> tensor<64x4xf16> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf16>
  // expected-remark @below {{[Passed] Formed | Category:jinx-form-dequant-matmul | Remark="matmul: weights stay i4, a scale for each 64 along k"}}
  %y = jinx.matmul %x, %w : tensor<64x64xf16>, tensor<64x4xf16> -> tensor<64x4xf16>
  return %y : tensor<64x4xf16>
}

func.func @floats(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: activations are f32, kernels for CUDA read f16 and bf16"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

func.func @rows(%x: tensor<65x64xf16>) -> tensor<65x4xf16> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf16>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: it has 65 rows, more than 64 are multiplied as floats"}}
  %y = jinx.matmul %x, %w : tensor<65x64xf16>, tensor<64x4xf16> -> tensor<65x4xf16>
  return %y : tensor<65x4xf16>
}

func.func @group(%x: tensor<5x64xf16>) -> tensor<5x4xf16> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<4x4xf16>
  %w = jinx.dequantize %c, %s block 16 along 0 : tensor<64x4xi4>, tensor<4x4xf16> -> tensor<64x4xf16>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-dequant-matmul | Remark="matmul: its weights are dequantized before: scales are of groups of 16, expected a multiple of 32"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf16>, tensor<64x4xf16> -> tensor<5x4xf16>
  return %y : tensor<5x4xf16>
}

}

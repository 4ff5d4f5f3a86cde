// RUN: jinx-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int8}))' -o /dev/null

func.func @no_range(%x: tensor<5x64xf32>) -> tensor<5x8xf32> {
  %w = jinx.constant dense<0.5> : tensor<64x8xf32>
  // expected-error @below {{has no jinx.range = array<f64: low, high>, expected one for scheme int8}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

// expected-error @below {{weight 0 of 'matmul.0' is inf, expected finite weights; --keep it}}
func.func @infinite(%x: tensor<5x64xf32>) -> tensor<5x8xf32> {
  %w = jinx.constant dense<0x7F800000> : tensor<64x8xf32>
  %y = jinx.matmul %x, %w {jinx.range = array<f64: 0.0, 1.0>} : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

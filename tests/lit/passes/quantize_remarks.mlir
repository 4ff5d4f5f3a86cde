// Which layers are quantized, and why the others are not.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-quantize' --remark-format=emitRemark --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int4 keep=head*}))' -o /dev/null

func.func @quantized(%x: tensor<5x64xf32>) -> tensor<5x8xf32> {
  %w = jinx.constant dense<0.5> : tensor<64x8xf32>
  // expected-remark @below {{[Passed] Quantized | Category:jinx-quantize | Remark="matmul is int4: 2048 bytes of weights become 288"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

func.func @not_constant(%x: tensor<5x64xf32>, %w: tensor<64x8xf32>) -> tensor<5x8xf32> {
  // expected-remark @below {{Remark="matmul stays float: weights are not constant"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

func.func @left(%x: tensor<64x8xf32>) -> tensor<5x8xf32> {
  %w = jinx.constant dense<0.5> : tensor<5x64xf32>
  // expected-remark @below {{Remark="matmul stays float: weights are the left operand, expected the right one"}}
  %y = jinx.matmul %w, %x : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

func.func @small(%x: tensor<5x64xf32>) -> tensor<5x2xf32> {
  %w = jinx.constant dense<0.5> : tensor<64x2xf32>
  // expected-remark @below {{Remark="matmul stays float: has 128 weights, fewer than 256"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x2xf32> -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}

// -----

func.func @doubles(%x: tensor<5x64xf64>) -> tensor<5x8xf64> {
  %w = jinx.constant dense<0.5> : tensor<64x8xf64>
  // expected-remark @below {{Remark="matmul stays float: is of f64, expected f32, f16 or bf16"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf64>, tensor<64x8xf64> -> tensor<5x8xf64>
  return %y : tensor<5x8xf64>
}

// -----

func.func @batches(%x: tensor<2x5x64xf32>) -> tensor<2x5x8xf32> {
  %w = jinx.constant dense<0.5> : tensor<2x64x8xf32>
  // expected-remark @below {{Remark="matmul stays float: weights have rank 3, expected 2"}}
  %y = jinx.matmul %x, %w : tensor<2x5x64xf32>, tensor<2x64x8xf32> -> tensor<2x5x8xf32>
  return %y : tensor<2x5x8xf32>
}

// -----

func.func @already(%x: tensor<5x64xf32>) -> tensor<5x8xf32> {
  %c = jinx.constant dense<3> : tensor<64x8xi4>
  %s = jinx.constant dense<0.5> : tensor<2x8xf32>
  %w = jinx.dequantize %c, %s block 32 along 0 : tensor<64x8xi4>, tensor<2x8xf32> -> tensor<64x8xf32>
  // expected-remark @below {{Remark="matmul stays float: is quantized already"}}
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

func.func @groups(%x: tensor<6x64xf32>, %ends: tensor<2xi32>) -> tensor<6x8xf32> {
  %w = jinx.constant dense<0.5> : tensor<2x64x8xf32>
  // expected-remark @below {{Remark="grouped_matmul stays float: products of groups have no narrow kernels"}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<6x64xf32>, tensor<2x64x8xf32>, tensor<2xi32> -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// -----

func.func @convolution(%x: tensor<2x4x8x8xf32>) -> tensor<2x8x6x6xf32> {
  %w = jinx.constant dense<0.5> : tensor<8x4x3x3xf32>
  // expected-remark @below {{Remark="conv stays float: kernels of convolutions read no codes beside floats; int8 and fp8 quantize both operands"}}
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64} : tensor<2x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<2x8x6x6xf32>
  return %y : tensor<2x8x6x6xf32>
}

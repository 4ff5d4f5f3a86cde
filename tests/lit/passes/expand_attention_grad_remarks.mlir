// Why are gradients of attention written as products where there are kernels for them?
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-expand-attention-grad' --remark-format=emitRemark --jinx-expand-attention-grad=keep=true

func.func @wide_heads(%q: tensor<1x2x5x256xf16>, %rows: tensor<1x2x5xf32>) -> tensor<1x2x5x256xf16> {
  // expected-remark @below {{attention_grad is written as products: dk and dv of 256 columns a head fill a thread's registers, expected at most 128 columns}}
  %dq, %dk, %dv = jinx.attention_grad %q, %q, %q, %q, %rows, %rows scale 0.0625
      : (tensor<1x2x5x256xf16>, tensor<1x2x5x256xf16>, tensor<1x2x5x256xf16>, tensor<1x2x5x256xf16>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
        -> (tensor<1x2x5x256xf16>, tensor<1x2x5x256xf16>, tensor<1x2x5x256xf16>)
  return %dq : tensor<1x2x5x256xf16>
}

// -----

func.func @odd_depth(%q: tensor<1x2x5x24xf16>, %rows: tensor<1x2x5xf32>) -> tensor<1x2x5x24xf16> {
  // expected-remark @below {{attention_grad is written as products: the head dimension is a multiple of 16 up to 256}}
  %dq, %dk, %dv = jinx.attention_grad %q, %q, %q, %q, %rows, %rows scale 0.125
      : (tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
        -> (tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>, tensor<1x2x5x24xf16>)
  return %dq : tensor<1x2x5x24xf16>
}

// -----

// Tests that 96 columns have kernels: nothing is said.
func.func @depth_96(%q: tensor<1x2x5x96xf16>, %rows: tensor<1x2x5xf32>) -> tensor<1x2x5x96xf16> {
  %dq, %dk, %dv = jinx.attention_grad %q, %q, %q, %q, %rows, %rows scale 0.125
      : (tensor<1x2x5x96xf16>, tensor<1x2x5x96xf16>, tensor<1x2x5x96xf16>, tensor<1x2x5x96xf16>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
        -> (tensor<1x2x5x96xf16>, tensor<1x2x5x96xf16>, tensor<1x2x5x96xf16>)
  return %dq : tensor<1x2x5x96xf16>
}

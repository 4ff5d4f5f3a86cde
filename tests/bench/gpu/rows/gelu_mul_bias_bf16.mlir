// gelu(x) * r + b, in f32 between bf16: 268 MB read, 134 MB written.
func.func @main(%x: tensor<16384x4096xbf16> {jinx.name = "x"}, %r: tensor<16384x4096xbf16> {jinx.name = "r"},
                %b: tensor<4096xf32> {jinx.name = "b"}) -> (tensor<16384x4096xbf16> {jinx.name = "y"}) {
  %half = jinx.constant dense<0.5> : tensor<f32>
  %one = jinx.constant dense<1.0> : tensor<f32>
  %root = jinx.constant dense<0.70710678> : tensor<f32>
  %x0 = jinx.cast %x : tensor<16384x4096xbf16> -> tensor<16384x4096xf32>
  %r0 = jinx.cast %r : tensor<16384x4096xbf16> -> tensor<16384x4096xf32>
  %z = jinx.mul %x0, %root : tensor<16384x4096xf32>, tensor<f32> -> tensor<16384x4096xf32>
  %e = jinx.erf %z : tensor<16384x4096xf32> -> tensor<16384x4096xf32>
  %e1 = jinx.add %e, %one : tensor<16384x4096xf32>, tensor<f32> -> tensor<16384x4096xf32>
  %h = jinx.mul %x0, %half : tensor<16384x4096xf32>, tensor<f32> -> tensor<16384x4096xf32>
  %gelu = jinx.mul %h, %e1 : tensor<16384x4096xf32>, tensor<16384x4096xf32> -> tensor<16384x4096xf32> loc("gelu")
  %0 = jinx.mul %gelu, %r0 : tensor<16384x4096xf32>, tensor<16384x4096xf32> -> tensor<16384x4096xf32>
  %1 = jinx.add %0, %b : tensor<16384x4096xf32>, tensor<4096xf32> -> tensor<16384x4096xf32>
  %y = jinx.cast %1 : tensor<16384x4096xf32> -> tensor<16384x4096xbf16> loc("gelu_mul_bias")
  return %y : tensor<16384x4096xbf16>
}

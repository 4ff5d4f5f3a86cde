// rmsnorm(x) * g over rows, in f32 between bf16: 134 MB read, 134 MB written.
func.func @main(%x: tensor<16384x4096xbf16> {jinx.name = "x"}, %g: tensor<4096xf32> {jinx.name = "g"})
    -> (tensor<16384x4096xbf16> {jinx.name = "y"}) {
  %n = jinx.constant dense<4096.0> : tensor<f32>
  %eps = jinx.constant dense<1.0e-6> : tensor<f32>
  %x0 = jinx.cast %x : tensor<16384x4096xbf16> -> tensor<16384x4096xf32>
  %x2 = jinx.mul %x0, %x0 : tensor<16384x4096xf32>, tensor<16384x4096xf32> -> tensor<16384x4096xf32>
  %squares = jinx.reduce sum, %x2 axes [1] : tensor<16384x4096xf32> -> tensor<16384x1xf32> loc("squares")
  %mean = jinx.div %squares, %n : tensor<16384x1xf32>, tensor<f32> -> tensor<16384x1xf32>
  %mean_eps = jinx.add %mean, %eps : tensor<16384x1xf32>, tensor<f32> -> tensor<16384x1xf32>
  %inv = jinx.rsqrt %mean_eps : tensor<16384x1xf32> -> tensor<16384x1xf32>
  %scaled = jinx.mul %x0, %inv : tensor<16384x4096xf32>, tensor<16384x1xf32> -> tensor<16384x4096xf32>
  %0 = jinx.mul %scaled, %g : tensor<16384x4096xf32>, tensor<4096xf32> -> tensor<16384x4096xf32>
  %y = jinx.cast %0 : tensor<16384x4096xf32> -> tensor<16384x4096xbf16> loc("rmsnorm")
  return %y : tensor<16384x4096xbf16>
}

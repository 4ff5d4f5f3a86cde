// layernorm(x + r) * g + b over rows, in f32 between bf16: 268 MB read, 134 MB written.
func.func @main(%x: tensor<16384x4096xbf16> {jinx.name = "x"}, %r: tensor<16384x4096xbf16> {jinx.name = "r"},
                %g: tensor<4096xf32> {jinx.name = "g"}, %b: tensor<4096xf32> {jinx.name = "b"})
    -> (tensor<16384x4096xbf16> {jinx.name = "y"}) {
  %n = jinx.constant dense<4096.0> : tensor<f32>
  %eps = jinx.constant dense<1.0e-5> : tensor<f32>
  %x0 = jinx.cast %x : tensor<16384x4096xbf16> -> tensor<16384x4096xf32>
  %r0 = jinx.cast %r : tensor<16384x4096xbf16> -> tensor<16384x4096xf32>
  %h = jinx.add %x0, %r0 : tensor<16384x4096xf32>, tensor<16384x4096xf32> -> tensor<16384x4096xf32>
  %sum = jinx.reduce sum, %h axes [1] : tensor<16384x4096xf32> -> tensor<16384x1xf32> loc("sum")
  %mean = jinx.div %sum, %n : tensor<16384x1xf32>, tensor<f32> -> tensor<16384x1xf32>
  %c = jinx.sub %h, %mean : tensor<16384x4096xf32>, tensor<16384x1xf32> -> tensor<16384x4096xf32> loc("centred")
  %c2 = jinx.mul %c, %c : tensor<16384x4096xf32>, tensor<16384x4096xf32> -> tensor<16384x4096xf32>
  %squares = jinx.reduce sum, %c2 axes [1] : tensor<16384x4096xf32> -> tensor<16384x1xf32> loc("squares")
  %var = jinx.div %squares, %n : tensor<16384x1xf32>, tensor<f32> -> tensor<16384x1xf32>
  %var_eps = jinx.add %var, %eps : tensor<16384x1xf32>, tensor<f32> -> tensor<16384x1xf32>
  %inv = jinx.rsqrt %var_eps : tensor<16384x1xf32> -> tensor<16384x1xf32>
  %scaled = jinx.mul %c, %inv : tensor<16384x4096xf32>, tensor<16384x1xf32> -> tensor<16384x4096xf32>
  %0 = jinx.mul %scaled, %g : tensor<16384x4096xf32>, tensor<4096xf32> -> tensor<16384x4096xf32>
  %1 = jinx.add %0, %b : tensor<16384x4096xf32>, tensor<4096xf32> -> tensor<16384x4096xf32>
  %y = jinx.cast %1 : tensor<16384x4096xf32> -> tensor<16384x4096xbf16> loc("layernorm")
  return %y : tensor<16384x4096xbf16>
}

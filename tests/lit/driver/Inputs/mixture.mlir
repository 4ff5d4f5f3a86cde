// A router and a mixture of four experts, of which each of eight tokens has two; what comes out is added to what goes in.
func.func @main(%x: tensor<8x6xf32> {jinx.name = "x"}, %r: tensor<6x4xf32> {jinx.name = "router"}, %g: tensor<4x8x6xf32> {jinx.name = "gate"}, %u: tensor<4x8x6xf32> {jinx.name = "up"},
    %d: tensor<4x6x8xf32> {jinx.name = "down"}) -> (tensor<8x6xf32> {jinx.name = "y"}) {
  %s = jinx.matmul %x, %r : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32> loc("router")
  %v, %c = jinx.top_k %s axis 1 : tensor<8x4xf32> -> tensor<8x2xf32>, tensor<8x2xi64> loc("best")
  %p = jinx.sigmoid %v : tensor<8x2xf32> -> tensor<8x2xf32>
  %m = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<8x6xf32>, tensor<8x2xi64>, tensor<8x2xf32>, tensor<4x8x6xf32>, tensor<4x8x6xf32>, tensor<4x6x8xf32>) -> tensor<8x6xf32> loc("experts")
  %y = jinx.add %x, %m : tensor<8x6xf32>, tensor<8x6xf32> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

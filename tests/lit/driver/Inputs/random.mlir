// Draws random numbers, other ones in every run.
func.func @main(%x: tensor<8xf32> {jinx.name = "x"}) -> (tensor<8xf32> {jinx.name = "y"}) {
  %r = jinx.host_call "" "RandomNormalLike" 1 {} (%x) : (tensor<8xf32>) -> tensor<8xf32> loc("/noise")
  %e = jinx.exp %r : tensor<8xf32> -> tensor<8xf32> loc("/exp")
  %y = jinx.add %e, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32> loc("/add")
  return %y : tensor<8xf32>
}

// Transpose: 67 MB read, 67 MB written.
func.func @main(%x: tensor<4096x4096xf32> {jinx.name = "x"}) -> (tensor<4096x4096xf32> {jinx.name = "y"}) {
  %y = jinx.transpose %x, [1, 0] : tensor<4096x4096xf32> -> tensor<4096x4096xf32> loc("transpose")
  return %y : tensor<4096x4096xf32>
}

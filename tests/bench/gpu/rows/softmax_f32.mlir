// Softmax over rows: 134 MB read, 134 MB written.
func.func @main(%x: tensor<8192x4096xf32> {jinx.name = "x"}) -> (tensor<8192x4096xf32> {jinx.name = "y"}) {
  %m = jinx.reduce max, %x axes [1] : tensor<8192x4096xf32> -> tensor<8192x1xf32> loc("max")
  %d = jinx.sub %x, %m : tensor<8192x4096xf32>, tensor<8192x1xf32> -> tensor<8192x4096xf32>
  %e = jinx.exp %d : tensor<8192x4096xf32> -> tensor<8192x4096xf32> loc("exp")
  %s = jinx.reduce sum, %e axes [1] : tensor<8192x4096xf32> -> tensor<8192x1xf32> loc("sum")
  %y = jinx.div %e, %s : tensor<8192x4096xf32>, tensor<8192x1xf32> -> tensor<8192x4096xf32>
  return %y : tensor<8192x4096xf32>
}

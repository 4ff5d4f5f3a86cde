// An input whose name is a pattern that a node fits, an output whose name a node has, too: the nodes' values are no batches.
func.func @main(%x: tensor<4x8xf32> {jinx.name = "x*"}) -> (tensor<4x8x1xf32> {jinx.name = "y"}) {
  %w = jinx.constant dense<0.5> : tensor<8x8xf32> loc("w")
  %t = jinx.transpose %x, [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32> loc("xt")
  %a = jinx.relu %t : tensor<8x4xf32> -> tensor<8x4xf32> loc("y")
  %b = jinx.transpose %a, [1, 0] : tensor<8x4xf32> -> tensor<4x8xf32> loc("back")
  %c = jinx.matmul %b, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32> loc("product")
  %d = jinx.reshape %c : tensor<4x8xf32> -> tensor<4x8x1xf32> loc("last")
  return %d : tensor<4x8x1xf32>
}

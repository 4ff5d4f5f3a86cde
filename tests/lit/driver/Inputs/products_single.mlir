// As products.mlir, of f32.
module {
  func.func @main(%x: tensor<192x256xf32> {jinx.name = "x"}, %w: tensor<256x320xf32> {jinx.name = "w"}, %v: tensor<320x64xf32> {jinx.name = "v"})
      -> (tensor<192x64xf32> {jinx.name = "y"}) {
    %0 = jinx.matmul %x, %w : tensor<192x256xf32>, tensor<256x320xf32> -> tensor<192x320xf32> loc("wide")
    %1 = jinx.relu %0 : tensor<192x320xf32> -> tensor<192x320xf32> loc("relu")
    %2 = jinx.matmul %1, %v : tensor<192x320xf32>, tensor<320x64xf32> -> tensor<192x64xf32> loc("narrow")
    %4 = jinx.reduce max, %2 axes [1] : tensor<192x64xf32> -> tensor<192x1xf32> loc("max")
    %y = jinx.sub %2, %4 : tensor<192x64xf32>, tensor<192x1xf32> -> tensor<192x64xf32> loc("sub")
    return %y : tensor<192x64xf32>
  }
}

// As products.mlir, but for one operator.
module {
  func.func @main(%x: tensor<192x256xf16> {jinx.name = "x"}, %w: tensor<256x320xf16> {jinx.name = "w"}, %v: tensor<320x64xf16> {jinx.name = "v"})
      -> (tensor<192x64xf32> {jinx.name = "y"}) {
    %0 = jinx.matmul %x, %w : tensor<192x256xf16>, tensor<256x320xf16> -> tensor<192x320xf16> loc("wide")
    %1 = jinx.neg %0 : tensor<192x320xf16> -> tensor<192x320xf16> loc("relu")
    %2 = jinx.matmul %1, %v : tensor<192x320xf16>, tensor<320x64xf16> -> tensor<192x64xf16> loc("narrow")
    %3 = jinx.cast %2 : tensor<192x64xf16> -> tensor<192x64xf32> loc("cast")
    %4 = jinx.reduce max, %3 axes [1] : tensor<192x64xf32> -> tensor<192x1xf32> loc("max")
    %y = jinx.sub %3, %4 : tensor<192x64xf32>, tensor<192x1xf32> -> tensor<192x64xf32> loc("sub")
    return %y : tensor<192x64xf32>
  }
}

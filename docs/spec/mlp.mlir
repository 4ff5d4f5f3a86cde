// Exclusive or, for any number of rows: y = relu(x·w1 + b1)·w2.
#x = #jinx.dims<"batch", "2">
#y = #jinx.dims<"batch", "1">
module attributes {jinx.symbols = [{name = "batch", min = 1, max = 4096}], jinx.metadata = {task = "xor"}} {
  func.func @main(%x: tensor<?x2xf32, #x> {jinx.name = "x"}) -> (tensor<?x1xf32, #y> {jinx.name = "y"}) {
    %w1 = jinx.constant dense<1.0> : tensor<2x2xf32>
    %b1 = jinx.constant dense<[0.0, -1.0]> : tensor<2xf32>
    %w2 = jinx.constant dense<[[1.0], [-2.0]]> : tensor<2x1xf32>
    %0 = jinx.matmul %x, %w1 : tensor<?x2xf32, #x>, tensor<2x2xf32> -> tensor<?x2xf32, #x> loc("hidden")
    %1 = jinx.add %0, %b1 : tensor<?x2xf32, #x>, tensor<2xf32> -> tensor<?x2xf32, #x> loc("bias")
    %2 = jinx.relu %1 : tensor<?x2xf32, #x> -> tensor<?x2xf32, #x> loc("relu")
    %y = jinx.matmul %2, %w2 : tensor<?x2xf32, #x>, tensor<2x1xf32> -> tensor<?x1xf32, #y> loc("output")
    return %y : tensor<?x1xf32, #y>
  }
}

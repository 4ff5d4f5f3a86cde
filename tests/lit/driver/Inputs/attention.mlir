func.func @main(%q: tensor<2x40x16xf32> {jinx.name = "q"}, %k: tensor<2x40x16xf32> {jinx.name = "k"}, %v: tensor<2x40x16xf32> {jinx.name = "v"}) -> (tensor<2x40x16xf32> {jinx.name = "y"}) {
  %s = jinx.matmul %q, %k transpose_b : tensor<2x40x16xf32>, tensor<2x40x16xf32> -> tensor<2x40x40xf32>
  %m = jinx.reduce max, %s axes [2] : tensor<2x40x40xf32> -> tensor<2x40x1xf32>
  %d = jinx.sub %s, %m : tensor<2x40x40xf32>, tensor<2x40x1xf32> -> tensor<2x40x40xf32>
  %e = jinx.exp %d : tensor<2x40x40xf32> -> tensor<2x40x40xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x40x40xf32> -> tensor<2x40x1xf32>
  %p = jinx.div %e, %l : tensor<2x40x40xf32>, tensor<2x40x1xf32> -> tensor<2x40x40xf32>
  %y = jinx.matmul %p, %v : tensor<2x40x40xf32>, tensor<2x40x16xf32> -> tensor<2x40x16xf32>
  return %y : tensor<2x40x16xf32>
}

#x = #jinx.dims<"1", "1", "n">
#y = #jinx.dims<"1", "1", "n - 4">
func.func @main(%x: tensor<1x1x?xf32, #x> {jinx.name = "x"}) -> (tensor<1x1x?xf32, #y> {jinx.name = "y"}) {
  %e = jinx.exp %x : tensor<1x1x?xf32, #x> -> tensor<1x1x?xf32, #x>
  %y = jinx.pool max, %e {kernel = array<i64: 5>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x1x?xf32, #x> -> tensor<1x1x?xf32, #y>
  return %y : tensor<1x1x?xf32, #y>
}

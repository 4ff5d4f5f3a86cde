#x = #jinx.dims<"n">
#y = #jinx.dims<"n floordiv 4", "4">
module attributes {jinx.symbols = [{name = "n", min = 4, max = 16, multiple_of = 4}]} {
  func.func @main(%x: tensor<?xf32, #x> {jinx.name = "x"}) -> (tensor<?x4xf32, #y> {jinx.name = "y"}) {
    %e = jinx.exp %x : tensor<?xf32, #x> -> tensor<?xf32, #x>
    %y = jinx.reshape %e : tensor<?xf32, #x> -> tensor<?x4xf32, #y>
    return %y : tensor<?x4xf32, #y>
  }
}

// A host step between two launches, and after it a launch whose size only the host step tells.
#n = #jinx.dims<"n">
#k = #jinx.dims<"k">
func.func @main(%x: tensor<?xf32, #n> {jinx.name = "x"}) -> (tensor<?xf32, #n> {jinx.name = "y"}, tensor<1x?xf32, #jinx.dims<"1", "k">> {jinx.name = "z"}) {
  %e = jinx.exp %x : tensor<?xf32, #n> -> tensor<?xf32, #n>
  %i = jinx.host_call "" "NonZero" 13 {} (%e) : (tensor<?xf32, #n>) -> tensor<1x?xi64, #jinx.dims<"1", "k">>
  %f = jinx.cast %i : tensor<1x?xi64, #jinx.dims<"1", "k">> -> tensor<1x?xf32, #jinx.dims<"1", "k">>
  %z = jinx.exp %f : tensor<1x?xf32, #jinx.dims<"1", "k">> -> tensor<1x?xf32, #jinx.dims<"1", "k">>
  %y = jinx.exp %e : tensor<?xf32, #n> -> tensor<?xf32, #n>
  return %y, %z : tensor<?xf32, #n>, tensor<1x?xf32, #jinx.dims<"1", "k">>
}

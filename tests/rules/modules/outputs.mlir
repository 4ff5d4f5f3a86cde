// Outputs that no kernel writes into the caller's memory: the same bytes under another shape, an input, a constant, and a value that other
// steps read, twice.
#n = #jinx.dims<"n", "6">
#r = #jinx.dims<"2*n", "3">
func.func @main(%x: tensor<?x6xf32, #n> {jinx.name = "x"})
    -> (tensor<?x6xf32, #n> {jinx.name = "exp"}, tensor<?x3xf32, #r> {jinx.name = "reshaped"}, tensor<?x6xf32, #n> {jinx.name = "input"},
        tensor<2xf32> {jinx.name = "constant"}, tensor<?x6xf32, #n> {jinx.name = "again"}, tensor<?x6xf32, #n> {jinx.name = "sum"}) {
  %c = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %e = jinx.exp %x : tensor<?x6xf32, #n> -> tensor<?x6xf32, #n>
  %r = jinx.reshape %e : tensor<?x6xf32, #n> -> tensor<?x3xf32, #r>
  %s = jinx.add %e, %x : tensor<?x6xf32, #n>, tensor<?x6xf32, #n> -> tensor<?x6xf32, #n>
  return %e, %r, %x, %c, %e, %s : tensor<?x6xf32, #n>, tensor<?x3xf32, #r>, tensor<?x6xf32, #n>, tensor<2xf32>, tensor<?x6xf32, #n>, tensor<?x6xf32, #n>
}

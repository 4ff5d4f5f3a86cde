#n = #jinx.dims<"n", "2">
func.func @main(%a: tensor<?x2xf32, #n> {jinx.name = "in/a"}, %b: tensor<?x2xf32, #n> {jinx.name = "b"}) -> (tensor<?x2xf32, #n> {jinx.name = "out/sum"}) {
  %s = jinx.add %a, %b : tensor<?x2xf32, #n>, tensor<?x2xf32, #n> -> tensor<?x2xf32, #n> loc("/sum")
  return %s : tensor<?x2xf32, #n>
}

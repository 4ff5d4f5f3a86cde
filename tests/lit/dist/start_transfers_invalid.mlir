// RUN: jinx-opt %s --verify-diagnostics --jinx-start-transfers

dist.mesh @mesh <"pp" = 2>
// expected-error @+1 {{receives over "pp" and does not say which stage it is, expected dist.coordinates with "pp", as jinx-stage-program writes it}}
func.func @nowhere(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  %y = dist.recv from 0 over ["pp"] : tensor<8xf32>
  return %y : tensor<8xf32>
}

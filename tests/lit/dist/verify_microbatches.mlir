// RUN: jinx-opt %s --split-input-file --verify-diagnostics --jinx-place-values --jinx-verify-microbatches
// Nothing is passed on between microbatches: the operator that would need it is named, and its factor.

dist.mesh @mesh <"micro" = 2>
func.func @sum(%x: tensor<6x4xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) -> (tensor<1x4xf32> {dist.sharding = #dist.sharding<[[], []]>}) attributes {dist.annotated = @mesh} {
  // expected-error @+1 {{jinx.reduce sums over its factor d0, which "micro" cuts into 2 microbatches, and nothing is passed on between them; expected a model without sums over the batch}}
  %s = jinx.reduce sum, %x axes [0] : tensor<6x4xf32> -> tensor<1x4xf32>
  %y = jinx.neg %s : tensor<1x4xf32> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
// -----
dist.mesh @mesh <"micro" = 2>
func.func @running(%x: tensor<6x4xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) -> tensor<6x4xf32> attributes {dist.annotated = @mesh} {
  // expected-error @+1 {{jinx.cumsum needs all of its factor axis, dimension 0 of operand 0, which "micro" cuts into 2 microbatches, and nothing is passed on between them; expected a model in which rows of the batch do not meet}}
  %y = jinx.cumsum %x axis 0 : tensor<6x4xf32> -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}
// -----
dist.mesh @mesh <"micro" = 2>
func.func @output(%x: tensor<6x4xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) -> tensor<6x4xf32> attributes {dist.annotated = @mesh} {
  // expected-error @+1 {{output 0 is wished whole, and "micro" cuts into 2 microbatches its dimension 0; expected a rule for it with "micro" on that dimension}}
  %y = jinx.exp %x : tensor<6x4xf32> -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}
// -----
// What all microbatches have, each may take its part of.
dist.mesh @mesh <"micro" = 2>
func.func @part(%x: tensor<6x4xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}, %m: tensor<6x4xf32>) -> (tensor<6x4xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.add %x, %m : tensor<6x4xf32>, tensor<6x4xf32> -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}

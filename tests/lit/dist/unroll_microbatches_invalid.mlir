// RUN: jinx-opt %s --split-input-file --verify-diagnostics --jinx-partition --jinx-unroll-microbatches

dist.mesh @mesh <"micro" = 2>
// expected-error @+1 {{has microbatches (axis "micro" of @mesh) and is not dist.own, expected that jinx-partition has run}}
func.func @early(%x: tensor<4xf32>) -> tensor<4xf32> attributes {dist.annotated = @mesh} {
  return %x : tensor<4xf32>
}
// -----
dist.mesh @mesh <"micro" = 2>
func.func @gathers(%x: tensor<2xf32, #dist.on<"micro" = varying>> {dist.whole = tensor<4xf32, #dist.on<"micro" = shard 0>>}) -> tensor<4xf32> attributes {dist.own = @mesh} {
  // expected-error @+1 {{is over "micro", which counts microbatches: nothing is passed on between them}}
  %y = dist.all_gather %x dim 0 over ["micro"] : tensor<2xf32, #dist.on<"micro" = varying>> -> tensor<4xf32>
  return %y : tensor<4xf32>
}
// -----
dist.mesh @mesh <"dp" = 2, "micro" = 2>
!x = tensor<6xf32, #dist.on<"dp" = shard 0, "micro" = shard 0>>
// expected-error @+1 {{argument 0: 2 microbatches must divide the 3 rows that a rank has of dimension 0 (of 6), expected a batch that all axes divide}}
func.func @uneven(%x: !x) -> !x attributes {dist.placed = @mesh} {
  return %x : !x
}
// -----
dist.mesh @mesh <"dp" = 2, "micro" = 2>
!x = tensor<8xf32, #dist.on<"micro" = shard 0, "dp" = shard 0>>
// expected-error @+1 {{argument 0: "micro" is in front of "dp" on dimension 0, expected it behind: microbatches are parts of what a rank has}}
func.func @front(%x: !x) -> !x attributes {dist.placed = @mesh} {
  return %x : !x
}
// -----
dist.mesh @mesh <"micro" = 2>
// expected-error @+1 {{argument 0 varies on "micro" and has no dist.whole, expected one}}
func.func @part(%x: tensor<2xf32, #dist.on<"micro" = varying>>) -> tensor<2xf32, #dist.on<"micro" = varying>> attributes {dist.own = @mesh} {
  return %x : tensor<2xf32, #dist.on<"micro" = varying>>
}

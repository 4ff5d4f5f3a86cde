// A rank's program: a sum of all ranks that begins early, and a gather by columns. All ranks of tp have the same program.
dist.mesh @mesh <"tp" = 2>
func.func @main(%x: tensor<4x2xf32> {jinx.name = "x", dist.whole = tensor<4x4xf32, #dist.on<"tp" = shard 1>>})
    -> (tensor<4x4xf32> {jinx.name = "all"}, tensor<4x2xf32> {jinx.name = "own", dist.whole = tensor<4x4xf32, #dist.on<"tp" = shard 1>>}) attributes {dist.ranked = @mesh} {
  %n = jinx.neg %x : tensor<4x2xf32> -> tensor<4x2xf32> loc("negate")
  %p = dist.all_reduce sum %n over ["tp"] : tensor<4x2xf32> -> !dist.pending<tensor<4x2xf32>> loc("sum")
  %g = dist.all_gather %x dim 1 over ["tp"] : tensor<4x2xf32> -> tensor<4x4xf32> loc("gather")
  %s = dist.wait %p : !dist.pending<tensor<4x2xf32>> loc("sum")
  %y = jinx.add %s, %x : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32> loc("add")
  return %g, %y : tensor<4x4xf32>, tensor<4x2xf32>
}

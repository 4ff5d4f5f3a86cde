// RUN: jinx-opt %s --split-input-file --verify-diagnostics
// What one operator or attribute may not be; forms are in placed_invalid.mlir and own_invalid.mlir.

// expected-error @+1 {{axis "tp" is there twice}}
dist.mesh @mesh <"tp" = 2, "tp" = 4>
// -----
// expected-error @+1 {{axis "tp" has 0 ranks, expected 1 or more}}
dist.mesh @mesh <"tp" = 0>
// -----
// expected-error @+1 {{axis "2d" is no name}}
dist.mesh @mesh <"2d" = 4>
// -----
// expected-error @+1 {{has more than 16777216 ranks}}
dist.mesh @mesh <"a" = 65536, "b" = 65536>
// -----
// expected-error @+1 {{axis "tp" has two states, expected one}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = shard 0, "tp" = shard 1>>)
// -----
// expected-error @+1 {{axis "tp" is replicated: leave it out}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = replicate>>)
// -----
// expected-error @+1 {{axis "tp" shards dimension 2 of a tensor of rank 2}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = shard 2>>)
// -----
// expected-error @+1 {{axis "dp" is out of order: shards come first, by dimension}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = shard 1, "dp" = shard 0>>)
// -----
// expected-error @+1 {{state is 'split', expected replicate, invariant, shard, varying or partial}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = split 1>>)
// -----
// expected-error @+1 {{parts are joined by 'mean', expected sum, prod, max or min}}
func.func private @f(tensor<8x64xf32, #dist.on<"tp" = partial mean>>)
// -----
// expected-error @+1 {{has 1 formulas, expected 2 (the tensor's rank)}}
func.func private @f(tensor<?x64xf32, #dist.on<"tp" = shard 0, sizes "n">>)
// -----
// expected-error @+1 {{'?' stands last, expected ']'}}
func.func private @f(tensor<8xf32> {dist.sharding = #dist.sharding<[[?, "tp"]]>})
// -----
// expected-error @+1 {{priority is not p0, p1, …}}
func.func private @f(tensor<8xf32> {dist.sharding = #dist.sharding<[["tp"] first]>})
// -----
func.func @f(%x: tensor<8x64xf32>) {
  // expected-error @+1 {{the wish has 1 dimensions, expected 2 (rank of x)}}
  %y = dist.constrain %x <[["tp"]]> : tensor<8x64xf32>
  return
}
// -----
func.func @f(%x: tensor<8x64xf32>) {
  // expected-error @+1 {{expected the operand's elements and sizes}}
  %y = dist.reshard %x : tensor<8x64xf32> -> tensor<8x32xf32, #dist.on<"tp" = shard 1>>
  return
}
// -----
func.func @f(%x: !dist.pending<tensor<8xf32>>) {
  // expected-error @+1 {{waits for what no collective started}}
  %y = dist.wait %x : !dist.pending<tensor<8xf32>>
  return
}
// -----
func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{starts 'tensor<4xf32>', expected what it sends, 'tensor<8xf32>'}}
  %p = dist.send %x to 1 over ["pp"] : tensor<8xf32> -> !dist.pending<tensor<4xf32>>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{takes 4 rows from 6 on, expected rows of 0..7}}
  %y = dist.rows %x from "6" : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}
// -----
func.func @f(%x: tensor<?x4xf32, #jinx.dims<"n", "4">>) {
  // expected-error @+1 {{takes m rows from -1 on, expected rows of 0..n - 1}}
  %y = dist.rows %x from "-1" : tensor<?x4xf32, #jinx.dims<"n", "4">> -> tensor<?x4xf32, #jinx.dims<"m", "4">>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{takes 4 rows from 9223372036854775807 on, expected rows of 0..7}}
  %y = dist.rows %x from "9223372036854775807" : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result has 2 in dimension 1, expected 4}}
  %y = dist.rows %x from "0" : tensor<8x4xf32> -> tensor<4x2xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result is 'tensor<4x4xi32>', expected rows of 'tensor<8x4xf32>'}}
  %y = dist.rows %x from "0" : tensor<8x4xf32> -> tensor<4x4xi32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{from is "2 +", expected a formula of sizes}}
  %y = dist.rows %x from "2 +" : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result has 12 rows, expected 16, those of its operands}}
  %y = dist.join_rows %x, %x : tensor<8x4xf32>, tensor<8x4xf32> -> tensor<12x4xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>, %z: tensor<8x2xf32>) {
  // expected-error @+1 {{operand 1 has 2 in dimension 1, expected 4}}
  %y = dist.join_rows %x, %z : tensor<8x4xf32>, tensor<8x2xf32> -> tensor<16x4xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{dist.piece is "first", expected a number}}
  %y = jinx.neg %x {dist.piece = "first"} : tensor<8x4xf32> -> tensor<8x4xf32>
  return
}
// -----
// expected-error @+1 {{dist.placed is @mesh, which is no dist.mesh of the module}}
func.func @f() attributes {dist.placed = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{is in two forms}}
func.func @f() attributes {dist.placed = @mesh, dist.own = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{attribute "dist.split" is none of the dist dialect}}
func.func @f() attributes {dist.split = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{axis "dp" is not one of @mesh}}
func.func @f(%x: tensor<8xf32, #dist.on<"dp" = shard 0>>) attributes {dist.placed = @mesh} { return }
// -----
// expected-error @+1 {{has a dist.sharding and no mesh: set dist.annotated = @mesh}}
func.func @f(%x: tensor<8xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{dist.sharding of argument 0: axis "dp" is not one of @mesh}}
func.func @f(%x: tensor<8xf32> {dist.sharding = #dist.sharding<[["dp"]]>}) attributes {dist.annotated = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{dist.sharding of argument 0: axis "tp" is there twice}}
func.func @f(%x: tensor<8x8xf32> {dist.sharding = #dist.sharding<[["tp"], ["tp"]]>}) attributes {dist.annotated = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{dist.sharding of argument 0 has 1 dimensions, expected 2}}
func.func @f(%x: tensor<8x8xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) attributes {dist.annotated = @mesh} { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{dist.whole of argument 0}}
func.func @f(%x: tensor<8x8xf32> {dist.whole = tensor<8xf32>}) attributes {dist.ranked = @mesh} { return }
// -----
// expected-error @+1 {{dist.whole of argument 0 has axis "tp" and there is no mesh: set dist.own = @mesh or dist.ranked = @mesh}}
func.func @f(%x: tensor<4xf32> {dist.whole = tensor<8xf32, #dist.on<"tp" = shard 0>>}) { return }
// -----
dist.mesh @mesh <"tp" = 2>
// expected-error @+1 {{dist.whole of argument 0: axis "dp" is not one of @mesh}}
func.func @f(%x: tensor<4xf32> {dist.whole = tensor<8xf32, #dist.on<"dp" = shard 0>>}) attributes {dist.ranked = @mesh} { return }
// -----
dist.mesh @mesh <"micro" = 2>
// expected-error @+1 {{dist.whole of argument 0 is replicate on "micro", where the argument is varying, expected a shard where it is varying}}
func.func @f(%x: tensor<4xf32, #dist.on<"micro" = varying>> {dist.whole = tensor<8xf32>}) attributes {dist.own = @mesh} { return }
// -----
dist.mesh @mesh <"micro" = 2>
// expected-error @+1 {{dist.whole of result 0 is shard 0 on "micro", where the result is replicate, expected a shard where it is varying}}
func.func @f(%x: tensor<4xf32>) -> (tensor<4xf32> {dist.whole = tensor<8xf32, #dist.on<"micro" = shard 0>>}) attributes {dist.own = @mesh} { return %x : tensor<4xf32> }
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f(%x: tensor<4x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{is started, expected that one dist.wait takes it, and nothing else}}
  %p = dist.all_gather %x dim 1 over ["tp"] : tensor<4x8xf32> -> !dist.pending<tensor<4x16xf32>>
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f(%x: tensor<8xf32>) -> !dist.pending<tensor<8xf32>> attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{is started, expected that one dist.wait takes it, and nothing else}}
  %p = dist.all_reduce sum %x over ["tp"] : tensor<8xf32> -> !dist.pending<tensor<8xf32>>
  return %p : !dist.pending<tensor<8xf32>>
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f(%x: tensor<8xf32>) attributes {dist.ranked = @mesh} {
  %p = dist.recv from 0 over ["tp"] : !dist.pending<tensor<8xf32>>
  // expected-error @+1 {{what it waits for is waited for twice}}
  %y = dist.wait %p : !dist.pending<tensor<8xf32>>
  %z = dist.wait %p : !dist.pending<tensor<8xf32>>
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f(%x: tensor<4x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{axis "nope" is not one of @mesh}}
  dist.send %x to 7 over ["nope"] : tensor<4x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f(%x: tensor<4x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{to is 7, expected 0..1}}
  dist.send %x to 7 over ["tp"] : tensor<4x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @f() attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{from is -3, expected 0..1}}
  %y = dist.recv from -3 over ["tp"] : tensor<4x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{result is 8x16, expected 8x24}}
  %y = dist.all_gather %x dim 1 over ["tp"] : tensor<8x8xf32> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{dimension 0 is 8, expected a multiple of the group's 3 ranks}}
  %y = dist.reduce_scatter sum %x dim 0 over ["tp"] : tensor<8x8xf32> -> tensor<2x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{dim is 2, expected 0..1 (dimensions of x)}}
  %y = dist.all_gather %x dim 2 over ["tp"] : tensor<8x8xf32> -> tensor<8x24xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{has 2 sources, expected 3, one for each rank of the group}}
  %y = dist.permute %x from [1, 0] over ["tp"] : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{source 3 is no rank of the group, expected -1..2}}
  %y = dist.permute %x from [1, 0, 3] over ["tp"] : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{root is 3, expected 0..2}}
  %y = dist.broadcast %x root 3 over ["tp"] : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}
// -----
dist.mesh @mesh <"tp" = 3>
func.func @f(%x: tensor<8x8xf32>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{axis "dp" is not one of @mesh}}
  %y = dist.all_reduce sum %x over ["dp"] : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>, %n: tensor<2xi64>) {
  // expected-error @+1 {{result has 2 in dimension 1, expected 4}}
  %y = dist.all_to_all_v %x, %n, %n over ["ep"] : tensor<8x4xf32>, tensor<2xi64>, tensor<2xi64> -> tensor<8x2xf32>
  return
}
// -----
func.func @f(%x: tensor<f32>, %n: tensor<2xi64>) {
  // expected-error @+1 {{result is 'tensor<f32>', expected rows of 'tensor<f32>'}}
  %y = dist.all_to_all_v %x, %n, %n over ["ep"] : tensor<f32>, tensor<2xi64>, tensor<2xi64> -> tensor<f32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>, %n: tensor<2xi64>, %m: tensor<2xi32>) {
  // expected-error @+1 {{receives is 'tensor<2xi32>', expected i64 with a count for each rank}}
  %y = dist.all_to_all_v %x, %n, %m over ["ep"] : tensor<8x4xf32>, tensor<2xi64>, tensor<2xi32> -> tensor<8x4xf32>
  return
}
// -----
func.func @f(%x: tensor<8x4xf32>, %n: tensor<2xi64>) {
  // expected-error @+1 {{share is 1.5}}
  %y = dist.all_to_all_v %x, %n, %n over ["ep"] share 1.5 : tensor<8x4xf32>, tensor<2xi64>, tensor<2xi64> -> tensor<8x4xf32>
  return
}
// -----
dist.mesh @mesh <"ep" = 3>
func.func @f(%x: tensor<8x4xf32>, %n: tensor<3xi64>, %m: tensor<2xi64>) attributes {dist.ranked = @mesh} {
  // expected-error @+1 {{receives has 2 counts, expected 3, one for each rank of the group}}
  %y = dist.all_to_all_v %x, %n, %m over ["ep"] : tensor<8x4xf32>, tensor<3xi64>, tensor<2xi64> -> tensor<8x4xf32>
  return
}

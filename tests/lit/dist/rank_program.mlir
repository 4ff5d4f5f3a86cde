// The program of one rank: coordinates are numbers, types have no states, groups of one rank have nothing to exchange (passes/Dist/RankProgram.cpp).
// RUN: jinx-opt %s --split-input-file --jinx-rank-program=rank=5 | FileCheck %s

// Rank 5 of 2 x 4 has the coordinates 1 and 1.
// CHECK-LABEL: @coordinates
// CHECK-SAME: tensor<8xf32>
// CHECK-SAME: {dist.whole = tensor<4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>}
// CHECK-SAME: dist.ranked = @mesh
// CHECK: jinx.slice %{{.*}} starts ["5"] steps [1] : tensor<8xf32> -> tensor<1xf32>
// CHECK: jinx.sizes ["-2", "n + 1"] : tensor<2xi64>
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @coordinates(%x: tensor<8xf32>, %n: tensor<?xf32, #jinx.dims<"n">>)
    -> (tensor<1xf32, #dist.on<"dp" = varying, "tp" = varying>> {dist.whole = tensor<4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>}, tensor<2xi64, #dist.on<"tp" = varying>>)
    attributes {dist.own = @mesh} {
  %y = jinx.slice %x starts ["4*rank.dp + rank.tp"] steps [1] : tensor<8xf32> -> tensor<1xf32, #dist.on<"dp" = varying, "tp" = varying>>
  %s = jinx.sizes ["-3*rank.tp + 1", "n + rank.tp"] : tensor<2xi64, #dist.on<"tp" = varying>>
  return %y, %s : tensor<1xf32, #dist.on<"dp" = varying, "tp" = varying>>, tensor<2xi64, #dist.on<"tp" = varying>>
}

// -----

// A collective over an axis of one rank is what it is given; one over others stays.
// CHECK-LABEL: @lonely
// CHECK: %[[Y:.*]] = dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<2xf32> -> tensor<16xf32>
// CHECK-NEXT: return %[[Y]]
dist.mesh @mesh <"dp" = 1, "tp" = 8>
func.func @lonely(%x: tensor<2xf32, #dist.on<"dp" = partial sum, "tp" = varying>>) -> tensor<16xf32> attributes {dist.own = @mesh} {
  %s = dist.all_reduce sum %x over ["dp"] : tensor<2xf32, #dist.on<"dp" = partial sum, "tp" = varying>> -> tensor<2xf32, #dist.on<"tp" = varying>>
  %y = dist.all_gather %s dim 0 over ["tp"] : tensor<2xf32, #dist.on<"tp" = varying>> -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// But where a permute names no source, it is zeros.
// CHECK-LABEL: @sourceless
// CHECK: %[[Y:.*]] = dist.permute %{{.*}} from [-1] over ["dp"]
// CHECK-NEXT: return %[[Y]]
dist.mesh @mesh <"dp" = 1, "tp" = 8>
func.func @sourceless(%x: tensor<2xf32, #dist.on<"dp" = varying>>) -> tensor<2xf32, #dist.on<"dp" = varying>> attributes {dist.own = @mesh} {
  %y = dist.permute %x from [-1] over ["dp"] : tensor<2xf32, #dist.on<"dp" = varying>> -> tensor<2xf32, #dist.on<"dp" = varying>>
  return %y : tensor<2xf32, #dist.on<"dp" = varying>>
}

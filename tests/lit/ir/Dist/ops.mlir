// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// Every operator and attribute of the dialect is written as it is read.

// CHECK: dist.mesh @mesh <"dp" = 2, "tp" = 4>
dist.mesh @mesh <"dp" = 2, "tp" = 4>

// CHECK-LABEL: @annotated
// CHECK-SAME: {dist.sharding = #dist.sharding<{{\[}}["dp"] p1, ["tp", ?], [], [?]]>}
func.func @annotated(%x: tensor<8x64x3x5xf32> {dist.sharding = #dist.sharding<[["dp"] p1, ["tp", ?], [], [?]]>}) -> (tensor<8x64x3x5xf32> {dist.sharding = #dist.sharding<[[], [], [], []]>})
    attributes {dist.annotated = @mesh} {
  // CHECK: dist.constrain %{{.*}} <{{\[}}["dp", "tp"], [], [], []]> : tensor<8x64x3x5xf32>
  %y = dist.constrain %x <[["dp", "tp"], [], [], []]> : tensor<8x64x3x5xf32>
  return %y : tensor<8x64x3x5xf32>
}

// CHECK-LABEL: @placed
func.func @placed(%x: tensor<8x64xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>) -> tensor<8x64xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
    attributes {dist.placed = @mesh} {
  // CHECK: dist.reshard %{{.*}} : tensor<8x64xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<8x64xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
  %y = dist.reshard %x : tensor<8x64xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<8x64xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
  return %y : tensor<8x64xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
}

// CHECK-LABEL: @dynamic
// CHECK-SAME: tensor<?x64xf32, #dist.on<"tp" = shard 0, sizes "n", "64">>
func.func @dynamic(%x: tensor<?x64xf32, #dist.on<"tp" = shard 0, sizes "n", "64">>) attributes {dist.placed = @mesh} { return }

// CHECK-LABEL: @own
func.func @own(%x: tensor<8x64xf32, #dist.on<"tp" = varying>>, %n: tensor<4xi64, #dist.on<"tp" = varying>>) -> tensor<8x64xf32> attributes {dist.own = @mesh} {
  // CHECK: dist.all_gather %{{.*}} dim 1 over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<8x256xf32>
  %a = dist.all_gather %x dim 1 over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<8x256xf32>
  // CHECK: dist.all_to_all %{{.*}} split 0 concat 1 over ["tp"]
  %b = dist.all_to_all %x split 0 concat 1 over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<2x256xf32, #dist.on<"tp" = varying>>
  // CHECK: dist.all_to_all_v %{{.*}}, %{{.*}}, %{{.*}} over ["tp"] share 2.500000e-01 : tensor<8x64xf32, #dist.on<"tp" = varying>>, {{.*}} -> tensor<12x64xf32, #dist.on<"tp" = varying>>
  %v = dist.all_to_all_v %x, %n, %n over ["tp"] share 0.25 : tensor<8x64xf32, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"tp" = varying>> -> tensor<12x64xf32, #dist.on<"tp" = varying>>
  // CHECK: dist.permute %{{.*}} from [3, 0, 1, -1] over ["tp"]
  %c = dist.permute %x from [3, 0, 1, -1] over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<8x64xf32, #dist.on<"tp" = varying>>
  // CHECK: dist.broadcast %{{.*}} root 2 over ["tp"]
  %d = dist.broadcast %x root 2 over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<8x64xf32>
  %p = jinx.reduce sum, %x axes [1] : tensor<8x64xf32, #dist.on<"tp" = varying>> -> tensor<8x1xf32, #dist.on<"tp" = partial sum>>
  // CHECK: dist.reduce_scatter sum %{{.*}} dim 0 over ["tp"]
  %e = dist.reduce_scatter sum %p dim 0 over ["tp"] : tensor<8x1xf32, #dist.on<"tp" = partial sum>> -> tensor<2x1xf32, #dist.on<"tp" = varying>>
  // CHECK: %[[P:.*]] = dist.all_reduce sum %{{.*}} over ["tp"] : {{.*}} -> !dist.pending<tensor<8x1xf32>>
  %f = dist.all_reduce sum %p over ["tp"] : tensor<8x1xf32, #dist.on<"tp" = partial sum>> -> !dist.pending<tensor<8x1xf32>>
  // CHECK: dist.wait %[[P]] : <tensor<8x1xf32>>
  %g = dist.wait %f : !dist.pending<tensor<8x1xf32>>
  // CHECK: dist.send %{{.*}} to 1 over ["dp"] : tensor<8x64xf32>
  dist.send %d to 1 over ["dp"] : tensor<8x64xf32>
  // CHECK: dist.recv from 0 over ["dp"] : tensor<8x64xf32>
  %h = dist.recv from 0 over ["dp"] : tensor<8x64xf32>
  // CHECK: %[[S:.*]] = dist.send %{{.*}} to 1 over ["dp"] : tensor<8x64xf32> -> !dist.pending<tensor<8x64xf32>>
  %s = dist.send %d to 1 over ["dp"] : tensor<8x64xf32> -> !dist.pending<tensor<8x64xf32>>
  // CHECK: %[[R:.*]] = dist.recv from 0 over ["dp"] : !dist.pending<tensor<8x64xf32>>
  %r = dist.recv from 0 over ["dp"] : !dist.pending<tensor<8x64xf32>>
  // CHECK: dist.wait %[[S]]
  %sent = dist.wait %s : !dist.pending<tensor<8x64xf32>>
  // CHECK: dist.wait %[[R]]
  %came = dist.wait %r : !dist.pending<tensor<8x64xf32>>
  // CHECK: dist.rows %{{.*}} from "4" : tensor<8x64xf32> -> tensor<2x64xf32>
  %rows = dist.rows %h from "4" : tensor<8x64xf32> -> tensor<2x64xf32>
  // CHECK: dist.join_rows %{{.*}}, %{{.*}} : tensor<2x64xf32>, tensor<8x64xf32> -> tensor<10x64xf32>
  %join = dist.join_rows %rows, %came : tensor<2x64xf32>, tensor<8x64xf32> -> tensor<10x64xf32>
  return %h : tensor<8x64xf32>
}

// CHECK-LABEL: @ranked
// CHECK-SAME: {dist.whole = tensor<8x64xf32, #dist.on<"tp" = shard 1>>}
func.func @ranked(%x: tensor<8x16xf32> {dist.whole = tensor<8x64xf32, #dist.on<"tp" = shard 1>>}) -> tensor<8x16xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_reduce max %x over ["dp", "tp"] : tensor<8x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// RUN: jinx-opt %s --split-input-file --jinx-place-values --jinx-verify-microbatches --jinx-partition --jinx-unroll-microbatches | FileCheck %s
// An axis of the mesh becomes time: what varies along it is there once for each microbatch, the rest once.

// CHECK: dist.mesh @mesh <"pp" = 2>
// CHECK-LABEL: @stages
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<8xf32>) -> tensor<4x8xf32>
// CHECK: %[[E:.*]] = jinx.exp %[[B]]
// CHECK-NOT: jinx.exp
// CHECK: %[[X0:.*]] = dist.rows %[[X]] from "0" : tensor<4x8xf32> -> tensor<2x8xf32>
// CHECK: %[[H0:.*]] = jinx.neg %[[X0]] {dist.piece = 0 : i64, dist.stage = 0 : i64}
// CHECK: %[[Y0:.*]] = jinx.add %[[H0]], %[[E]] {dist.piece = 0 : i64, dist.stage = 1 : i64}
// CHECK: %[[X1:.*]] = dist.rows %[[X]] from "2"
// CHECK: %[[H1:.*]] = jinx.neg %[[X1]] {dist.piece = 1 : i64, dist.stage = 0 : i64}
// CHECK: %[[Y1:.*]] = jinx.add %[[H1]], %[[E]] {dist.piece = 1 : i64, dist.stage = 1 : i64}
// CHECK: %[[Y:.*]] = dist.join_rows %[[Y0]], %[[Y1]] : tensor<2x8xf32>, tensor<2x8xf32> -> tensor<4x8xf32>
// CHECK: return %[[Y]]
dist.mesh @mesh <"pp" = 2, "micro" = 2>
func.func @stages(%x: tensor<4x8xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}, %b: tensor<8xf32>) -> (tensor<4x8xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) attributes {dist.annotated = @mesh} {
  %e = jinx.exp %b : tensor<8xf32> -> tensor<8xf32>
  %h = jinx.neg %x {dist.stage = 0 : i64} : tensor<4x8xf32> -> tensor<4x8xf32>
  %y = jinx.add %h, %e {dist.stage = 1 : i64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----
// A batch that does not divide is filled up, and cut again; of a named one nobody knows.
// CHECK-LABEL: @uneven
// CHECK: %[[P:.*]] = jinx.pad %{{.*}} tensor<5x8xf32>, tensor<f32> -> tensor<6x8xf32>
// CHECK: dist.rows %[[P]] from "3" : tensor<6x8xf32> -> tensor<3x8xf32>
// CHECK: %[[J:.*]] = dist.join_rows
// CHECK: dist.rows %[[J]] from "0" : tensor<6x8xf32> -> tensor<5x8xf32>
dist.mesh @mesh <"micro" = 2>
func.func @uneven(%x: tensor<5x8xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) -> (tensor<5x8xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.neg %x : tensor<5x8xf32> -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}
// CHECK-LABEL: @named
// CHECK: jinx.pad {{.*}}<"2*((n - 1) floordiv 2) + 2", "8"
// CHECK: dist.rows %{{.*}} from "(n - 1) floordiv 2 + 1"
!named = tensor<?x8xf32, #jinx.dims<"n", "8">>
func.func @named(%x: !named {dist.sharding = #dist.sharding<[["micro"], []]>}) -> (!named {dist.sharding = #dist.sharding<[["micro"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.neg %x : !named -> !named
  return %y : !named
}

// -----
// Microbatches of what a rank of dp has; parts along other dimensions than the first are slices. Collectives on other axes come once for each.
// CHECK: dist.mesh @mesh <"dp" = 2>
// CHECK-LABEL: @behind
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32, #dist.on<"dp" = varying>> {dist.whole = tensor<8x8xf32, #dist.on<"dp" = shard 0>>})
// CHECK: dist.rows %[[X]] from "2"
dist.mesh @mesh <"dp" = 2, "micro" = 2>
func.func @behind(%x: tensor<8x8xf32> {dist.sharding = #dist.sharding<[["dp", "micro"], []]>}) -> (tensor<8x8xf32> {dist.sharding = #dist.sharding<[["dp", "micro"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.neg %x : tensor<8x8xf32> -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
// CHECK-LABEL: @columns
// CHECK: jinx.slice %{{.*}} starts ["0", "4"]
// CHECK: jinx.concat %{{.*}} axis 1
func.func @columns(%x: tensor<8x8xf32> {dist.sharding = #dist.sharding<[[], ["micro"]]>}) -> (tensor<8x8xf32> {dist.sharding = #dist.sharding<[[], ["micro"]]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.neg %x : tensor<8x8xf32> -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
// CHECK-LABEL: @sums
// CHECK-COUNT-2: dist.all_reduce sum
// CHECK-NOT: dist.all_reduce
func.func @sums(%x: tensor<8x8xf32> {dist.sharding = #dist.sharding<[["micro"], ["dp"]]>}) -> (tensor<8x1xf32> {dist.sharding = #dist.sharding<[["micro"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.reduce sum, %x axes [1] : tensor<8x8xf32> -> tensor<8x1xf32>
  return %y : tensor<8x1xf32>
}

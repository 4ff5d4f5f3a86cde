// From every state of a value to every other: which slices and collectives, in which order (passes/Dist/ReshardPath.h).
// RUN: jinx-opt %s --split-input-file --jinx-partition=network=host | FileCheck %s

// A part of what every rank has is a slice.
// CHECK-LABEL: @replicated_to_shard
// CHECK-NOT: = dist.
// CHECK: %[[Y:.*]] = jinx.slice %{{.*}} starts ["0", "2*rank.tp"] steps [1, 1] : tensor<4x8xf32> -> tensor<4x2xf32, #dist.on<"tp" = varying>>
// CHECK: return %[[Y]]
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @replicated_to_shard(%x: tensor<4x8xf32>) -> tensor<4x8xf32, #dist.on<"tp" = shard 1>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<4x8xf32> -> tensor<4x8xf32, #dist.on<"tp" = shard 1>>
  return %y : tensor<4x8xf32, #dist.on<"tp" = shard 1>>
}

// -----

// Where it does not divide, zeros fill it up first.
// CHECK-LABEL: @replicated_to_uneven_shard
// CHECK: %[[P:.*]] = jinx.pad %{{.*}} low ["0"] mode constant : tensor<5xf32>, tensor<f32> -> tensor<8xf32>
// CHECK: jinx.slice %[[P]] starts ["2*rank.tp"] steps [1] : tensor<8xf32> -> tensor<2xf32, #dist.on<"tp" = varying>>
dist.mesh @mesh <"tp" = 4>
func.func @replicated_to_uneven_shard(%x: tensor<5xf32>) -> tensor<5xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<5xf32> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<5xf32, #dist.on<"tp" = shard 0>>
}

// -----

// A part of nothing is a part, too: ranks may be asked for it.
// CHECK-LABEL: @nothing_to_shard
// CHECK: %[[S:.*]] = jinx.slice %{{.*}} : tensor<0xf32> -> tensor<0xf32, #dist.on<"tp" = varying>>
// CHECK: dist.all_gather %[[S]] dim 0 over ["tp"]
dist.mesh @mesh <"tp" = 4>
func.func @nothing_to_shard(%x: tensor<0xf32>) -> tensor<0xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<0xf32> -> tensor<0xf32, #dist.on<"tp" = shard 0>>
  %z = jinx.neg %y : tensor<0xf32, #dist.on<"tp" = shard 0>> -> tensor<0xf32, #dist.on<"tp" = shard 0>>
  %w = dist.reshard %y : tensor<0xf32, #dist.on<"tp" = shard 0>> -> tensor<0xf32>
  return %w : tensor<0xf32>
}

// -----

// Two axes on one dimension are one slice, in the order that the type says.
// CHECK-LABEL: @replicated_to_two_axes
// CHECK: jinx.slice %{{.*}} starts ["4*rank.dp + rank.tp"]
// CHECK: jinx.slice %{{.*}} starts ["rank.dp + 2*rank.tp"]
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @replicated_to_two_axes(%x: tensor<8xf32>) -> (tensor<8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>, tensor<8xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>)
    attributes {dist.placed = @mesh} {
  %a = dist.reshard %x : tensor<8xf32> -> tensor<8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>
  %b = dist.reshard %x : tensor<8xf32> -> tensor<8xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
  return %a, %b : tensor<8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>, tensor<8xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
}

// -----

// CHECK-LABEL: @shard_to_replicated
// CHECK: %[[Y:.*]] = dist.all_gather %{{.*}} dim 1 over ["tp"] : tensor<4x2xf32, #dist.on<"tp" = varying>> -> tensor<4x8xf32>
// CHECK: return %[[Y]]
dist.mesh @mesh <"tp" = 4>
func.func @shard_to_replicated(%x: tensor<4x8xf32, #dist.on<"tp" = shard 1>>) -> tensor<4x8xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<4x8xf32, #dist.on<"tp" = shard 1>> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// The filling is cut off.
// CHECK-LABEL: @uneven_shard_to_replicated
// CHECK: %[[A:.*]] = dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<2xf32, #dist.on<"tp" = varying>> -> tensor<8xf32>
// CHECK: jinx.slice %[[A]] starts ["0"] steps [1] : tensor<8xf32> -> tensor<5xf32>
dist.mesh @mesh <"tp" = 4>
func.func @uneven_shard_to_replicated(%x: tensor<5xf32, #dist.on<"tp" = shard 0>>) -> tensor<5xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// CHECK-LABEL: @shard_to_another_dimension
// CHECK: %[[Y:.*]] = dist.all_to_all %{{.*}} split 0 concat 1 over ["tp"] : tensor<4x2xf32, #dist.on<"tp" = varying>> -> tensor<1x8xf32, #dist.on<"tp" = varying>>
// CHECK: return %[[Y]]
dist.mesh @mesh <"tp" = 4>
func.func @shard_to_another_dimension(%x: tensor<4x8xf32, #dist.on<"tp" = shard 1>>) -> tensor<4x8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<4x8xf32, #dist.on<"tp" = shard 1>> -> tensor<4x8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<4x8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Uneven on both: filled up along the one that is cut, cut off along the one that is joined.
// CHECK-LABEL: @uneven_to_another_dimension
// CHECK: %[[P:.*]] = jinx.pad %{{.*}} : tensor<3x4xf32, #dist.on<"tp" = varying>>, tensor<f32> -> tensor<4x4xf32, #dist.on<"tp" = varying>>
// CHECK: %[[A:.*]] = dist.all_to_all %[[P]] split 0 concat 1 over ["tp"] : tensor<4x4xf32, #dist.on<"tp" = varying>> -> tensor<2x8xf32, #dist.on<"tp" = varying>>
// CHECK: jinx.slice %[[A]] starts ["0", "0"] steps [1, 1] : {{.*}} -> tensor<2x7xf32, #dist.on<"tp" = varying>>
dist.mesh @mesh <"tp" = 2>
func.func @uneven_to_another_dimension(%x: tensor<3x7xf32, #dist.on<"tp" = shard 1>>) -> tensor<3x7xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<3x7xf32, #dist.on<"tp" = shard 1>> -> tensor<3x7xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<3x7xf32, #dist.on<"tp" = shard 0>>
}

// -----

// CHECK-LABEL: @sum_to_replicated
// CHECK: dist.all_reduce sum %{{.*}} over ["tp"]
// CHECK-LABEL: @largest_to_replicated
// CHECK: dist.all_reduce max %{{.*}} over ["tp"]
dist.mesh @mesh <"tp" = 4>
func.func @sum_to_replicated(%x: tensor<4xf32, #dist.on<"tp" = partial sum>>) -> tensor<4xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<4xf32, #dist.on<"tp" = partial sum>> -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @largest_to_replicated(%x: tensor<4xf32, #dist.on<"tp" = partial max>>) -> tensor<4xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<4xf32, #dist.on<"tp" = partial max>> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// CHECK-LABEL: @sum_to_shard
// CHECK: %[[Y:.*]] = dist.reduce_scatter sum %{{.*}} dim 0 over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<2xf32, #dist.on<"tp" = varying>>
// CHECK: return %[[Y]]
dist.mesh @mesh <"tp" = 4>
func.func @sum_to_shard(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Parts of a sum are filled up with zeros …
// CHECK-LABEL: @sum_to_uneven_shard
// CHECK: jinx.pad
// CHECK: dist.reduce_scatter sum
// … and those of a product are not: zeros would be no part of it.
// CHECK-LABEL: @product_to_uneven_shard
// CHECK: %[[A:.*]] = dist.all_reduce prod
// CHECK: %[[P:.*]] = jinx.pad %[[A]]
// CHECK: jinx.slice %[[P]]
dist.mesh @mesh <"tp" = 2>
func.func @sum_to_uneven_shard(%x: tensor<5xf32, #dist.on<"tp" = partial sum>>) -> tensor<5xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<5xf32, #dist.on<"tp" = partial sum>> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<5xf32, #dist.on<"tp" = shard 0>>
}
func.func @product_to_uneven_shard(%x: tensor<5xf32, #dist.on<"tp" = partial prod>>) -> tensor<5xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<5xf32, #dist.on<"tp" = partial prod>> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<5xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Parts of one kind on two axes are joined at once; those of two kinds one after the other.
// CHECK-LABEL: @sums_on_two_axes
// CHECK: dist.all_reduce sum %{{.*}} over ["dp", "tp"]
// CHECK-LABEL: @sum_and_largest
// CHECK-DAG: dist.all_reduce sum %{{.*}} over ["dp"]
// CHECK-DAG: dist.all_reduce max %{{.*}} over ["tp"]
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @sums_on_two_axes(%x: tensor<8xf32, #dist.on<"dp" = partial sum, "tp" = partial sum>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"dp" = partial sum, "tp" = partial sum>> -> tensor<8xf32>
  return %y : tensor<8xf32>
}
func.func @sum_and_largest(%x: tensor<8xf32, #dist.on<"dp" = partial sum, "tp" = partial max>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"dp" = partial sum, "tp" = partial max>> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// The minor axis goes first where the dimension divides; both at once where it does not.
// CHECK-LABEL: @minor_axis_goes
// CHECK: dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<1xf32, {{.*}}> -> tensor<4xf32, #dist.on<"dp" = varying>>
// CHECK-NOT: dist.all_gather
// CHECK-LABEL: @both_go
// CHECK: dist.all_gather %{{.*}} dim 0 over ["tp", "dp"] : tensor<2xf32, #dist.on<"dp" = varying, "tp" = varying>> -> tensor<16xf32>
// CHECK-NEXT: jinx.slice {{.*}} -> tensor<9xf32>
// CHECK: jinx.pad
// CHECK: jinx.slice %{{.*}} starts ["3*rank.tp"]
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @minor_axis_goes(%x: tensor<8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>) -> tensor<8xf32, #dist.on<"dp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>> -> tensor<8xf32, #dist.on<"dp" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"dp" = shard 0>>
}
func.func @both_go(%x: tensor<9xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>) -> tensor<9xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<9xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>> -> tensor<9xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<9xf32, #dist.on<"tp" = shard 0>>
}

// -----

// An axis hands its parts to another of as many ranks.
// CHECK-LABEL: @to_another_axis
// CHECK: %[[Y:.*]] = dist.permute %{{.*}} from [0, 2, 1, 3] over ["a", "b"] : tensor<4xf32, #dist.on<"a" = varying>> -> tensor<4xf32, #dist.on<"b" = varying>>
// CHECK: return %[[Y]]
dist.mesh @mesh <"a" = 2, "b" = 2>
func.func @to_another_axis(%x: tensor<8xf32, #dist.on<"a" = shard 0>>) -> tensor<8xf32, #dist.on<"b" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"a" = shard 0>> -> tensor<8xf32, #dist.on<"b" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"b" = shard 0>>
}

// -----

// An axis goes behind those that a dimension has already.
// CHECK-LABEL: @behind_another
// CHECK: %[[Y:.*]] = dist.all_to_all %{{.*}} split 0 concat 1 over ["tp"] : tensor<4x2xf32, {{.*}}> -> tensor<1x8xf32, {{.*}}>
// CHECK-NEXT: return %[[Y]]
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @behind_another(%x: tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 1>>) -> tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 1>> -> tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>
  return %y : tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>
}

// -----

// The same axes in another order: each rank gets one part.
// CHECK-LABEL: @another_order
// CHECK: %[[Y:.*]] = dist.permute %{{.*}} from [0, 2, 4, 1, 3, 5] over ["dp", "tp"]
// CHECK: return %[[Y]]
dist.mesh @mesh <"dp" = 2, "tp" = 3>
func.func @another_order(%x: tensor<11xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>) -> tensor<11xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<11xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>> -> tensor<11xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
  return %y : tensor<11xf32, #dist.on<"tp" = shard 0, "dp" = shard 0>>
}

// -----

// Two orders of one value are two permutes.
// CHECK-LABEL: @other_orders
// CHECK-SAME: (%[[X:.*]]: tensor
// CHECK: %[[Y:.*]] = dist.permute %[[X]] from [0, 2, 4, 6, 1, 3, 5, 7] over ["a", "b", "c"]
// CHECK: %[[Z:.*]] = dist.permute %[[X]] from [0, 4, 1, 5, 2, 6, 3, 7] over ["a", "b", "c"]
// CHECK: return %[[Y]], %[[Z]]
!x = tensor<8388608xf32, #dist.on<"a" = shard 0, "b" = shard 0, "c" = shard 0>>
!y = tensor<8388608xf32, #dist.on<"b" = shard 0, "c" = shard 0, "a" = shard 0>>
!z = tensor<8388608xf32, #dist.on<"c" = shard 0, "a" = shard 0, "b" = shard 0>>
dist.mesh @mesh <"a" = 2, "b" = 2, "c" = 2>
func.func @other_orders(%x: !x) -> (!y, !z) attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : !x -> !y
  %z = dist.reshard %x : !x -> !z
  return %y, %z : !y, !z
}

// -----

// Two dimensions change their axes: one exchange each and no gather of the whole.
// CHECK-LABEL: @two_dimensions
// CHECK-NOT: tensor<8x8xf32>
// CHECK: return
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @two_dimensions(%x: tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 1>>) -> tensor<8x8xf32, #dist.on<"tp" = shard 0, "dp" = shard 1>> attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8x8xf32, #dist.on<"dp" = shard 0, "tp" = shard 1>> -> tensor<8x8xf32, #dist.on<"tp" = shard 0, "dp" = shard 1>>
  return %y : tensor<8x8xf32, #dist.on<"tp" = shard 0, "dp" = shard 1>>
}

// -----

// Steps that two reshards have in common are there once.
// CHECK-LABEL: @once
// CHECK: dist.all_gather
// CHECK-NOT: dist.all_gather
// CHECK: return
dist.mesh @mesh <"tp" = 4>
func.func @once(%x: tensor<8xf32, #dist.on<"tp" = shard 0>>) -> (tensor<8xf32>, tensor<8xf32>) attributes {dist.placed = @mesh} {
  %y = dist.reshard %x : tensor<8xf32, #dist.on<"tp" = shard 0>> -> tensor<8xf32>
  %z = dist.reshard %x : tensor<8xf32, #dist.on<"tp" = shard 0>> -> tensor<8xf32>
  return %y, %z : tensor<8xf32>, tensor<8xf32>
}

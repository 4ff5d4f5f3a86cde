// What partitioning does beside making shapes smaller: masks, attributes, gathers (tests/lit/dist/reshard.mlir: reshards).
// RUN: jinx-opt %s --split-input-file --jinx-partition | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-partition=zero-filled-arguments=true | FileCheck %s --check-prefix=ZERO

// An operator keeps its attributes; arguments say of what they are parts.
// CHECK-LABEL: @plain
// CHECK-SAME: %[[X:.*]]: tensor<2x8xf32, #dist.on<"tp" = varying>> {dist.whole = tensor<4x8xf32, #dist.on<"tp" = shard 0>>}
// CHECK: jinx.cumsum %[[X]] axis 1 reverse : {{.*}} -> tensor<2x8xf32, #dist.on<"tp" = varying>>
dist.mesh @mesh <"tp" = 2>
func.func @plain(%x: tensor<4x8xf32, #dist.on<"tp" = shard 0>>) -> tensor<4x8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = jinx.cumsum %x axis 1 reverse : tensor<4x8xf32, #dist.on<"tp" = shard 0>> -> tensor<4x8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<4x8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// A sum over what is filled up: zeros there, in both operands. What arguments are filled up with nobody knows, unless an option says it.
// CHECK-LABEL: @masks
// CHECK: %[[I:.*]] = jinx.iota axis 1 : tensor<1x3xi64>
// CHECK: %[[N:.*]] = jinx.sizes ["-3*rank.tp + 5"] : tensor<1x1xi64, #dist.on<"tp" = varying>>
// CHECK: %[[IN:.*]] = jinx.compare lt, %[[I]], %[[N]]
// CHECK: %[[A:.*]] = jinx.select %[[IN]], %{{.*}}, %{{.*}} -> tensor<4x3xf32, #dist.on<"tp" = varying>>
// CHECK: %[[B:.*]] = jinx.select {{.*}} -> tensor<3x8xf32, #dist.on<"tp" = varying>>
// CHECK: jinx.matmul %[[A]], %[[B]]
// ZERO-LABEL: @masks
// ZERO-NOT: jinx.select
// ZERO: jinx.matmul
dist.mesh @mesh <"tp" = 2>
func.func @masks(%a: tensor<4x5xf32, #dist.on<"tp" = shard 1>>, %b: tensor<5x8xf32, #dist.on<"tp" = shard 0>>) -> tensor<4x8xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %y = jinx.matmul %a, %b : tensor<4x5xf32, #dist.on<"tp" = shard 1>>, tensor<5x8xf32, #dist.on<"tp" = shard 0>> -> tensor<4x8xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<4x8xf32, #dist.on<"tp" = partial sum>>
}

// -----

// Tests that what divides is not masked.
// CHECK-LABEL: @divides
// CHECK-NOT: jinx.select
// CHECK: jinx.reduce sum
dist.mesh @mesh <"tp" = 2>
func.func @divides(%x: tensor<6xf32, #dist.on<"tp" = shard 0>>) -> tensor<1xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %y = jinx.reduce sum, %x axes [0] : tensor<6xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<1xf32, #dist.on<"tp" = partial sum>>
}

// -----

// Tests that what a slice was filled up with is 0, and stays 0 through neg: a sum needs no mask …
// CHECK-LABEL: @zeros_stay
// CHECK: jinx.pad
// CHECK: jinx.neg
// CHECK-NOT: jinx.select
// CHECK: jinx.reduce sum
// … but exp makes 1 of it …
// CHECK-LABEL: @zeros_go
// CHECK: %[[E:.*]] = jinx.exp
// CHECK: %[[M:.*]] = jinx.select %{{.*}}, %[[E]]
// CHECK: jinx.reduce sum, %[[M]]
// … and 0 is no start for a maximum.
// CHECK-LABEL: @maximum
// CHECK: jinx.constant dense<0xFF800000> : tensor<f32>
// CHECK: %[[M:.*]] = jinx.select
// CHECK: jinx.reduce max, %[[M]]
dist.mesh @mesh <"tp" = 2>
func.func @zeros_stay(%x: tensor<5xf32>) -> tensor<1xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %p = dist.reshard %x : tensor<5xf32> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  %n = jinx.neg %p : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  %y = jinx.reduce sum, %n axes [0] : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<1xf32, #dist.on<"tp" = partial sum>>
}
func.func @zeros_go(%x: tensor<5xf32>) -> tensor<1xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %p = dist.reshard %x : tensor<5xf32> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  %e = jinx.exp %p : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  %y = jinx.reduce sum, %e axes [0] : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<1xf32, #dist.on<"tp" = partial sum>>
}
func.func @maximum(%x: tensor<5xf32>) -> tensor<1xf32, #dist.on<"tp" = partial max>> attributes {dist.placed = @mesh} {
  %p = dist.reshard %x : tensor<5xf32> -> tensor<5xf32, #dist.on<"tp" = shard 0>>
  %y = jinx.reduce max, %p axes [0] : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial max>>
  return %y : tensor<1xf32, #dist.on<"tp" = partial max>>
}

// -----

// One mask for two that read it.
// CHECK-LABEL: @one_mask
// CHECK: jinx.select
// CHECK-NOT: jinx.select
// CHECK: return
dist.mesh @mesh <"tp" = 2>
func.func @one_mask(%x: tensor<5xf32, #dist.on<"tp" = shard 0>>) -> (tensor<1xf32, #dist.on<"tp" = partial sum>>, tensor<1xf32, #dist.on<"tp" = partial sum>>) attributes {dist.placed = @mesh} {
  %y = jinx.reduce sum, %x axes [0] : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  %z = jinx.reduce sum, %x axes [0] : tensor<5xf32, #dist.on<"tp" = shard 0>> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  return %y, %z : tensor<1xf32, #dist.on<"tp" = partial sum>>, tensor<1xf32, #dist.on<"tp" = partial sum>>
}

// -----

// Indices that are filled up are places, too: 0 is one. Divisors of integers are 1.
// CHECK-LABEL: @indices
// CHECK: %[[I:.*]] = jinx.select
// CHECK: jinx.gather %{{.*}}, %[[I]]
// CHECK-LABEL: @divisors
// CHECK: jinx.constant dense<1> : tensor<i32>
// CHECK: %[[B:.*]] = jinx.select
// CHECK: jinx.div %{{.*}}, %[[B]]
dist.mesh @mesh <"tp" = 2>
func.func @indices(%x: tensor<7x4xf32>, %i: tensor<5xi64, #dist.on<"tp" = shard 0>>) -> tensor<5x4xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = jinx.gather %x, %i axis 0 : tensor<7x4xf32>, tensor<5xi64, #dist.on<"tp" = shard 0>> -> tensor<5x4xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<5x4xf32, #dist.on<"tp" = shard 0>>
}
func.func @divisors(%a: tensor<5xi32, #dist.on<"tp" = shard 0>>, %b: tensor<5xi32, #dist.on<"tp" = shard 0>>) -> tensor<5xi32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = jinx.div %a, %b : tensor<5xi32, #dist.on<"tp" = shard 0>>, tensor<5xi32, #dist.on<"tp" = shard 0>> -> tensor<5xi32, #dist.on<"tp" = shard 0>>
  return %y : tensor<5xi32, #dist.on<"tp" = shard 0>>
}

// -----

// Of a part of a table: what lies in it, and 0 for the rest. Negative indices count from the end of the whole.
// CHECK-LABEL: @embedding
// CHECK: %[[WHOLE:.*]] = jinx.sizes ["7"]
// CHECK: jinx.add %{{.*}}, %[[WHOLE]]
// CHECK: %[[FIRST:.*]] = jinx.sizes ["4*rank.tp"]
// CHECK: jinx.sub %{{.*}}, %[[FIRST]]
// CHECK: %[[IN:.*]] = jinx.and
// CHECK: %[[G:.*]] = jinx.gather {{.*}} axis 0
// CHECK: %[[Y:.*]] = jinx.select %{{.*}}, %[[G]], %{{.*}} -> tensor<5x4xf32, #dist.on<"tp" = partial sum>>
// CHECK: return %[[Y]]
dist.mesh @mesh <"tp" = 2>
func.func @embedding(%x: tensor<7x4xf32, #dist.on<"tp" = shard 0>>, %i: tensor<5xi64>) -> tensor<5x4xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %y = jinx.gather %x, %i axis 0 : tensor<7x4xf32, #dist.on<"tp" = shard 0>>, tensor<5xi64> -> tensor<5x4xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<5x4xf32, #dist.on<"tp" = partial sum>>
}

// -----

// Of the experts: each rank computes its own, which it counts from 0. 5 by 2 are 3 and 2; what is filled up nobody chooses, also not by
// a number that is no expert.
// CHECK-LABEL: @mixture
// CHECK: %[[C:.*]] = jinx.cast %{{.*}} : tensor<7x2xi32> -> tensor<7x2xi64>
// CHECK: %[[COUNT:.*]] = jinx.sizes ["5"]
// CHECK: %[[IS:.*]] = jinx.compare lt, %[[C]], %[[COUNT]]
// CHECK: %[[E:.*]] = jinx.select %[[IS]], %[[C]], %{{.*}}
// CHECK: %[[FIRST:.*]] = jinx.sizes ["3*rank.ep"]
// CHECK: %[[MINE:.*]] = jinx.sub %[[E]], %[[FIRST]] : {{.*}} -> tensor<7x2xi64, #dist.on<"ep" = varying>>
// CHECK: %[[Y:.*]] = jinx.experts silu %{{.*}}, %[[MINE]], {{.*}} tensor<3x8x4xf32, #dist.on<"ep" = varying>>{{.*}} -> tensor<7x6xf32, #dist.on<"ep" = partial sum>>
// CHECK: dist.all_reduce sum %[[Y]] over ["ep"]
dist.mesh @mesh <"ep" = 2>
func.func @mixture(%x: tensor<7x4xf32>, %c: tensor<7x2xi32>, %p: tensor<7x2xf32>, %g: tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<5x6x8xf32, #dist.on<"ep" = shard 0>>)
    -> tensor<7x6xf32> attributes {dist.placed = @mesh} {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d
      : (tensor<7x4xf32>, tensor<7x2xi32>, tensor<7x2xf32>, tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<5x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<7x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<7x6xf32, #dist.on<"ep" = partial sum>> -> tensor<7x6xf32>
  return %z : tensor<7x6xf32>
}

// -----

// By columns inside of each expert no number changes; both axes are one sum.
// CHECK-LABEL: @mixture_by_both
// CHECK: jinx.sizes ["2*rank.ep"]
// CHECK: %[[Y:.*]] = jinx.experts silu {{.*}} tensor<2x4x4xf32, {{.*}} -> tensor<7x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>>
// CHECK: dist.all_reduce sum %[[Y]] over ["ep", "tp"]
// CHECK-LABEL: @mixture_by_columns
// CHECK-NOT: jinx.sub
// CHECK: jinx.experts
dist.mesh @mesh <"ep" = 2, "tp" = 2>
func.func @mixture_by_both(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>,
    %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0, "tp" = shard 2>>) -> tensor<7x6xf32> attributes {dist.placed = @mesh} {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d
      : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>,
         tensor<4x6x8xf32, #dist.on<"ep" = shard 0, "tp" = shard 2>>) -> tensor<7x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>>
  %z = dist.reshard %y : tensor<7x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>> -> tensor<7x6xf32>
  return %z : tensor<7x6xf32>
}
func.func @mixture_by_columns(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<4x8x4xf32, #dist.on<"tp" = shard 1>>,
    %d: tensor<4x6x8xf32, #dist.on<"tp" = shard 2>>) -> tensor<7x6xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d
      : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<4x8x4xf32, #dist.on<"tp" = shard 1>>, tensor<4x8x4xf32, #dist.on<"tp" = shard 1>>, tensor<4x6x8xf32, #dist.on<"tp" = shard 2>>)
      -> tensor<7x6xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<7x6xf32, #dist.on<"tp" = partial sum>>
}

// -----

// A convolution of 4 groups by 2 ranks has 2 groups on each; one of channels beside them keeps its groups.
// CHECK-LABEL: @groups
// CHECK: jinx.conv {{.*}}group = 2 : i64
// CHECK-LABEL: @maps
// CHECK: jinx.conv {{.*}}group = 1 : i64
dist.mesh @mesh <"tp" = 2>
func.func @groups(%x: tensor<1x8x5xf32, #dist.on<"tp" = shard 1>>, %w: tensor<4x2x1xf32, #dist.on<"tp" = shard 0>>) -> tensor<1x4x5xf32, #dist.on<"tp" = shard 1>> attributes {dist.placed = @mesh} {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 4 : i64}
      : tensor<1x8x5xf32, #dist.on<"tp" = shard 1>>, tensor<4x2x1xf32, #dist.on<"tp" = shard 0>> -> tensor<1x4x5xf32, #dist.on<"tp" = shard 1>>
  return %y : tensor<1x4x5xf32, #dist.on<"tp" = shard 1>>
}
func.func @maps(%x: tensor<1x8x5xf32>, %w: tensor<4x8x1xf32, #dist.on<"tp" = shard 0>>) -> tensor<1x4x5xf32, #dist.on<"tp" = shard 1>> attributes {dist.placed = @mesh} {
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x8x5xf32>, tensor<4x8x1xf32, #dist.on<"tp" = shard 0>> -> tensor<1x4x5xf32, #dist.on<"tp" = shard 1>>
  return %y : tensor<1x4x5xf32, #dist.on<"tp" = shard 1>>
}

// -----

// A block that shares a scale is as many times smaller as ranks have of it.
// CHECK-LABEL: @blocks
// CHECK: jinx.quantize {{.*}} block 2 along 0
dist.mesh @mesh <"a" = 2, "b" = 2>
func.func @blocks(%x: tensor<8xf32, #dist.on<"a" = shard 0, "b" = shard 0>>, %s: tensor<2xf32, #dist.on<"a" = shard 0>>) -> tensor<8xi8, #dist.on<"a" = shard 0, "b" = shard 0>> attributes {dist.placed = @mesh} {
  %y = jinx.quantize %x, %s block 4 along 0 : tensor<8xf32, #dist.on<"a" = shard 0, "b" = shard 0>>, tensor<2xf32, #dist.on<"a" = shard 0>> -> tensor<8xi8, #dist.on<"a" = shard 0, "b" = shard 0>>
  return %y : tensor<8xi8, #dist.on<"a" = shard 0, "b" = shard 0>>
}

// -----

// A reshape of an argument: its factors are those of the whole, whatever a rank has of it.
// CHECK-LABEL: @reshape
// CHECK: jinx.reshape %{{.*}} : tensor<3x4xf32, #dist.on<"tp" = varying>> -> tensor<12xf32, #dist.on<"tp" = varying>>
dist.mesh @mesh <"tp" = 2>
func.func @reshape(%x: tensor<6x4xf32, #dist.on<"tp" = shard 0>>) -> tensor<24xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %y = jinx.reshape %x : tensor<6x4xf32, #dist.on<"tp" = shard 0>> -> tensor<24xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<24xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Places along a dimension that is not split are those of the whole; what is split of them is a slice.
// CHECK-LABEL: @iota
// CHECK: jinx.iota axis 1 : tensor<2x5xi64, #dist.on<"tp" = varying>>
// CHECK: %[[I:.*]] = jinx.iota axis 0 : tensor<4xi64>
// CHECK: jinx.slice %[[I]] starts ["2*rank.tp"]
dist.mesh @mesh <"tp" = 2>
func.func @iota() -> (tensor<4x5xi64, #dist.on<"tp" = shard 0>>, tensor<4xi64, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  %x = jinx.iota axis 1 : tensor<4x5xi64, #dist.on<"tp" = shard 0>>
  %i = jinx.iota axis 0 : tensor<4xi64>
  %y = dist.reshard %i : tensor<4xi64> -> tensor<4xi64, #dist.on<"tp" = shard 0>>
  return %x, %y : tensor<4x5xi64, #dist.on<"tp" = shard 0>>, tensor<4xi64, #dist.on<"tp" = shard 0>>
}

// -----

// Sizes stay formulas.
// CHECK-LABEL: @formulas
// CHECK-SAME: tensor<?xf32, #dist.on<"tp" = varying, sizes "(n - 1) floordiv 2 + 1">>
// CHECK: jinx.sizes ["-((n - 1) floordiv 2)*rank.tp + n - rank.tp"]
// CHECK: jinx.reduce sum
dist.mesh @mesh <"tp" = 2>
func.func @formulas(%x: tensor<?xf32, #dist.on<"tp" = shard 0, sizes "n">>) -> tensor<1xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  %y = jinx.reduce sum, %x axes [0] : tensor<?xf32, #dist.on<"tp" = shard 0, sizes "n">> -> tensor<1xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<1xf32, #dist.on<"tp" = partial sum>>
}

// -----

// An operator with blocks, and all that they read from outside, is whole on every rank.
// CHECK-LABEL: @blocks_of_code
// CHECK: %[[X:.*]] = dist.all_gather
// CHECK: %[[Y:.*]] = jinx.if
// CHECK: jinx.neg %[[X]] : tensor<4xf32> -> tensor<4xf32>
// CHECK: jinx.slice %[[Y]] starts ["2*rank.tp"]
dist.mesh @mesh <"tp" = 2>
func.func @blocks_of_code(%c: tensor<i1>, %x: tensor<4xf32, #dist.on<"tp" = shard 0>>) -> tensor<4xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %w = dist.reshard %x : tensor<4xf32, #dist.on<"tp" = shard 0>> -> tensor<4xf32>
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    %n = jinx.neg %w : tensor<4xf32> -> tensor<4xf32>
    jinx.yield %n : tensor<4xf32>
  } else {
    jinx.yield %w : tensor<4xf32>
  }
  %p = dist.reshard %y : tensor<4xf32> -> tensor<4xf32, #dist.on<"tp" = shard 0>>
  return %p : tensor<4xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Tests that what nobody reads is not exchanged: collectives have effects, and would stay.
// CHECK-LABEL: @unread
// CHECK-NEXT: return
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @unread(%x: tensor<8x4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>) -> tensor<8x4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %x : tensor<8x4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>> -> tensor<8x4xf32>
  %b = dist.reshard %a : tensor<8x4xf32> -> tensor<8x4xf32, #dist.on<"tp" = shard 1>>
  return %x : tensor<8x4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>
}

// Fewer and cheaper collectives (passes/Dist/MoveReshards.cpp).
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='.*' --remark-format=emitRemark --jinx-move-reshards | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-move-reshards --jinx-partition -o /dev/null

// Two sums that are added are one.
// CHECK-LABEL: @add
// CHECK: %[[U:.*]] = jinx.add %{{.*}}, %{{.*}} : {{.*}} -> tensor<8xf32, #dist.on<"tp" = partial sum>>
// CHECK-NEXT: dist.reshard %[[U]] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
// CHECK-NOT: dist.reshard
dist.mesh @mesh <"tp" = 2>
func.func @add(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>, %q: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %b = dist.reshard %q : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  // expected-remark @below {{[Passed] Moved | Category:jinx-move-reshards | Remark="parts go through add, and are joined behind it: "tp" = partial sum"}}
  %y = jinx.add %a, %b : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// Tests that a sum of which one operand is whole stays: it would be counted on every rank.
// CHECK-LABEL: @add_whole
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.add %[[A]]
dist.mesh @mesh <"tp" = 2>
func.func @add_whole(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>, %b: tensor<8xf32>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %y = jinx.add %a, %b : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// Tests that what is not linear stays.
// CHECK-LABEL: @relu
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.relu %[[A]]
dist.mesh @mesh <"tp" = 2>
func.func @relu(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %y = jinx.relu %a : tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// A sum, through a transpose, a reshape and a scale, and then a part of it: a reduce_scatter.
// CHECK-LABEL: @reduce_scatter
// CHECK: jinx.transpose {{.*}} -> tensor<4x2xf32, #dist.on<"tp" = partial sum>>
// CHECK: jinx.reshape {{.*}} -> tensor<8xf32, #dist.on<"tp" = partial sum>>
// CHECK: %[[M:.*]] = jinx.mul {{.*}} -> tensor<8xf32, #dist.on<"tp" = partial sum>>
// CHECK: dist.reshard %[[M]] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
// CHECK-NOT: dist.reshard
dist.mesh @mesh <"tp" = 2>
func.func @reduce_scatter(%p: tensor<2x4xf32, #dist.on<"tp" = partial sum>>, %s: tensor<f32>) -> tensor<8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<2x4xf32, #dist.on<"tp" = partial sum>> -> tensor<2x4xf32>
  // expected-remark @below {{through transpose}}
  %t = jinx.transpose %a, [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  // expected-remark @below {{through reshape}}
  %r = jinx.reshape %t : tensor<4x2xf32> -> tensor<8xf32>
  // expected-remark @below {{through mul}}
  %m = jinx.mul %r, %s : tensor<8xf32>, tensor<f32> -> tensor<8xf32>
  // expected-remark @below {{[Passed] Joined | Category:jinx-move-reshards | Remark="two reshards are one, from "tp" = partial sum to "tp" = shard 0"}}
  %y = dist.reshard %m : tensor<8xf32> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Two parts of sums that are added are a part of one sum: one reduce_scatter.
// CHECK-LABEL: @add_shards
// CHECK: %[[U:.*]] = jinx.add {{.*}} -> tensor<8xf32, #dist.on<"tp" = partial sum>>
// CHECK-NEXT: dist.reshard %[[U]] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
// Tests that of one there is nothing to win, and the operator would compute more.
// CHECK-LABEL: @neg_shard
// CHECK: jinx.neg {{.*}} -> tensor<8xf32, #dist.on<"tp" = shard 0>>
dist.mesh @mesh <"tp" = 2>
func.func @add_shards(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>, %q: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  %b = dist.reshard %q : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  // expected-remark @below {{through add}}
  %y = jinx.add %a, %b : tensor<8xf32, #dist.on<"tp" = shard 0>>, tensor<8xf32, #dist.on<"tp" = shard 0>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"tp" = shard 0>>
}
func.func @neg_shard(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  %y = jinx.neg %a : tensor<8xf32, #dist.on<"tp" = shard 0>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Tests that a sum which somebody else reads is made once, in front of both.
// CHECK-LABEL: @two_readers
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.neg %[[A]]
// CHECK: jinx.relu %[[A]]
dist.mesh @mesh <"tp" = 2>
func.func @two_readers(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> (tensor<8xf32>, tensor<8xf32>) attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %y = jinx.neg %a : tensor<8xf32> -> tensor<8xf32>
  %z = jinx.relu %a : tensor<8xf32> -> tensor<8xf32>
  return %y, %z : tensor<8xf32>, tensor<8xf32>
}

// -----

// Tests that parts do not go where a sum needs a mask: what is put into the filling is no part.
// CHECK-LABEL: @mask
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.reduce sum, %[[A]]
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @mask(%p: tensor<5xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>) -> tensor<1xf32, #dist.on<"dp" = partial sum>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<5xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<5xf32, #dist.on<"dp" = shard 0>>
  %y = jinx.reduce sum, %a axes [0] : tensor<5xf32, #dist.on<"dp" = shard 0>> -> tensor<1xf32, #dist.on<"dp" = partial sum>>
  return %y : tensor<1xf32, #dist.on<"dp" = partial sum>>
}

// -----

// The largest goes through the largest.
// CHECK-LABEL: @max
// CHECK: jinx.max {{.*}} -> tensor<8xf32, #dist.on<"tp" = partial max>>
dist.mesh @mesh <"tp" = 2>
func.func @max(%p: tensor<8xf32, #dist.on<"tp" = partial max>>, %b: tensor<8xf32>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial max>> -> tensor<8xf32>
  // expected-remark @below {{through max}}
  %y = jinx.max %a, %b : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// What is summed for somebody is not summed again for a part of it.
// CHECK-LABEL: @shared
// CHECK: %[[A:.*]] = dist.reshard %{{.*}} : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
// CHECK: dist.reshard %[[A]] : tensor<8xf32> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
dist.mesh @mesh <"tp" = 2>
func.func @shared(%p: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> (tensor<8xf32>, tensor<8xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  // expected-remark @below {{[Passed] Shared | Category:jinx-move-reshards | Remark=""tp" = shard 0 is made of replicated, which is there already"}}
  %b = dist.reshard %p : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32, #dist.on<"tp" = shard 0>>
  return %a, %b : tensor<8xf32>, tensor<8xf32, #dist.on<"tp" = shard 0>>
}

// -----

// The same of neighbours that count with weight 0.
// CHECK-LABEL: @mask_neighbours
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.resize %[[A]]
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @mask_neighbours(%p: tensor<3x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>) -> tensor<3x3xf32, #dist.on<"dp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<3x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<3x6xf32, #dist.on<"dp" = shard 0>>
  %y = jinx.resize %a {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 0.5>} : tensor<3x6xf32, #dist.on<"dp" = shard 0>> -> tensor<3x3xf32, #dist.on<"dp" = shard 0>>
  return %y : tensor<3x3xf32, #dist.on<"dp" = shard 0>>
}

// -----

// A shard that comes behind it fills nothing up in front of it.
// CHECK-LABEL: @mask_behind
// CHECK: %[[Y:.*]] = jinx.resize {{.*}} -> tensor<3x3xf32, #dist.on<"tp" = partial sum>>
// CHECK: dist.reshard %[[Y]] {{.*}} -> tensor<3x3xf32, #dist.on<"tp" = shard 0>>
dist.mesh @mesh <"tp" = 2>
func.func @mask_behind(%p: tensor<3x6xf32, #dist.on<"tp" = partial sum>>) -> tensor<3x3xf32, #dist.on<"tp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<3x6xf32, #dist.on<"tp" = partial sum>> -> tensor<3x6xf32, #dist.on<"tp" = shard 0>>
  // expected-remark @below {{through resize}}
  %y = jinx.resize %a {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 0.5>} : tensor<3x6xf32, #dist.on<"tp" = shard 0>> -> tensor<3x3xf32, #dist.on<"tp" = shard 0>>
  return %y : tensor<3x3xf32, #dist.on<"tp" = shard 0>>
}

// -----

// Where nothing is filled up they go through.
// CHECK-LABEL: @no_mask
// CHECK: jinx.resize {{.*}} -> tensor<4x3xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @no_mask(%p: tensor<4x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>) -> tensor<4x3xf32, #dist.on<"dp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<4x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<4x6xf32, #dist.on<"dp" = shard 0>>
  // expected-remark @below {{through resize}}
  %y = jinx.resize %a {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 0.5>} : tensor<4x6xf32, #dist.on<"dp" = shard 0>> -> tensor<4x3xf32, #dist.on<"dp" = shard 0>>
  return %y : tensor<4x3xf32, #dist.on<"dp" = shard 0>>
}

// -----

// Tests that a rank which has a part of a table reads whole numbers of it: 0 beside its part is no part of a sum. Along other dimensions parts go through.
// CHECK-LABEL: @table
// CHECK: %[[A:.*]] = dist.reshard
// CHECK: jinx.gather %[[A]]
// CHECK-LABEL: @table_rows
// CHECK: jinx.gather {{.*}} -> tensor<4x3xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @table(%p: tensor<4x6xf32, #dist.on<"dp" = shard 1, "tp" = partial sum>>, %i: tensor<3xi64>) -> tensor<4x3xf32, #dist.on<"dp" = partial sum>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<4x6xf32, #dist.on<"dp" = shard 1, "tp" = partial sum>> -> tensor<4x6xf32, #dist.on<"dp" = shard 1>>
  %y = jinx.gather %a, %i axis 1 : tensor<4x6xf32, #dist.on<"dp" = shard 1>>, tensor<3xi64> -> tensor<4x3xf32, #dist.on<"dp" = partial sum>>
  return %y : tensor<4x3xf32, #dist.on<"dp" = partial sum>>
}
func.func @table_rows(%p: tensor<4x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>>, %i: tensor<3xi64>) -> tensor<4x3xf32, #dist.on<"dp" = shard 0>> attributes {dist.placed = @mesh} {
  %a = dist.reshard %p : tensor<4x6xf32, #dist.on<"dp" = shard 0, "tp" = partial sum>> -> tensor<4x6xf32, #dist.on<"dp" = shard 0>>
  // expected-remark @below {{through gather}}
  %y = jinx.gather %a, %i axis 1 : tensor<4x6xf32, #dist.on<"dp" = shard 0>>, tensor<3xi64> -> tensor<4x3xf32, #dist.on<"dp" = shard 0>>
  return %y : tensor<4x3xf32, #dist.on<"dp" = shard 0>>
}

// -----

// Results that nobody reads are not joined.
// CHECK-LABEL: @unread_results
// CHECK: %[[Y:[a-z0-9]*]]{{.*}} = jinx.attention_grad
// CHECK-NEXT: %[[DQ:.*]] = dist.reshard %[[Y]]
// CHECK-NEXT: return %[[DQ]]
dist.mesh @mesh <"tp" = 2>
func.func @unread_results(%q: tensor<1x2x4x8xf32>, %dy: tensor<1x2x4x8xf32, #dist.on<"tp" = partial sum>>, %lse: tensor<1x2x4xf32>, %delta: tensor<1x2x4xf32, #dist.on<"tp" = partial sum>>)
    -> tensor<1x2x4x8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %dy : tensor<1x2x4x8xf32, #dist.on<"tp" = partial sum>> -> tensor<1x2x4x8xf32>
  %b = dist.reshard %delta : tensor<1x2x4xf32, #dist.on<"tp" = partial sum>> -> tensor<1x2x4xf32>
  // expected-remark @below {{through attention_grad}}
  %dq, %dk, %dv = jinx.attention_grad %q, %q, %q, %a, %lse, %b scale 0.5
      : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>)
      -> (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>)
  return %dq : tensor<1x2x4x8xf32>
}

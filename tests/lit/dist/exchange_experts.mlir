// Mixtures whose tokens go to the ranks of their experts (passes/Dist/ExchangeExperts.h), and what keeps them from it.
// RUN: jinx-opt %s --split-input-file --jinx-partition=experts=exchange | FileCheck %s
// RUN: jinx-opt %s --split-input-file --remarks-filter='.*' --remark-format=emitRemark --jinx-partition=experts=exchange -o /dev/null 2>&1 | FileCheck %s --check-prefix=WHY
// RUN: jinx-opt %s --split-input-file --jinx-partition=experts=gather | FileCheck %s --check-prefix=GATHER

// Six tokens on two ranks, 5 experts of which the first rank has 3. Experts by number, from 1 on; 0 is none.
// CHECK-LABEL: @exchanged
// CHECK: %[[GE:.*]] = jinx.compare ge, %[[CHOSEN:[^,]*]],
// CHECK: %[[LT:.*]] = jinx.compare lt, %[[CHOSEN]],
// CHECK: %[[IS:.*]] = jinx.and %[[GE]], %[[LT]]
// CHECK: %[[NUMBERS:.*]] = jinx.select %[[IS]],
// Of each choice whether its expert is on the rank: a column for each rank.
// CHECK: jinx.iota axis 2 {step = 3 : i64}
// CHECK: jinx.iota axis 2 {start = 3 : i64, step = 3 : i64}
// CHECK: %[[GOES:.*]] = jinx.reduce max, {{.*}} axes [1]
// CHECK: %[[SENDS:.*]] = jinx.cast {{.*}} -> tensor<2xi64, #dist.on<"ep" = varying>>
// CHECK: %[[RECEIVES:.*]] = dist.all_to_all %[[SENDS]] split 0 concat 0 over ["ep"]
// CHECK: %[[ORDER:.*]] = jinx.scatter_elements set
// Rows for each of two ranks at most; room for all six tokens. Two of five experts, three on a rank: 9 of 10 tokens go to each.
// CHECK: %[[ROWS:.*]] = jinx.gather %{{.*}}, %[[ORDER]] axis 0 : {{.*}} -> tensor<6x4xf32,
// CHECK: %[[X:.*]] = dist.all_to_all_v %[[ROWS]], %[[SENDS]], %[[RECEIVES]] over ["ep"] share 9.000000e-01 : {{.*}} -> tensor<6x4xf32, #dist.on<"ep" = varying>>
// CHECK: jinx.concat
// CHECK: %[[PAIRS:.*]] = dist.all_to_all_v {{.*}}, %[[SENDS]], %[[RECEIVES]] over ["ep"] {{.*}} -> tensor<6x4xf32
// Numbers count from this rank's first expert; rows of zeros have none.
// CHECK: jinx.sizes ["3*rank.ep + 1"]
// CHECK: %[[MINE:.*]] = jinx.sub
// CHECK: %[[Y:.*]] = jinx.experts silu %[[X]], %[[MINE]], {{.*}} -> tensor<6x6xf32, #dist.on<"ep" = varying>>
// The way back, with a row of zeros more than can come.
// CHECK: %[[BACK:.*]] = dist.all_to_all_v %[[Y]], %[[RECEIVES]], %[[SENDS]] over ["ep"] {{.*}} -> tensor<7x6xf32
// CHECK: jinx.gather %[[BACK]],
// CHECK: %[[SUM:.*]] = jinx.reduce sum, {{.*}} axes [1]
// CHECK: jinx.reshape %[[SUM]] : {{.*}} -> tensor<3x6xf32, #dist.on<"ep" = varying>>
// CHECK-NOT: all_gather
// CHECK-NOT: reduce_scatter
// GATHER-LABEL: @exchanged
// GATHER-COUNT-3: dist.all_gather
// GATHER: jinx.experts
// GATHER: dist.reduce_scatter
// GATHER-NOT: dist.all_to_all_v
// WHY: ExchangesTokens{{.*}}tokens go to the ranks of their experts: {{.*}} us; gathered and scattered it would be {{.*}} us. In even use a token goes to 1.80 of 2 ranks; as asked for
dist.mesh @mesh <"ep" = 2>
func.func @exchanged(%x: tensor<6x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<6x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<6x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<5x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<6x4xf32, #dist.on<"ep" = shard 0>> -> tensor<6x4xf32>
  %c0 = dist.reshard %c : tensor<6x2xi64, #dist.on<"ep" = shard 0>> -> tensor<6x2xi64>
  %p0 = dist.reshard %p : tensor<6x2xf32, #dist.on<"ep" = shard 0>> -> tensor<6x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<5x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<5x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<6x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum>> -> tensor<6x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<6x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// By columns inside of each expert, too: what comes back is a part of a sum over tp, of a rank's own tokens. Seven tokens by two: the one that is filled up has no expert.
// CHECK-LABEL: @exchanged_by_both
// CHECK: jinx.sizes ["-4*rank.ep + 7"]
// CHECK: %[[Y:.*]] = jinx.experts {{.*}} -> tensor<8x6xf32, #dist.on<"ep" = varying, "tp" = partial sum>>
// CHECK: dist.all_to_all_v %[[Y]], {{.*}} -> tensor<9x6xf32, #dist.on<"ep" = varying, "tp" = partial sum>>
// CHECK: %[[SUM:.*]] = jinx.reshape {{.*}} -> tensor<4x6xf32, #dist.on<"ep" = varying, "tp" = partial sum>>
// CHECK: dist.all_reduce sum %[[SUM]] over ["tp"]
dist.mesh @mesh <"ep" = 2, "tp" = 2>
func.func @exchanged_by_both(%x: tensor<7x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<7x2xi32, #dist.on<"ep" = shard 0>>, %p: tensor<7x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0, "tp" = shard 2>>) -> tensor<7x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<7x4xf32, #dist.on<"ep" = shard 0>> -> tensor<7x4xf32>
  %c0 = dist.reshard %c : tensor<7x2xi32, #dist.on<"ep" = shard 0>> -> tensor<7x2xi32>
  %p0 = dist.reshard %p : tensor<7x2xf32, #dist.on<"ep" = shard 0>> -> tensor<7x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<7x4xf32>, tensor<7x2xi32>, tensor<7x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0, "tp" = shard 1>>,
         tensor<4x6x8xf32, #dist.on<"ep" = shard 0, "tp" = shard 2>>) -> tensor<7x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>>
  %z = dist.reshard %y : tensor<7x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>> -> tensor<7x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<7x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that tokens which all ranks have are not sent: each computes its experts, and the sum is the mixture.
// CHECK-LABEL: @same_tokens
// CHECK-NOT: all_to_all_v
// CHECK: dist.all_reduce
// WHY: NoExchange{{.*}}x is the same on all ranks of "ep" from the start: there is nothing to send
dist.mesh @mesh <"ep" = 2>
func.func @same_tokens(%x: tensor<6x4xf32>, %c: tensor<6x2xi64>, %p: tensor<6x2xf32>, %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32>
    attributes {dist.placed = @mesh} {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<6x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum>> -> tensor<6x6xf32>
  return %z : tensor<6x6xf32>
}

// -----

// Tests that a sum which every rank reads whole is no exchange's.
// WHY: NoExchange{{.*}}y is read whole by reshard, expected that ranks of "ep" read their own tokens
dist.mesh @mesh <"ep" = 2>
func.func @read_whole(%x: tensor<6x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<6x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<6x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<6x4xf32, #dist.on<"ep" = shard 0>> -> tensor<6x4xf32>
  %c0 = dist.reshard %c : tensor<6x2xi64, #dist.on<"ep" = shard 0>> -> tensor<6x2xi64>
  %p0 = dist.reshard %p : tensor<6x2xf32, #dist.on<"ep" = shard 0>> -> tensor<6x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<6x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum>> -> tensor<6x6xf32>
  return %z : tensor<6x6xf32>
}

// -----

// Tests that weights which all ranks have keep tokens of theirs where they are.
// WHY: NoExchange{{.*}}weights is the same on all ranks of "ep" from the start
dist.mesh @mesh <"ep" = 2>
func.func @whole_weights(%x: tensor<6x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<6x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<6x2xf32>,
    %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<6x4xf32, #dist.on<"ep" = shard 0>> -> tensor<6x4xf32>
  %c0 = dist.reshard %c : tensor<6x2xi64, #dist.on<"ep" = shard 0>> -> tensor<6x2xi64>
  %y = jinx.experts silu %x0, %c0, %p, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<6x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum>> -> tensor<6x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<6x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that weights which are parts of a sum do not go to experts.
// WHY: NoExchange{{.*}}weights is "tp" = partial sum, expected a whole one: a weight that goes to an expert is no part of a sum
dist.mesh @mesh <"ep" = 2, "tp" = 2>
func.func @partial_weights(%x: tensor<6x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<6x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<6x2xf32, #dist.on<"ep" = shard 0, "tp" = partial sum>>,
    %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<6x4xf32, #dist.on<"ep" = shard 0>> -> tensor<6x4xf32>
  %c0 = dist.reshard %c : tensor<6x2xi64, #dist.on<"ep" = shard 0>> -> tensor<6x2xi64>
  %p0 = dist.reshard %p : tensor<6x2xf32, #dist.on<"ep" = shard 0, "tp" = partial sum>> -> tensor<6x2xf32, #dist.on<"tp" = partial sum>>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32, #dist.on<"tp" = partial sum>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>,
         tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum, "tp" = partial sum>> -> tensor<6x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<6x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that numbers of experts must be f32, beside weights.
// WHY: NoExchange{{.*}}there are 16777218 experts, expected a number up to 16777216
dist.mesh @mesh <"ep" = 2>
func.func @many_experts(%x: tensor<6x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<6x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<6x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<16777218x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<16777218x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<6x4xf32, #dist.on<"ep" = shard 0>> -> tensor<6x4xf32>
  %c0 = dist.reshard %c : tensor<6x2xi64, #dist.on<"ep" = shard 0>> -> tensor<6x2xi64>
  %p0 = dist.reshard %p : tensor<6x2xf32, #dist.on<"ep" = shard 0>> -> tensor<6x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<6x4xf32>, tensor<6x2xi64>, tensor<6x2xf32>, tensor<16777218x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<16777218x8x4xf32, #dist.on<"ep" = shard 0>>,
         tensor<16777218x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<6x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<6x6xf32, #dist.on<"ep" = partial sum>> -> tensor<6x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<6x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that tokens which another axis splits only once they are gathered are not exchanged.
// WHY: NoExchange{{.*}}tokens are split by "ep" in front of it and by "dp" in it, expected that they are gathered only
dist.mesh @mesh <"dp" = 2, "ep" = 2>
func.func @other_rows(%x: tensor<8x4xf32, #dist.on<"ep" = shard 0>>, %c: tensor<8x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<8x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<8x6xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<8x4xf32, #dist.on<"ep" = shard 0>> -> tensor<8x4xf32, #dist.on<"dp" = shard 0>>
  %c0 = dist.reshard %c : tensor<8x2xi64, #dist.on<"ep" = shard 0>> -> tensor<8x2xi64, #dist.on<"dp" = shard 0>>
  %p0 = dist.reshard %p : tensor<8x2xf32, #dist.on<"ep" = shard 0>> -> tensor<8x2xf32, #dist.on<"dp" = shard 0>>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<8x4xf32, #dist.on<"dp" = shard 0>>, tensor<8x2xi64, #dist.on<"dp" = shard 0>>, tensor<8x2xf32, #dist.on<"dp" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>,
         tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = partial sum>>
  %z = dist.reshard %y : tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = partial sum>> -> tensor<8x6xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<8x6xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that rows of x and of chosen that a rank has must be of the same tokens.
// WHY: NoExchange{{.*}}chosen is split by "ep", "dp", and x by "dp", "ep": tokens are not beside each other
dist.mesh @mesh <"dp" = 2, "ep" = 2>
func.func @other_order(%x: tensor<8x4xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>>, %c: tensor<8x2xi64, #dist.on<"ep" = shard 0, "dp" = shard 0>>,
    %p: tensor<8x2xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>>, %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
    -> tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<8x4xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>> -> tensor<8x4xf32, #dist.on<"dp" = shard 0>>
  %c0 = dist.reshard %c : tensor<8x2xi64, #dist.on<"ep" = shard 0, "dp" = shard 0>> -> tensor<8x2xi64, #dist.on<"dp" = shard 0>>
  %p0 = dist.reshard %p : tensor<8x2xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>> -> tensor<8x2xf32, #dist.on<"dp" = shard 0>>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<8x4xf32, #dist.on<"dp" = shard 0>>, tensor<8x2xi64, #dist.on<"dp" = shard 0>>, tensor<8x2xf32, #dist.on<"dp" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>,
         tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>) -> tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = partial sum>>
  %z = dist.reshard %y : tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = partial sum>> -> tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>>
  return %z : tensor<8x6xf32, #dist.on<"dp" = shard 0, "ep" = shard 0>>
}

// -----

// Tokens that another axis splits behind this one are gathered from both; an exchange goes over one of them.
// CHECK-LABEL: @of_two_axes
// CHECK: dist.all_to_all_v {{.*}} over ["ep"] {{.*}} -> tensor<4x4xf32, #dist.on<"dp" = varying, "ep" = varying>>
// CHECK: jinx.experts {{.*}} -> tensor<4x6xf32, #dist.on<"dp" = varying, "ep" = varying>>
// CHECK-NOT: all_gather
// CHECK: return
dist.mesh @mesh <"dp" = 2, "ep" = 2>
func.func @of_two_axes(%x: tensor<8x4xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>>, %c: tensor<8x2xi64, #dist.on<"ep" = shard 0, "dp" = shard 0>>,
    %p: tensor<8x2xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>>, %g: tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, %d: tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
    -> tensor<8x6xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<8x4xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>> -> tensor<8x4xf32>
  %c0 = dist.reshard %c : tensor<8x2xi64, #dist.on<"ep" = shard 0, "dp" = shard 0>> -> tensor<8x2xi64>
  %p0 = dist.reshard %p : tensor<8x2xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>> -> tensor<8x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<8x4xf32>, tensor<8x2xi64>, tensor<8x2xf32>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x8x4xf32, #dist.on<"ep" = shard 0>>, tensor<4x6x8xf32, #dist.on<"ep" = shard 0>>)
      -> tensor<8x6xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<8x6xf32, #dist.on<"ep" = partial sum>> -> tensor<8x6xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>>
  return %z : tensor<8x6xf32, #dist.on<"ep" = shard 0, "dp" = shard 0>>
}

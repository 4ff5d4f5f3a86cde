// Which axes values take from others, and what keeps them from it: a rule of propagation a case (passes/Dist/Propagation.h).
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='.*' --remark-format=emitRemark --jinx-place-values | FileCheck %s

// Forward, over the factor n. Callers get the whole where nobody wished something else.
// CHECK-LABEL: @forward
// CHECK: %[[Y:.*]] = jinx.relu %{{.*}} -> tensor<4x8xf32, #dist.on<"tp" = shard 1>>
// CHECK: dist.reshard %[[Y]] : {{.*}} -> tensor<4x8xf32>
dist.mesh @mesh <"tp" = 2>
func.func @forward(%x: tensor<4x6xf32>, %w: tensor<6x8xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}) -> tensor<4x8xf32>
    attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Passed] Taken | Category:jinx-place-values | Remark="dimension 1 of matmul takes tp (n of matmul)"}}
  %h = jinx.matmul %x, %w : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  // expected-remark @below {{dimension 1 of relu takes tp (d1 of relu)}}
  %y = jinx.relu %h : tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Backward, from a result, through k to the weights.
// CHECK-LABEL: @backward
// CHECK-SAME: %{{.*}}: tensor<4x6xf32>, %{{.*}}: tensor<6x8xf32, #dist.on<"tp" = shard 1>>
dist.mesh @mesh <"tp" = 2>
func.func @backward(%x: tensor<4x6xf32>, %w: tensor<6x8xf32> {dist.sharding = #dist.sharding<[[?], [?]]>}) -> (tensor<4x8xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>})
    attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 1 of argument 1 takes tp (n of matmul)}}
  %y = jinx.matmul %x, %w : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  // expected-remark @below {{dimension 1 of matmul takes tp (result 0 of return)}}
  return %y : tensor<4x8xf32>
}

// -----

// A summed factor makes a part of a sum, and a reshard behind it.
// CHECK-LABEL: @summed
// CHECK: %[[P:.*]] = jinx.matmul {{.*}} -> tensor<4x8xf32, #dist.on<"tp" = partial sum>>
// CHECK: dist.reshard %[[P]] : tensor<4x8xf32, #dist.on<"tp" = partial sum>> -> tensor<4x8xf32>
dist.mesh @mesh <"tp" = 2>
func.func @summed(%x: tensor<4x6xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}, %w: tensor<6x8xf32> {dist.sharding = #dist.sharding<[[?], [?]]>}) -> tensor<4x8xf32>
    attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of argument 1 takes tp (k of matmul)}}
  %y = jinx.matmul %x, %w : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// What two values want differently, a lower priority decides: dp is there when tp comes.
// CHECK-LABEL: @priorities
// CHECK: jinx.add {{.*}} -> tensor<4x4xf32, #dist.on<"dp" = shard 0>>
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @priorities(%a: tensor<4x4xf32> {dist.sharding = #dist.sharding<[["tp"] p1, []]>}, %b: tensor<4x4xf32> {dist.sharding = #dist.sharding<[["dp"], []]>})
    -> (tensor<4x4xf32> {dist.sharding = #dist.sharding<[["dp"], []]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of add takes dp (d0 of add)}}
  // expected-remark @below {{[Missed] Conflict | Category:jinx-place-values | Remark="d0 of add: argument 0 has tp, argument 1 has dp"}}
  %y = jinx.add %a, %b : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

// Of a dimension with others beside it an axis divides what it splits, or splits nothing of it: parts of 2 and 1 rows are no parts of equal sizes of what they lie in.
// CHECK-LABEL: @uneven_rows
// CHECK: jinx.reshape {{.*}} : tensor<3x4xf32> -> tensor<12xf32>
dist.mesh @mesh <"tp" = 2>
func.func @uneven_rows(%x: tensor<3x4xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) -> tensor<12xf32> attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] NotDivided | Category:jinx-place-values | Remark="y of reshape: axis "tp" of 2 ranks does not divide i0, which is 3 and has others beside it"}}
  %y = jinx.reshape %x : tensor<3x4xf32> -> tensor<12xf32>
  return %y : tensor<12xf32>
}

// -----

// Numbers of priorities are an order, however far apart they are.
// CHECK-LABEL: @far_priorities
// CHECK: jinx.add {{.*}} -> tensor<4x4xf32, #dist.on<"dp" = shard 0>>
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @far_priorities(%a: tensor<4x4xf32> {dist.sharding = #dist.sharding<[["tp"] p9223372036854775807, []]>}, %b: tensor<4x4xf32> {dist.sharding = #dist.sharding<[["dp"] p4000000000000, []]>})
    -> (tensor<4x4xf32> {dist.sharding = #dist.sharding<[["dp"] p4000000000000, []]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of add takes dp (d0 of add)}}
  // expected-remark @below {{d0 of add: argument 0 has tp, argument 1 has dp}}
  %y = jinx.add %a, %b : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

// Of two lists the longer is taken where it begins with the other; else what both begin with.
// CHECK-LABEL: @longest
// CHECK: jinx.add {{.*}} -> tensor<8x4xf32, #dist.on<"dp" = shard 0, "tp" = shard 0>>
dist.mesh @mesh <"dp" = 2, "tp" = 2>
func.func @longest(%a: tensor<8x4xf32> {dist.sharding = #dist.sharding<[["dp", ?], []]>}, %b: tensor<8x4xf32> {dist.sharding = #dist.sharding<[["dp", "tp"], []]>})
    -> (tensor<8x4xf32> {dist.sharding = #dist.sharding<[["dp", "tp"], []]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of argument 0 takes dp, tp (d0 of add)}}
  // expected-remark @below {{dimension 0 of add takes dp, tp (d0 of add)}}
  %y = jinx.add %a, %b : tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// A closed dimension takes nothing; the value is resharded for who wants it otherwise.
// CHECK-LABEL: @closed
// CHECK: %[[S:.*]] = dist.reshard %{{.*}} : tensor<4xf32> -> tensor<4xf32, #dist.on<"tp" = shard 0>>
// CHECK: jinx.add %[[S]]
dist.mesh @mesh <"tp" = 2>
func.func @closed(%a: tensor<4xf32> {dist.sharding = #dist.sharding<[[]]>}, %b: tensor<4xf32> {dist.sharding = #dist.sharding<[["tp"]]>})
    -> (tensor<4xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] Closed | Category:jinx-place-values | Remark="dimension 0 of argument 0 stays as it was wished, without tp"}}
  // expected-remark @below {{dimension 0 of add takes tp}}
  %y = jinx.add %a, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// An axis splits one dimension of a value.
// CHECK-LABEL: @axis_taken
// CHECK: jinx.matmul {{.*}} -> tensor<4x8xf32, #dist.on<"tp" = shard 0>>
dist.mesh @mesh <"tp" = 2>
func.func @axis_taken(%a: tensor<4x6xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}, %b: tensor<6x8xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>})
    -> (tensor<4x8xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] AxisTaken | Category:jinx-place-values | Remark="dimension 1 of matmul does not take tp, which splits another dimension of it"}}
  %y = jinx.matmul %a, %b : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  // expected-remark @below {{dimension 0 of matmul takes tp (result 0 of return)}}
  return %y : tensor<4x8xf32>
}

// -----

// Nor does it split two factors of one dimension: g and c of a grouped convolution.
// CHECK-LABEL: @axis_taken_by_a_factor
// CHECK-NOT: "a" = shard 1, "a" = shard 1
dist.mesh @mesh <"a" = 3>
func.func @axis_taken_by_a_factor(%x: tensor<2x9x4xf32> {dist.sharding = #dist.sharding<[[], ["a", ?], []]>}, %w: tensor<3x3x1xf32> {dist.sharding = #dist.sharding<[[], ["a"], []]>}) -> tensor<2x3x4xf32>
    attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 1 of conv takes a}}
  // expected-remark @below {{dimension 0 of argument 1 stays as it was wished, without a}}
  // expected-remark @below {{dimension 1 of argument 0 does not take a, which splits another factor of it}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 3 : i64} : tensor<2x9x4xf32>, tensor<3x3x1xf32> -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// -----

// A dimension that is shorter than an axis is long stays whole.
// CHECK-LABEL: @too_short
// CHECK: jinx.relu {{.*}} -> tensor<2x3xf32>{{$}}
dist.mesh @mesh <"tp" = 4>
func.func @too_short(%x: tensor<2x3xf32>) -> (tensor<2x3xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}) attributes {dist.annotated = @mesh} {
  %y = jinx.relu %x : tensor<2x3xf32> -> tensor<2x3xf32>
  // expected-remark @below {{[Missed] TooShort | Category:jinx-place-values | Remark="dimension 0 of relu has 2 left for the 4 ranks of tp"}}
  return %y : tensor<2x3xf32>
}

// -----

// Of two factors in one dimension the first is split evenly or not at all.
// CHECK-LABEL: @not_divided
// CHECK: jinx.reshape {{.*}} : tensor<12xf32> -> tensor<3x4xf32>
dist.mesh @mesh <"tp" = 2>
func.func @not_divided(%x: tensor<12xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) -> tensor<3x4xf32> attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] NotDivided | Category:jinx-place-values | Remark="x of reshape: axis "tp" of 2 ranks does not divide i0, which is 3 and has others beside it"}}
  %y = jinx.reshape %x : tensor<12xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

// The second factor of a dimension is split only where the first is, to the last element.
// CHECK-LABEL: @not_neighbours
dist.mesh @mesh <"tp" = 2>
func.func @not_neighbours(%x: tensor<3x4xf32> {dist.sharding = #dist.sharding<[[], ["tp"]]>}) -> tensor<12xf32> attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] NotNeighbours | Category:jinx-place-values | Remark="y of reshape: a minor factor of dimension 0 is split and the one in front of it is not"}}
  %y = jinx.reshape %x : tensor<3x4xf32> -> tensor<12xf32>
  return %y : tensor<12xf32>
}

// -----

// A wish in the middle goes both ways.
// CHECK-LABEL: @constrain
// CHECK-SAME: tensor<4x6xf32, #dist.on<"dp" = shard 0>>
// CHECK-NOT: dist.constrain
dist.mesh @mesh <"dp" = 2>
func.func @constrain(%x: tensor<4x6xf32> {dist.sharding = #dist.sharding<[[?], [?]]>}) -> tensor<4x6xf32> attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of argument 0 takes dp (d0 of relu)}}
  %h = jinx.relu %x : tensor<4x6xf32> -> tensor<4x6xf32>
  // expected-remark @below {{dimension 0 of relu takes dp (constrain of constrain)}}
  %c = dist.constrain %h <[["dp"], []]> : tensor<4x6xf32>
  // expected-remark @below {{dimension 0 of neg takes dp (d0 of neg)}}
  %y = jinx.neg %c : tensor<4x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

// A result that is open keeps what its value has.
// CHECK-LABEL: @open_result
// CHECK: return %{{.*}} : tensor<4xf32, #dist.on<"tp" = shard 0>>
dist.mesh @mesh <"tp" = 2>
func.func @open_result(%x: tensor<4xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) -> (tensor<4xf32> {dist.sharding = #dist.sharding<[[?]]>}) attributes {dist.annotated = @mesh} {
  // expected-remark @below {{dimension 0 of relu takes tp}}
  %y = jinx.relu %x : tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// What is read by several coordinates is not split, and a remark says so.
// CHECK-LABEL: @gather_nd
// CHECK: %[[X:.*]] = dist.reshard %{{.*}} -> tensor<4x3xf32>
// CHECK: jinx.gather_nd %[[X]]
dist.mesh @mesh <"tp" = 2>
func.func @gather_nd(%x: tensor<4x3xf32> {dist.sharding = #dist.sharding<[["tp"], []]>}, %i: tensor<5x1xi64>) -> tensor<5x3xf32> attributes {dist.annotated = @mesh} {
  // expected-remark @below {{[Missed] KeptWhole | Category:jinx-place-values | Remark="v0 of gather_nd is not split by tp: only gather and experts read a part of what data name"}}
  %y = jinx.gather_nd %x, %i : tensor<4x3xf32>, tensor<5x1xi64> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

// Blocks read whole values.
// CHECK-LABEL: @blocks_of_code
// CHECK: %[[W:.*]] = dist.reshard %{{.*}} : tensor<4xf32, #dist.on<"tp" = shard 0>> -> tensor<4xf32>
// CHECK: jinx.if
// CHECK: jinx.neg %[[W]]
dist.mesh @mesh <"tp" = 2>
func.func @blocks_of_code(%c: tensor<i1>, %x: tensor<4xf32> {dist.sharding = #dist.sharding<[["tp"]]>}) -> tensor<4xf32> attributes {dist.annotated = @mesh} {
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    %n = jinx.neg %x : tensor<4xf32> -> tensor<4xf32>
    jinx.yield %n : tensor<4xf32>
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

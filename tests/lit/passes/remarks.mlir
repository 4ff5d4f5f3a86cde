// Every pass says what it did and what it did not, and why. One positive case and its negative twin a pass; fusion has fuse_remarks.mlir.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='.*' --remark-format=emitRemark \
// RUN:   --pass-pipeline='builtin.module(func.func(jinx-fold-constants,jinx-simplify,jinx-channels-last,jinx-pack))' -o /dev/null

func.func @folds() -> tensor<2xf32> {
  %a = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // expected-remark @below {{[Passed] Folded | Category:jinx-fold-constants | Remark="computed neg"}}
  %y = jinx.neg %a : tensor<2xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @does_not_fold_what_grows() -> tensor<2048x1024xf32> {
  %a = jinx.constant dense<[[1.0], [2.0], [3.0], [4.0]]> : tensor<4x1xf32>
  %r = jinx.constant dense<1.0> : tensor<1x1024xf32>
  // expected-remark @below {{Remark="computed broadcast"}}
  %b = jinx.broadcast %a : tensor<4x1xf32> -> tensor<4x1024xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-fold-constants | Remark="broadcast: the result has 8388608 bytes, the operands 4; max-growth is 4194304"}}
  %y = jinx.broadcast %r : tensor<1x1024xf32> -> tensor<2048x1024xf32>
  return %y : tensor<2048x1024xf32>
}

// -----

func.func @cannot_fold_random_numbers() -> tensor<2xf32> {
  %x = jinx.constant dense<[1.0, 7.0]> : tensor<2xf32>
  // expected-remark @below {{[Failure] NotComputed | Category:jinx-fold-constants | Remark="host_call: operators that draw random numbers"}}
  %y = jinx.host_call "" "RandomNormalLike" 1 {} (%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @rewrites_a_square(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<2.0> : tensor<1xf32>
  // expected-remark @below {{[Passed] Rewritten | Category:jinx-simplify | Remark="pow by ExpandPow"}}
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<1xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @keeps_other_powers(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<2.5> : tensor<1xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-simplify | Remark="pow: no cheaper form for this exponent, expected 1, 2, 3, 0.5 or 0.75"}}
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<1xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @moves_a_transpose_down(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32> {
  // expected-remark @below {{[Passed] ChannelsLast | Category:jinx-channels-last}}
  // expected-remark @below {{[Passed] Packed | Category:jinx-pack | Remark="conv becomes packed_conv"}}
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  // expected-remark @below {{[Passed] TransposeMoved | Category:jinx-channels-last | Remark="below relu"}}
  %y = jinx.relu %c : tensor<1x4x6x6xf32> -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}

// -----

func.func @leaves_a_transpose_above_a_large_operand(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %z: tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32> {
  // expected-remark @below {{[Passed] ChannelsLast | Category:jinx-channels-last}}
  // expected-remark @below {{[Passed] Packed}}
  %c = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  // expected-remark @below {{[Missed] TransposeStays | Category:jinx-channels-last | Remark="above add: operand 1 is as large and not transposed: it would need a copy"}}
  %y = jinx.add %c, %z : tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32> -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}

// -----

func.func @packs(%a: tensor<4x8xf32>, %b: tensor<8x16xf32>) -> tensor<4x16xf32> {
  // expected-remark @below {{[Passed] Packed | Category:jinx-pack | Remark="matmul: right operand packed at run time"}}
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

func.func @does_not_pack_doubles(%a: tensor<4x8xf64>, %b: tensor<8x16xf64>) -> tensor<4x16xf64> {
  // expected-remark @below {{[Missed] Kept | Category:jinx-pack | Remark="matmul: elements are not f32"}}
  %y = jinx.matmul %a, %b : tensor<4x8xf64>, tensor<8x16xf64> -> tensor<4x16xf64>
  return %y : tensor<4x16xf64>
}

// RUN: jinx-opt %s --split-input-file --jinx-fold-constants | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-fold-constants=max-growth=0 | FileCheck %s --check-prefix=TIGHT

// A chain folds in one walk.
// CHECK-LABEL: @chain
// CHECK: %[[C:.*]] = jinx.constant dense<[8.000000e+00, 1.200000e+01]> : tensor<2xf32>
// CHECK: return %[[C]]
func.func @chain() -> tensor<2xf32> {
  %a = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = jinx.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %s = jinx.add %a, %b : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  %two = jinx.constant dense<2.0> : tensor<f32>
  %y = jinx.mul %s, %two : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// Tests that an operator with one operand that is no constant stays.
// CHECK-LABEL: @argument
// CHECK: jinx.add
func.func @argument(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = jinx.add %a, %x : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// Integers, bools and data movement fold like floats.
// CHECK-LABEL: @movement
// CHECK: jinx.constant dense<{{\[\[}}1, 4], [2, 5], [3, 6]]> : tensor<3x2xi64>
// CHECK: jinx.constant dense<[true, false]> : tensor<2xi1>
func.func @movement() -> (tensor<3x2xi64>, tensor<2xi1>) {
  %a = jinx.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %t = jinx.transpose %a, [1, 0] : tensor<2x3xi64> -> tensor<3x2xi64>
  %b = jinx.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %c = jinx.constant dense<2.0> : tensor<f32>
  %l = jinx.compare lt, %b, %c : tensor<2xf32>, tensor<f32> -> tensor<2xi1>
  return %t, %l : tensor<3x2xi64>, tensor<2xi1>
}

// -----

// Host calls fold; an omitted operand counts as a constant.
// CHECK-LABEL: @host_call
// CHECK-NOT: jinx.host_call
// CHECK: jinx.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
func.func @host_call() -> tensor<2xf32> {
  %x = jinx.constant dense<[1.0, 7.0]> : tensor<2xf32>
  %none = jinx.none : !jinx.none
  %max = jinx.constant dense<2.0> : tensor<f32>
  %y = jinx.host_call "" "Clip" 13 {} (%x, %none, %max) : (tensor<2xf32>, !jinx.none, tensor<f32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// Tests that drawing random numbers is left to the run.
// CHECK-LABEL: @random
// CHECK: jinx.host_call "" "RandomNormalLike"
func.func @random() -> tensor<2xf32> {
  %x = jinx.constant dense<[1.0, 7.0]> : tensor<2xf32>
  %y = jinx.host_call "" "RandomNormalLike" 1 {} (%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// Tests that a result much larger than the operands stays unfolded.
// CHECK-LABEL: @growth
// CHECK-NOT: jinx.broadcast
// TIGHT-LABEL: @growth
// TIGHT: jinx.broadcast
func.func @growth() -> tensor<8x2xf32> {
  %x = jinx.constant dense<[1.0, 7.0]> : tensor<2xf32>
  %y = jinx.broadcast %x : tensor<2xf32> -> tensor<8x2xf32>
  return %y : tensor<8x2xf32>
}

// -----

// Packing folds however much it grows: the packed weights are what the plan carries instead.
// CHECK-LABEL: @pack
// CHECK-NOT: jinx.pack
// TIGHT-LABEL: @pack
// TIGHT-NOT: jinx.pack
func.func @pack() -> tensor<1x2x16xf32> {
  %b = jinx.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = jinx.pack %b : tensor<2x2xf32> -> tensor<1x2x16xf32>
  return %y : tensor<1x2x16xf32>
}

// -----

// Tests that a result whose size is a formula stays.
// CHECK-LABEL: @symbolic
// CHECK: jinx.broadcast
func.func @symbolic(%x: tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">> {
  %c = jinx.constant dense<1.0> : tensor<1xf32>
  %b = jinx.broadcast %c : tensor<1xf32> -> tensor<?xf32, #jinx.dims<"n">>
  %y = jinx.add %x, %b : tensor<?xf32, #jinx.dims<"n">>, tensor<?xf32, #jinx.dims<"n">> -> tensor<?xf32, #jinx.dims<"n">>
  return %y : tensor<?xf32, #jinx.dims<"n">>
}

// -----

// The folded constant has the operator's name.
// RUN: jinx-opt %s --split-input-file --jinx-fold-constants --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=NAME
// NAME-LABEL: @name
// NAME: jinx.constant dense<3.000000e+00> : tensor<f32> loc("/shape/Add")
func.func @name() -> tensor<f32> {
  %a = jinx.constant dense<1.0> : tensor<f32>
  %b = jinx.constant dense<2.0> : tensor<f32>
  %y = jinx.add %a, %b : tensor<f32>, tensor<f32> -> tensor<f32> loc("/shape/Add")
  return %y : tensor<f32>
}

// -----

// Pads are computed, those that crop too.
// CHECK-LABEL: @pad
// CHECK: jinx.constant dense<{{\[\[}}7, 7, 7], [7, 1, 2]]> : tensor<2x3xi8>
// CHECK-NOT: jinx.pad
func.func @pad() -> tensor<2x3xi8> {
  %x = jinx.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>
  %v = jinx.constant dense<7> : tensor<i8>
  %y = jinx.pad %x value %v low ["1", "1"] mode constant : tensor<2x3xi8>, tensor<i8> -> tensor<2x3xi8>
  return %y : tensor<2x3xi8>
}

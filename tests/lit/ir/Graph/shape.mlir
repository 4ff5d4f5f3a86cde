// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// CHECK-LABEL: @constant
// CHECK: jinx.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
func.func @constant() -> tensor<2xf32> {
  %c = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  return %c : tensor<2xf32>
}

// CHECK-LABEL: @sizes
// CHECK: jinx.sizes ["n", "3*h"] : tensor<2xi64>
func.func @sizes() -> tensor<2xi64> {
  %s = jinx.sizes ["n", "3*h"] : tensor<2xi64>
  return %s : tensor<2xi64>
}

// CHECK-LABEL: @reshape
// CHECK: jinx.reshape %{{.*}} : tensor<2x6xf32> -> tensor<3x4xf32>
func.func @reshape(%x: tensor<2x6xf32>) -> tensor<3x4xf32> {
  %y = jinx.reshape %x : tensor<2x6xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// The number of elements is a formula, too.
// CHECK-LABEL: @reshape_symbolic
// CHECK: jinx.reshape %{{.*}} : tensor<?x?x8xf32, #jinx.dims<"n", "s", "8">> -> tensor<?x8xf32, #jinx.dims<"n*s", "8">>
func.func @reshape_symbolic(%x: tensor<?x?x8xf32, #jinx.dims<"n", "s", "8">>) -> tensor<?x8xf32, #jinx.dims<"n*s", "8">> {
  %y = jinx.reshape %x : tensor<?x?x8xf32, #jinx.dims<"n", "s", "8">> -> tensor<?x8xf32, #jinx.dims<"n*s", "8">>
  return %y : tensor<?x8xf32, #jinx.dims<"n*s", "8">>
}

// CHECK-LABEL: @transpose
// CHECK: jinx.transpose %{{.*}}, [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
func.func @transpose(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  %y = jinx.transpose %x, [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// CHECK-LABEL: @broadcast
// CHECK: jinx.broadcast %{{.*}} : tensor<3x1xf32> -> tensor<2x3x4xf32>
func.func @broadcast(%x: tensor<3x1xf32>) -> tensor<2x3x4xf32> {
  %y = jinx.broadcast %x : tensor<3x1xf32> -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// Starts are formulas, steps numbers.
// CHECK-LABEL: @slice
// CHECK: jinx.slice %{{.*}} starts ["n - 1", "7"] steps [1, -2] : tensor<?x8xf32, #jinx.dims<"n", "8">> -> tensor<1x4xf32>
func.func @slice(%x: tensor<?x8xf32, #jinx.dims<"n", "8">>) -> tensor<1x4xf32> {
  %y = jinx.slice %x starts ["n - 1", "7"] steps [1, -2] : tensor<?x8xf32, #jinx.dims<"n", "8">> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// CHECK-LABEL: @concat
// CHECK: jinx.concat %{{.*}}, %{{.*}} axis 0 : tensor<?x4xf32, #jinx.dims<"n", "4">>, tensor<2x4xf32> -> tensor<?x4xf32, #jinx.dims<"n + 2", "4">>
func.func @concat(%a: tensor<?x4xf32, #jinx.dims<"n", "4">>, %b: tensor<2x4xf32>) -> tensor<?x4xf32, #jinx.dims<"n + 2", "4">> {
  %y = jinx.concat %a, %b axis 0 : tensor<?x4xf32, #jinx.dims<"n", "4">>, tensor<2x4xf32> -> tensor<?x4xf32, #jinx.dims<"n + 2", "4">>
  return %y : tensor<?x4xf32, #jinx.dims<"n + 2", "4">>
}

// CHECK-LABEL: @pad
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[V:.*]]: tensor<f32>
func.func @pad(%x: tensor<4xf32>, %v: tensor<f32>) {
  // CHECK: jinx.pad %[[X]] value %[[V]] low ["1"] mode constant : tensor<4xf32>, tensor<f32> -> tensor<6xf32>
  %0 = jinx.pad %x value %v low ["1"] mode constant : tensor<4xf32>, tensor<f32> -> tensor<6xf32>
  // CHECK: jinx.pad %[[X]] low ["1"] mode edge : tensor<4xf32> -> tensor<6xf32>
  %1 = jinx.pad %x low ["1"] mode edge : tensor<4xf32> -> tensor<6xf32>
  // CHECK: jinx.pad %[[X]] low ["1"] mode reflect
  %2 = jinx.pad %x low ["1"] mode reflect : tensor<4xf32> -> tensor<6xf32>
  // CHECK: jinx.pad %[[X]] low ["1"] mode wrap
  %3 = jinx.pad %x low ["1"] mode wrap : tensor<4xf32> -> tensor<6xf32>
  return
}

// CHECK-LABEL: @gather
// CHECK: jinx.gather %{{.*}}, %{{.*}} axis 1 : tensor<2x8x4xf32>, tensor<3x5xi64> -> tensor<2x3x5x4xf32>
func.func @gather(%x: tensor<2x8x4xf32>, %i: tensor<3x5xi64>) -> tensor<2x3x5x4xf32> {
  %y = jinx.gather %x, %i axis 1 : tensor<2x8x4xf32>, tensor<3x5xi64> -> tensor<2x3x5x4xf32>
  return %y : tensor<2x3x5x4xf32>
}

// CHECK-LABEL: @iota
func.func @iota() {
  // CHECK: jinx.iota axis 0 : tensor<4xi64>
  %0 = jinx.iota axis 0 : tensor<4xi64>
  // CHECK: jinx.iota axis 1 {start = 3 : i64, step = -2 : i64} : tensor<2x4xi64>
  %1 = jinx.iota axis 1 {start = 3 : i64, step = -2 : i64} : tensor<2x4xi64>
  return
}

// CHECK-LABEL: @resize
// CHECK: jinx.resize %{{.*}} {coordinates = "half_pixel", mode = "linear", rounding = "floor", scales = array<f64: 1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00>} : tensor<1x3x4x4xf32> -> tensor<1x3x8x8xf32>
func.func @resize(%x: tensor<1x3x4x4xf32>) -> tensor<1x3x8x8xf32> {
  %y = jinx.resize %x {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 1.0, 2.0, 2.0>}
      : tensor<1x3x4x4xf32> -> tensor<1x3x8x8xf32>
  return %y : tensor<1x3x8x8xf32>
}

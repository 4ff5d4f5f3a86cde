// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// Every unary operator has the operand's type.
// CHECK-LABEL: @unary
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
func.func @unary(%x: tensor<4xf32>) {
  // CHECK: jinx.abs %[[X]] : tensor<4xf32> -> tensor<4xf32>
  %0 = jinx.abs %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.neg %[[X]]
  %1 = jinx.neg %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.exp %[[X]]
  %2 = jinx.exp %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.expm1 %[[X]]
  %3 = jinx.expm1 %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.log %[[X]]
  %4 = jinx.log %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.log1p %[[X]]
  %5 = jinx.log1p %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.sqrt %[[X]]
  %6 = jinx.sqrt %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.rsqrt %[[X]]
  %7 = jinx.rsqrt %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.sin %[[X]]
  %8 = jinx.sin %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.cos %[[X]]
  %9 = jinx.cos %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.tanh %[[X]]
  %10 = jinx.tanh %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.atan %[[X]]
  %11 = jinx.atan %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.erf %[[X]]
  %12 = jinx.erf %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.sigmoid %[[X]]
  %13 = jinx.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.relu %[[X]]
  %14 = jinx.relu %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.floor %[[X]]
  %15 = jinx.floor %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.ceil %[[X]]
  %16 = jinx.ceil %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: jinx.round %[[X]]
  %17 = jinx.round %x : tensor<4xf32> -> tensor<4xf32>
  return
}

// CHECK-LABEL: @not
// CHECK: jinx.not %{{.*}} : tensor<4xi1> -> tensor<4xi1>
func.func @not(%x: tensor<4xi1>) -> tensor<4xi1> {
  %y = jinx.not %x : tensor<4xi1> -> tensor<4xi1>
  return %y : tensor<4xi1>
}

// CHECK-LABEL: @binary
// CHECK-SAME: (%[[A:.*]]: tensor<2x1xf32>, %[[B:.*]]: tensor<4xf32>
func.func @binary(%a: tensor<2x1xf32>, %b: tensor<4xf32>) {
  // CHECK: jinx.add %[[A]], %[[B]] : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %0 = jinx.add %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.sub %[[A]], %[[B]]
  %1 = jinx.sub %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.mul %[[A]], %[[B]]
  %2 = jinx.mul %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.div %[[A]], %[[B]]
  %3 = jinx.div %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.mod %[[A]], %[[B]]
  %4 = jinx.mod %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.max %[[A]], %[[B]]
  %5 = jinx.max %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.min %[[A]], %[[B]]
  %6 = jinx.min %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: jinx.pow %[[A]], %[[B]]
  %7 = jinx.pow %a, %b : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  return
}

// CHECK-LABEL: @bits
// CHECK-SAME: (%[[A:.*]]: tensor<4xi32>, %[[B:.*]]: tensor<4xi32>
func.func @bits(%a: tensor<4xi32>, %b: tensor<4xi32>) {
  // CHECK: jinx.and %[[A]], %[[B]]
  %0 = jinx.and %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: jinx.or %[[A]], %[[B]]
  %1 = jinx.or %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  // CHECK: jinx.xor %[[A]], %[[B]]
  %2 = jinx.xor %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  return
}

// Comparisons give bool.
// CHECK-LABEL: @compare
// CHECK-SAME: (%[[A:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<f32>
func.func @compare(%a: tensor<4xf32>, %b: tensor<f32>) {
  // CHECK: jinx.compare eq, %[[A]], %[[B]] : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  %0 = jinx.compare eq, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  // CHECK: jinx.compare ne,
  %1 = jinx.compare ne, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  // CHECK: jinx.compare lt,
  %2 = jinx.compare lt, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  // CHECK: jinx.compare le,
  %3 = jinx.compare le, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  // CHECK: jinx.compare gt,
  %4 = jinx.compare gt, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  // CHECK: jinx.compare ge,
  %5 = jinx.compare ge, %a, %b : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  return
}

// All three operands broadcast.
// CHECK-LABEL: @select
// CHECK-SAME: (%[[C:.*]]: tensor<2x1xi1>, %[[A:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<f32>
// CHECK: jinx.select %[[C]], %[[A]], %[[B]] : tensor<2x1xi1>, tensor<4xf32>, tensor<f32> -> tensor<2x4xf32>
func.func @select(%c: tensor<2x1xi1>, %a: tensor<4xf32>, %b: tensor<f32>) -> tensor<2x4xf32> {
  %y = jinx.select %c, %a, %b : tensor<2x1xi1>, tensor<4xf32>, tensor<f32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: @cast
// CHECK: jinx.cast %{{.*}} : tensor<4xf32> -> tensor<4xui8>
func.func @cast(%x: tensor<4xf32>) -> tensor<4xui8> {
  %y = jinx.cast %x : tensor<4xf32> -> tensor<4xui8>
  return %y : tensor<4xui8>
}

// A symbolic size meets itself and 1.
// CHECK-LABEL: @symbolic
// CHECK: jinx.add %{{.*}} : tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<4xf32> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
func.func @symbolic(%a: tensor<?x1xf32, #jinx.dims<"n", "1">>, %b: tensor<4xf32>) -> tensor<?x4xf32, #jinx.dims<"n", "4">> {
  %y = jinx.add %a, %b : tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<4xf32> -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  return %y : tensor<?x4xf32, #jinx.dims<"n", "4">>
}

// Tests that what may be equal for some n is accepted: the verifier refuses what is surely wrong.
// CHECK-LABEL: @perhaps
// CHECK: jinx.exp %{{.*}} -> tensor<?xf32, #jinx.dims<"2*n">>
func.func @perhaps(%x: tensor<?xf32, #jinx.dims<"n">>) {
  %y = jinx.exp %x : tensor<?xf32, #jinx.dims<"n">> -> tensor<?xf32, #jinx.dims<"2*n">>
  return
}

// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-fuse))' | FileCheck %s

// A chain of elementwise operators is one group.
// CHECK-LABEL: @chain
// CHECK: jinx.group "rows"
// CHECK: jinx.exp
// CHECK: jinx.add
// CHECK-NOT: jinx.group
func.func @chain(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = jinx.exp %x : tensor<8xf32> -> tensor<8xf32>
  %y = jinx.add %e, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// Softmax: two reductions over one shape and axis share a group with what lies between them.
// CHECK-LABEL: @softmax
// CHECK: jinx.group "rows"
// CHECK: jinx.reduce max
// CHECK: jinx.reduce sum
// CHECK-NOT: jinx.group
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %m = jinx.reduce max, %x axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
  %s = jinx.sub %x, %m : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %e = jinx.exp %s : tensor<4x8xf32> -> tensor<4x8xf32>
  %t = jinx.reduce sum, %e axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
  %y = jinx.div %e, %t : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Tests that reductions over different axes stay apart.
// CHECK-LABEL: @two_axes
// CHECK: jinx.group "rows"
// CHECK: jinx.reduce sum, {{.*}} axes [1]
// CHECK: jinx.group "rows"
// CHECK: jinx.reduce sum, {{.*}} axes [0]
func.func @two_axes(%x: tensor<4x8xf32>) -> tensor<1x1xf32> {
  %a = jinx.reduce sum, %x axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
  %b = jinx.reduce sum, %a axes [0] : tensor<4x1xf32> -> tensor<1x1xf32>
  return %b : tensor<1x1xf32>
}

// -----

// An epilogue joins its product; a value that the product's group makes and others read becomes a second result.
// CHECK-LABEL: @epilogue
// CHECK: jinx.group "matmul"
// CHECK: jinx.packed_matmul
// CHECK: jinx.relu
// CHECK: jinx.yield
func.func @epilogue(%a: tensor<4x8xf32>, %b: tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  %c = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<4x16xf32>
  %y = jinx.relu %c : tensor<4x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// Tests that an operator whose operand depends on the group through an outsider does not join: that would be a cycle.
// CHECK-LABEL: @cycle
// CHECK: jinx.group "rows"
// CHECK: jinx.host_call
// CHECK: jinx.group "rows"
func.func @cycle(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = jinx.exp %x : tensor<8xf32> -> tensor<8xf32>
  %h = jinx.host_call "" "CumSum" 14 {} (%e) : (tensor<8xf32>) -> tensor<8xf32>
  %y = jinx.add %e, %h : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// A recurrence and a product walk their operands in memory: constants with one value too are inputs of the group.
// CHECK-LABEL: @operands_in_memory
// CHECK-DAG: %[[H:.*]] = jinx.constant dense<0.000000e+00> : tensor<3x5xf32>
// CHECK-DAG: %[[W:.*]] = jinx.constant dense<1.000000e+00> : tensor<1x5x16xf32>
// CHECK: jinx.group "recurrent"(%{{.*}}, %{{.*}}, %{{.*}}, %[[H]])
// CHECK-NOT: jinx.constant
// CHECK: jinx.group "matmul"(%{{.*}}, %[[W]])
// CHECK-NOT: jinx.constant
func.func @operands_in_memory(%xw: tensor<1x3x15xf32>, %r: tensor<3x1x5x16xf32>, %rb: tensor<15xf32>) -> tensor<3x16xf32> {
  %h0 = jinx.constant dense<0.0> : tensor<3x5xf32>
  %w = jinx.constant dense<1.0> : tensor<1x5x16xf32>
  %ys, %hn = jinx.gru %xw, %r, %rb, %h0 : (tensor<1x3x15xf32>, tensor<3x1x5x16xf32>, tensor<15xf32>, tensor<3x5xf32>) -> (tensor<1x3x5xf32>, tensor<3x5xf32>)
  %y = jinx.packed_matmul %hn, %w : tensor<3x5xf32>, tensor<1x5x16xf32> -> tensor<3x16xf32>
  return %y : tensor<3x16xf32>
}

// -----

// A running sum holds what computes its operand and what reads the sums.
// CHECK-LABEL: @around_cumsum
// CHECK: jinx.group "scan"
// CHECK: jinx.exp
// CHECK: jinx.cumsum
// CHECK: jinx.mul
// CHECK-NOT: jinx.group
func.func @around_cumsum(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %e = jinx.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = jinx.cumsum %e axis 1 : tensor<4x8xf32> -> tensor<4x8xf32>
  %y = jinx.mul %s, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Tests that a reduction of the sums is a kernel of its own.
// CHECK-LABEL: @reduced_cumsum
// CHECK: jinx.group "scan"
// CHECK: jinx.group "rows"
func.func @reduced_cumsum(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %s = jinx.cumsum %x axis 1 : tensor<4x8xf32> -> tensor<4x8xf32>
  %y = jinx.reduce max, %s axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// -----

// A gather reads where its reader stands: both are one kernel.
// CHECK-LABEL: @below_gathers
// CHECK: jinx.group "rows"
// CHECK: jinx.gather_elements
// CHECK: jinx.gather_nd
// CHECK: jinx.add
// CHECK-NOT: jinx.group
func.func @below_gathers(%x: tensor<4x8xf32>, %i: tensor<4x8xi64>, %j: tensor<4x1xi64>) -> tensor<4x8xf32> {
  %g = jinx.gather_elements %x, %i axis 1 : tensor<4x8xf32>, tensor<4x8xi64> -> tensor<4x8xf32>
  %h = jinx.gather_nd %x, %j : tensor<4x8xf32>, tensor<4x1xi64> -> tensor<4x8xf32>
  %y = jinx.add %g, %h : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Tests that a scatter and a sort share their kernels with nothing, and read constants from memory.
// CHECK-LABEL: @alone
// CHECK-DAG: %[[C:.*]] = jinx.constant dense<1.000000e+00>
// CHECK: jinx.group "scatter"(%{{.*}}, %{{.*}}, %[[C]])
// CHECK: jinx.group "rows"
// CHECK: jinx.group "sort"
func.func @alone(%x: tensor<4x8xf32>, %i: tensor<4x8xi64>) -> (tensor<4x2xf32>, tensor<4x2xi64>) {
  %u = jinx.constant dense<1.0> : tensor<4x8xf32>
  %s = jinx.scatter_elements add, %x, %i, %u axis 1 : tensor<4x8xf32>, tensor<4x8xi64>, tensor<4x8xf32> -> tensor<4x8xf32>
  %n = jinx.neg %s : tensor<4x8xf32> -> tensor<4x8xf32>
  %v:2 = jinx.top_k %n axis 1 : tensor<4x8xf32> -> tensor<4x2xf32>, tensor<4x2xi64>
  return %v#0, %v#1 : tensor<4x2xf32>, tensor<4x2xi64>
}

// -----

// The mean of a row whose length is a symbol: the size and what is made of it stand beside the reduction.
// CHECK-LABEL: @mean_of_any_length
// CHECK-COUNT-1: jinx.group "rows"
// CHECK: jinx.sizes ["w"] : tensor<i64>
// CHECK-NOT: jinx.group
func.func @mean_of_any_length(%x: tensor<?x?xf32, #jinx.dims<"n", "w">>) -> tensor<?x?xf32, #jinx.dims<"n", "w">> {
  %size = jinx.sizes ["w"] : tensor<i64>
  %count = jinx.cast %size : tensor<i64> -> tensor<f32>
  %s = jinx.reduce sum, %x axes [1] : tensor<?x?xf32, #jinx.dims<"n", "w">> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
  %m = jinx.div %s, %count : tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<f32> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
  %y = jinx.sub %x, %m : tensor<?x?xf32, #jinx.dims<"n", "w">>, tensor<?x1xf32, #jinx.dims<"n", "1">> -> tensor<?x?xf32, #jinx.dims<"n", "w">>
  return %y : tensor<?x?xf32, #jinx.dims<"n", "w">>
}

// -----

// Squares that only a reduction reads are computed beside it, not written by the product: what they are made of is in memory anyway. So the product's sums are
// rounded before they are stored.
// CHECK-LABEL: @norm_behind_product
// CHECK: jinx.group "matmul"
// CHECK: jinx.packed_matmul
// CHECK-NOT: jinx.mul
// CHECK: jinx.group "rows"
// CHECK: jinx.mul
// CHECK: jinx.reduce sum
// CHECK: return
func.func @norm_behind_product(%x: tensor<4x8xf32>, %w: tensor<2x8x16xf32>, %r: tensor<4x32xf32>) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %p = jinx.packed_matmul %x, %w : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x32xf32>
  %y = jinx.add %p, %r : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  %q = jinx.mul %y, %y : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  %s = jinx.reduce sum, %q axes [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  %i = jinx.rsqrt %s : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = jinx.mul %y, %i : tensor<4x32xf32>, tensor<4x1xf32> -> tensor<4x32xf32>
  return %y, %n : tensor<4x32xf32>, tensor<4x32xf32>
}

// -----

// A reduction's operand that is all that is in memory stays with the product.
// CHECK-LABEL: @pool_behind_product
// CHECK: jinx.group "matmul"
// CHECK: jinx.packed_matmul
// CHECK: jinx.relu
// CHECK: jinx.group "rows"
// CHECK-NOT: jinx.relu
// CHECK: jinx.reduce sum
func.func @pool_behind_product(%x: tensor<4x8xf32>, %w: tensor<2x8x16xf32>) -> tensor<4x1xf32> {
  %p = jinx.packed_matmul %x, %w : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x32xf32>
  %y = jinx.relu %p : tensor<4x32xf32> -> tensor<4x32xf32>
  %s = jinx.reduce sum, %y axes [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  return %s : tensor<4x1xf32>
}

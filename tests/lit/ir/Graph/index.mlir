// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

#n4 = #jinx.dims<"n", "4">

// CHECK-LABEL: @cumsum
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>
func.func @cumsum(%x: tensor<2x3xf32>) {
  // CHECK: jinx.cumsum %[[X]] axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>
  %0 = jinx.cumsum %x axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>
  // CHECK: jinx.cumsum %[[X]] axis 0 exclusive reverse :
  %1 = jinx.cumsum %x axis 0 exclusive reverse : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// The result has the shape of indices.
// CHECK-LABEL: @gather_elements
// CHECK-SAME: (%[[X:.*]]: tensor<5x4xf32>, %[[I:.*]]: tensor<?x4xi64, #{{.*}}>
func.func @gather_elements(%x: tensor<5x4xf32>, %i: tensor<?x4xi64, #n4>) {
  // CHECK: jinx.gather_elements %[[X]], %[[I]] axis 0 : tensor<5x4xf32>, tensor<?x4xi64, #{{.*}}> -> tensor<?x4xf32, #{{.*}}>
  %0 = jinx.gather_elements %x, %i axis 0 : tensor<5x4xf32>, tensor<?x4xi64, #n4> -> tensor<?x4xf32, #n4>
  return
}

// CHECK-LABEL: @gather_nd
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>, %[[I:.*]]: tensor<5x2xi64>, %[[B:.*]]: tensor<2x7x1xi64>
func.func @gather_nd(%x: tensor<2x3x4xf32>, %i: tensor<5x2xi64>, %b: tensor<2x7x1xi64>) {
  // CHECK: jinx.gather_nd %[[X]], %[[I]] : tensor<2x3x4xf32>, tensor<5x2xi64> -> tensor<5x4xf32>
  %0 = jinx.gather_nd %x, %i : tensor<2x3x4xf32>, tensor<5x2xi64> -> tensor<5x4xf32>
  // CHECK: jinx.gather_nd %[[X]], %[[B]] {batch = 1 : i64} : tensor<2x3x4xf32>, tensor<2x7x1xi64> -> tensor<2x7x4xf32>
  %1 = jinx.gather_nd %x, %b {batch = 1 : i64} : tensor<2x3x4xf32>, tensor<2x7x1xi64> -> tensor<2x7x4xf32>
  return
}

// CHECK-LABEL: @scatter
// CHECK-SAME: (%[[X:.*]]: tensor<3x4xf32>, %[[I:.*]]: tensor<2x4xi64>, %[[U:.*]]: tensor<2x4xf32>, %[[J:.*]]: tensor<5x1xi32>, %[[V:.*]]: tensor<5x4xf32>
func.func @scatter(%x: tensor<3x4xf32>, %i: tensor<2x4xi64>, %u: tensor<2x4xf32>, %j: tensor<5x1xi32>, %v: tensor<5x4xf32>) {
  // CHECK: jinx.scatter_elements set, %[[X]], %[[I]], %[[U]] axis 0 : tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32> -> tensor<3x4xf32>
  %0 = jinx.scatter_elements set, %x, %i, %u axis 0 : tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32> -> tensor<3x4xf32>
  // CHECK: jinx.scatter_nd add, %[[X]], %[[J]], %[[V]] : tensor<3x4xf32>, tensor<5x1xi32>, tensor<5x4xf32> -> tensor<3x4xf32>
  %1 = jinx.scatter_nd add, %x, %j, %v : tensor<3x4xf32>, tensor<5x1xi32>, tensor<5x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK-LABEL: @top_k
// CHECK-SAME: (%[[X:.*]]: tensor<3x8xf32>
func.func @top_k(%x: tensor<3x8xf32>) {
  // CHECK: jinx.top_k %[[X]] axis 1 : tensor<3x8xf32> -> tensor<3x5xf32>, tensor<3x5xi64>
  %0:2 = jinx.top_k %x axis 1 : tensor<3x8xf32> -> tensor<3x5xf32>, tensor<3x5xi64>
  // CHECK: jinx.top_k %[[X]] axis 0 ascending : tensor<3x8xf32> -> tensor<3x8xf32>, tensor<3x8xi64>
  %1:2 = jinx.top_k %x axis 0 ascending : tensor<3x8xf32> -> tensor<3x8xf32>, tensor<3x8xi64>
  return
}

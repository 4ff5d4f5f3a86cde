// Mixtures of experts as grouped products (tests/numeric/graph_ops.py: what they compute).
// RUN: jinx-opt %s --split-input-file --jinx-expand-experts --mlir-print-debuginfo | FileCheck %s

// CHECK-LABEL: @mixture
// A column for each expert, and in each pair's row which one it is: ends, and the places of rows.
// CHECK: jinx.compare eq
// CHECK: %[[IS:.*]] = jinx.cast {{.*}} -> tensor<?x3xi32
// CHECK: %[[SIZES:.*]] = jinx.reduce sum, %[[IS]] axes [0]
// CHECK: %[[ENDS:.*]] = jinx.cumsum %[[SIZES]]
// A pair without an expert lies behind all rows, and reads the last one, which is 0 then.
// CHECK: jinx.constant dense<1073741824>
// CHECK: %[[BACK:.*]] = jinx.reshape {{.*}} -> tensor<?xi32, #jinx.dims<"2*n">>
// CHECK: jinx.scatter_elements set
// CHECK: %[[E:.*]] = jinx.reshape %[[ENDS]] {{.*}} -> tensor<3xi32>
// CHECK: %[[ROWS:.*]] = jinx.gather %{{.*}} axis 0
// CHECK: %[[GATE:.*]] = jinx.grouped_matmul %[[ROWS]], %{{.*}} transpose_w, %[[E]]
// CHECK: %[[UP:.*]] = jinx.grouped_matmul %[[ROWS]], %{{.*}} transpose_w, %[[E]]
// CHECK: jinx.sigmoid
// CHECK: %[[GATED:.*]] = jinx.cast {{.*}} -> tensor<?x16xbf16
// CHECK: %[[DOWN:.*]] = jinx.grouped_matmul %[[GATED]], %{{.*}} transpose_w, %[[E]]
// CHECK: %[[WIDE:.*]] = jinx.cast %[[DOWN]] {{.*}}xf32
// CHECK: jinx.gather %[[WIDE]], %[[BACK]] axis 0
// CHECK: jinx.reduce sum, %{{.*}} axes [1]
// CHECK-NOT: jinx.experts
// Parts of the node keep its name.
// CHECK-DAG: loc("blk.0.ffn_exps.route")
// CHECK-DAG: loc("blk.0.ffn_exps.gate")
// CHECK-DAG: loc("blk.0.ffn_exps.merge")
func.func @mixture(%x: tensor<?x8xbf16, #jinx.dims<"n", "8">>, %c: tensor<?x2xi64, #jinx.dims<"n", "2">>, %p: tensor<?x2xf32, #jinx.dims<"n", "2">>, %g: tensor<3x16x8xbf16>,
                   %u: tensor<3x16x8xbf16>, %d: tensor<3x4x16xbf16>) -> tensor<?x4xf32, #jinx.dims<"n", "4">> {
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d
      : (tensor<?x8xbf16, #jinx.dims<"n", "8">>, tensor<?x2xi64, #jinx.dims<"n", "2">>, tensor<?x2xf32, #jinx.dims<"n", "2">>, tensor<3x16x8xbf16>, tensor<3x16x8xbf16>, tensor<3x4x16xbf16>) -> tensor<?x4xf32, #jinx.dims<"n", "4">> loc("blk.0.ffn_exps")
  return %y : tensor<?x4xf32, #jinx.dims<"n", "4">>
}

// -----

// CHECK-LABEL: @gates
// CHECK: jinx.erf
// CHECK: jinx.tanh
func.func @gates(%x: tensor<5x8xf32>, %c: tensor<5x2xi32>, %p: tensor<5x2xf32>, %g: tensor<3x16x8xf32>, %d: tensor<3x4x16xf32>) -> (tensor<5x4xf32>, tensor<5x4xf32>) {
  %y = jinx.experts gelu %x, %c, %p, %g, %g, %d : (tensor<5x8xf32>, tensor<5x2xi32>, tensor<5x2xf32>, tensor<3x16x8xf32>, tensor<3x16x8xf32>, tensor<3x4x16xf32>) -> tensor<5x4xf32>
  %z = jinx.experts gelu_tanh %x, %c, %p, %g, %g, %d : (tensor<5x8xf32>, tensor<5x2xi32>, tensor<5x2xf32>, tensor<3x16x8xf32>, tensor<3x16x8xf32>, tensor<3x4x16xf32>) -> tensor<5x4xf32>
  return %y, %z : tensor<5x4xf32>, tensor<5x4xf32>
}

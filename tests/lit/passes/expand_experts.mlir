// Mixtures of experts as grouped products (tests/numeric/graph_ops.py: what they compute).
// RUN: jinx-opt %s --split-input-file --jinx-expand-experts --mlir-print-debuginfo | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-expand-experts=cuda=true | FileCheck %s --check-prefix=PAIRS

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
// Each token's terms, read where they lie.
// CHECK: %[[FIRST:.*]] = jinx.slice %[[BACK]]
// CHECK: jinx.gather %[[DOWN]], %[[FIRST]] axis 0
// CHECK: jinx.gather %[[DOWN]], %{{.*}} axis 0
// CHECK: jinx.add
// CHECK-NOT: jinx.experts
// On CUDA a row for each pair, and in it which pairs lie before it: how many those are is its place.
// PAIRS-LABEL: @mixture
// PAIRS: jinx.compare lt, {{.*}} -> tensor<?x?xi1, #jinx.dims<"2*n", "2*n">>
// PAIRS: jinx.reduce sum, %{{.*}} axes [1] : tensor<?x?xi32, #jinx.dims<"2*n", "2*n">>
// PAIRS: jinx.constant dense<1073741824>
// PAIRS: %[[PLACES:.*]] = jinx.select
// PAIRS: %[[BACK:.*]] = jinx.reshape %[[PLACES]] {{.*}} -> tensor<?xi32, #jinx.dims<"2*n">>
// A row for each expert: how many pairs are of it or of one before it.
// PAIRS: jinx.compare le, {{.*}} -> tensor<3x?xi1, #jinx.dims<"3", "2*n">>
// PAIRS: %[[ENDS:.*]] = jinx.reduce sum, %{{.*}} axes [1] : tensor<3x?xi32
// PAIRS: %[[E:.*]] = jinx.reshape %[[ENDS]] {{.*}} -> tensor<3xi32>
// A row for each place: which pair lies there.
// PAIRS: %[[HERE:.*]] = jinx.compare eq, {{.*}} -> tensor<?x?xi1, #jinx.dims<"2*n", "2*n">>
// PAIRS: jinx.select %[[HERE]]
// PAIRS: jinx.reduce sum
// PAIRS: jinx.grouped_matmul %{{.*}}, %{{.*}} transpose_w, %[[E]]
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

// -----

// Many experts a token: one sum over a table of all their rows.
// CHECK-LABEL: @many
// CHECK: %[[DOWN:.*]] = jinx.grouped_matmul {{.*}} -> tensor<?x4xf32
// CHECK: jinx.gather %[[DOWN]], %{{.*}} axis 0
// CHECK: jinx.reduce sum, %{{.*}} axes [1] : tensor<?x17x4xf32
func.func @many(%x: tensor<?x8xf32, #jinx.dims<"n", "8">>, %c: tensor<?x17xi32, #jinx.dims<"n", "17">>, %p: tensor<?x17xf32, #jinx.dims<"n", "17">>, %g: tensor<20x16x8xf32>,
                %d: tensor<20x4x16xf32>) -> tensor<?x4xf32, #jinx.dims<"n", "4">> {
  %y = jinx.experts silu %x, %c, %p, %g, %g, %d : (tensor<?x8xf32, #jinx.dims<"n", "8">>, tensor<?x17xi32, #jinx.dims<"n", "17">>, tensor<?x17xf32, #jinx.dims<"n", "17">>, tensor<20x16x8xf32>,
                                                   tensor<20x16x8xf32>, tensor<20x4x16xf32>) -> tensor<?x4xf32, #jinx.dims<"n", "4">>
  return %y : tensor<?x4xf32, #jinx.dims<"n", "4">>
}

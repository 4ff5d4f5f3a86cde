// The attention schedule: a program a tile of 14 queries; keys in blocks of 256; the hole between scores and softmax.
// RUN: jinx-opt %s --split-input-file --jinx-schedule | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-schedule="vector-bytes=32 registers=16" | FileCheck %s --check-prefix=AVX2

// 28 queries are two tiles, in 3 matrices; the queries are copied, transposed, into scratch; the mask is read where a logit is.
// CHECK-LABEL: @heads
// CHECK: jinx.launch @[[K:k0_attention]]({{.*}}) sizes [] programs "6"
// CHECK: tile.kernel @[[K]](%[[Q:[a-z0-9]*]]: !tile.ptr<f32>, %[[KEYS:[a-z0-9]*]]: !tile.ptr<f32>, %[[MASK:[a-z0-9]*]]: !tile.ptr<f32>, %[[V:[a-z0-9]*]]: !tile.ptr<f32>, %[[Y:[a-z0-9]*]]: !tile.ptr<f32>)
// CHECK: tile.load %[[Q]][{{.*}}] {{.*}} -> vector<8xf32>
// CHECK: scf.for
// CHECK: tile.dot %{{.*}}, %{{.*}}, %[[KEYS]][{{.*}} vector<14x32xf32>
// CHECK: %[[S:.*]] = tile.load %{{.*}} -> vector<32xf32>
// CHECK: %[[B:.*]] = tile.load %[[MASK]]
// CHECK: arith.addf %[[S]], %[[B]] : vector<32xf32>
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: math.exp %{{.*}} : vector<32xf32>
// CHECK: tile.reduce sum
// CHECK: tile.dot %{{.*}}, %{{.*}}, %[[V]][{{.*}} vector<14x16xf32>
// CHECK: tile.store %{{.*}}, %[[Y]]
// Half the registers: tiles of six rows and one panel.
// AVX2-LABEL: @heads
// AVX2: tile.dot {{.*}} vector<6x16xf32>
// AVX2-NOT: x32xf32>
func.func @heads(%q: tensor<28x3x8xf32>, %k: tensor<3x20x8x16xf32>, %mask: tensor<320xf32>, %v: tensor<3x1x320x16xf32>) -> tensor<3x28x10xf32> {
  %y = jinx.group "attention"(%q, %k, %mask, %v) : (tensor<28x3x8xf32>, tensor<3x20x8x16xf32>, tensor<320xf32>, tensor<3x1x320x16xf32>) -> tensor<3x28x10xf32> {
  ^bb0(%a: tensor<28x3x8xf32>, %b: tensor<3x20x8x16xf32>, %c: tensor<320xf32>, %f: tensor<3x1x320x16xf32>):
    %t = jinx.transpose %a, [1, 0, 2] : tensor<28x3x8xf32> -> tensor<3x28x8xf32>
    %s = jinx.packed_matmul %t, %b : tensor<3x28x8xf32>, tensor<3x20x8x16xf32> -> tensor<3x28x320xf32>
    %x = jinx.add %s, %c : tensor<3x28x320xf32>, tensor<320xf32> -> tensor<3x28x320xf32>
    %m = jinx.reduce max, %x axes [2] : tensor<3x28x320xf32> -> tensor<3x28x1xf32>
    %d = jinx.sub %x, %m : tensor<3x28x320xf32>, tensor<3x28x1xf32> -> tensor<3x28x320xf32>
    %e = jinx.exp %d : tensor<3x28x320xf32> -> tensor<3x28x320xf32>
    %l = jinx.reduce sum, %e axes [2] : tensor<3x28x320xf32> -> tensor<3x28x1xf32>
    %p = jinx.div %e, %l : tensor<3x28x320xf32>, tensor<3x28x1xf32> -> tensor<3x28x320xf32>
    %o = jinx.packed_matmul %p, %f : tensor<3x28x320xf32>, tensor<3x1x320x16xf32> -> tensor<3x28x10xf32>
    jinx.yield %o : tensor<3x28x10xf32>
  }
  return %y : tensor<3x28x10xf32>
}

// -----

// The largest logits and the sums of rows are results, too: one of each a row.
// CHECK-LABEL: @row_numbers
// CHECK: tile.kernel @{{.*}}(%{{[a-z0-9]*}}: !tile.ptr<f32>, %{{[a-z0-9]*}}: !tile.ptr<f32>, %{{[a-z0-9]*}}: !tile.ptr<f32>, %[[Y:[a-z0-9]*]]: !tile.ptr<f32>, %[[M:[a-z0-9]*]]: !tile.ptr<f32>, %[[L:[a-z0-9]*]]: !tile.ptr<f32>)
// CHECK: %[[NAN:.*]] = arith.cmpf uno
// CHECK: tile.store %{{.*}}, %[[M]]{{.*}} vector<1xf32>
// CHECK: tile.store %{{.*}}, %[[L]]{{.*}} vector<1xf32>
// CHECK: tile.store %{{.*}}, %[[Y]]
func.func @row_numbers(%q: tensor<28x8xf32>, %k: tensor<20x8x16xf32>, %v: tensor<1x320x16xf32>) -> (tensor<28x10xf32>, tensor<28x1xf32>, tensor<28x1xf32>) {
  %y:3 = jinx.group "attention"(%q, %k, %v) : (tensor<28x8xf32>, tensor<20x8x16xf32>, tensor<1x320x16xf32>) -> (tensor<28x10xf32>, tensor<28x1xf32>, tensor<28x1xf32>) {
  ^bb0(%a: tensor<28x8xf32>, %b: tensor<20x8x16xf32>, %f: tensor<1x320x16xf32>):
    %x = jinx.packed_matmul %a, %b : tensor<28x8xf32>, tensor<20x8x16xf32> -> tensor<28x320xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<28x320xf32> -> tensor<28x1xf32>
    %d = jinx.sub %x, %m : tensor<28x320xf32>, tensor<28x1xf32> -> tensor<28x320xf32>
    %e = jinx.exp %d : tensor<28x320xf32> -> tensor<28x320xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<28x320xf32> -> tensor<28x1xf32>
    %p = jinx.div %e, %l : tensor<28x320xf32>, tensor<28x1xf32> -> tensor<28x320xf32>
    %o = jinx.packed_matmul %p, %f : tensor<28x320xf32>, tensor<1x320x16xf32> -> tensor<28x10xf32>
    jinx.yield %o, %m, %l : tensor<28x10xf32>, tensor<28x1xf32>, tensor<28x1xf32>
  }
  return %y#0, %y#1, %y#2 : tensor<28x10xf32>, tensor<28x1xf32>, tensor<28x1xf32>
}

// -----

// A number of queries that only a run knows: tiles of 14, 6 and 1 rows, of which a program takes the smallest that holds its own.
// CHECK-LABEL: @symbolic
// CHECK: jinx.launch @k0_attention({{.*}}) sizes [{{.*}}] programs "(n - 1) floordiv 14 + 1"
// CHECK: tile.dot {{.*}} vector<14x32xf32>
// CHECK: tile.dot {{.*}} vector<14x16xf32>
// CHECK: tile.dot {{.*}} vector<6x32xf32>
// CHECK: tile.dot {{.*}} vector<6x16xf32>
// CHECK: tile.dot {{.*}} vector<1x32xf32>
// CHECK: tile.dot {{.*}} vector<1x16xf32>
func.func @symbolic(%q: tensor<?x8xf32, #jinx.dims<"n", "8">>, %k: tensor<?x8x16xf32, #jinx.dims<"(n - 1) floordiv 16 + 1", "8", "16">>,
                    %v: tensor<1x?x16xf32, #jinx.dims<"1", "n", "16">>) -> tensor<?x16xf32, #jinx.dims<"n", "16">> {
  %y = jinx.group "attention"(%q, %k, %v) : (tensor<?x8xf32, #jinx.dims<"n", "8">>, tensor<?x8x16xf32, #jinx.dims<"(n - 1) floordiv 16 + 1", "8", "16">>,
                                             tensor<1x?x16xf32, #jinx.dims<"1", "n", "16">>) -> tensor<?x16xf32, #jinx.dims<"n", "16">> {
  ^bb0(%a: tensor<?x8xf32, #jinx.dims<"n", "8">>, %b: tensor<?x8x16xf32, #jinx.dims<"(n - 1) floordiv 16 + 1", "8", "16">>, %f: tensor<1x?x16xf32, #jinx.dims<"1", "n", "16">>):
    %x = jinx.packed_matmul %a, %b : tensor<?x8xf32, #jinx.dims<"n", "8">>, tensor<?x8x16xf32, #jinx.dims<"(n - 1) floordiv 16 + 1", "8", "16">> -> tensor<?x?xf32, #jinx.dims<"n", "n">>
    %m = jinx.reduce max, %x axes [1] : tensor<?x?xf32, #jinx.dims<"n", "n">> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
    %d = jinx.sub %x, %m : tensor<?x?xf32, #jinx.dims<"n", "n">>, tensor<?x1xf32, #jinx.dims<"n", "1">> -> tensor<?x?xf32, #jinx.dims<"n", "n">>
    %e = jinx.exp %d : tensor<?x?xf32, #jinx.dims<"n", "n">> -> tensor<?x?xf32, #jinx.dims<"n", "n">>
    %l = jinx.reduce sum, %e axes [1] : tensor<?x?xf32, #jinx.dims<"n", "n">> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
    %p = jinx.div %e, %l : tensor<?x?xf32, #jinx.dims<"n", "n">>, tensor<?x1xf32, #jinx.dims<"n", "1">> -> tensor<?x?xf32, #jinx.dims<"n", "n">>
    %o = jinx.packed_matmul %p, %f : tensor<?x?xf32, #jinx.dims<"n", "n">>, tensor<1x?x16xf32, #jinx.dims<"1", "n", "16">> -> tensor<?x16xf32, #jinx.dims<"n", "16">>
    jinx.yield %o : tensor<?x16xf32, #jinx.dims<"n", "16">>
  }
  return %y : tensor<?x16xf32, #jinx.dims<"n", "16">>
}

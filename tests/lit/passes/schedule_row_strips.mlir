// RUN: jinx-opt %s --split-input-file --jinx-schedule="cuda=true" | FileCheck %s

// The largest of a long row: a warp has 1,024 elements, 20 of them a row. The largest of those is found by what is left of the group, on as many elements as there are
// strips. (Places are found with them: numeric/cuda_row_strips.py, whose constants are too long for here.)
// CHECK-LABEL: func.func @largest
// CHECK: %[[S:.*]] = jinx.launch @k0_reduce(%{{.*}}) sizes ["20*r"] programs "20*r"{{.*}} -> tensor<?x20xf32, #jinx.dims<"r", "20">>
// CHECK: jinx.launch @k1_reduce(%[[S]])
// CHECK: tile.kernel @k0_reduce
// CHECK: tile.load {{.*}} -> vector<1024xf32>
// CHECK: tile.load {{.*}} limits({{.*}}) : {{.*}} -> vector<1024xf32>
// CHECK: tile.kernel @k1_reduce
func.func @largest(%x: tensor<?x20000xf32, #jinx.dims<"r", "20000">>) -> tensor<?x1xf32, #jinx.dims<"r", "1">> {
  %y = jinx.group "rows"(%x) : (tensor<?x20000xf32, #jinx.dims<"r", "20000">>) -> tensor<?x1xf32, #jinx.dims<"r", "1">> {
  ^bb0(%a: tensor<?x20000xf32, #jinx.dims<"r", "20000">>):
    %m = jinx.reduce max, %a axes [1] : tensor<?x20000xf32, #jinx.dims<"r", "20000">> -> tensor<?x1xf32, #jinx.dims<"r", "1">>
    jinx.yield %m : tensor<?x1xf32, #jinx.dims<"r", "1">>
  }
  return %y : tensor<?x1xf32, #jinx.dims<"r", "1">>
}

// -----

// What one block holds is one kernel; so are sums, which would be added in another order.
// CHECK-LABEL: func.func @whole
// CHECK-COUNT-2: jinx.launch
// CHECK-NOT: jinx.launch
func.func @whole(%x: tensor<4x16384xf32>, %z: tensor<4x20000xf32>) -> (tensor<4x1xf32>, tensor<4x1xf32>) {
  %y = jinx.group "rows"(%x) : (tensor<4x16384xf32>) -> tensor<4x1xf32> {
  ^bb0(%a: tensor<4x16384xf32>):
    %m = jinx.reduce max, %a axes [1] : tensor<4x16384xf32> -> tensor<4x1xf32>
    jinx.yield %m : tensor<4x1xf32>
  }
  %w = jinx.group "rows"(%z) : (tensor<4x20000xf32>) -> tensor<4x1xf32> {
  ^bb0(%a: tensor<4x20000xf32>):
    %m = jinx.reduce sum, %a axes [1] : tensor<4x20000xf32> -> tensor<4x1xf32>
    jinx.yield %m : tensor<4x1xf32>
  }
  return %y, %w : tensor<4x1xf32>, tensor<4x1xf32>
}

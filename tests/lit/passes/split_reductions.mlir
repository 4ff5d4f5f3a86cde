// RUN: jinx-opt %s --split-input-file --jinx-split-reductions | FileCheck %s

// The outer dimensions by themselves: their positions are independent. One symbolic extent may be small.
// CHECK-LABEL: @everything
// CHECK: %[[P:.*]] = jinx.reduce max, %{{.*}} axes [3] : {{.*}} -> tensor<1x?x?x1xf32, #jinx.dims<"1", "s", "s", "1">>
// CHECK: jinx.reduce max, %[[P]] axes [1, 2] : {{.*}} -> tensor<1x1x1x1xf32>
func.func @everything(%x: tensor<1x?x?x512xf32, #jinx.dims<"1", "s", "s", "512">>) -> tensor<1x1x1x1xf32> {
  %y = jinx.reduce max, %x axes [1, 2, 3] : tensor<1x?x?x512xf32, #jinx.dims<"1", "s", "s", "512">> -> tensor<1x1x1x1xf32>
  return %y : tensor<1x1x1x1xf32>
}

// -----

// Outer dimensions are taken until there are enough positions.
// CHECK-LABEL: @small_outer
// CHECK: jinx.reduce sum, %{{.*}} axes [2] : tensor<4x8x4096xf32> -> tensor<4x8x1xf32>
// CHECK: jinx.reduce sum, %{{.*}} axes [0, 1] : tensor<4x8x1xf32> -> tensor<1x1x1xf32>
func.func @small_outer(%x: tensor<4x8x4096xf32>) -> tensor<1x1x1xf32> {
  %y = jinx.reduce sum, %x axes [0, 1, 2] : tensor<4x8x4096xf32> -> tensor<1x1x1xf32>
  return %y : tensor<1x1x1xf32>
}

// -----

// One reduced dimension has no outer one; rows are independent already; a small reduction is not worth a second kernel.
// CHECK-LABEL: @kept
// CHECK-COUNT-3: jinx.reduce
// CHECK-NOT: jinx.reduce
func.func @kept(%v: tensor<1048576xf32>, %rows: tensor<64x64x64xf32>, %small: tensor<16x16x16xf32>)
    -> (tensor<1xf32>, tensor<64x1x1xf32>, tensor<1x1x1xf32>) {
  %a = jinx.reduce sum, %v axes [0] : tensor<1048576xf32> -> tensor<1xf32>
  %b = jinx.reduce sum, %rows axes [1, 2] : tensor<64x64x64xf32> -> tensor<64x1x1xf32>
  %c = jinx.reduce sum, %small axes [0, 1, 2] : tensor<16x16x16xf32> -> tensor<1x1x1xf32>
  return %a, %b, %c : tensor<1xf32>, tensor<64x1x1xf32>, tensor<1x1x1xf32>
}

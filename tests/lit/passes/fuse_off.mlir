// RUN: jinx-opt %s --jinx-fuse=enable=false | FileCheck %s

// Without fusion every operator gets a group of its own: the baseline that fused plans are compared with.
// CHECK-LABEL: @chain
// CHECK: jinx.group "rows"
// CHECK: jinx.exp
// CHECK: jinx.group "rows"
// CHECK: jinx.add
func.func @chain(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = jinx.exp %x : tensor<8xf32> -> tensor<8xf32>
  %y = jinx.add %e, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

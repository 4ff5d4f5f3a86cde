// A module that names a GPU of its own is refused: passes would form what its target has no kernel for.
// RUN: not jinx compile %s -o %t.jxp 2>&1 | FileCheck %s
// CHECK: attribute 'jinx.gpu' is set by the compiler for its target, it is no part of a model
module attributes {jinx.gpu = "sm_90a"} {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %y = jinx.neg %x : tensor<4xf32> -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}

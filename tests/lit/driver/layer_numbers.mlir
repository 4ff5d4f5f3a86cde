// RUN: jinx compile %s --shard pp=2 --emit graph | FileCheck %s
// Numbers too large for layers are something else, as dates are: each stage has one of the two layers.

// CHECK: jinx.exp %{{.*}} {dist.stage = 0 : i64}
// CHECK-NEXT: jinx.sin %{{.*}} {dist.stage = 1 : i64}
// CHECK-NEXT: jinx.neg
// CHECK-NOT: dist.stage
func.func @main(%x: tensor<4x8xf32> {jinx.name = "x"}) -> (tensor<4x8xf32> {jinx.name = "y"}) {
  %a = jinx.exp %x : tensor<4x8xf32> -> tensor<4x8xf32> loc("h.0.a")
  %b = jinx.sin %a : tensor<4x8xf32> -> tensor<4x8xf32> loc("h.1.b")
  %c = jinx.neg %b : tensor<4x8xf32> -> tensor<4x8xf32> loc("h.20240101.c")
  %d = jinx.tanh %c : tensor<4x8xf32> -> tensor<4x8xf32> loc("h.9223372036854775807.d")
  return %d : tensor<4x8xf32>
}

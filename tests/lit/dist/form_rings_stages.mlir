// Rings in stages of a pipeline (tests/lit/dist/form_rings.mlir: rings).
// RUN: jinx-opt %s --jinx-form-rings --jinx-stage-program=stage=1 | FileCheck %s

dist.mesh @mesh <"pp" = 2, "cp" = 2>

// Columns of a mask are of the attention's stage, although the mask is of one in front of it: what they are made of stands here only.
// CHECK-LABEL: @stages
// CHECK: jinx.iota axis 1 : tensor<1x4xi64>
// CHECK: jinx.compare ge
// CHECK: jinx.matmul
// CHECK: jinx.compare ge
// CHECK: jinx.matmul
func.func @stages(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %least = jinx.constant dense<0xFF800000> : tensor<f32>
  %r = jinx.iota axis 0 : tensor<4x1xi64>
  %first = jinx.sizes ["4*rank.cp"] : tensor<1x1xi64, #dist.on<"cp" = varying>>
  %row = jinx.add %r, %first : tensor<4x1xi64>, tensor<1x1xi64, #dist.on<"cp" = varying>> -> tensor<4x1xi64, #dist.on<"cp" = varying>>
  %column = jinx.iota axis 1 : tensor<1x8xi64>
  %c = jinx.compare ge, %row, %column {dist.stage = 0 : i64} : tensor<4x1xi64, #dist.on<"cp" = varying>>, tensor<1x8xi64> -> tensor<4x8xi1, #dist.on<"cp" = varying>>
  %h = jinx.neg %q {dist.stage = 0 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %ka = dist.all_gather %h dim 1 over ["cp"] {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %va = dist.all_gather %h dim 1 over ["cp"] {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %s = jinx.matmul %h, %ka transpose_b {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %x = jinx.select %c, %s, %least {dist.stage = 1 : i64} : tensor<4x8xi1, #dist.on<"cp" = varying>>, tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<f32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %x axes [2] {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %x, %m {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va {dist.stage = 1 : i64} : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}

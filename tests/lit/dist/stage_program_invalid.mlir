// RUN: jinx-opt %s --split-input-file --verify-diagnostics --jinx-stage-program=stage=1

dist.mesh @mesh <"pp" = 2>
func.func @backwards(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  %h = jinx.exp %x {dist.stage = 1 : i64} : tensor<8xf32> -> tensor<8xf32>
  // expected-error @+1 {{is of stage 0 and needs a value of stage 1, expected that values go forward}}
  %a = jinx.neg %h {dist.stage = 0 : i64} : tensor<8xf32> -> tensor<8xf32>
  return %a : tensor<8xf32>
}
// -----
dist.mesh @mesh <"pp" = 2>
func.func @outside(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  // expected-error @+1 {{is of stage 2, expected 0..1 (ranks of axis "pp")}}
  %h = jinx.exp %x {dist.stage = 2 : i64} : tensor<8xf32> -> tensor<8xf32>
  return %h : tensor<8xf32>
}
// -----
dist.mesh @mesh <"pp" = 2>
func.func @word(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  // expected-error @+1 {{dist.stage is "first", expected a number}}
  %h = jinx.exp %x {dist.stage = "first"} : tensor<8xf32> -> tensor<8xf32>
  return %h : tensor<8xf32>
}
// -----
dist.mesh @mesh <"pp" = 2>
// expected-error @+1 {{has what is varying on "pp", which counts stages: they pass on whole values}}
func.func @split(%x: tensor<8xf32, #dist.on<"pp" = varying>>) attributes {dist.own = @mesh} {
  return
}
// -----
dist.mesh @mesh <"pp" = 2>
func.func @part(%x: tensor<8xf32>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{has what is varying on "pp", which counts stages: they pass on whole values}}
  %y = jinx.slice %x starts ["4*rank.pp"] steps [1] : tensor<8xf32> -> tensor<4xf32, #dist.on<"pp" = varying>>
  return
}

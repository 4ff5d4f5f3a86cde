// RUN: jinx-opt %s --split-input-file --verify-diagnostics
// A placed function: types that do not follow from the factor rules.

dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @missing_reduction(%a: tensor<8x64xf32, #dist.on<"tp" = shard 1>>, %b: tensor<64x16xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{y is called replicate on "tp" and is partial sum: a dist.reshard is missing (a[m, k] b[k, n] -> y[m, n]; k sums}}
  %y = jinx.matmul %a, %b : tensor<8x64xf32, #dist.on<"tp" = shard 1>>, tensor<64x16xf32, #dist.on<"tp" = shard 0>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @wrong_reduction(%a: tensor<8x64xf32, #dist.on<"tp" = shard 1>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{y is called partial sum on "tp" and is partial max}}
  %y = jinx.reduce max, %a axes [1] : tensor<8x64xf32, #dist.on<"tp" = shard 1>> -> tensor<8x1xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @no_sum(%a: tensor<8x64xf32>, %b: tensor<64x16xf32>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{y is called partial sum on "tp" and is replicate}}
  %y = jinx.matmul %a, %b : tensor<8x64xf32>, tensor<64x16xf32> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @different(%a: tensor<8x64xf32, #dist.on<"tp" = shard 1>>, %b: tensor<64x16xf32>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{b has no axis on k, and a has "tp": reshard one of them}}
  %y = jinx.matmul %a, %b : tensor<8x64xf32, #dist.on<"tp" = shard 1>>, tensor<64x16xf32> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @twice(%a: tensor<8x64xf32, #dist.on<"tp" = shard 0>>, %b: tensor<64x16xf32, #dist.on<"tp" = shard 1>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{y has no axis on m, and a has "tp"}}
  %y = jinx.matmul %a, %b : tensor<8x64xf32, #dist.on<"tp" = shard 0>>, tensor<64x16xf32, #dist.on<"tp" = shard 1>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @two_factors(%a: tensor<8x64xf32, #dist.on<"tp" = shard 0>>, %b: tensor<16xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{axis "tp" splits both}}
  %y = jinx.gather %a, %b axis 0 : tensor<8x64xf32, #dist.on<"tp" = shard 0>>, tensor<16xf32, #dist.on<"tp" = shard 0>> -> tensor<16x64xf32, #dist.on<"tp" = shard 0>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @not_linear(%a: tensor<8x64xf32, #dist.on<"tp" = partial sum>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{takes what is partial on "tp": relu does not go with parts of a sum in x}}
  %y = jinx.relu %a : tensor<8x64xf32, #dist.on<"tp" = partial sum>> -> tensor<8x64xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @bias_counted_on_each_rank(%a: tensor<8x64xf32, #dist.on<"tp" = partial sum>>, %b: tensor<64xf32>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{add does not go with parts of a sum in a}}
  %y = jinx.add %a, %b : tensor<8x64xf32, #dist.on<"tp" = partial sum>>, tensor<64xf32> -> tensor<8x64xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @whole_factor(%a: tensor<8x64xf32, #dist.on<"tp" = shard 1>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{which splits axis: it needs all of it}}
  %y = jinx.cumsum %a axis 1 : tensor<8x64xf32, #dist.on<"tp" = shard 1>> -> tensor<8x64xf32, #dist.on<"tp" = shard 1>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @not_divided(%a: tensor<18xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{axis "tp" of 4 ranks does not divide i0, which is 3 and has others beside it}}
  %y = jinx.reshape %a : tensor<18xf32, #dist.on<"tp" = shard 0>> -> tensor<3x6xf32, #dist.on<"tp" = shard 0>>
  return
}
// -----
// The minor factor has parts of 2, 1, 2, 1, and the dimension of 2, 2, 2, 0.
dist.mesh @mesh <"a" = 2, "b" = 2>
func.func @not_divided_beside(%a: tensor<6xf32, #dist.on<"a" = shard 0, "b" = shard 0>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{axis "b" of 2 ranks does not divide i1, which is 3 and has others beside it}}
  %y = jinx.reshape %a : tensor<6xf32, #dist.on<"a" = shard 0, "b" = shard 0>> -> tensor<2x3xf32, #dist.on<"a" = shard 0, "b" = shard 1>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @no_rule(%a: tensor<8xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{expected replicated values: it has no factor rule, since it runs an ONNX operator that only the runtime knows}}
  %y = jinx.host_call "" "Det" 22 {} (%a) : (tensor<8xf32, #dist.on<"tp" = shard 0>>) -> tensor<8xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @collective(%a: tensor<8xf32>) attributes {dist.placed = @mesh} {
  // expected-error @+1 {{is of a rank's own values: a placed function has dist.reshard}}
  %y = dist.all_reduce sum %a over ["tp"] : tensor<8xf32> -> tensor<8xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
// expected-error @+1 {{in a placed function, whose values are replicated, shards or partial}}
func.func @varying(%a: tensor<8xf32, #dist.on<"tp" = varying>>) attributes {dist.placed = @mesh} { return }
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @result(%a: tensor<8xf32, #dist.on<"tp" = shard 0>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  // expected-error @+1 {{type of return operand 0}}
  return %a : tensor<8xf32, #dist.on<"tp" = shard 0>>
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @read_inside(%c: tensor<i1>, %x: tensor<4xf32, #dist.on<"tp" = shard 0>>) attributes {dist.placed = @mesh} {
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    // expected-error @+1 {{expected replicated values: 'jinx.if' around it has no factor rule}}
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = shard 0>>
  } else {
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = shard 0>>
  }
  return
}

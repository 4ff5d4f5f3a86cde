// RUN: jinx-opt %s --split-input-file --verify-diagnostics
// An own function: what a value may be called by the algebra of states.

dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @missing_collective(%a: tensor<8x16xf32, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result 0 is called replicate on "tp" and is varying: a collective is missing}}
  %y = jinx.relu %a : tensor<8x16xf32, #dist.on<"tp" = varying>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @partial_relu(%a: tensor<8x16xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{takes what is partial on "tp": relu does not go with parts of a sum}}
  %y = jinx.relu %a : tensor<8x16xf32, #dist.on<"tp" = partial sum>> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @partial_forgotten(%a: tensor<8x16xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result 0 is called replicate on "tp" and is partial sum: a collective is missing}}
  %y = jinx.neg %a : tensor<8x16xf32, #dist.on<"tp" = partial sum>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @mixed(%a: tensor<8x16xf32, #dist.on<"tp" = partial sum>>, %b: tensor<8x16xf32, #dist.on<"tp" = partial max>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{operands are partial sum and partial max}}
  %y = jinx.add %a, %b : tensor<8x16xf32, #dist.on<"tp" = partial sum>>, tensor<8x16xf32, #dist.on<"tp" = partial max>> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @coordinate(%a: tensor<8x16xf32>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result 0 is called replicate on "tp" and is varying}}
  %y = jinx.slice %a starts ["2*rank.tp", "0"] steps [1, 1] : tensor<8x16xf32> -> tensor<2x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @reduced_twice(%a: tensor<8x16xf32>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{operand is replicate on "tp", expected partial sum}}
  %y = dist.all_reduce sum %a over ["tp"] : tensor<8x16xf32> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @wrong_kind(%a: tensor<8x16xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{operand is partial sum on "tp", expected partial max}}
  %y = dist.all_reduce max %a over ["tp"] : tensor<8x16xf32, #dist.on<"tp" = partial sum>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @gathers_parts_of_a_sum(%a: tensor<8x16xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{operand is partial sum on "tp", expected varying}}
  %y = dist.all_gather %a dim 0 over ["tp"] : tensor<8x16xf32, #dist.on<"tp" = partial sum>> -> tensor<32x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @other_axis(%a: tensor<8x16xf32, #dist.on<"dp" = varying, "tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result is replicate on "dp", expected varying}}
  %y = dist.all_reduce sum %a over ["tp"] : tensor<8x16xf32, #dist.on<"dp" = varying, "tp" = partial sum>> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
// expected-error @+1 {{in an own function, where parts are varying}}
func.func @shard(%a: tensor<8x16xf32, #dist.on<"tp" = shard 0>>) attributes {dist.own = @mesh} { return }
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @reshard(%a: tensor<8x16xf32>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{is of whole values, which an own function has not}}
  %y = dist.reshard %a : tensor<8x16xf32> -> tensor<8x16xf32>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @rows_of_all(%a: tensor<8x16xf32>, %n: tensor<4xi64, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{operand is replicate on "tp", expected varying}}
  %y = dist.all_to_all_v %a, %n, %n over ["tp"] : tensor<8x16xf32>, tensor<4xi64, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"tp" = varying>> -> tensor<8x16xf32, #dist.on<"tp" = varying>>
  return
}
// -----
// Ranks with other counts have other rows.
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @counts_of_another_axis(%a: tensor<8x16xf32, #dist.on<"tp" = varying>>, %n: tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result is replicate on "dp", expected varying}}
  %y = dist.all_to_all_v %a, %n, %n over ["tp"] : tensor<8x16xf32, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>, tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>
      -> tensor<8x16xf32, #dist.on<"tp" = varying>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @parts_with_other_counts(%a: tensor<8x16xf32, #dist.on<"dp" = partial sum, "tp" = varying>>, %n: tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{counts are varying on "dp", where rows are partial sum, expected counts that are the same: parts of a sum move together}}
  %y = dist.all_to_all_v %a, %n, %n over ["tp"] : tensor<8x16xf32, #dist.on<"dp" = partial sum, "tp" = varying>>, tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>, tensor<4xi64, #dist.on<"dp" = varying, "tp" = varying>>
      -> tensor<8x16xf32, #dist.on<"dp" = varying, "tp" = varying>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @counts_in_parts(%a: tensor<8x16xf32, #dist.on<"tp" = varying>>, %n: tensor<4xi64, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{counts are parts of a sum on "tp", expected the sum: a collective is missing}}
  %y = dist.all_to_all_v %a, %n, %n over ["tp"] : tensor<8x16xf32, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"tp" = partial sum>>, tensor<4xi64, #dist.on<"tp" = partial sum>> -> tensor<8x16xf32, #dist.on<"tp" = varying>>
  return
}
// -----
// Parts of a sum over another axis move as parts: no error.
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @parts_move(%a: tensor<8x16xf32, #dist.on<"dp" = partial sum, "tp" = varying>>, %n: tensor<4xi64, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  %y = dist.all_to_all_v %a, %n, %n over ["tp"] : tensor<8x16xf32, #dist.on<"dp" = partial sum, "tp" = varying>>, tensor<4xi64, #dist.on<"tp" = varying>>, tensor<4xi64, #dist.on<"tp" = varying>>
      -> tensor<8x16xf32, #dist.on<"dp" = partial sum, "tp" = varying>>
  return
}
// -----
// Parts of a sum times what differs from rank to rank add up to nothing of use.
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @part_by_varying(%p: tensor<8x16xf32, #dist.on<"tp" = partial sum>>, %v: tensor<8x16xf32, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{takes what is partial and what varies on "tp", expected the sum: a collective is missing}}
  %y = jinx.mul %p, %v : tensor<8x16xf32, #dist.on<"tp" = partial sum>>, tensor<8x16xf32, #dist.on<"tp" = varying>> -> tensor<8x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @part_by_coordinate(%p: tensor<8x16xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{takes what is partial and what varies on "tp", expected the sum: a collective is missing}}
  %y = jinx.slice %p starts ["2*rank.tp", "0"] steps [1, 1] : tensor<8x16xf32, #dist.on<"tp" = partial sum>> -> tensor<2x16xf32, #dist.on<"tp" = partial sum>>
  return
}
// -----
// On another axis it may vary: no error.
dist.mesh @mesh <"dp" = 2, "tp" = 4>
func.func @part_by_another_axis(%p: tensor<8x16xf32, #dist.on<"tp" = partial sum>>, %v: tensor<8x16xf32, #dist.on<"dp" = varying>>) attributes {dist.own = @mesh} {
  %y = jinx.mul %p, %v : tensor<8x16xf32, #dist.on<"tp" = partial sum>>, tensor<8x16xf32, #dist.on<"dp" = varying>> -> tensor<8x16xf32, #dist.on<"dp" = varying, "tp" = partial sum>>
  return
}
// -----
// What a region reads is in the result, too.
dist.mesh @mesh <"tp" = 2>
func.func @read_inside(%c: tensor<i1>, %x: tensor<4xf32, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{result 0 is called replicate on "tp" and is varying: a collective is missing}}
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = varying>>
  } else {
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = varying>>
  }
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @part_inside(%c: tensor<i1>, %x: tensor<4xf32, #dist.on<"tp" = partial sum>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{takes what is partial on "tp": jinx.if needs whole operands}}
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = partial sum>>
  } else {
    jinx.yield %x : tensor<4xf32, #dist.on<"tp" = partial sum>>
  }
  return
}
// -----
dist.mesh @mesh <"tp" = 2>
func.func @never_waited_for(%x: tensor<4xf32, #dist.on<"tp" = varying>>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{is started, expected that one dist.wait takes it, and nothing else}}
  %p = dist.all_gather %x dim 0 over ["tp"] : tensor<4xf32, #dist.on<"tp" = varying>> -> !dist.pending<tensor<8xf32>>
  return
}
// -----
dist.mesh @mesh <"pp" = 2>
func.func @no_such_rank(%x: tensor<4xf32>) attributes {dist.own = @mesh} {
  // expected-error @+1 {{to is 2, expected 0..1}}
  dist.send %x to 2 over ["pp"] : tensor<4xf32>
  return
}

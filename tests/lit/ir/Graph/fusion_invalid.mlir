// RUN: jinx-opt %s --split-input-file --verify-diagnostics

// A group sees its operands only.
func.func @isolated(%x: tensor<8xf32>) {
  // expected-note @+1 {{required by region isolation constraints}}
  %y = jinx.group "rows"() : () -> tensor<8xf32> {
    // expected-error @+1 {{'jinx.exp' op using value defined outside the region}}
    %e = jinx.exp %x : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return
}

// -----

func.func @group_arguments(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.group' op the body takes 0 values, expected 1 (operands)}}
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<1xf32> {
    %e = jinx.constant dense<1.0> : tensor<1xf32>
    jinx.yield %e : tensor<1xf32>
  }
  return
}

// -----

func.func @group_argument_type(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.group' op body argument 0 is 'tensor<4xf32>', expected 'tensor<8xf32>'}}
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    jinx.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @group_yields(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.group' op the body yields 2 values, expected 1 (results)}}
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    jinx.yield %a, %a : tensor<8xf32>, tensor<8xf32>
  }
  return
}

// -----

func.func @group_result_type(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.group' op yielded value 0 is 'tensor<8xf32>', expected 'tensor<4xf32>'}}
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<8xf32>):
    jinx.yield %a : tensor<8xf32>
  }
  return
}

// -----

func.func @launch_formula(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.launch' op formula "8 *": size formula "8 *": a number, a name or '(' expected at column 4}}
  %y = jinx.launch @k0(%x) sizes ["8"] programs "8 *" scratch "0" work "8" from ["x"] : (tensor<8xf32>) -> tensor<8xf32>
  return
}

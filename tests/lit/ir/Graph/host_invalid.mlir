// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @no_name(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.host_call' op names operator '', expected a name}}
  %y = jinx.host_call "" "" 13 {} (%x) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @no_opset(%x: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.host_call' op opset is 0, expected at least 1}}
  %y = jinx.host_call "" "Abs" 0 {} (%x) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @none_type() {
  // expected-error @+1 {{invalid kind of type specified: expected jinx.none, but found 'tensor<4xf32>'}}
  %y = jinx.none : tensor<4xf32>
  return
}

// -----

func.func @yield_outside(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'jinx.yield' op expects parent op to be one of 'jinx.group, jinx.if, jinx.loop, jinx.scan, jinx.sequence_map'}}
  jinx.yield %x : tensor<4xf32>
}

// -----

func.func @if_number(%c: tensor<f32>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.if' op condition is 'tensor<f32>', expected one bool}}
  %y = jinx.if %c : tensor<f32> -> tensor<4xf32> {
    jinx.yield %x : tensor<4xf32>
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @if_many(%c: tensor<2xi1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.if' op condition is 'tensor<2xi1>', expected one bool}}
  %y = jinx.if %c : tensor<2xi1> -> tensor<4xf32> {
    jinx.yield %x : tensor<4xf32>
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @if_yields(%c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.if' op a region yields 0 values, expected 1 (results)}}
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    jinx.yield %x : tensor<4xf32>
  } else {
    jinx.yield
  }
  return
}

// -----

func.func @if_arguments(%c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.if' op a region takes 1 values, expected 0 (it sees what is outside)}}
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    jinx.yield %a : tensor<4xf32>
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @if_end(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'jinx.if' op has a region that ends with 'cf.br', expected 'jinx.yield'}}
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    "cf.br"() : () -> ()
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

func.func @loop_operands(%n: tensor<i64>) {
  // expected-error @+1 {{'jinx.loop' op has 1 operands, expected a trip count, a condition and carried values}}
  jinx.loop(%n) : (tensor<i64>) -> () {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>):
    jinx.yield %go : tensor<i1>
  }
  return
}

// -----

func.func @loop_arguments(%n: tensor<i64>, %c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.loop' op the body takes 2 values, expected 3 (iteration, condition, carried values)}}
  %y = jinx.loop(%n, %c, %x) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>):
    jinx.yield %go, %x : tensor<i1>, tensor<4xf32>
  }
  return
}

// -----

func.func @loop_results(%n: tensor<i64>, %c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.loop' op has 0 results, expected at least 1 (carried values)}}
  jinx.loop(%n, %c, %x) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> () {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    jinx.yield %go : tensor<i1>
  }
  return
}

// -----

func.func @loop_yields(%n: tensor<i64>, %c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.loop' op the body yields 1 values, expected 2 (condition, results)}}
  %y = jinx.loop(%n, %c, %x) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    jinx.yield %go : tensor<i1>
  }
  return
}

// -----

func.func @scan_operands() {
  // expected-error @+1 {{'jinx.scan' op has 0 operands, expected at least 1}}
  jinx.scan {num_scan_inputs = 1 : i64} 16 () : () -> () {
    jinx.yield
  }
  return
}

// -----

func.func @scan_arguments(%s: tensor<4xf32>, %x: tensor<3x4xf32>) {
  // expected-error @+1 {{'jinx.scan' op the body takes 1 values, expected 2 (states, scanned tensors)}}
  %last = jinx.scan {num_scan_inputs = 1 : i64} 16 (%s, %x) : (tensor<4xf32>, tensor<3x4xf32>) -> tensor<4xf32> {
  ^bb0(%state: tensor<4xf32>):
    jinx.yield %state : tensor<4xf32>
  }
  return
}

// -----

func.func @scan_yields(%s: tensor<4xf32>, %x: tensor<3x4xf32>) {
  // expected-error @+1 {{'jinx.scan' op the body yields 2 values, expected 1 (results)}}
  %last = jinx.scan {num_scan_inputs = 1 : i64} 16 (%s, %x) : (tensor<4xf32>, tensor<3x4xf32>) -> tensor<4xf32> {
  ^bb0(%state: tensor<4xf32>, %v: tensor<4xf32>):
    jinx.yield %state, %v : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @map_tensor(%x: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.sequence_map' op has no sequence as first operand, expected '!jinx.sequence'}}
  %y = jinx.sequence_map(%x) : (tensor<4xf32>) -> !jinx.sequence<tensor<*xf32>> {
  ^bb0(%v: tensor<4xf32>):
    jinx.yield %v : tensor<4xf32>
  }
  return
}

// -----

func.func @map_arguments(%s: !jinx.sequence<tensor<*xf32>>) {
  // expected-error @+1 {{'jinx.sequence_map' op the body takes 2 values, expected 1 (operands)}}
  %y = jinx.sequence_map(%s) : (!jinx.sequence<tensor<*xf32>>) -> !jinx.sequence<tensor<*xf32>> {
  ^bb0(%v: tensor<*xf32>, %w: tensor<*xf32>):
    jinx.yield %v : tensor<*xf32>
  }
  return
}

// -----

func.func @map_yields(%s: !jinx.sequence<tensor<*xf32>>) {
  // expected-error @+1 {{'jinx.sequence_map' op the body yields 2 values, expected 1 (results)}}
  %y = jinx.sequence_map(%s) : (!jinx.sequence<tensor<*xf32>>) -> !jinx.sequence<tensor<*xf32>> {
  ^bb0(%v: tensor<*xf32>):
    jinx.yield %v, %v : tensor<*xf32>, tensor<*xf32>
  }
  return
}

// -----

func.func @map_result(%s: !jinx.sequence<tensor<*xf32>>) {
  // expected-error @+1 {{'jinx.sequence_map' op has a result of type 'tensor<*xf32>', expected '!jinx.sequence'}}
  %y = jinx.sequence_map(%s) : (!jinx.sequence<tensor<*xf32>>) -> tensor<*xf32> {
  ^bb0(%v: tensor<*xf32>):
    jinx.yield %v : tensor<*xf32>
  }
  return
}

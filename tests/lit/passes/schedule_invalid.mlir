// RUN: jinx-opt %s --split-input-file --verify-diagnostics --jinx-schedule

func.func @unknown(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op unknown schedule 'columns', expected rows, matmul, recurrent, scan, scatter or sort}}
  %y = jinx.group "columns"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

func.func @two_axes(%x: tensor<4x8xf32>) -> (tensor<4x1xf32>, tensor<1x8xf32>) {
  // expected-error @+1 {{'jinx.group' op reductions of a rows group must have one operand shape and one set of axes}}
  %y:2 = jinx.group "rows"(%x) : (tensor<4x8xf32>) -> (tensor<4x1xf32>, tensor<1x8xf32>) {
  ^bb0(%a: tensor<4x8xf32>):
    %m = jinx.reduce max, %a axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
    %n = jinx.reduce max, %a axes [0] : tensor<4x8xf32> -> tensor<1x8xf32>
    jinx.yield %m, %n : tensor<4x1xf32>, tensor<1x8xf32>
  }
  return %y#0, %y#1 : tensor<4x1xf32>, tensor<1x8xf32>
}

// -----

func.func @no_product(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op has no packed product to schedule}}
  %y = jinx.group "matmul"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

func.func @prologue(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'jinx.group' op operands of the product must be inputs of the group}}
  %y = jinx.group "matmul"(%x, %w) : (tensor<4x8xf32>, tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<1x8x16xf32>):
    %e = jinx.exp %a : tensor<4x8xf32> -> tensor<4x8xf32>
    %p = jinx.packed_matmul %e, %b : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<4x16xf32>
    jinx.yield %p : tensor<4x16xf32>
  }
  return %y : tensor<4x16xf32>
}

// -----

func.func @no_scan(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op has no cumsum to schedule}}
  %y = jinx.group "scan"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

func.func @no_scatter(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op has no scatter to schedule}}
  %y = jinx.group "scatter"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

func.func @no_sort(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op has no top_k to schedule}}
  %y = jinx.group "sort"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

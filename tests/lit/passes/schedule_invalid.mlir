// RUN: jinx-opt %s --split-input-file --verify-diagnostics --jinx-schedule

func.func @unknown(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op unknown schedule 'columns', expected rows, matmul, grouped, dequant_matmul, attention, recurrent, scan, scatter or sort}}
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

func.func @no_attention(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'jinx.group' op has no attention to schedule}}
  %y = jinx.group "attention"(%x, %w) : (tensor<4x8xf32>, tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<1x8x16xf32>):
    %p = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<4x16xf32>
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

func.func @packs_inside(%q: tensor<5x8xf32>, %w: tensor<8x7xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  // expected-error @+1 {{'jinx.group' op packed operands of the products must be inputs of the group}}
  %y = jinx.group "attention"(%q, %w, %v) : (tensor<5x8xf32>, tensor<8x7xf32>, tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  ^bb0(%a: tensor<5x8xf32>, %b: tensor<8x7xf32>, %c: tensor<1x7x16xf32>):
    %k = jinx.pack %b : tensor<8x7xf32> -> tensor<1x8x16xf32>
    %x = jinx.packed_matmul %a, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %o = jinx.packed_matmul %p, %c : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
    jinx.yield %o : tensor<5x16xf32>
  }
  return %y : tensor<5x16xf32>
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

func.func @result_before(%q: tensor<5x8xf32>, %w: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x8xf32> {
  // expected-error @+1 {{'jinx.group' op results of an attention group must follow the context}}
  %y = jinx.group "attention"(%q, %w, %v) : (tensor<5x8xf32>, tensor<1x8x16xf32>, tensor<1x7x16xf32>) -> tensor<5x8xf32> {
  ^bb0(%a: tensor<5x8xf32>, %b: tensor<1x8x16xf32>, %c: tensor<1x7x16xf32>):
    %t = jinx.neg %a : tensor<5x8xf32> -> tensor<5x8xf32>
    %x = jinx.packed_matmul %t, %b : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %o = jinx.packed_matmul %p, %c : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
    jinx.yield %t : tensor<5x8xf32>
  }
  return %y : tensor<5x8xf32>
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

// -----

func.func @no_grouped_product(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{'jinx.group' op has no grouped product in panels to schedule}}
  %y = jinx.group "grouped"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

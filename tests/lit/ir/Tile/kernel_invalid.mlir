// RUN: jinx-opt %s --split-input-file --verify-diagnostics

// A tile is a vector.
tile.kernel @scalar(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'tile.load' op result #0 must be tile (a vector of rank 1 or 2), but got 'f32'}}
  %t = tile.load %x[%c0] strides(%c0) : !tile.ptr<f32> -> f32
}

// -----

// A kernel uses nothing from outside.
%x = arith.constant 0 : index
// expected-note @+1 {{required by region isolation constraints}}
tile.kernel @k(%p: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{'arith.addi' op using value defined outside the region}}
  %y = arith.addi %x, %x : index
}

// -----

// A kernel is a symbol of its module.
func.func @inside() {
  // expected-error @+1 {{'tile.kernel' op symbol's parent must have the SymbolTable trait}}
  tile.kernel @k(%p: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  }
  return
}

// -----

// expected-error @below {{'tile.kernel' op sums array<i64: 0, 2, 2>, expected two of its 2 inputs, the sum and a part of it, and two ranks or more}}
tile.kernel @sum_of_a_result(%x: !tile.ptr<f32>, %p: !tile.ptr<f32>, %y: !tile.ptr<f32>) inputs 2 sums [0, 2, 2] programs "1" scratch "0" from "" {
}

// -----

// expected-error @below {{'tile.kernel' op sums '!tile.ptr<bf16>' to '!tile.ptr<f32>', expected one type}}
tile.kernel @sum_of_another_type(%x: !tile.ptr<f32>, %p: !tile.ptr<bf16>, %y: !tile.ptr<f32>) inputs 2 sums [0, 1, 2] programs "1" scratch "0" from "" {
}

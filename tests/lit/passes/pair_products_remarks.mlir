// Which products became a pair, and why others did not.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-pair-products' --remark-format=emitRemark --jinx-pair-products -o /dev/null

func.func @gate(%x: tensor<8x64xbf16>, %w: tensor<32x64xbf16>) -> (tensor<8x32xbf16>, tensor<8x32xbf16>, tensor<8x16xbf16>, tensor<8x32xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
  %d = jinx.constant dense<2.0> : tensor<32x64xbf16>
  %e = jinx.constant dense<3.0> : tensor<16x64xbf16>
  %f = jinx.constant dense<4.0> : tensor<32x64xbf16>
  // expected-remark @below {{[Passed] Paired | Category:jinx-pair-products | Remark="packed_matmul: two products of one operand are one, of 2 * 32 columns, with 1 operators that read both"}}
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: no other product of its operand has its shape and type"}}
  %r = jinx.packed_matmul %x, %e by_rows : tensor<8x64xbf16>, tensor<16x64xbf16> -> tensor<8x16xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: its weights are no constant of its own"}}
  %s = jinx.packed_matmul %x, %w by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: no other product of its operand has its shape and type"}}
  %t = jinx.packed_matmul %x, %f by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %y = jinx.mul %p, %q : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  return %y, %s, %r, %t : tensor<8x32xbf16>, tensor<8x32xbf16>, tensor<8x16xbf16>, tensor<8x32xbf16>
}

// -----

func.func @read_twice(%x: tensor<8x64xbf16>) -> (tensor<8x32xbf16>, tensor<8x32xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
  %d = jinx.constant dense<2.0> : tensor<32x64xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: no value is made of it and another product element by element, or something else reads them"}}
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: no other product of its operand has its shape and type"}}
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %y = jinx.mul %p, %q : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  return %y, %p : tensor<8x32xbf16>, tensor<8x32xbf16>
}

// -----

func.func @other_types(%x: tensor<8x64xf32>, %z: tensor<8x68xbf16>) -> (tensor<8x32xf32>, tensor<8x32xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xf32>
  %d = jinx.constant dense<2.0> : tensor<32x64xf32>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: it does not multiply 16-bit floats"}}
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xf32>, tensor<32x64xf32> -> tensor<8x32xf32>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: it does not multiply 16-bit floats"}}
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xf32>, tensor<32x64xf32> -> tensor<8x32xf32>
  %y = jinx.mul %p, %q : tensor<8x32xf32>, tensor<8x32xf32> -> tensor<8x32xf32>
  %e = jinx.constant dense<1.0> : tensor<32x68xbf16>
  %f = jinx.constant dense<2.0> : tensor<32x68xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: it is no product of two matrices whose rows are read in bulk"}}
  %r = jinx.packed_matmul %z, %e by_rows : tensor<8x68xbf16>, tensor<32x68xbf16> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: it is no product of two matrices whose rows are read in bulk"}}
  %s = jinx.packed_matmul %z, %f by_rows : tensor<8x68xbf16>, tensor<32x68xbf16> -> tensor<8x32xbf16>
  %v = jinx.mul %r, %s : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  return %y, %v : tensor<8x32xf32>, tensor<8x32xbf16>
}

// -----

module attributes {jinx.gpu = "sm_80"} {
  func.func @no_copy_engine(%x: tensor<8x64xbf16>) -> tensor<8x32xbf16> {
    %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
    %d = jinx.constant dense<2.0> : tensor<32x64xbf16>
    // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: their kernel needs a copy engine, which GPUs have from sm_90 on"}}
    %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
    // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_matmul: their kernel needs a copy engine, which GPUs have from sm_90 on"}}
    %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
    %y = jinx.mul %p, %q : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
    return %y : tensor<8x32xbf16>
  }
}

// -----

func.func @experts(%x: tensor<8x64xbf16>, %wg: tensor<3x32x64xbf16>, %wu: tensor<3x32x64xbf16>, %e: tensor<3xi32>, %z: tensor<8x32xf32>, %v: tensor<3x16x32xf32>) -> (tensor<8x32xbf16>, tensor<8x16xf32>, tensor<8x32xbf16>) {
  // expected-remark @below {{[Passed] Paired | Category:jinx-pair-products | Remark="packed_grouped_matmul: two products of one operand are one, of 2 * 32 columns, with 1 operators that read both"}}
  %g = jinx.packed_grouped_matmul %x, %wg by_rows, %e : tensor<8x64xbf16>, tensor<3x32x64xbf16>, tensor<3xi32> -> tensor<8x32xbf16>
  %u = jinx.packed_grouped_matmul %x, %wu by_rows, %e : tensor<8x64xbf16>, tensor<3x32x64xbf16>, tensor<3xi32> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_grouped_matmul: no other product of its operand has its shape and type"}}
  %n = jinx.packed_grouped_matmul %x, %wu by_rows, %e : tensor<8x64xbf16>, tensor<3x32x64xbf16>, tensor<3xi32> -> tensor<8x32xbf16>
  %y = jinx.mul %g, %u : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_grouped_matmul: it does not multiply 16-bit floats"}}
  %p = jinx.packed_grouped_matmul %z, %v by_rows, %e : tensor<8x32xf32>, tensor<3x16x32xf32>, tensor<3xi32> -> tensor<8x16xf32>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_grouped_matmul: it does not multiply 16-bit floats"}}
  %q = jinx.packed_grouped_matmul %z, %v by_rows, %e : tensor<8x32xf32>, tensor<3x16x32xf32>, tensor<3xi32> -> tensor<8x16xf32>
  %m = jinx.mul %p, %q : tensor<8x16xf32>, tensor<8x16xf32> -> tensor<8x16xf32>
  return %y, %m, %n : tensor<8x32xbf16>, tensor<8x16xf32>, tensor<8x32xbf16>
}

// -----

func.func @unaligned_experts(%x: tensor<8x68xbf16>, %w: tensor<3x32x68xbf16>, %e: tensor<3xi32>) -> tensor<8x32xbf16> {
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_grouped_matmul: it is no product of matrices whose rows are read in bulk"}}
  %p = jinx.packed_grouped_matmul %x, %w by_rows, %e : tensor<8x68xbf16>, tensor<3x32x68xbf16>, tensor<3xi32> -> tensor<8x32xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-pair-products | Remark="packed_grouped_matmul: it is no product of matrices whose rows are read in bulk"}}
  %q = jinx.packed_grouped_matmul %x, %w by_rows, %e : tensor<8x68xbf16>, tensor<3x32x68xbf16>, tensor<3xi32> -> tensor<8x32xbf16>
  %y = jinx.mul %p, %q : tensor<8x32xbf16>, tensor<8x32xbf16> -> tensor<8x32xbf16>
  return %y : tensor<8x32xbf16>
}

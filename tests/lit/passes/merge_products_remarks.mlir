// Which products became one, and why others did not.
// RUN: jinx-opt %s --verify-diagnostics --remarks-filter='jinx-merge-products' --remark-format=emitRemark --jinx-merge-products -o /dev/null

func.func @heads(%x: tensor<8x64xbf16>) -> (tensor<8x1x32xbf16>, tensor<8x2x32xbf16>, tensor<8x2x16xbf16>, tensor<8x32xbf16>) {
  %c = jinx.constant dense<1.0> : tensor<32x64xbf16>
  // expected-remark @below {{[Passed] Merged | Category:jinx-merge-products | Remark="packed_matmul: 2 products of one operand are one, of 3 heads of 32"}}
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %a = jinx.reshape %p : tensor<8x32xbf16> -> tensor<8x1x32xbf16>
  %d = jinx.constant dense<2.0> : tensor<64x64xbf16>
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<64x64xbf16> -> tensor<8x64xbf16>
  %b = jinx.reshape %q : tensor<8x64xbf16> -> tensor<8x2x32xbf16>
  %e = jinx.constant dense<3.0> : tensor<32x64xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-merge-products | Remark="packed_matmul: its heads, or how it multiplies, are not those of the others"}}
  %r = jinx.packed_matmul %x, %e by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  %f = jinx.reshape %r : tensor<8x32xbf16> -> tensor<8x2x16xbf16>
  %g = jinx.constant dense<4.0> : tensor<32x64xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-merge-products | Remark="packed_matmul: its result is not only read as heads, [n, heads, depth]"}}
  %s = jinx.packed_matmul %x, %g by_rows : tensor<8x64xbf16>, tensor<32x64xbf16> -> tensor<8x32xbf16>
  return %a, %b, %f, %s : tensor<8x1x32xbf16>, tensor<8x2x32xbf16>, tensor<8x2x16xbf16>, tensor<8x32xbf16>
}

func.func @biases(%x: tensor<8x64xbf16>, %bias: tensor<2xf32>) -> (tensor<8x1x2xf32>, tensor<8x1x2xbf16>, tensor<8x1x2xf32>, tensor<8x1x2xf16>) {
  %c = jinx.constant dense<1.0> : tensor<2x64xbf16>
  %row = jinx.constant dense<[5.0, 6.0]> : tensor<2xf32>
  // expected-remark @below {{[Passed] Merged | Category:jinx-merge-products | Remark="packed_matmul: 2 products of one operand are one, of 2 heads of 2, and their biases one (1 joined)"}}
  %p = jinx.packed_matmul %x, %c by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %pf = jinx.cast %p : tensor<8x2xbf16> -> tensor<8x2xf32>
  %ps = jinx.add %pf, %row : tensor<8x2xf32>, tensor<2xf32> -> tensor<8x2xf32>
  %a = jinx.reshape %ps : tensor<8x2xf32> -> tensor<8x1x2xf32>
  %d = jinx.constant dense<2.0> : tensor<2x64xbf16>
  %q = jinx.packed_matmul %x, %d by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %b = jinx.reshape %q : tensor<8x2xbf16> -> tensor<8x1x2xbf16>
  %e = jinx.constant dense<3.0> : tensor<2x64xbf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-merge-products | Remark="packed_matmul: what is added to its result is no constant of one row, [2]"}}
  %r = jinx.packed_matmul %x, %e by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %rf = jinx.cast %r : tensor<8x2xbf16> -> tensor<8x2xf32>
  %rs = jinx.add %rf, %bias : tensor<8x2xf32>, tensor<2xf32> -> tensor<8x2xf32>
  %f = jinx.reshape %rs : tensor<8x2xf32> -> tensor<8x1x2xf32>
  %g = jinx.constant dense<4.0> : tensor<2x64xbf16>
  %half = jinx.constant dense<[5.0, 6.0]> : tensor<2xf16>
  // expected-remark @below {{[Missed] Apart | Category:jinx-merge-products | Remark="packed_matmul: a bias is added in another type than that of the others"}}
  %s = jinx.packed_matmul %x, %g by_rows : tensor<8x64xbf16>, tensor<2x64xbf16> -> tensor<8x2xbf16>
  %sh = jinx.cast %s : tensor<8x2xbf16> -> tensor<8x2xf16>
  %ss = jinx.add %sh, %half : tensor<8x2xf16>, tensor<2xf16> -> tensor<8x2xf16>
  %h = jinx.reshape %ss : tensor<8x2xf16> -> tensor<8x1x2xf16>
  return %a, %b, %f, %h : tensor<8x1x2xf32>, tensor<8x1x2xbf16>, tensor<8x1x2xf32>, tensor<8x1x2xf16>
}

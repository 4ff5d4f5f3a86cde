// Which attention does the CUDA schedule take? Products of halves by rows, with all that is read and written through strides.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-form-attention' --remark-format=emitRemark --jinx-form-attention=cuda=true | FileCheck %s

// Heads are split by transposes: the group reads and writes the tensors that are in memory. Weights and values are filled up along the keys.
// CHECK-LABEL: @split_heads
// CHECK-SAME: (%[[Q:.*]]: tensor<2x5x128xf16>, %[[K:.*]]: tensor<2x7x128xf16>, %[[V:.*]]: tensor<2x7x128xf16>)
// CHECK-NEXT: %[[Y:.*]] = jinx.group "attention"(%[[Q]], %[[K]], %[[V]])
// CHECK: jinx.transpose
// CHECK: jinx.pad
// CHECK: %[[R:.*]] = jinx.reshape {{.*}} -> tensor<2x5x128xf16>
// CHECK-NEXT: jinx.yield %[[R]]
// CHECK: return %[[Y]]
func.func @split_heads(%q: tensor<2x5x128xf16>, %k: tensor<2x7x128xf16>, %v: tensor<2x7x128xf16>) -> tensor<2x5x128xf16> {
  %q1 = jinx.reshape %q : tensor<2x5x128xf16> -> tensor<2x5x2x64xf16>
  %q2 = jinx.transpose %q1, [0, 2, 1, 3] : tensor<2x5x2x64xf16> -> tensor<2x2x5x64xf16>
  %k1 = jinx.reshape %k : tensor<2x7x128xf16> -> tensor<2x7x2x64xf16>
  %k2 = jinx.transpose %k1, [0, 2, 1, 3] : tensor<2x7x2x64xf16> -> tensor<2x2x7x64xf16>
  %v1 = jinx.reshape %v : tensor<2x7x128xf16> -> tensor<2x7x2x64xf16>
  %v2 = jinx.transpose %v1, [0, 2, 3, 1] : tensor<2x7x2x64xf16> -> tensor<2x2x64x7xf16>
  %v3 = jinx.pad %v2 low ["0", "0", "0", "0"] mode constant : tensor<2x2x64x7xf16> -> tensor<2x2x64x8xf16>
  %s = jinx.packed_matmul %q2, %k2 by_rows : tensor<2x2x5x64xf16>, tensor<2x2x7x64xf16> -> tensor<2x2x5x7xf16>
  %m = jinx.reduce max, %s axes [3] : tensor<2x2x5x7xf16> -> tensor<2x2x5x1xf16>
  %d = jinx.sub %s, %m : tensor<2x2x5x7xf16>, tensor<2x2x5x1xf16> -> tensor<2x2x5x7xf16>
  %e = jinx.exp %d : tensor<2x2x5x7xf16> -> tensor<2x2x5x7xf16>
  %l = jinx.reduce sum, %e axes [3] : tensor<2x2x5x7xf16> -> tensor<2x2x5x1xf16>
  %p = jinx.div %e, %l : tensor<2x2x5x7xf16>, tensor<2x2x5x1xf16> -> tensor<2x2x5x7xf16>
  %p1 = jinx.pad %p low ["0", "0", "0", "0"] mode constant : tensor<2x2x5x7xf16> -> tensor<2x2x5x8xf16>
  // expected-remark @below {{[Passed] Formed | Category:jinx-form-attention | Remark="17 operators are an attention of shape 2x2x5x7"}}
  %o = jinx.packed_matmul %p1, %v3 by_rows : tensor<2x2x5x8xf16>, tensor<2x2x64x8xf16> -> tensor<2x2x5x64xf16>
  %o1 = jinx.transpose %o, [0, 2, 1, 3] : tensor<2x2x5x64xf16> -> tensor<2x5x2x64xf16>
  %y = jinx.reshape %o1 : tensor<2x5x2x64xf16> -> tensor<2x5x128xf16>
  return %y : tensor<2x5x128xf16>
}

// -----

// The softmax is of f32 between casts; a residual does not join.
// CHECK-LABEL: @casts
// CHECK: %[[O:.*]] = jinx.group "attention"
// CHECK: jinx.cast
// CHECK: jinx.cast
// CHECK: jinx.add %[[O]]
func.func @casts(%q: tensor<2x8x64xbf16>, %k: tensor<2x8x64xbf16>, %v: tensor<2x8x64xbf16>, %r: tensor<2x8x64xbf16>) -> tensor<2x8x64xbf16> {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x8x64xbf16> -> tensor<2x64x8xbf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xbf16>, tensor<2x8x64xbf16> -> tensor<2x8x8xbf16>
  %x = jinx.cast %s : tensor<2x8x8xbf16> -> tensor<2x8x8xf32>
  %m = jinx.reduce max, %x axes [2] : tensor<2x8x8xf32> -> tensor<2x8x1xf32>
  %d = jinx.sub %x, %m : tensor<2x8x8xf32>, tensor<2x8x1xf32> -> tensor<2x8x8xf32>
  %e = jinx.exp %d : tensor<2x8x8xf32> -> tensor<2x8x8xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x8xf32> -> tensor<2x8x1xf32>
  %w = jinx.div %e, %l : tensor<2x8x8xf32>, tensor<2x8x1xf32> -> tensor<2x8x8xf32>
  %p = jinx.cast %w : tensor<2x8x8xf32> -> tensor<2x8x8xbf16>
  // expected-remark @below {{10 operators are an attention of shape 2x8x8}}
  %o = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x8xbf16>, tensor<2x64x8xbf16> -> tensor<2x8x64xbf16>
  %y = jinx.add %o, %r : tensor<2x8x64xbf16>, tensor<2x8x64xbf16> -> tensor<2x8x64xbf16>
  return %y : tensor<2x8x64xbf16>
}

// -----

// Tests that a head dimension without a kernel stays three kernels.
// CHECK-LABEL: @head_dimension
// CHECK-NOT: jinx.group
func.func @head_dimension(%q: tensor<2x8x24xf16>, %k: tensor<2x8x24xf16>, %v: tensor<2x8x24xf16>) -> tensor<2x8x24xf16> {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x8x24xf16> -> tensor<2x24x8xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x24xf16>, tensor<2x8x24xf16> -> tensor<2x8x8xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %s, %m : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  %e = jinx.exp %d : tensor<2x8x8xf16> -> tensor<2x8x8xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  // expected-remark @below {{stay apart: the head dimension is a multiple of 16 up to 256}}
  %o = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x8xf16>, tensor<2x24x8xf16> -> tensor<2x8x24xf16>
  return %o : tensor<2x8x24xf16>
}

// -----

// Tests that values with other columns than the queries have no kernel.
// CHECK-LABEL: @columns
// CHECK-NOT: jinx.group
func.func @columns(%q: tensor<2x8x64xf16>, %k: tensor<2x8x64xf16>, %v: tensor<2x8x48xf16>) -> tensor<2x8x48xf16> {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x8x48xf16> -> tensor<2x48x8xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xf16>, tensor<2x8x64xf16> -> tensor<2x8x8xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %s, %m : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  %e = jinx.exp %d : tensor<2x8x8xf16> -> tensor<2x8x8xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  // expected-remark @below {{stay apart: queries and values have different numbers of columns}}
  %o = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x8xf16>, tensor<2x48x8xf16> -> tensor<2x8x48xf16>
  return %o : tensor<2x8x48xf16>
}

// -----

// Tests that values whose columns lie apart in memory are not read by this kernel.
// CHECK-LABEL: @values_transposed
// CHECK-NOT: jinx.group
func.func @values_transposed(%q: tensor<2x8x64xf16>, %k: tensor<2x8x64xf16>, %v: tensor<2x64x8xf16>) -> tensor<2x8x64xf16> {
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xf16>, tensor<2x8x64xf16> -> tensor<2x8x8xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %s, %m : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  %e = jinx.exp %d : tensor<2x8x8xf16> -> tensor<2x8x8xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  // expected-remark @below {{stay apart: no strides over batch, heads and rows}}
  %o = jinx.packed_matmul %p, %v by_rows : tensor<2x8x8xf16>, tensor<2x64x8xf16> -> tensor<2x8x64xf16>
  return %o : tensor<2x8x64xf16>
}

// -----

// Tests that weights that are an output are written: no attention without them.
// CHECK-LABEL: @weights_are_read
// CHECK-NOT: jinx.group
func.func @weights_are_read(%q: tensor<2x8x64xf16>, %k: tensor<2x8x64xf16>, %v: tensor<2x8x64xf16>) -> (tensor<2x8x64xf16>, tensor<2x8x8xf16>) {
  %v1 = jinx.transpose %v, [0, 2, 1] : tensor<2x8x64xf16> -> tensor<2x64x8xf16>
  %s = jinx.packed_matmul %q, %k by_rows : tensor<2x8x64xf16>, tensor<2x8x64xf16> -> tensor<2x8x8xf16>
  %m = jinx.reduce max, %s axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %d = jinx.sub %s, %m : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  %e = jinx.exp %d : tensor<2x8x8xf16> -> tensor<2x8x8xf16>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x8x8xf16> -> tensor<2x8x1xf16>
  %p = jinx.div %e, %l : tensor<2x8x8xf16>, tensor<2x8x1xf16> -> tensor<2x8x8xf16>
  // expected-remark @below {{what lies between the products is read elsewhere too}}
  %o = jinx.packed_matmul %p, %v1 by_rows : tensor<2x8x8xf16>, tensor<2x64x8xf16> -> tensor<2x8x64xf16>
  return %o, %p : tensor<2x8x64xf16>, tensor<2x8x8xf16>
}

// -----

// Tests that products of f32 stay three kernels.
// CHECK-LABEL: @f32
// CHECK-NOT: jinx.group
func.func @f32(%q: tensor<2x5x16xf32>, %k: tensor<2x1x16x16xf32>, %v: tensor<2x1x7x16xf32>) -> tensor<2x5x16xf32> {
  %s = jinx.packed_matmul %q, %k : tensor<2x5x16xf32>, tensor<2x1x16x16xf32> -> tensor<2x5x7xf32>
  %m = jinx.reduce max, %s axes [2] : tensor<2x5x7xf32> -> tensor<2x5x1xf32>
  %d = jinx.sub %s, %m : tensor<2x5x7xf32>, tensor<2x5x1xf32> -> tensor<2x5x7xf32>
  %e = jinx.exp %d : tensor<2x5x7xf32> -> tensor<2x5x7xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x5x7xf32> -> tensor<2x5x1xf32>
  %p = jinx.div %e, %l : tensor<2x5x7xf32>, tensor<2x5x1xf32> -> tensor<2x5x7xf32>
  // expected-remark @below {{stay apart: the CUDA schedule takes 16-bit floats}}
  %o = jinx.packed_matmul %p, %v : tensor<2x5x7xf32>, tensor<2x1x7x16xf32> -> tensor<2x5x16xf32>
  return %o : tensor<2x5x16xf32>
}

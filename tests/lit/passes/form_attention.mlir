// What is attention, and what is nearly: two products with a softmax between.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-form-attention' --remark-format=emitRemark --jinx-form-attention | FileCheck %s

// Scale and mask are a hole between the first product and the softmax.
// CHECK-LABEL: @scale_and_mask
// CHECK-SAME: (%[[Q:.*]]: tensor<2x5x8xf32>, %[[K:.*]]: tensor<2x1x8x16xf32>, %[[M:.*]]: tensor<2x1x7xf32>, %[[V:.*]]: tensor<2x1x7x16xf32>)
// CHECK: %[[C:.*]] = jinx.constant
// CHECK: %[[Y:.*]] = jinx.group "attention"(%[[Q]], %[[K]], %[[C]], %[[M]], %[[V]])
// CHECK: jinx.packed_matmul
// CHECK: jinx.mul
// CHECK: jinx.add
// CHECK: jinx.reduce max
// CHECK: jinx.div
// CHECK: %[[P:.*]] = jinx.packed_matmul
// CHECK-NEXT: jinx.yield %[[P]]
// CHECK: return %[[Y]]
func.func @scale_and_mask(%q: tensor<2x5x8xf32>, %k: tensor<2x1x8x16xf32>, %mask: tensor<2x1x7xf32>, %v: tensor<2x1x7x16xf32>) -> tensor<2x5x16xf32> {
  %c = jinx.constant dense<0.5> : tensor<f32>
  %s = jinx.packed_matmul %q, %k : tensor<2x5x8xf32>, tensor<2x1x8x16xf32> -> tensor<2x5x7xf32>
  %t = jinx.mul %s, %c : tensor<2x5x7xf32>, tensor<f32> -> tensor<2x5x7xf32>
  %x = jinx.add %t, %mask : tensor<2x5x7xf32>, tensor<2x1x7xf32> -> tensor<2x5x7xf32>
  %m = jinx.reduce max, %x axes [2] : tensor<2x5x7xf32> -> tensor<2x5x1xf32>
  %d = jinx.sub %x, %m : tensor<2x5x7xf32>, tensor<2x5x1xf32> -> tensor<2x5x7xf32>
  %e = jinx.exp %d : tensor<2x5x7xf32> -> tensor<2x5x7xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x5x7xf32> -> tensor<2x5x1xf32>
  %p = jinx.div %e, %l : tensor<2x5x7xf32>, tensor<2x5x1xf32> -> tensor<2x5x7xf32>
  // expected-remark @below {{[Passed] Formed | Category:jinx-form-attention | Remark="9 operators are an attention of shape 2x5x7"}}
  %y = jinx.packed_matmul %p, %v : tensor<2x5x7xf32>, tensor<2x1x7x16xf32> -> tensor<2x5x16xf32>
  return %y : tensor<2x5x16xf32>
}

// -----

// The batch may be reshaped on the way, as long as rows of keys stay rows. Sizes may be symbols.
// CHECK-LABEL: @flat_batch
// CHECK: jinx.group "attention"
// CHECK: jinx.packed_matmul
// CHECK: jinx.reshape
// CHECK: jinx.reduce max
// CHECK: jinx.reshape
// CHECK: jinx.packed_matmul
func.func @flat_batch(%q: tensor<6x?x8xf32, #jinx.dims<"6", "n", "8">>, %k: tensor<6x?x8x16xf32, #jinx.dims<"6", "(n - 1) floordiv 16 + 1", "8", "16">>,
                      %v: tensor<6x1x?x16xf32, #jinx.dims<"6", "1", "n", "16">>) -> tensor<6x?x16xf32, #jinx.dims<"6", "n", "16">> {
  %s = jinx.packed_matmul %q, %k : tensor<6x?x8xf32, #jinx.dims<"6", "n", "8">>, tensor<6x?x8x16xf32, #jinx.dims<"6", "(n - 1) floordiv 16 + 1", "8", "16">> -> tensor<6x?x?xf32, #jinx.dims<"6", "n", "n">>
  %x = jinx.reshape %s : tensor<6x?x?xf32, #jinx.dims<"6", "n", "n">> -> tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>
  %m = jinx.reduce max, %x axes [3] : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">> -> tensor<2x3x?x1xf32, #jinx.dims<"2", "3", "n", "1">>
  %d = jinx.sub %x, %m : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>, tensor<2x3x?x1xf32, #jinx.dims<"2", "3", "n", "1">> -> tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>
  %e = jinx.exp %d : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">> -> tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>
  %l = jinx.reduce sum, %e axes [3] : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">> -> tensor<2x3x?x1xf32, #jinx.dims<"2", "3", "n", "1">>
  %p = jinx.div %e, %l : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>, tensor<2x3x?x1xf32, #jinx.dims<"2", "3", "n", "1">> -> tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">>
  %w = jinx.reshape %p : tensor<2x3x?x?xf32, #jinx.dims<"2", "3", "n", "n">> -> tensor<6x?x?xf32, #jinx.dims<"6", "n", "n">>
  // expected-remark @below {{9 operators are an attention of shape 2x3xnxn}}
  %y = jinx.packed_matmul %w, %v : tensor<6x?x?xf32, #jinx.dims<"6", "n", "n">>, tensor<6x1x?x16xf32, #jinx.dims<"6", "1", "n", "16">> -> tensor<6x?x16xf32, #jinx.dims<"6", "n", "16">>
  return %y : tensor<6x?x16xf32, #jinx.dims<"6", "n", "16">>
}

// -----

// Tests that weights that are an output are written: no attention without them.
// CHECK-LABEL: @weights_are_read
// CHECK-NOT: jinx.group
func.func @weights_are_read(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> (tensor<5x16xf32>, tensor<5x7xf32>) {
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  // expected-remark @below {{[Missed] Kept | Category:jinx-form-attention | Remark="softmax and packed_matmul are no attention: what lies between the products is read elsewhere too"}}
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y, %p : tensor<5x16xf32>, tensor<5x7xf32>
}

// -----

// What is read of the largest logits and the sums, behind the attention, are results beside it.
// CHECK-LABEL: @row_numbers
// CHECK: %[[Y:.*]]:2 = jinx.group "attention"
// CHECK: %[[M:.*]] = jinx.reduce max
// CHECK: %[[O:.*]] = jinx.packed_matmul
// CHECK-NEXT: jinx.yield %[[O]], %[[M]] : tensor<5x16xf32>, tensor<5x1xf32>
// CHECK: %[[N:.*]] = jinx.neg %[[Y]]#1
// CHECK: return %[[Y]]#0, %[[N]]
func.func @row_numbers(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> (tensor<5x16xf32>, tensor<5x1xf32>) {
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  // expected-remark @below {{7 operators are an attention of shape 5x7, which also gives numbers of its rows}}
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  %n = jinx.neg %m : tensor<5x1xf32> -> tensor<5x1xf32>
  return %y, %n : tensor<5x16xf32>, tensor<5x1xf32>
}

// -----

// Tests that what reads them in front of the last product keeps the operators apart.
// CHECK-LABEL: @read_before
// CHECK-NOT: jinx.group
func.func @read_before(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> (tensor<5x16xf32>, tensor<5x1xf32>) {
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %n = jinx.neg %m : tensor<5x1xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  // expected-remark @below {{softmax and packed_matmul stay apart: numbers of rows are read in front of the product}}
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y, %n : tensor<5x16xf32>, tensor<5x1xf32>
}

// -----

// Tests that a softmax of something other than a product is none.
// CHECK-LABEL: @no_scores
// CHECK-NOT: jinx.group
func.func @no_scores(%x: tensor<5x7xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  // expected-remark @below {{no attention: the softmax is not of a product of its shape, by elementwise operators}}
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}

// -----

// Tests that values for more matrices than there are scores leave the weights to be read several times, and so written.
// CHECK-LABEL: @shared_weights
// CHECK-NOT: jinx.group
func.func @shared_weights(%q: tensor<1x5x8xf32>, %k: tensor<1x1x8x16xf32>, %v: tensor<3x1x7x16xf32>) -> tensor<3x5x16xf32> {
  %x = jinx.packed_matmul %q, %k : tensor<1x5x8xf32>, tensor<1x1x8x16xf32> -> tensor<1x5x7xf32>
  %m = jinx.reduce max, %x axes [2] : tensor<1x5x7xf32> -> tensor<1x5x1xf32>
  %d = jinx.sub %x, %m : tensor<1x5x7xf32>, tensor<1x5x1xf32> -> tensor<1x5x7xf32>
  %e = jinx.exp %d : tensor<1x5x7xf32> -> tensor<1x5x7xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<1x5x7xf32> -> tensor<1x5x1xf32>
  %p = jinx.div %e, %l : tensor<1x5x7xf32>, tensor<1x5x1xf32> -> tensor<1x5x7xf32>
  // expected-remark @below {{no attention: its right operand has more matrices than the scores}}
  %y = jinx.packed_matmul %p, %v : tensor<1x5x7xf32>, tensor<3x1x7x16xf32> -> tensor<3x5x16xf32>
  return %y : tensor<3x5x16xf32>
}

// -----

// Tests that a softmax over the queries is no softmax of a row, and a product like any other gets no remark.
// CHECK-LABEL: @over_queries
// CHECK-NOT: jinx.group
func.func @over_queries(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [0] : tensor<5x7xf32> -> tensor<1x7xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<1x7xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [0] : tensor<5x7xf32> -> tensor<1x7xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<1x7xf32> -> tensor<5x7xf32>
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}

// -----

// Tests that an exponential that is normalized by another sum is no softmax.
// CHECK-LABEL: @another_sum
// CHECK-NOT: jinx.group
func.func @another_sum(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %d axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %y = jinx.packed_matmul %p, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}

// -----

// Rows of weights that are set to 0 are rows of the result that are: the selection moves past the product.
// CHECK-LABEL: @masked_rows
// CHECK-SAME: %[[C:[a-z0-9]*]]: tensor<5x1xi1>)
// CHECK: %[[Z:.*]] = jinx.constant
// CHECK: %[[A:.*]] = jinx.group "attention"
// CHECK-NOT: jinx.select
// CHECK: jinx.yield
// CHECK: %[[Y:.*]] = jinx.select %[[C]], %[[Z]], %[[A]]
// CHECK: return %[[Y]]
func.func @masked_rows(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>, %c: tensor<5x1xi1>) -> tensor<5x16xf32> {
  %zero = jinx.constant dense<0.0> : tensor<1xf32>
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %w = jinx.select %c, %zero, %p : tensor<5x1xi1>, tensor<1xf32>, tensor<5x7xf32> -> tensor<5x7xf32>
  // expected-remark @below {{[Passed] Moved | Category:jinx-form-attention | Remark="select of whole rows follows the product of a softmax"}}
  // expected-remark @below {{[Passed] Formed}}
  %y = jinx.packed_matmul %w, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}

// -----

// Tests that weights that are selected one by one are no rows: the kernel does not know them before the last key.
// CHECK-LABEL: @masked_weights
// CHECK-NOT: jinx.group
func.func @masked_weights(%q: tensor<5x8xf32>, %k: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>, %c: tensor<1x7xi1>) -> tensor<5x16xf32> {
  %zero = jinx.constant dense<0.0> : tensor<1xf32>
  %x = jinx.packed_matmul %q, %k : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
  %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
  %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
  %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
  %w = jinx.select %c, %zero, %p : tensor<1x7xi1>, tensor<1xf32>, tensor<5x7xf32> -> tensor<5x7xf32>
  %y = jinx.packed_matmul %w, %v : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}

// Why operators share a kernel or not: legality (Refused), the cost model (NotWorthwhile), and what was done (Joined, Cloned).
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='.*' --remark-format=emitRemark --jinx-fuse | FileCheck %s

// CHECK-LABEL: @joins
// CHECK-COUNT-1: jinx.group
// CHECK-NOT: jinx.group
func.func @joins(%x: tensor<4096xf32>) -> tensor<4096xf32> {
  // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="exp joins the kernel of neg", saved_us=}}
  %e = jinx.exp %x : tensor<4096xf32> -> tensor<4096xf32>
  %y = jinx.neg %e : tensor<4096xf32> -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}

// -----

// Tests that results of two shapes are refused.
// CHECK-LABEL: @two_shapes
// CHECK-COUNT-2: jinx.group
func.func @two_shapes(%x: tensor<64x32xf32>) -> (tensor<64x32xf32>, tensor<32x64xf32>) {
  // expected-remark @below {{[Missed] Refused | Category:jinx-fuse | Remark="exp and transpose stay apart: results of shapes 64x32 and 32x64"}}
  %e = jinx.exp %x : tensor<64x32xf32> -> tensor<64x32xf32>
  %y = jinx.transpose %e, [1, 0] : tensor<64x32xf32> -> tensor<32x64xf32>
  return %e, %y : tensor<64x32xf32>, tensor<32x64xf32>
}

// -----

// A window that reads a cheap value several times computes it several times.
// CHECK-LABEL: @cheap_below_a_window
// CHECK-COUNT-1: jinx.group
// CHECK-NOT: jinx.group
func.func @cheap_below_a_window(%x: tensor<1x64x64x32xf32>) -> tensor<1x32x32x32xf32> {
  // expected-remark @below {{[Passed] Joined}}
  %e = jinx.neg %x : tensor<1x64x64x32xf32> -> tensor<1x64x64x32xf32>
  %y = jinx.pool max, %e {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last}
      : tensor<1x64x64x32xf32> -> tensor<1x32x32x32xf32>
  return %y : tensor<1x32x32x32xf32>
}

// -----

// Tests that a costly value is not computed 25 times to save writing it once.
// CHECK-LABEL: @costly_below_a_window
// CHECK-COUNT-2: jinx.group
func.func @costly_below_a_window(%x: tensor<1x64x64x32xf32>) -> tensor<1x60x60x32xf32> {
  // expected-remark @below {{[Missed] NotWorthwhile | Category:jinx-fuse | Remark="sin and pool stay apart: one kernel for both would take longer", saved_us=-}}
  %e = jinx.sin %x : tensor<1x64x64x32xf32> -> tensor<1x64x64x32xf32>
  %y = jinx.pool max, %e {kernel = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last}
      : tensor<1x64x64x32xf32> -> tensor<1x60x60x32xf32>
  return %y : tensor<1x60x60x32xf32>
}

// -----

// A mask that two reductions over different axes read, cheap to make: each makes its own.
// CHECK-LABEL: @clones
// CHECK: jinx.group "rows"(%{{.*}})
// CHECK: jinx.cast
// CHECK: jinx.reduce sum, %{{.*}} axes [1]
// CHECK: jinx.group "rows"(%{{.*}})
// CHECK: jinx.cast
// CHECK: jinx.reduce sum, %{{.*}} axes [0]
// CHECK-NOT: jinx.group
func.func @clones(%x: tensor<512x512xi32>) -> (tensor<512x1xf32>, tensor<1x512xf32>) {
  // expected-remark @below {{[Passed] Cloned | Category:jinx-fuse | Remark="cast is computed anew in the kernel of reduce", saved_us=}}
  %c = jinx.cast %x : tensor<512x512xi32> -> tensor<512x512xf32>
  %a = jinx.reduce sum, %c axes [1] : tensor<512x512xf32> -> tensor<512x1xf32>
  %b = jinx.reduce sum, %c axes [0] : tensor<512x512xf32> -> tensor<1x512xf32>
  return %a, %b : tensor<512x1xf32>, tensor<1x512xf32>
}

// -----

// Tests that what is also an output is not cloned: it is computed once anyway.
// CHECK-LABEL: @does_not_clone_an_output
// CHECK: jinx.cast
// CHECK-NOT: jinx.cast
func.func @does_not_clone_an_output(%x: tensor<512x512xi32>) -> (tensor<512x512xf32>, tensor<512x1xf32>, tensor<1x512xf32>) {
  // expected-remark @below {{Joined}}
  %c = jinx.cast %x : tensor<512x512xi32> -> tensor<512x512xf32>
  // expected-remark @below {{reductions over different axes}}
  %a = jinx.reduce sum, %c axes [1] : tensor<512x512xf32> -> tensor<512x1xf32>
  %b = jinx.reduce sum, %c axes [0] : tensor<512x512xf32> -> tensor<1x512xf32>
  return %c, %a, %b : tensor<512x512xf32>, tensor<512x1xf32>, tensor<1x512xf32>
}

// -----

// Through a view: the innermost extent stays.
// CHECK-LABEL: @through_a_view
// CHECK: jinx.group "rows"
// CHECK: jinx.slice
// CHECK: jinx.reshape
// CHECK: jinx.transpose
// CHECK-NOT: jinx.group
func.func @through_a_view(%x: tensor<2048x64xf32>) -> tensor<8x128x64xf32> {
  // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="slice joins the kernel of transpose"}}
  %s = jinx.slice %x starts ["0", "0"] steps [1, 1] : tensor<2048x64xf32> -> tensor<1024x64xf32>
  %r = jinx.reshape %s : tensor<1024x64xf32> -> tensor<128x8x64xf32>
  %y = jinx.transpose %r, [1, 0, 2] : tensor<128x8x64xf32> -> tensor<8x128x64xf32>
  return %y : tensor<8x128x64xf32>
}

// -----

// Tests that a view that cuts the innermost extent is not looked through.
// CHECK-LABEL: @cut_view
// CHECK-COUNT-2: jinx.group
func.func @cut_view(%x: tensor<128x512xf32>) -> tensor<8x128x64xf32> {
  %s = jinx.exp %x : tensor<128x512xf32> -> tensor<128x512xf32>
  %r = jinx.reshape %s : tensor<128x512xf32> -> tensor<128x8x64xf32>
  %y = jinx.transpose %r, [1, 0, 2] : tensor<128x8x64xf32> -> tensor<8x128x64xf32>
  return %y : tensor<8x128x64xf32>
}

// -----

// A product's epilogue is filled before a window may take a part of it.
// CHECK-LABEL: @epilogue_first
// CHECK: jinx.group "matmul"
// CHECK: jinx.packed_conv
// CHECK: jinx.relu
// CHECK: jinx.add
// CHECK: jinx.group "rows"
// CHECK: jinx.pool
func.func @epilogue_first(%x: tensor<1x18x18x16xf32>, %w: tensor<1x1x144x16xf32>) -> tensor<1x8x8x16xf32> {
  // expected-remark @below {{Joined}}
  %c = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x18x18x16xf32>, tensor<1x1x144x16xf32> -> tensor<1x16x16x16xf32>
  // expected-remark @below {{Joined}}
  %r = jinx.relu %c : tensor<1x16x16x16xf32> -> tensor<1x16x16x16xf32>
  // expected-remark @below {{an epilogue holds nothing else}}
  %a = jinx.add %r, %c : tensor<1x16x16x16xf32>, tensor<1x16x16x16xf32> -> tensor<1x16x16x16xf32>
  %y = jinx.pool max, %a {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last}
      : tensor<1x16x16x16xf32> -> tensor<1x8x8x16xf32>
  return %y : tensor<1x8x8x16xf32>
}

// -----

// A product of groups takes what is elementwise behind it, as any product does.
// CHECK-LABEL: @grouped
// CHECK: jinx.group "grouped"
// CHECK-NOT: jinx.group
func.func @grouped(%x: tensor<640x64xf32>, %w: tensor<3x4x64x16xf32>, %e: tensor<3xi32>) -> tensor<640x64xf32> {
  // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="packed_grouped_matmul joins the kernel of relu", saved_us=}}
  %y = jinx.packed_grouped_matmul %x, %w, %e : tensor<640x64xf32>, tensor<3x4x64x16xf32>, tensor<3xi32> -> tensor<640x64xf32>
  %z = jinx.relu %y : tensor<640x64xf32> -> tensor<640x64xf32>
  return %z : tensor<640x64xf32>
}

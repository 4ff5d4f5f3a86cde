// What joins an attention, what does not, and when one kernel for it is not worth it.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics=only-expected --remarks-filter='jinx-fuse' --remark-format=emitRemark --jinx-fuse | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-fuse=enable=false | FileCheck %s --check-prefix=OFF

// The transposes of heads on both sides are read and written through. Tests that packing, of which the kernel reads whole panels, is not.
// CHECK-LABEL: @heads
// CHECK: jinx.group "rows"
// CHECK: jinx.pack
// CHECK: jinx.group "attention"
// CHECK: jinx.transpose
// CHECK: jinx.packed_matmul
// CHECK: jinx.div
// CHECK: jinx.packed_matmul
// CHECK: jinx.transpose
// CHECK-NOT: jinx.group
// Tests that nothing shares a kernel without fusion.
// OFF-LABEL: @heads
// OFF-NOT: "attention"
// OFF-COUNT-10: jinx.group
func.func @heads(%q: tensor<64x2x8xf32>, %k: tensor<2x8x64xf32>, %v: tensor<2x1x64x16xf32>) -> tensor<64x2x16xf32> {
  // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="transpose joins the kernel of packed_matmul"}}
  %qt = jinx.transpose %q, [1, 0, 2] : tensor<64x2x8xf32> -> tensor<2x64x8xf32>
  // expected-remark @below {{[Missed] Refused | Category:jinx-fuse | Remark="pack and packed_matmul stay apart: a product reads its packed operand from memory"}}
  %kp = jinx.pack %k : tensor<2x8x64xf32> -> tensor<2x4x8x16xf32>
  %o = jinx.group "attention"(%qt, %kp, %v) : (tensor<2x64x8xf32>, tensor<2x4x8x16xf32>, tensor<2x1x64x16xf32>) -> tensor<2x64x16xf32> {
  ^bb0(%a: tensor<2x64x8xf32>, %b: tensor<2x4x8x16xf32>, %c: tensor<2x1x64x16xf32>):
    // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="packed_matmul joins the kernel of packed_matmul", saved_us=}}
    %x = jinx.packed_matmul %a, %b : tensor<2x64x8xf32>, tensor<2x4x8x16xf32> -> tensor<2x64x64xf32>
    %m = jinx.reduce max, %x axes [2] : tensor<2x64x64xf32> -> tensor<2x64x1xf32>
    %d = jinx.sub %x, %m : tensor<2x64x64xf32>, tensor<2x64x1xf32> -> tensor<2x64x64xf32>
    %e = jinx.exp %d : tensor<2x64x64xf32> -> tensor<2x64x64xf32>
    %l = jinx.reduce sum, %e axes [2] : tensor<2x64x64xf32> -> tensor<2x64x1xf32>
    %p = jinx.div %e, %l : tensor<2x64x64xf32>, tensor<2x64x1xf32> -> tensor<2x64x64xf32>
    // expected-remark @below {{[Passed] Joined | Category:jinx-fuse | Remark="packed_matmul joins the kernel of transpose"}}
    %y = jinx.packed_matmul %p, %c : tensor<2x64x64xf32>, tensor<2x1x64x16xf32> -> tensor<2x64x16xf32>
    jinx.yield %y : tensor<2x64x16xf32>
  }
  %y = jinx.transpose %o, [1, 0, 2] : tensor<2x64x16xf32> -> tensor<64x2x16xf32>
  return %y : tensor<64x2x16xf32>
}

// -----

// Tests that a transpose that takes the columns of the result apart stays outside.
// CHECK-LABEL: @columns_move
// CHECK: jinx.group "attention"
// CHECK-NOT: jinx.transpose
// CHECK: jinx.group "rows"
// CHECK: jinx.transpose
func.func @columns_move(%q: tensor<64x8xf32>, %k: tensor<4x8x16xf32>, %v: tensor<1x64x16xf32>) -> tensor<16x64xf32> {
  %o = jinx.group "attention"(%q, %k, %v) : (tensor<64x8xf32>, tensor<4x8x16xf32>, tensor<1x64x16xf32>) -> tensor<64x16xf32> {
  ^bb0(%a: tensor<64x8xf32>, %b: tensor<4x8x16xf32>, %c: tensor<1x64x16xf32>):
    // expected-remark @below {{[Passed] Joined}}
    %x = jinx.packed_matmul %a, %b : tensor<64x8xf32>, tensor<4x8x16xf32> -> tensor<64x64xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<64x64xf32> -> tensor<64x1xf32>
    %d = jinx.sub %x, %m : tensor<64x64xf32>, tensor<64x1xf32> -> tensor<64x64xf32>
    %e = jinx.exp %d : tensor<64x64xf32> -> tensor<64x64xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<64x64xf32> -> tensor<64x1xf32>
    %p = jinx.div %e, %l : tensor<64x64xf32>, tensor<64x1xf32> -> tensor<64x64xf32>
    // expected-remark @below {{[Missed] Refused | Category:jinx-fuse | Remark="packed_matmul and transpose stay apart: transpose moves the columns of the context"}}
    %y = jinx.packed_matmul %p, %c : tensor<64x64xf32>, tensor<1x64x16xf32> -> tensor<64x16xf32>
    jinx.yield %y : tensor<64x16xf32>
  }
  %y = jinx.transpose %o, [1, 0] : tensor<64x16xf32> -> tensor<16x64xf32>
  return %y : tensor<16x64xf32>
}

// -----

// Numbers of rows are there when all keys have been seen: who reads them has another kernel, which reads them from memory.
// CHECK-LABEL: @row_numbers
// CHECK: %[[Y:.*]]:2 = jinx.group "attention"
// CHECK: jinx.yield %{{.*}}, %{{.*}} : tensor<64x1xf32>, tensor<64x16xf32>
// CHECK: jinx.group "rows"
func.func @row_numbers(%q: tensor<64x8xf32>, %k: tensor<4x8x16xf32>, %v: tensor<1x64x16xf32>) -> tensor<64x16xf32> {
  %o:2 = jinx.group "attention"(%q, %k, %v) : (tensor<64x8xf32>, tensor<4x8x16xf32>, tensor<1x64x16xf32>) -> (tensor<64x16xf32>, tensor<64x1xf32>) {
  ^bb0(%a: tensor<64x8xf32>, %b: tensor<4x8x16xf32>, %c: tensor<1x64x16xf32>):
    // expected-remark @below {{[Passed] Joined}}
    %x = jinx.packed_matmul %a, %b : tensor<64x8xf32>, tensor<4x8x16xf32> -> tensor<64x64xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<64x64xf32> -> tensor<64x1xf32>
    %d = jinx.sub %x, %m : tensor<64x64xf32>, tensor<64x1xf32> -> tensor<64x64xf32>
    %e = jinx.exp %d : tensor<64x64xf32> -> tensor<64x64xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<64x64xf32> -> tensor<64x1xf32>
    %p = jinx.div %e, %l : tensor<64x64xf32>, tensor<64x1xf32> -> tensor<64x64xf32>
    // expected-remark @below {{packed_matmul and mul stay apart: mul reads numbers of rows, which are there when all keys have been seen}}
    %y = jinx.packed_matmul %p, %c : tensor<64x64xf32>, tensor<1x64x16xf32> -> tensor<64x16xf32>
    jinx.yield %y, %m : tensor<64x16xf32>, tensor<64x1xf32>
  }
  %y = jinx.mul %o#0, %o#1 : tensor<64x16xf32>, tensor<64x1xf32> -> tensor<64x16xf32>
  return %y : tensor<64x16xf32>
}

// -----

// Tests that one query of one head over many keys stays three kernels: as one it would be one program, and one thread's work.
// CHECK-LABEL: @one_query
// CHECK-NOT: "attention"
// CHECK: jinx.group "matmul"
// CHECK: jinx.group "rows"
// CHECK: jinx.group "matmul"
func.func @one_query(%q: tensor<1x64xf32>, %k: tensor<4096x64x16xf32>, %v: tensor<4x65536x16xf32>) -> tensor<1x64xf32> {
  %o = jinx.group "attention"(%q, %k, %v) : (tensor<1x64xf32>, tensor<4096x64x16xf32>, tensor<4x65536x16xf32>) -> tensor<1x64xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: tensor<4096x64x16xf32>, %c: tensor<4x65536x16xf32>):
    // expected-remark @below {{[Missed] NotWorthwhile | Category:jinx-fuse | Remark="packed_matmul and packed_matmul stay apart: one kernel for both would take longer", saved_us=-}}
    %x = jinx.packed_matmul %a, %b : tensor<1x64xf32>, tensor<4096x64x16xf32> -> tensor<1x65536xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<1x65536xf32> -> tensor<1x1xf32>
    %d = jinx.sub %x, %m : tensor<1x65536xf32>, tensor<1x1xf32> -> tensor<1x65536xf32>
    %e = jinx.exp %d : tensor<1x65536xf32> -> tensor<1x65536xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<1x65536xf32> -> tensor<1x1xf32>
    %p = jinx.div %e, %l : tensor<1x65536xf32>, tensor<1x1xf32> -> tensor<1x65536xf32>
    %y = jinx.packed_matmul %p, %c : tensor<1x65536xf32>, tensor<4x65536x16xf32> -> tensor<1x64xf32>
    jinx.yield %y : tensor<1x64xf32>
  }
  return %o : tensor<1x64xf32>
}

// RUN: jinx-opt %s --split-input-file --jinx-fuse=target=cuda --jinx-schedule=cuda --jinx-pair-launches=cuda | FileCheck %s

// Three kernels of single threads read one product: one launch of all, in place where they were. Each kernel asks whether there is such a program; where a branch has
// asked, it does not.
// CHECK-LABEL: @siblings
// CHECK: %[[Y:.*]] = jinx.launch @k0_packed_matmul
// CHECK: jinx.launch @[[ALL:k[0-9]+_slice_beside_k[0-9]+_write_pages_beside_k[0-9]+_write_pages]](
// CHECK-SAME: programs "64*n"
// CHECK-SAME: in_place = array<i64: -1, 2, 5>
// CHECK-NOT: jinx.launch
// CHECK: return
// CHECK: tile.kernel @[[ALL]](
// CHECK-SAME: programs "a0 + a1 + a2"
// CHECK: %[[ID:.*]] = tile.program_id
// CHECK: %[[FIRST:.*]] = arith.cmpi slt, %[[ID]],
// CHECK-NEXT: scf.if %[[FIRST]] {
// CHECK-NOT: scf.if
// CHECK: tile.store
// CHECK-NEXT: } else {
// CHECK: arith.subi %[[ID]],
func.func @siblings(%x: tensor<?x64xf32, #jinx.dims<"n", "64">>, %w: tensor<256x64xf32>, %keys: tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, %values: tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, %slots: tensor<?xi32, #jinx.dims<"n">>) -> (tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>) {
  %y = jinx.packed_matmul %x, %w by_rows : tensor<?x64xf32, #jinx.dims<"n", "64">>, tensor<256x64xf32> -> tensor<?x256xf32, #jinx.dims<"n", "256">>
  %h = jinx.reshape %y : tensor<?x256xf32, #jinx.dims<"n", "256">> -> tensor<?x8x32xf32, #jinx.dims<"n", "8", "32">>
  %q = jinx.slice %h starts ["0", "0", "0"] steps [1, 1, 1] : tensor<?x8x32xf32, #jinx.dims<"n", "8", "32">> -> tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>
  %e = jinx.exp %q : tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">> -> tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>
  %k = jinx.slice %h starts ["0", "4", "0"] steps [1, 1, 1] : tensor<?x8x32xf32, #jinx.dims<"n", "8", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %a = jinx.write_pages keys %keys, %k, %slots : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?xi32, #jinx.dims<"n">> -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
  %v = jinx.slice %h starts ["0", "6", "0"] steps [1, 1, 1] : tensor<?x8x32xf32, #jinx.dims<"n", "8", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %b = jinx.write_pages values %values, %v, %slots : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?xi32, #jinx.dims<"n">> -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
  return %e, %a, %b : tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
}

// -----

// Kernels that read an argument, or one another, stay apart.
// CHECK-LABEL: @apart
// CHECK-COUNT-2: jinx.launch
// CHECK-NOT: beside
func.func @apart(%keys: tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, %x: tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">>, %slots: tensor<?xi32, #jinx.dims<"n">>) -> (tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>) {
  %k = jinx.slice %x starts ["0", "2", "0"] steps [1, 1, 1] : tensor<?x4x32xf32, #jinx.dims<"n", "4", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %a = jinx.write_pages keys %keys, %k, %slots : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?xi32, #jinx.dims<"n">> -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
  return %k, %a : tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
}

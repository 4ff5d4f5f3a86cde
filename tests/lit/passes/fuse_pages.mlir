// What makes the rows that are written to pages is computed where they are written; what something else reads, or a reduction, is not.
// RUN: jinx-opt %s --split-input-file --jinx-fuse=target=cuda | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-fuse=target=cpu | FileCheck %s

// CHECK-LABEL: @rows
// CHECK: jinx.group "write_pages"
// CHECK: jinx.slice
// CHECK: jinx.exp
// CHECK: jinx.write_pages
// CHECK-NOT: jinx.group
func.func @rows(%pool: tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, %x: tensor<?x6x32xf32, #jinx.dims<"n", "6", "32">>, %slots: tensor<?xi32, #jinx.dims<"n">>) -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">> {
  %heads = jinx.slice %x starts ["0", "4", "0"] steps [1, 1, 1] : tensor<?x6x32xf32, #jinx.dims<"n", "6", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %y = jinx.exp %heads : tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %pages = jinx.write_pages keys %pool, %y, %slots : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?xi32, #jinx.dims<"n">> -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
  return %pages : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
}

// -----

// CHECK-LABEL: @kept
// CHECK: jinx.group "rows"
// CHECK: jinx.exp
// CHECK: jinx.group "write_pages"
// CHECK-NOT: jinx.exp
// CHECK: jinx.write_pages
func.func @kept(%pool: tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, %x: tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, %slots: tensor<?xi32, #jinx.dims<"n">>) -> (tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>) {
  %y = jinx.exp %x : tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">> -> tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
  %pages = jinx.write_pages keys %pool, %y, %slots : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>, tensor<?xi32, #jinx.dims<"n">> -> tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>
  return %pages, %y : tensor<?x2x16x32xf32, #jinx.dims<"p", "2", "16", "32">>, tensor<?x2x32xf32, #jinx.dims<"n", "2", "32">>
}

// RUN: jinx-opt %s --split-input-file --jinx-schedule="cuda=true" | FileCheck %s

// Products by rows go through the copy engine where there is one …
// CHECK-LABEL: @by_rows
// CHECK: tile.ring bulk
func.func @by_rows(%x: tensor<64x128xf16>, %w: tensor<64x128xf16>) -> tensor<64x64xf16> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<64x128xf16>, tensor<64x128xf16>) -> tensor<64x64xf16> {
  ^bb0(%a: tensor<64x128xf16>, %b: tensor<64x128xf16>):
    %m = jinx.packed_matmul %a, %b by_rows : tensor<64x128xf16>, tensor<64x128xf16> -> tensor<64x64xf16>
    jinx.yield %m : tensor<64x64xf16>
  }
  return %y : tensor<64x64xf16>
}

// -----

// … else warps fetch them.
// CHECK-LABEL: @by_rows_sm_80
// CHECK: tile.kernel @k0_packed_matmul
// CHECK: tile.ring async
module attributes {jinx.gpu = "sm_80"} {
  func.func @by_rows_sm_80(%x: tensor<64x128xf16>, %w: tensor<64x128xf16>) -> tensor<64x64xf16> {
    %y = jinx.group "matmul"(%x, %w) : (tensor<64x128xf16>, tensor<64x128xf16>) -> tensor<64x64xf16> {
    ^bb0(%a: tensor<64x128xf16>, %b: tensor<64x128xf16>):
      %m = jinx.packed_matmul %a, %b by_rows : tensor<64x128xf16>, tensor<64x128xf16> -> tensor<64x64xf16>
      jinx.yield %m : tensor<64x64xf16>
    }
    return %y : tensor<64x64xf16>
  }
}

// -----

// Rows that are no multiple of 16 bytes are for warps everywhere. The batch of a is part of its rows; b's rows are filled up.
// CHECK-LABEL: @odd_rows
// CHECK: jinx.launch @k0_packed_matmul
// CHECK: tile.ring async stages {{[0-9]}} [vector<16x64xbf16>, vector<64x64xbf16>]
// CHECK: tile.copy %{{.*}} strides(%c37
// CHECK: tile.copy %{{.*}} strides(%c40
// CHECK: tile.mma {{.*}} pending 1
func.func @odd_rows(%x: tensor<2x4x37xbf16>, %w: tensor<60x40xbf16>, %c: tensor<60xbf16>) -> tensor<2x4x60xbf16> {
  %y = jinx.group "matmul"(%x, %w, %c) : (tensor<2x4x37xbf16>, tensor<60x40xbf16>, tensor<60xbf16>) -> tensor<2x4x60xbf16> {
  ^bb0(%a: tensor<2x4x37xbf16>, %b: tensor<60x40xbf16>, %d: tensor<60xbf16>):
    %m = jinx.packed_matmul %a, %b by_rows : tensor<2x4x37xbf16>, tensor<60x40xbf16> -> tensor<2x4x60xbf16>
    %s = jinx.add %m, %d : tensor<2x4x60xbf16>, tensor<60xbf16> -> tensor<2x4x60xbf16>
    jinx.yield %s : tensor<2x4x60xbf16>
  }
  return %y : tensor<2x4x60xbf16>
}

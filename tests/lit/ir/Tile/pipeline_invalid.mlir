// RUN: jinx-opt %s --split-input-file --verify-diagnostics

tile.kernel @strides(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{'tile.tensor_map' op has 2 dims and 2 strides, expected one stride less than dims}}
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128", "7168"] box [64, 8] swizzle 128 : !tile.ptr<f16>
}

// -----

tile.kernel @box(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{'tile.tensor_map' op has a box of 1 extents beside 2 dims, expected 2}}
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64] swizzle 128 : !tile.ptr<f16>
}

// -----

tile.kernel @window(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{'tile.tensor_map' op has a window of 4 numbers over 2 dims, expected 6 over 4 (c, w, h, n)}}
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64, 8] swizzle 128 window [0, 0, 1, 1] : !tile.ptr<f16>
}

// -----

tile.kernel @tap(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64, 8] swizzle 128 : !tile.ptr<f16>
  %ring = tile.ring bulk stages 2 [vector<8x64xf16>] names ["a"]
  %s = tile.ring_acquire %ring
  // expected-error @+1 {{'tile.copy_bulk' op has 2 coordinates and a tap of 2, expected 2 and 0}}
  tile.copy_bulk %map[%c0, %c0] tap(%c0, %c0) into %s 0
}

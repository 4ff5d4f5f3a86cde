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

// -----

tile.kernel @row(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64, 16] swizzle 128 : !tile.ptr<f16>
  %ring = tile.ring bulk stages 2 [vector<32x64xf16>] names ["a"]
  %s = tile.ring_acquire %ring
  // expected-error @+1 {{'tile.copy_bulk' op goes to row 4 on, expected a multiple of 8 in a buffer of the block's own}}
  tile.copy_bulk %map[%c0, %c0] into %s 0 row 4
}

// -----

tile.kernel @row_past_the_end(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64, 16] swizzle 128 : !tile.ptr<f16>
  %ring = tile.ring bulk stages 2 [vector<32x64xf16>] names ["a"]
  %s = tile.ring_acquire %ring
  // expected-error @+1 {{'tile.copy_bulk' op ends with row 40 of a buffer of 32 rows}}
  tile.copy_bulk %map[%c0, %c0] into %s 0 row 24
}

// -----

tile.kernel @clear_unread(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %ring = tile.ring bulk stages 2 [vector<32x64xf16>] names ["a"]
  %s = tile.ring_acquire %ring
  // expected-error @+1 {{'tile.clear_rows' op clears rows of a slot that tile.ring_wait gives}}
  tile.clear_rows %s 0 from %c0
}

// -----

tile.kernel @clear_by_two(%x: !tile.ptr<f16>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %ring = tile.ring bulk stages 2 [vector<32x64xf16>] names ["a"]
  tile.roles consumers 2 registers 24, 240 producer {
  } consumer {
    %s = tile.ring_wait %ring
    // expected-error @+1 {{'tile.clear_rows' op is for one consumer, got 2: they would clear each other's rows}}
    tile.clear_rows %s 0 from %c0
  }
}

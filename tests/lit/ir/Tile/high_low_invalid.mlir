// RUN: jinx-opt %s --split-input-file --verify-diagnostics

tile.kernel @slot(%a: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 2 [vector<64x32xf32>, vector<64x32xf32>] names ["b", "b_low"]
  %s = tile.ring_acquire %ring
  // expected-error @+1 {{'tile.split_low' op splits a slot that tile.ring_wait gives}}
  tile.split_low %s from 0 to 1
}

// -----

tile.kernel @buffers(%a: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 2 [vector<64x32xf32>, vector<64x32xf32>] names ["b", "b_low"]
  %s = tile.ring_wait %ring
  // expected-error @+1 {{'tile.split_low' op splits buffer 1 into buffer 2, expected two of the ring's 2}}
  tile.split_low %s from 1 to 2
}

// -----

tile.kernel @types(%a: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 2 [vector<64x32xf32>, vector<32x32xf32>] names ["b", "b_low"]
  %s = tile.ring_wait %ring
  // expected-error @+1 {{'tile.split_low' op splits 'vector<64x32xf32>' into 'vector<32x32xf32>', expected one type of f32}}
  tile.split_low %s from 0 to 1
}

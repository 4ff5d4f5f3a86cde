// RUN: jinx-opt %s --split-input-file --verify-diagnostics

tile.kernel @rank(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<4x8xf32>
  // expected-error @+1 {{sums the lanes of a tile of rank 1, got 'vector<4x8xf32>'}}
  %sums, %total = tile.scan %t : vector<4x8xf32>, f32
}

// -----

tile.kernel @total(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<32xf32>
  // expected-error @+1 {{gives a total of type 'f64', expected 'f32', the tile's}}
  %sums, %total = tile.scan %t : vector<32xf32>, f64
}

// -----

tile.kernel @keys(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<32xf32>
  // expected-error @+1 {{sorts a tile of rank 1 of i64 whose width is a power of two, got 'vector<32xf32>'}}
  %s = tile.sort %t : vector<32xf32>
}

// -----

tile.kernel @width(%x: !tile.ptr<i64>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0> : vector<24xi64>
  // expected-error @+1 {{sorts a tile of rank 1 of i64 whose width is a power of two, got 'vector<24xi64>'}}
  %s = tile.sort %t : vector<24xi64>
}

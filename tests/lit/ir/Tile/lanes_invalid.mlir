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

// -----

tile.kernel @decode_shape(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0> : vector<16xi32>
  // expected-error @+1 {{gives a tile of f32 of the words' shape, got 'vector<16xi32>' and 'vector<8xf32>'}}
  %t = tile.decode %w 0 levels [0.0] : vector<16xi32> -> vector<8xf32>
}

// -----

tile.kernel @decode_index(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0> : vector<16xi32>
  // expected-error @+1 {{takes code 8 of a word, expected 0 to 7}}
  %t = tile.decode %w 8 levels [0.0] : vector<16xi32> -> vector<16xf32>
}

// -----

tile.kernel @decode_levels(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0> : vector<16xi32>
  // expected-error @+1 {{has 2 levels, expected 16}}
  %t = tile.decode %w 7 levels [0.0, 1.0] : vector<16xi32> -> vector<16xf32>
}

// -----

tile.kernel @lookup_words(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0> : vector<16xi64>
  // expected-error @+1 {{takes words of 32 bits, got 'vector<16xi64>'}}
  %t = tile.lookup %w table [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] : vector<16xi64>
}

// -----

tile.kernel @lookup_table(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0> : vector<16xi32>
  // expected-error @+1 {{has a table of 2 bytes, expected 16}}
  %t = tile.lookup %w table [0, 1] : vector<16xi32>
}

// -----

tile.kernel @dp4a_words(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %w = arith.constant dense<0.0> : vector<16xf32>
  // expected-error @+1 {{takes words of 32 bits, got 'vector<16xf32>'}}
  %t = tile.dp4a %w, %w, %w : vector<16xf32>
}

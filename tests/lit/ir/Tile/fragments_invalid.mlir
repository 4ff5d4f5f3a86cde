// RUN: jinx-opt %s --split-input-file --verify-diagnostics

tile.kernel @rows(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{gives one value for each of 64 rows, got 'vector<64xf32>'}}
  %m = tile.row_reduce max, %t : vector<64x128xf32> -> vector<64xf32>
}

// -----

tile.kernel @rank(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<128xf32>
  // expected-error @+1 {{takes a tile of rank 2, got 'vector<128xf32>'}}
  %m = tile.row_reduce max, %t : vector<128xf32> -> vector<64x1xf32>
}

// -----

tile.kernel @kind(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{combines by sum or max, got prod}}
  %m = tile.row_reduce prod, %t : vector<64x128xf32> -> vector<64x1xf32>
}

// -----

tile.kernel @combine(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{takes a row tile, got 'vector<64x128xf32>'}}
  %m = tile.row_combine sum, %t : vector<64x128xf32>
}

// -----

tile.kernel @behind(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  %r = arith.constant dense<0.0> : vector<64xf32>
  // expected-error @+1 {{waits behind a tile of f32 of rank 2, got 'vector<64xf32>'}}
  %d = tile.mma_wait %t behind %r : vector<64x128xf32>, vector<64xf32> -> vector<64x128xf32>
}

// -----

tile.kernel @behind_type(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  %i = tile.iota 0 : vector<64x1xi32>
  // expected-error @+1 {{waits behind a tile of f32 of rank 2, got 'vector<64x1xi32>'}}
  %d = tile.mma_wait %t behind %i : vector<64x128xf32>, vector<64x1xi32> -> vector<64x128xf32>
}

// -----

tile.kernel @warp_any(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<true> : vector<64x128xi1>
  // expected-error @+1 {{asks a row tile of i1, got 'vector<64x128xi1>'}}
  %a = tile.warp_any %t : vector<64x128xi1>
}

// -----

tile.kernel @warp_any_type(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x1xf32>
  // expected-error @+1 {{asks a row tile of i1, got 'vector<64x1xf32>'}}
  %a = tile.warp_any %t : vector<64x1xf32>
}

// -----

tile.kernel @operand(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{rounds a tile of f32 to 16-bit floats of its shape, got 'vector<64x128xf32>' and 'vector<64x64xbf16>'}}
  %r = tile.mma_operand %t : vector<64x128xf32> -> vector<64x64xbf16>
}

// -----

tile.kernel @operand_use(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{is for tile.mma_registers, but 'arith.extf' uses it}}
  %r = tile.mma_operand %t : vector<64x128xf32> -> vector<64x128xbf16>
  %w = arith.extf %r : vector<64x128xbf16> to vector<64x128xf32>
}

// -----

tile.kernel @registers(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 2 [vector<128x64xbf16>] names ["v"]
  %slot = tile.ring_wait %ring
  %acc = arith.constant dense<0.0> : vector<64x64xf32>
  %t = arith.constant dense<0.0> : vector<64x128xf32>
  // expected-error @+1 {{takes its a from tile.mma_operand, got 'vector<64x128xf32>'}}
  %o = tile.mma_registers %acc, %t, %slot 0 : (vector<64x64xf32>, vector<64x128xf32>)
}

// -----

tile.kernel @iota(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{gives a tile of rank 2 of i32, got 'vector<64x128xindex>'}}
  %i = tile.iota 1 : vector<64x128xindex>
}

// -----

tile.kernel @axis(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  // expected-error @+1 {{counts along axis 0 or 1, got 2}}
  %i = tile.iota 2 : vector<64x128xi32>
}

// -----

tile.kernel @columns(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 2 [vector<64x64xbf16>, vector<1x64xf32>] names ["k", "values"]
  %slot = tile.ring_wait %ring
  // expected-error @+1 {{gives one f32 for each column, got 'vector<64x1xf32>'}}
  %c = tile.column_load %slot 1 : vector<64x1xf32>
}

// -----

tile.kernel @lag(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x64xf32>
  %r = tile.mma_operand %t : vector<64x64xf32> -> vector<64x64xbf16>
  %ring = tile.ring bulk stages 2 [vector<64x64xbf16>] names ["k"]
  %slot = tile.ring_wait %ring
  // expected-error @+1 {{reads the latest slot or the one before, lag 0 or 1, got 2}}
  %o = tile.mma_registers %t, %r, %slot 0 lag 2 : (vector<64x64xf32>, vector<64x64xbf16>)
}

// -----

tile.kernel @thirds(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<128x96xf32>
  // expected-error @+1 {{gives two halves, of a multiple of 64 rows or of 8 columns, of 'vector<128x96xf32>', got 'vector<128x32xf32>' and 'vector<128x32xf32>'}}
  %a, %b = tile.unpair %t : vector<128x96xf32> -> vector<128x32xf32>, vector<128x32xf32>
}

// -----

tile.kernel @few_rows(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<64x96xf32>
  // expected-error @+1 {{gives two halves, of a multiple of 64 rows or of 8 columns, of 'vector<64x96xf32>', got 'vector<32x96xf32>' and 'vector<32x96xf32>'}}
  %a, %b = tile.unpair %t : vector<64x96xf32> -> vector<32x96xf32>, vector<32x96xf32>
}

// -----

tile.kernel @unlike(%x: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %t = arith.constant dense<0.0> : vector<128x96xf32>
  // expected-error @+1 {{gives two halves, of a multiple of 64 rows or of 8 columns, of 'vector<128x96xf32>', got 'vector<64x96xf32>' and 'vector<128x48xf32>'}}
  %a, %b = tile.unpair %t : vector<128x96xf32> -> vector<64x96xf32>, vector<128x48xf32>
}

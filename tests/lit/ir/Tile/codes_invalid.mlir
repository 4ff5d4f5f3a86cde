// RUN: jinx-opt %s --split-input-file --verify-diagnostics

tile.kernel @rank(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>) inputs 3 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // expected-error @+1 {{'tile.dot_codes' op gives a tile of f32 of rank 3 (warps along k, rows, columns), got 'vector<8x64xf32>'}}
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 4 group 128 : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x64xf32>
}

// -----

tile.kernel @bits(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>) inputs 3 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // expected-error @+1 {{'tile.dot_codes' op multiplies codes of 4 or 8 bits, got 2}}
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 2 group 128 : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x8x64xf32>
}

// -----

tile.kernel @levels(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>) inputs 3 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // expected-error @+1 {{'tile.dot_codes' op has 2 levels for codes of 4 bits, expected 16 for 4 bits}}
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 4 group 128 levels [0.0, 1.0] : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x8x64xf32>
}

// -----

tile.kernel @zero(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>) inputs 3 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // expected-error @+1 {{'tile.dot_codes' op has the zero 8, expected one of 0 to 15 and codes of 4 bits without levels}}
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 8 group 128 zero 8 : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x8x64xf32>
}

// -----

tile.kernel @group(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>) inputs 3 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // expected-error @+1 {{'tile.dot_codes' op has a scale for each 48 of k, expected a multiple of 32}}
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 4 group 48 : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x8x64xf32>
}

// -----

tile.kernel @sums(%acc: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %zero = arith.constant dense<0.0> : vector<8x8x64xf32>
  // expected-error @+1 {{'tile.sum_warps' op sums warps x rows x columns to the rows and columns, or a slice of those, got 'vector<8x8x64xf32>' and 'vector<16x64xf32>'}}
  %sums = tile.sum_warps %zero : vector<8x8x64xf32> -> vector<16x64xf32>
}

// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @rank(%p: tensor<4x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has rank 3, expected 4 (pages, heads, rows, depth)}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x16x64xf32>
  return
}

// -----

func.func @element(%p: tensor<4x2x16x64xi32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has elements of 'i32', expected f32, f16, bf16, i8 or f8E4M3FN}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xi32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xi32>
  return
}

// -----

func.func @page_rows(%p: tensor<4x2x32x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has pages of 32 rows, expected 16}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x32x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x32x64xf32>
  return
}

// -----

func.func @depth(%p: tensor<4x2x16x40xf32>, %r: tensor<3x2x40xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has depth 40, expected a multiple of 16}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x40xf32>, tensor<3x2x40xf32>, tensor<3xi32> -> tensor<4x2x16x40xf32>
  return
}

// -----

func.func @no_scales(%p: tensor<4x2x16x64xi8>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has elements of 'i8' and no scales, expected scales beside 8 bits}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xi8>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xi8>
  return
}

// -----

func.func @scales(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>, %s: tensor<4x2x16xf32>) {
  // expected-error @+1 {{'jinx.write_pages' op pool has elements of 'f32' and scales, expected scales beside 8 bits only}}
  %a, %b = jinx.write_pages keys %p, %r, %i scales %s : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> scales tensor<4x2x16xf32> -> tensor<4x2x16x64xf32> scales tensor<4x2x16xf32>
  return
}

// -----

func.func @scales_element(%p: tensor<4x2x16x64xi8>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>, %s: tensor<4x2x16xf16>) {
  // expected-error @+1 {{'jinx.write_pages' op scales has elements of 'f16', expected f32}}
  %a, %b = jinx.write_pages keys %p, %r, %i scales %s : tensor<4x2x16x64xi8>, tensor<3x2x64xf32>, tensor<3xi32> scales tensor<4x2x16xf16> -> tensor<4x2x16x64xi8> scales tensor<4x2x16xf16>
  return
}

// -----

func.func @scales_shape(%p: tensor<4x2x16x64xi8>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>, %s: tensor<4x2x8xf32>) {
  // expected-error @+1 {{'jinx.write_pages' op scales is 4x2x8, expected 4x2x16}}
  %a, %b = jinx.write_pages keys %p, %r, %i scales %s : tensor<4x2x16x64xi8>, tensor<3x2x64xf32>, tensor<3xi32> scales tensor<4x2x8xf32> -> tensor<4x2x16x64xi8> scales tensor<4x2x8xf32>
  return
}

// -----

func.func @rows_rank(%p: tensor<4x2x16x64xf32>, %r: tensor<3x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op rows has rank 2, expected 3 (tokens, heads, depth)}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @rows_element(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf64>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op rows has elements of 'f64', expected f32, f16 or bf16}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf64>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @rows_shape(%p: tensor<4x2x16x64xf32>, %r: tensor<3x4x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op rows is 3x4x64, expected 3x2x64}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x4x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @slots_element(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi64>) {
  // expected-error @+1 {{'jinx.write_pages' op slots has elements of 'i64', expected i32}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi64> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @slots_shape(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<5xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op slots is 5, expected 3}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<5xi32> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @one_result(%p: tensor<4x2x16x64xi8>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>, %s: tensor<4x2x16xf32>) {
  // expected-error @+1 {{'jinx.write_pages' op has 1 results, expected one for the pool and one for scales}}
  %a = jinx.write_pages keys %p, %r, %i scales %s : tensor<4x2x16x64xi8>, tensor<3x2x64xf32>, tensor<3xi32> scales tensor<4x2x16xf32> -> tensor<4x2x16x64xi8>
  return
}

// -----

func.func @result(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.write_pages' op pages is 'tensor<5x2x16x64xf32>', expected 'tensor<4x2x16x64xf32>' (it is the same memory)}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<5x2x16x64xf32>
  return
}

// -----

func.func @two_uses(%p: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) -> tensor<4x2x16x64xf32> {
  // expected-error @+1 {{'jinx.write_pages' op pool has 2 uses, expected this one only (it is written in place)}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  return %p : tensor<4x2x16x64xf32>
}

// -----

func.func @made(%x: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %i: tensor<3xi32>) {
  %p = jinx.exp %x : tensor<4x2x16x64xf32> -> tensor<4x2x16x64xf32>
  // expected-error @+1 {{'jinx.write_pages' op pool is written in place, expected an argument of @main or what jinx.write_pages leaves}}
  %a = jinx.write_pages keys %p, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  return
}

// -----

func.func @values_scales(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xi8>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op values has elements of 'i8' and no scales, expected scales beside 8 bits}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xi8>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @q_rank(%q: tensor<3x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op q has rank 2, expected 3 (tokens, heads, depth)}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x64xf32>
  return
}

// -----

func.func @q_element(%q: tensor<3x6x64xf64>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op q has elements of 'f64', expected f32, f16 or bf16}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf64>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf64>
  return
}

// -----

func.func @q_depth(%q: tensor<3x6x32xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op q is 3x6x32, expected 3x6x64}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x32xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x32xf32>
  return
}

// -----

func.func @values_shape(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x1x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op values is 4x1x16x64, expected 4x2x16x64}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x1x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @values_element(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf16>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op values has elements of 'f16', expected 'f32' (as keys)}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf16>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @heads(%q: tensor<3x5x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op q has 5 heads, expected a multiple of the 2 of keys}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x5x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x5x64xf32>
  return
}

// -----

func.func @table_rank(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op table has rank 1, expected 2 (sequences, entries)}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @table_element(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi64>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op table has elements of 'i64', expected i32}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi64>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @sequence_shape(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<2xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op sequence is 2, expected 3}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<2xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @position_element(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xf32>) {
  // expected-error @+1 {{'jinx.paged_attention' op position has elements of 'f32', expected i32}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xf32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @window(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op window is -1, expected a number of keys, or 0 for all}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 window -1 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @y_element(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op y has elements of 'f16', expected 'f32' (as q)}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf16>
  return
}

// -----

func.func @y_shape(%q: tensor<3x6x64xf32>, %k: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %t: tensor<2x8xi32>, %s: tensor<3xi32>, %p: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.paged_attention' op y is 3x6x32, expected 3x6x64}}
  %y = jinx.paged_attention %q, %k, %v, %t, %s, %p scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x32xf32>
  return
}

// -----

func.func @kind(%q: tensor<3x6x64xf32>, %pool: tensor<4x2x16x64xf32>, %v: tensor<4x2x16x64xf32>, %r: tensor<3x2x64xf32>, %t: tensor<2x8xi32>, %i: tensor<3xi32>) {
  %k = jinx.write_pages values %pool, %r, %i : tensor<4x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<4x2x16x64xf32>
  // expected-error @+1 {{'jinx.paged_attention' op keys are pages of values, expected those that a write of keys left}}
  %y = jinx.paged_attention %q, %k, %v, %t, %i, %i scale 0.125 : tensor<3x6x64xf32>, tensor<4x2x16x64xf32>, tensor<4x2x16x64xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x64xf32>
  return
}

// -----

func.func @launch_count(%x: tensor<8xf32>, %z: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.launch' op in_place has 2 values, expected 1 (one for each result)}}
  %y = jinx.launch @k0(%x, %z) sizes [] programs "1" scratch "0" work "1" from [] {in_place = array<i64: 0, 1>} : (tensor<8xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @launch_operand(%x: tensor<8xf32>, %z: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.launch' op in_place names operand 2, expected -1 to 1}}
  %y = jinx.launch @k0(%x, %z) sizes [] programs "1" scratch "0" work "1" from [] {in_place = array<i64: 2>} : (tensor<8xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @launch_type(%x: tensor<8xf32>, %z: tensor<4xf32>) {
  // expected-error @+1 {{'jinx.launch' op has a result 'tensor<8xf32>' in place of an operand 'tensor<4xf32>', expected equal types}}
  %y = jinx.launch @k0(%x, %z) sizes [] programs "1" scratch "0" work "1" from [] {in_place = array<i64: 1>} : (tensor<8xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}

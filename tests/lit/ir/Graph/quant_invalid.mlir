// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @quantize_x(%x: tensor<4x8xi32>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.quantize' op x has elements of 'i32', expected f64, f32, f16 or bf16}}
  %q = jinx.quantize %x, %s : tensor<4x8xi32>, tensor<f32> -> tensor<4x8xi8>
  return
}

// -----

func.func @quantize_scale_elements(%x: tensor<4x8xf32>, %s: tensor<i8>) {
  // expected-error @+1 {{'jinx.quantize' op scale has elements of 'i8', expected f64, f32, f16 or bf16}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<i8> -> tensor<4x8xi8>
  return
}

// -----

func.func @quantize_y(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.quantize' op y has elements of 'i32', expected integers of at most 16 bits or 8-bit floats}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xi32>
  return
}

// -----

func.func @quantize_zero_float8(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<f8E5M2>) {
  // expected-error @+1 {{'jinx.quantize' op has a zero point beside elements of 'f8E5M2', expected none}}
  %q = jinx.quantize %x, %s zero %z : tensor<4x8xf32>, tensor<f32> zero tensor<f8E5M2> -> tensor<4x8xf8E5M2>
  return
}

// -----

func.func @quantize_zero(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<i8>) {
  // expected-error @+1 {{'jinx.quantize' op zero has elements of 'i8', expected 'ui8' (as y)}}
  %q = jinx.quantize %x, %s zero %z : tensor<4x8xf32>, tensor<f32> zero tensor<i8> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_block(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.quantize' op block is -2, expected a positive number, or 0 for none}}
  %q = jinx.quantize %x, %s block -2 along 0 : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_axis(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.quantize' op has blocks along 2, expected a dimension below 2}}
  %q = jinx.quantize %x, %s block 4 along 2 : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_shape(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.quantize' op y is 4x9, expected 4x8}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x9xui8>
  return
}

// -----

func.func @quantize_scale_rank(%x: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.quantize' op scale has rank 1, expected 0 or 2 (rank of the operand)}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_scale_shape(%x: tensor<4x8xf32>, %s: tensor<4x4xf32>) {
  // expected-error @+1 {{'jinx.quantize' op scale is 4x4, expected 3 or 1 in dimension 1}}
  %q = jinx.quantize %x, %s block 3 along 1 : tensor<4x8xf32>, tensor<4x4xf32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_scale_zero(%x: tensor<4x8xf32>) {
  %s = jinx.constant dense<0.0> : tensor<f32>
  // expected-error @+1 {{'jinx.quantize' op has a scale of 0, expected a positive number}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_scale_negative(%x: tensor<4x8xf32>) {
  %s = jinx.constant dense<-1.0> : tensor<f32>
  // expected-error @+1 {{'jinx.quantize' op has a scale of -1, expected a positive number}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_scale_nan(%x: tensor<4x8xf32>) {
  %s = jinx.constant dense<0x7FC00000> : tensor<f32>
  // expected-error @+1 {{'jinx.quantize' op has a scale of NaN, expected a positive number}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_scale_infinite(%x: tensor<4x8xf32>) {
  %s = jinx.constant dense<0x7F800000> : tensor<f32>
  // expected-error @+1 {{'jinx.quantize' op has a scale of +Inf, expected a positive number}}
  %q = jinx.quantize %x, %s : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @dequantize_q(%q: tensor<4x8xi64>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.dequantize' op q has elements of 'i64', expected integers of at most 32 bits or 8-bit floats}}
  %y = jinx.dequantize %q, %s : tensor<4x8xi64>, tensor<f32> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_offset(%q: tensor<4x8xi8>, %s: tensor<f32>, %o: tensor<i8>) {
  // expected-error @+1 {{'jinx.dequantize' op offset has elements of 'i8', expected f64, f32, f16 or bf16}}
  %y = jinx.dequantize %q, %s offset %o : tensor<4x8xi8>, tensor<f32> offset tensor<i8> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_y(%q: tensor<4x8xi8>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.dequantize' op y has elements of 'i32', expected f64, f32, f16 or bf16}}
  %y = jinx.dequantize %q, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xi32>
  return
}

// -----

func.func @dequantize_zero(%q: tensor<4x8xi8>, %s: tensor<f32>, %z: tensor<ui8>) {
  // expected-error @+1 {{'jinx.dequantize' op zero has elements of 'ui8', expected 'i8' (as q) or a float}}
  %y = jinx.dequantize %q, %s zero %z : tensor<4x8xi8>, tensor<f32> zero tensor<ui8> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_levels(%q: tensor<4x8xi8>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.dequantize' op has levels beside i8, expected 4-bit codes}}
  %y = jinx.dequantize %q, %s levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_level_count(%q: tensor<4x8xi4>, %s: tensor<f32>) {
  // expected-error @+1 {{'jinx.dequantize' op has 2 levels, expected 16}}
  %y = jinx.dequantize %q, %s levels [0.0, 1.0] : tensor<4x8xi4>, tensor<f32> -> tensor<4x8xf32>
  return
}

// -----

func.func @pack_codes_elements(%c: tensor<8x16xi8>) {
  // expected-error @+1 {{'jinx.pack_codes' op codes has elements of 'i8', expected i4 or ui4}}
  %y = jinx.pack_codes %c : tensor<8x16xi8> -> tensor<1x1x16xui32>
  return
}

// -----

func.func @pack_codes_rank(%c: tensor<2x8x16xi4>) {
  // expected-error @+1 {{'jinx.pack_codes' op codes has rank 3, expected 2}}
  %y = jinx.pack_codes %c : tensor<2x8x16xi4> -> tensor<1x1x16xui32>
  return
}

// -----

func.func @pack_codes_rows(%c: tensor<12x16xi4>) {
  // expected-error @+1 {{'jinx.pack_codes' op codes has 12 rows, expected a multiple of 8}}
  %y = jinx.pack_codes %c : tensor<12x16xi4> -> tensor<1x1x16xui32>
  return
}

// -----

func.func @pack_codes_y(%c: tensor<8x16xi4>) {
  // expected-error @+1 {{'jinx.pack_codes' op y has elements of 'i32', expected ui32}}
  %y = jinx.pack_codes %c : tensor<8x16xi4> -> tensor<1x1x16xi32>
  return
}

// -----

func.func @pack_codes_shape(%c: tensor<8x17xi4>) {
  // expected-error @+1 {{'jinx.pack_codes' op y is 1x1x16, expected 2x1x16}}
  %y = jinx.pack_codes %c : tensor<8x17xi4> -> tensor<1x1x16xui32>
  return
}

// -----

func.func @dequant_matmul_ranks(%a: tensor<64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a and y have ranks 1 and 1, expected r >= 2 and r}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<20xf32>
  return
}

// -----

func.func @dequant_matmul_codes(%a: tensor<5x64xf32>, %c: tensor<2x64x16xui8>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op codes has elements of 'ui8', expected ui32 (4-bit codes) or i8}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 : tensor<5x64xf32>, tensor<2x64x16xui8>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_levels(%a: tensor<5x64xf32>, %c: tensor<2x64x16xi8>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op has levels beside i8, expected 4-bit codes}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x64x16xi8>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_no_levels(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op has no levels beside 4-bit codes, expected 16}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_elements(%a: tensor<5x64xf16>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a and y have elements of 'f16' and 'f32', expected f32}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf16>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_scales(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xbf16>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op scales has elements of 'bf16', expected f32 or f16}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_depth(%a: tensor<5x60xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a has rows of 60 elements, expected a multiple of 8}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x60xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_group(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op group is 12, expected a multiple of 8 or 64 (rows of a)}}
  %y = jinx.dequant_matmul %a, %c, %s group 12 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_codes_shape(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op codes is 2x8x16, expected 3x8x16}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x40xf32>
  return
}

// -----

func.func @dequant_matmul_scales_shape(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op scales is 2x2x16, expected 2x4x16}}
  %y = jinx.dequant_matmul %a, %c, %s group 16 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_y(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op y is 4x20, expected 5x20}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @dequant_matmul_offset_elements(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>, %o: tensor<2x2x16xbf16>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op offsets has elements of 'bf16', expected f32 or f16}}
  %y = jinx.dequant_matmul %a, %c, %s offsets %o group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> offsets tensor<2x2x16xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_offsets(%a: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>, %o: tensor<2x1x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op offsets is 2x1x16, expected 2x2x16}}
  %y = jinx.dequant_matmul %a, %c, %s offsets %o group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> offsets tensor<2x1x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @pack_codes_fragments(%c: tensor<8x16xui8>) {
  // expected-error @+1 {{'jinx.pack_codes' op codes has elements of 'ui8', expected i4 or ui4, or i8}}
  %y = jinx.pack_codes %c : tensor<8x16xui8> -> tensor<1x1x1024xi8>
  return
}

// -----

func.func @pack_codes_fragments_y(%c: tensor<8x16xi4>) {
  // expected-error @+1 {{'jinx.pack_codes' op y has elements of 'i8', expected ui32 or ui8 (fragments)}}
  %y = jinx.pack_codes %c : tensor<8x16xi4> -> tensor<1x1x512xi8>
  return
}

// -----

func.func @pack_codes_fragments_bytes(%c: tensor<8x16xi8>) {
  // expected-error @+1 {{'jinx.pack_codes' op y has elements of 'ui8', expected i8 (fragments)}}
  %y = jinx.pack_codes %c : tensor<8x16xi8> -> tensor<1x1x1024xui8>
  return
}

// -----

func.func @dequant_matmul_fragments(%a: tensor<5x64xf16>, %c: tensor<2x1x256xui16>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op codes has elements of 'ui16', expected ui32, ui8 or i8 (fragments)}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 : tensor<5x64xf16>, tensor<2x1x256xui16>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_fragments_levels(%a: tensor<5x64xf16>, %c: tensor<2x1x128xui32>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op has levels beside ui32 that are not each code less one of 0 to 15, expected bytes of two codes (ui8)}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 20.0] : tensor<5x64xf16>, tensor<2x1x128xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_fragments_elements(%a: tensor<5x64xf32>, %c: tensor<2x1x1024xi8>, %s: tensor<2x2x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op a and y have elements of 'f32' and 'f32', expected f16 or bf16, and f32 (fragments)}}
  %y = jinx.dequant_matmul %a, %c, %s group 32 : tensor<5x64xf32>, tensor<2x1x1024xi8>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @dequant_matmul_fragments_group(%a: tensor<5x64xf16>, %c: tensor<2x1x1024xi8>, %s: tensor<2x4x16xf32>) {
  // expected-error @+1 {{'jinx.dequant_matmul' op group is 16, expected a multiple of 32 or 64 (rows of a)}}
  %y = jinx.dequant_matmul %a, %c, %s group 16 : tensor<5x64xf16>, tensor<2x1x1024xi8>, tensor<2x4x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @decode_blocks_format(%b: tensor<3x18xui8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op has format 'Q3_K', expected one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K}}
  %y = jinx.decode_blocks %b "Q3_K" : tensor<3x18xui8> -> tensor<3x32xf32>
  return
}

// -----

func.func @decode_blocks_rank(%b: tensor<18xui8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op blocks has rank 1, expected 2}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<18xui8> -> tensor<32xf32>
  return
}

// -----

func.func @decode_blocks_elements(%b: tensor<3x18xi8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op blocks has elements of 'i8', expected ui8}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<3x18xi8> -> tensor<3x32xf32>
  return
}

// -----

func.func @decode_blocks_y(%b: tensor<3x18xui8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op y has elements of 'f16', expected f32}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<3x18xui8> -> tensor<3x32xf16>
  return
}

// -----

func.func @decode_blocks_bytes(%b: tensor<3x20xui8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op blocks has rows of 20 bytes, expected a multiple of 18 (a block of Q4_0)}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<3x20xui8> -> tensor<3x32xf32>
  return
}

// -----

func.func @decode_blocks_shape(%b: tensor<3x36xui8>) {
  // expected-error @+1 {{'jinx.decode_blocks' op y is 3x32, expected 3x64}}
  %y = jinx.decode_blocks %b "Q4_0" : tensor<3x36xui8> -> tensor<3x32xf32>
  return
}

// -----

func.func @scaled_matmul_ranks(%a: tensor<5x256xf8E4M3FN>, %b: tensor<1x200x256xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op a and b have ranks 2 and 3, expected r >= 2 and 2}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<1x200x256xf8E4M3FN> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_elements(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xi8>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op b has elements of 'i8', expected f8E4M3FN or f8E5M2}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xi8> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_floats(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x2xf16>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op a_scales has elements of 'f16', expected f32}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x2xf16>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_y_elements(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op y has elements of 'bf16', expected f32}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x200xbf16>
  return
}

// -----

func.func @scaled_matmul_shared(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op shared is 96, expected 1 or a multiple of 64}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 96 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_depth(%a: tensor<5x260xf8E4M3FN>, %b: tensor<200x260xf8E4M3FN>, %s: tensor<5x3xf32>, %t: tensor<2x3xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op a has rows of 260 elements, expected a multiple of 16}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x260xf8E4M3FN>, tensor<200x260xf8E4M3FN> scales tensor<5x3xf32>, tensor<2x3xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_b(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x240xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op b is 200x240, expected 200x256}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x240xf8E4M3FN> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_a_scales(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x1xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op a_scales is 5x1, expected 5x2}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x1xf32>, tensor<2x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_b_scales(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<200x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op b_scales is 200x2, expected 2x2}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x2xf32>, tensor<200x2xf32> -> tensor<5x200xf32>
  return
}

// -----

func.func @scaled_matmul_y(%a: tensor<5x256xf8E4M3FN>, %b: tensor<200x256xf8E4M3FN>, %s: tensor<5x2xf32>, %t: tensor<2x2xf32>) {
  // expected-error @+1 {{'jinx.scaled_matmul' op y is 5x199, expected 5x200}}
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<5x256xf8E4M3FN>, tensor<200x256xf8E4M3FN> scales tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x199xf32>
  return
}

// RUN: jinx-opt %s --split-input-file --verify-diagnostics

func.func @matmul_rank(%a: tensor<8xf32>, %b: tensor<8x4xf32>) {
  // expected-error @+2 {{operands have ranks 1 and 2, expected at least 2}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<8xf32>, tensor<8x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @matmul_depth(%a: tensor<4x8xf32>, %b: tensor<16x8xf32>) {
  // expected-error @+2 {{contraction is over 8 elements of a and 16 of b, expected one number}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul_batch(%a: tensor<2x4x8xf32>, %b: tensor<3x8x4xf32>) {
  // expected-error @+2 {{batch shapes 2 and 3 do not broadcast together, expected equal extents or 1}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<2x4x8xf32>, tensor<3x8x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

func.func @matmul_result(%a: tensor<4x8xi8>, %b: tensor<8x4xi8>) {
  // expected-error @+2 {{'jinx.matmul' op inferred type(s) 'tensor<4x4xi32>' are incompatible with return type(s) of operation 'tensor<4x4xi8>'}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x4xi8> -> tensor<4x4xi8>
  return
}

// -----

// conv C1
func.func @conv_rank(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has rank 4 and w has rank 3, expected one rank of at least 3}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x3x8x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

// conv C2
func.func @conv_channels(%x: tensor<1x4x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has 4 channels, expected 3 (w.dim(1) * group)}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x4x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

// conv C2, with the channels last
func.func @conv_channels_last(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{x has 8 channels, expected 3 (w.dim(1) * group)}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, channels_last}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

// conv C3
func.func @conv_group(%x: tensor<1x6x8xf32>, %w: tensor<5x3x3xf32>) {
  // expected-error @+2 {{w has 5 output channels, expected a multiple of group = 2}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 2 : i64}
      : tensor<1x6x8xf32>, tensor<5x3x3xf32> -> tensor<1x5x6xf32>
  return
}

// -----

func.func @conv_geometry(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{strides, dilations and pads have 1, 1 and 1 entries, expected 1, 1 and 2}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

func.func @conv_stride(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{stride is 0 and dilation is 1, expected positive numbers}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 0>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  return
}

// -----

func.func @matmul_element_types(%a: tensor<4x8xf32>, %b: tensor<8x4xf64>) {
  // expected-error @+2 {{operands have element types 'f32' and 'f64', expected one type}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x8xf32>, tensor<8x4xf64> -> tensor<4x4xf32>
  return
}

// -----

func.func @conv_element_types(%x: tensor<1x3x8xf32>, %w: tensor<4x3x3xf16>) {
  // expected-error @+2 {{operands have element types 'f32' and 'f16', expected one type}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x8xf32>, tensor<4x3x3xf16> -> tensor<1x4x6xf32>
  return
}

// -----

func.func @pack_rank(%b: tensor<8xf32>) {
  // expected-error @+1 {{'jinx.pack' op b has rank 1, expected at least 2}}
  %p = jinx.pack %b : tensor<8xf32> -> tensor<1x8x16xf32>
  return
}

// -----

func.func @pack_panels(%b: tensor<8x20xf32>) {
  // expected-error @+1 {{'jinx.pack' op y is 1x8x16, expected 2x8x16}}
  %p = jinx.pack %b : tensor<8x20xf32> -> tensor<1x8x16xf32>
  return
}

// -----

func.func @pack_transpose(%b: tensor<20x8xf32>) {
  // expected-error @+1 {{'jinx.pack' op y is 1x20x16, expected 2x8x16}}
  %p = jinx.pack %b transpose : tensor<20x8xf32> -> tensor<1x20x16xf32>
  return
}

// -----

func.func @pack_element_type(%b: tensor<8x20xf32>) {
  // expected-error @+1 {{'jinx.pack' op has element types 'f32' and 'f16', expected one type}}
  %p = jinx.pack %b : tensor<8x20xf32> -> tensor<2x8x16xf16>
  return
}

// -----

func.func @packed_matmul_rank(%a: tensor<8xf32>, %b: tensor<2x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op a, b and y have ranks 1, 3 and 1, expected r >= 2, s >= 3 and max(r, s - 1)}}
  %y = jinx.packed_matmul %a, %b : tensor<8xf32>, tensor<2x8x16xf32> -> tensor<20xf32>
  return
}

// -----

func.func @packed_matmul_panels(%a: tensor<4x8xf32>, %b: tensor<1x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op b is 1x8x16, expected 2x8x16}}
  %y = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @packed_matmul_rows(%a: tensor<4x8xf32>, %b: tensor<2x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op y is 5x20, expected 4x20}}
  %y = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @packed_matmul_batch(%a: tensor<2x4x8xf32>, %b: tensor<3x2x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op batch shapes 2 and 3 do not broadcast together, expected equal extents or 1}}
  %y = jinx.packed_matmul %a, %b : tensor<2x4x8xf32>, tensor<3x2x8x16xf32> -> tensor<2x4x20xf32>
  return
}

// -----

func.func @packed_conv_rank(%x: tensor<1x8x3xf32>, %w: tensor<1x1x9x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op x and y have ranks 3 and 4, expected 4}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 1, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x3xf32>, tensor<1x1x9x16xf32> -> tensor<1x1x6x4xf32>
  return
}

// -----

func.func @packed_conv_kernel(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op kernel is [3], expected two positive numbers}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_conv_no_group(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op group is 0, expected a positive number}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 0 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_conv_group(%x: tensor<1x8x8x3xf32>, %w: tensor<2x1x9x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op has 3 channels, expected a multiple of group = 2}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64}
      : tensor<1x8x8x3xf32>, tensor<2x1x9x16xf32> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_conv_weights(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x9x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op w is 1x1x9x16, expected 1x1x27x16}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x9x16xf32> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_conv_extent(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op y is 1x8x6x4, expected 1x6x6x4}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x8x6x4xf32>
  return
}

// -----

func.func @packed_conv_stride(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf32>) {
  // expected-error @+1 {{'jinx.packed_conv' op a stride or dilation is 0, expected a positive number}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf32> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @conv_formula(%x: tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2 + 1">>' are incompatible}}
  // expected-error @+1 {{'jinx.conv' op failed to infer returned types}}
  %y = jinx.conv %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<1x3x?xf32, #jinx.dims<"1", "3", "w">>, tensor<4x3x3xf32> -> tensor<1x4x?xf32, #jinx.dims<"1", "4", "(w - 1) floordiv 2">>
  return
}

// -----

func.func @pack_interleave(%b: tensor<6x20xi8>) {
  // expected-error @+1 {{interleave is 4, expected a divisor of the 6 rows of b}}
  %y = jinx.pack %b interleave 4 : tensor<6x20xi8> -> tensor<2x2x64xi8>
  return
}

// -----

func.func @packed_matmul_bytes_depth(%a: tensor<4x9xui8>, %b: tensor<2x2x64xi8>) {
  // expected-error @+1 {{'jinx.packed_matmul' op b is 2x2x64, expected 2x3x64}}
  %y = jinx.packed_matmul %a, %b : tensor<4x9xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
  return
}

// -----

func.func @packed_conv_bytes_run(%x: tensor<1x8x8x3xui8>, %w: tensor<1x1x7x64xi8>) {
  // expected-error @+1 {{'jinx.packed_conv' op w is 1x1x7x64, expected 1x1x9x64}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x3xui8>, tensor<1x1x7x64xi8> -> tensor<1x6x6x4xi32>
  return
}

// -----

func.func @packed_conv_bytes_sums(%x: tensor<1x8x8x3xui8>, %w: tensor<1x1x9x64xi8>) {
  // expected-error @+1 {{'jinx.packed_conv' op y has elements of 'f32', expected i32 beside operands of bytes}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x3xui8>, tensor<1x1x9x64xi8> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_conv_elements(%x: tensor<1x8x8x3xf32>, %w: tensor<1x1x27x16xf16>) {
  // expected-error @+1 {{'jinx.packed_conv' op has element types 'f32' and 'f16', expected one type}}
  %y = jinx.packed_conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x3xf32>, tensor<1x1x27x16xf16> -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @packed_matmul_bytes_sums(%a: tensor<4x8xui8>, %b: tensor<2x2x64xi8>) {
  // expected-error @+1 {{y has elements of 'f32', expected i32 beside operands of bytes}}
  %y = jinx.packed_matmul %a, %b : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x20xf32>
  return
}

// -----

// Rows of b are as long as those of a, or filled up to a multiple of 16 bytes: to 16 elements here, no further.
func.func @rows_filled_up(%a: tensor<4x12xf16>, %b: tensor<20x24xf16>) {
  // expected-error @+1 {{'jinx.packed_matmul' op b is 20x24, expected 20x12}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x12xf16>, tensor<20x24xf16> -> tensor<4x20xf16>
  return
}

// -----

func.func @rows_of_b(%a: tensor<4x16xf16>, %b: tensor<16x20xf16>) {
  // expected-error @+1 {{'jinx.packed_matmul' op b is 16x20, expected 20x16}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x16xf16>, tensor<16x20xf16> -> tensor<4x20xf16>
  return
}

// -----

func.func @groups_by_rows(%x: tensor<1x8x8x16xf16>, %w: tensor<16x64xf16>) {
  // expected-error @+1 {{'jinx.packed_conv' op group is 2, expected 1 beside by_rows}}
  %y = jinx.packed_conv %x, %w by_rows {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64}
    : tensor<1x8x8x16xf16>, tensor<16x64xf16> -> tensor<1x8x8x16xf16>
  return
}

// -----

func.func @channels_by_rows(%x: tensor<1x8x8x12xf16>, %w: tensor<16x64xf16>) {
  // expected-error @+1 {{'jinx.packed_conv' op has 12 channels, expected a multiple of 8}}
  %y = jinx.packed_conv %x, %w by_rows {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x12xf16>, tensor<16x64xf16> -> tensor<1x8x8x16xf16>
  return
}

// -----

func.func @ranks_by_rows(%a: tensor<16xf16>, %b: tensor<20x16xf16>) {
  // expected-error @+1 {{'jinx.packed_matmul' op a, b and y have ranks 1, 2 and 2, expected r >= 2, s >= 2 and max(r, s)}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return
}

// -----

func.func @runs(%x: tensor<1x8x8x3xf16>, %w: tensor<16x192xf16>) {
  // expected-error @+1 {{'jinx.packed_conv' op has runs of 3 channels in rows of 8, expected kw*c <= 64, steps and rows of a multiple of 8 elements, no padding or dilation along w}}
  %y = jinx.packed_conv %x, %w by_rows runs {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x3xf16>, tensor<16x192xf16> -> tensor<1x6x6x16xf16>
  return
}

// -----

func.func @matmul_fast_sums(%a: tensor<4x16xf16>, %b: tensor<16x20xf16>) {
  // expected-error @+2 {{has fast_sums beside elements of 'f16', expected 8-bit floats}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b fast_sums : tensor<4x16xf16>, tensor<16x20xf16> -> tensor<4x20xf16>
  return
}

// -----

func.func @matmul_byte_beside_float8(%a: tensor<4x16xi8>, %b: tensor<16x20xf8E4M3FN>) {
  // expected-error @+2 {{operands have element types 'i8' and 'f8E4M3FN', expected one type}}
  // expected-error @+1 {{'jinx.matmul' op failed to infer returned types}}
  %y = jinx.matmul %a, %b : tensor<4x16xi8>, tensor<16x20xf8E4M3FN> -> tensor<4x20xf32>
  return
}

// -----

func.func @panels_fast_sums(%a: tensor<4x8xf32>, %b: tensor<2x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op has fast_sums and b in panels, expected by_rows beside it}}
  %y = jinx.packed_matmul %a, %b fast_sums : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @panels_tf32(%a: tensor<4x8xf32>, %b: tensor<2x8x16xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op has tf32 and b in panels, expected by_rows beside it}}
  %y = jinx.packed_matmul %a, %b tf32 : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @halves_tf32(%a: tensor<4x16xf16>, %b: tensor<20x16xf16>) {
  // expected-error @+1 {{'jinx.packed_matmul' op has tf32 beside elements of 'f16', expected f32}}
  %y = jinx.packed_matmul %a, %b by_rows tf32 : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return
}

// -----

func.func @conv_halves_tf32(%x: tensor<1x8x8x8xf16>, %w: tensor<16x576xf16>) {
  // expected-error @+1 {{'jinx.packed_conv' op has tf32 beside elements of 'f16', expected f32}}
  %y = jinx.packed_conv %x, %w by_rows tf32 {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
    : tensor<1x8x8x8xf16>, tensor<16x576xf16> -> tensor<1x6x6x16xf16>
  return
}

// -----

func.func @floats_by_rows(%a: tensor<4x6xf32>, %b: tensor<20x6xf32>) {
  // expected-error @+1 {{'jinx.packed_matmul' op a has rows of 6 elements, expected a multiple of 4}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x6xf32>, tensor<20x6xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @bytes_fast_sums(%a: tensor<4x16xi8>, %b: tensor<20x16xi8>) {
  // expected-error @+1 {{'jinx.packed_matmul' op has fast_sums beside elements of 'i8', expected 8-bit floats}}
  %y = jinx.packed_matmul %a, %b by_rows fast_sums : tensor<4x16xi8>, tensor<20x16xi8> -> tensor<4x20xi32>
  return
}

// -----

// Rows of bytes are filled up to a multiple of 16.
func.func @bytes_by_rows_depth(%a: tensor<4x24xi8>, %b: tensor<20x40xi8>) {
  // expected-error @+1 {{'jinx.packed_matmul' op b is 20x40, expected 20x24}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x24xi8>, tensor<20x40xi8> -> tensor<4x20xi32>
  return
}

// -----

func.func @bytes_by_rows_sums(%a: tensor<4x16xui8>, %b: tensor<20x16xi8>) {
  // expected-error @+1 {{'jinx.packed_matmul' op y has elements of 'f32', expected i32 beside operands of bytes}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x16xui8>, tensor<20x16xi8> -> tensor<4x20xf32>
  return
}

// -----

func.func @floats8_by_rows_sums(%a: tensor<4x16xf8E4M3FN>, %b: tensor<20x16xf8E5M2>) {
  // expected-error @+1 {{'jinx.packed_matmul' op y has elements of 'f16', expected f32 beside operands of 8-bit floats}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x16xf8E4M3FN>, tensor<20x16xf8E5M2> -> tensor<4x20xf16>
  return
}

// -----

func.func @floats8_that_no_tensor_core_has(%a: tensor<4x16xf8E4M3FN>, %b: tensor<20x16xf8E4M3FNUZ>) {
  // expected-error @+1 {{'jinx.packed_matmul' op has element types 'f8E4M3FN' and 'f8E4M3FNUZ', expected one type}}
  %y = jinx.packed_matmul %a, %b by_rows : tensor<4x16xf8E4M3FN>, tensor<20x16xf8E4M3FNUZ> -> tensor<4x20xf32>
  return
}

// -----

func.func @attention_grad_rank(%q: tensor<4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{'jinx.attention_grad' op q and k have ranks 3 and 4, expected 4}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @attention_grad_elements(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf16>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{has an operand of 'f16' beside q of 'f32', expected one float type}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf16>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf16>)
  return
}

// -----

func.func @attention_grad_integers(%q: tensor<1x4x5x8xi32>, %k: tensor<1x2x7x8xi32>, %v: tensor<1x2x7x8xi32>, %dy: tensor<1x4x5x8xi32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{has an operand of 'i32' beside q of 'i32', expected one float type}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xi32>, tensor<1x2x7x8xi32>, tensor<1x2x7x8xi32>, tensor<1x4x5x8xi32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xi32>, tensor<1x2x7x8xi32>, tensor<1x2x7x8xi32>)
  return
}

// -----

func.func @attention_grad_rows_type(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf16>) {
  // expected-error @+1 {{lse and delta are of 'f16', expected f32}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf16>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @attention_grad_heads(%q: tensor<1x4x5x8xf32>, %k: tensor<1x3x7x8xf32>, %v: tensor<1x3x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{q has 4 heads, expected a multiple of the 3 of k}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x3x7x8xf32>, tensor<1x3x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x3x7x8xf32>, tensor<1x3x7x8xf32>)
  return
}

// -----

func.func @attention_grad_depth(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x16xf32>, %v: tensor<1x2x7x16xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{k is 1x2x7x16, expected 1x2x7x8}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x16xf32>, tensor<1x2x7x16xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x16xf32>, tensor<1x2x7x16xf32>)
  return
}

// -----

func.func @attention_grad_values(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x6x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{v is 1x2x6x8, expected 1x2x7x8}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x6x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x6x8xf32>)
  return
}

// -----

func.func @attention_grad_outputs(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x6x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{dy is 1x4x6x8, expected 1x4x5x8}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x6x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @attention_grad_lse(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x6xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{lse is 1x4x6, expected 1x4x5}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x6xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @attention_grad_delta(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x256xf32>) {
  // expected-error @+1 {{delta is 1x4x256, expected 1x4x5}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x256xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @attention_grad_result(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{dv is 1x2x6x8, expected 1x2x7x8}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x6x8xf32>)
  return
}

// -----

func.func @attention_grad_result_type(%q: tensor<1x4x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x8xf32>, %dy: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>, %delta: tensor<1x4x5xf32>) {
  // expected-error @+1 {{dk is of 'f16', expected 'f32'}}
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %v, %dy, %lse, %delta scale 1.0
      : (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> (tensor<1x4x5x8xf32>, tensor<1x2x7x8xf16>, tensor<1x2x7x8xf32>)
  return
}

// -----

func.func @grouped_matmul_ranks(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %ends: tensor<3xi32>) {
  // expected-error @+2 {{x, w and ends have ranks 2, 2 and 1, expected 2, 3 and 1}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<8x16xf32>, tensor<3xi32> -> tensor<4x16xf32>
  return
}

// -----

func.func @grouped_matmul_elements(%x: tensor<4x8xf32>, %w: tensor<3x8x16xf16>, %ends: tensor<3xi32>) {
  // expected-error @+2 {{operands have element types 'f32' and 'f16', expected one type}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<3x8x16xf16>, tensor<3xi32> -> tensor<4x16xf32>
  return
}

// -----

func.func @grouped_matmul_floats(%x: tensor<4x8xf64>, %w: tensor<3x8x16xf64>, %ends: tensor<3xi32>) {
  // expected-error @+2 {{operand has element type 'f64', expected f32, f16 or bf16}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<4x8xf64>, tensor<3x8x16xf64>, tensor<3xi32> -> tensor<4x16xf64>
  return
}

// -----

func.func @grouped_matmul_depth(%x: tensor<4x8xf32>, %w: tensor<3x8x16xf32>, %ends: tensor<3xi32>) {
  // expected-error @+2 {{contraction is over 8 elements of x and 16 of w, expected one number}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w transpose_w, %ends : tensor<4x8xf32>, tensor<3x8x16xf32>, tensor<3xi32> -> tensor<4x8xf32>
  return
}

// -----

func.func @grouped_matmul_ends(%x: tensor<4x8xf32>, %w: tensor<3x8x16xf32>, %ends: tensor<4xi32>) {
  // expected-error @+2 {{ends has 4 elements, expected 3 (groups of w)}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<3x8x16xf32>, tensor<4xi32> -> tensor<4x16xf32>
  return
}

// -----

func.func @grouped_matmul_end_type(%x: tensor<4x8xf32>, %w: tensor<3x8x16xf32>, %ends: tensor<3xi16>) {
  // expected-error @+2 {{operand has element type 'i16', expected i32 or i64}}
  // expected-error @+1 {{'jinx.grouped_matmul' op failed to infer returned types}}
  %y = jinx.grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<3x8x16xf32>, tensor<3xi16> -> tensor<4x16xf32>
  return
}

// -----

func.func @experts_ranks(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{operands have ranks 2, 2, 2, 2, 3 and 3, expected 2, 2, 2, 3, 3 and 3}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_elements(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf16>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{operands have element types 'f32' and 'f16', expected one type}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf16>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_floats(%x: tensor<7x4xf64>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf64>, %u: tensor<3x8x4xf64>, %d: tensor<3x5x8xf64>) {
  // expected-error @+2 {{operand has element type 'f64', expected f32, f16 or bf16}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf64>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<3x8x4xf64>, tensor<3x8x4xf64>, tensor<3x5x8xf64>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_tokens(%x: tensor<7x4xf32>, %c: tensor<6x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{chosen have a shape of 6x2, expected 7x2}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<6x2xi64>, tensor<7x2xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_choices(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<6x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{weights have a shape of 6x2, expected 7x2}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<6x2xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_indices(%x: tensor<7x4xf32>, %c: tensor<7x2xi16>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{operand has element type 'i16', expected i32 or i64}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi16>, tensor<7x2xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_weights(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf16>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{operand has element type 'f16', expected f32}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf16>, tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_depth(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x6xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{gates have a shape of 3x8x6, expected 3x8x4}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<3x8x6xf32>, tensor<3x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_ups(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<2x8x4xf32>, %d: tensor<3x5x8xf32>) {
  // expected-error @+2 {{ups have a shape of 2x8x4, expected 3x8x4}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<3x8x4xf32>, tensor<2x8x4xf32>, tensor<3x5x8xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @experts_downs(%x: tensor<7x4xf32>, %c: tensor<7x2xi64>, %p: tensor<7x2xf32>, %g: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %d: tensor<3x5x6xf32>) {
  // expected-error @+2 {{downs have a shape of 3x5x6, expected 3x5x8}}
  // expected-error @+1 {{'jinx.experts' op failed to infer returned types}}
  %y = jinx.experts silu %x, %c, %p, %g, %u, %d : (tensor<7x4xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x5x6xf32>) -> tensor<7x5xf32>
  return
}

// -----

func.func @packed_grouped_matmul_ranks(%x: tensor<4x8xf32>, %w: tensor<3x8x16xf32>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op x, w, ends and y have ranks 2, 3, 1 and 2, expected 2, 4, 1 and 2}}
  %y = jinx.packed_grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<3x8x16xf32>, tensor<3xi32> -> tensor<4x16xf32>
  return
}

// -----

func.func @packed_grouped_matmul_halves(%x: tensor<4x8xf16>, %w: tensor<3x1x8x16xf16>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op multiplies elements of 'f16' in panels, expected f32}}
  %y = jinx.packed_grouped_matmul %x, %w, %ends : tensor<4x8xf16>, tensor<3x1x8x16xf16>, tensor<3xi32> -> tensor<4x16xf16>
  return
}

// -----

func.func @packed_grouped_matmul_rows(%x: tensor<4x8xf64>, %w: tensor<3x16x8xf64>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op multiplies elements of 'f64' by rows, expected f16, bf16 or f32}}
  %y = jinx.packed_grouped_matmul %x, %w by_rows, %ends : tensor<4x8xf64>, tensor<3x16x8xf64>, tensor<3xi32> -> tensor<4x16xf64>
  return
}

// -----

func.func @packed_grouped_matmul_panels(%x: tensor<4x8xf32>, %w: tensor<3x1x8x16xf32>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op w is 3x1x8x16, expected 3x2x8x16}}
  %y = jinx.packed_grouped_matmul %x, %w, %ends : tensor<4x8xf32>, tensor<3x1x8x16xf32>, tensor<3xi32> -> tensor<4x20xf32>
  return
}

// -----

func.func @packed_grouped_matmul_ends(%x: tensor<4x8xf16>, %w: tensor<3x16x8xf16>, %ends: tensor<2xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op ends is 2, expected 3}}
  %y = jinx.packed_grouped_matmul %x, %w by_rows, %ends : tensor<4x8xf16>, tensor<3x16x8xf16>, tensor<2xi32> -> tensor<4x16xf16>
  return
}

// -----

func.func @packed_grouped_matmul_result(%x: tensor<4x8xf16>, %w: tensor<3x16x8xf16>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op y is 5x16, expected 4x16}}
  %y = jinx.packed_grouped_matmul %x, %w by_rows, %ends : tensor<4x8xf16>, tensor<3x16x8xf16>, tensor<3xi32> -> tensor<5x16xf16>
  return
}

// -----

func.func @packed_grouped_matmul_row_bytes(%x: tensor<4x6xf32>, %w: tensor<3x16x6xf32>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op x has rows of 6 elements, expected a multiple of 4}}
  %y = jinx.packed_grouped_matmul %x, %w by_rows, %ends : tensor<4x6xf32>, tensor<3x16x6xf32>, tensor<3xi32> -> tensor<4x16xf32>
  return
}

// -----

func.func @packed_grouped_matmul_tf32(%x: tensor<4x8xf16>, %w: tensor<3x16x8xf16>, %ends: tensor<3xi32>) {
  // expected-error @+1 {{'jinx.packed_grouped_matmul' op has tf32 beside elements of 'f16', expected f32}}
  %y = jinx.packed_grouped_matmul %x, %w by_rows tf32, %ends : tensor<4x8xf16>, tensor<3x16x8xf16>, tensor<3xi32> -> tensor<4x16xf16>
  return
}

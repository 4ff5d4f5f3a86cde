// RUN: jinx-opt %s --split-input-file --jinx-pack="tensor-cores pad-images" | FileCheck %s

// Without a copy engine products are by rows all the same.
// CHECK-LABEL: @matmul
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<4x16xf16>
module attributes {jinx.gpu = "sm_80"} {
  func.func @matmul(%a: tensor<4x16xf16>, %b: tensor<16x20xf16>) -> tensor<4x20xf16> {
    %y = jinx.matmul %a, %b : tensor<4x16xf16>, tensor<16x20xf16> -> tensor<4x20xf16>
    return %y : tensor<4x20xf16>
  }
}

// -----

// A convolution without a window is a product.
// CHECK-LABEL: @pointwise
// CHECK: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<1x5x5x16xf16>, tensor<24x16xf16> -> tensor<1x5x5x24xf16>
module attributes {jinx.gpu = "sm_80"} {
  func.func @pointwise(%x: tensor<1x5x5x16xf16>, %w: tensor<24x16x1x1xf16>) -> tensor<1x5x5x24xf16> {
    %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x5x5x16xf16>, tensor<24x16x1x1xf16> -> tensor<1x5x5x24xf16>
    return %y : tensor<1x5x5x24xf16>
  }
}

// -----

// A window is one by rows, too; its image is padded before.
// CHECK-LABEL: @window
// CHECK: jinx.pad {{.*}} -> tensor<1x7x7x16xf16>
// CHECK: jinx.packed_conv {{.*}} by_rows {{.*}}pads = array<i64: 0, 0, 0, 0>{{.*}} : tensor<1x7x7x16xf16>, tensor<24x576xf16> -> tensor<1x5x5x24xf16>
module attributes {jinx.gpu = "sm_80"} {
  func.func @window(%x: tensor<1x5x5x16xf16>, %w: tensor<24x16x3x3xf16>) -> tensor<1x5x5x24xf16> {
    %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, channels_last}
      : tensor<1x5x5x16xf16>, tensor<24x16x3x3xf16> -> tensor<1x5x5x24xf16>
    return %y : tensor<1x5x5x24xf16>
  }
}

// -----

// Tests that products of 8-bit floats are f32, and those of bytes are not.
// CHECK-LABEL: @narrow
// CHECK: jinx.packed_matmul {{.*}} : tensor<4x16xf32>
// CHECK: jinx.packed_matmul {{.*}} by_rows : tensor<4x16xi8>
module attributes {jinx.gpu = "sm_80"} {
  func.func @narrow(%a: tensor<4x16xf8E4M3FN>, %b: tensor<20x16xf8E4M3FN>, %c: tensor<4x16xi8>, %d: tensor<20x16xi8>) -> (tensor<4x20xf32>, tensor<4x20xi32>) {
    %y = jinx.matmul %a, %b transpose_b : tensor<4x16xf8E4M3FN>, tensor<20x16xf8E4M3FN> -> tensor<4x20xf32>
    %z = jinx.matmul %c, %d transpose_b : tensor<4x16xi8>, tensor<20x16xi8> -> tensor<4x20xi32>
    return %y, %z : tensor<4x20xf32>, tensor<4x20xi32>
  }
}

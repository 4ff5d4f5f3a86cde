// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// CHECK-LABEL: @quantize
// CHECK: jinx.quantize %{{.*}}, %{{.*}} zero %{{.*}} : tensor<4x8xf32>, tensor<f32> zero tensor<ui8> -> tensor<4x8xui8>
// CHECK: jinx.quantize %{{.*}}, %{{.*}} block 3 along 1 : tensor<4x8xf32>, tensor<4x3xf32> -> tensor<4x8xi4>
// CHECK: jinx.quantize %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf8E4M3FN>
func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<ui8>, %b: tensor<4x3xf32>, %c: tensor<1x8xf32>) -> (tensor<4x8xui8>, tensor<4x8xi4>, tensor<4x8xf8E4M3FN>) {
  %0 = jinx.quantize %x, %s zero %z : tensor<4x8xf32>, tensor<f32> zero tensor<ui8> -> tensor<4x8xui8>
  %1 = jinx.quantize %x, %b block 3 along 1 : tensor<4x8xf32>, tensor<4x3xf32> -> tensor<4x8xi4>
  %2 = jinx.quantize %x, %c : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf8E4M3FN>
  return %0, %1, %2 : tensor<4x8xui8>, tensor<4x8xi4>, tensor<4x8xf8E4M3FN>
}

// CHECK-LABEL: @dequantize
// CHECK: jinx.dequantize %{{.*}}, %{{.*}} : tensor<?x8xui8, #jinx.dims<"n", "8">>, tensor<f16> -> tensor<?x8xf16, #jinx.dims<"n", "8">>
// CHECK: jinx.dequantize %{{.*}}, %{{.*}} zero %{{.*}} offset %{{.*}} block 32 along 0 : tensor<64x8xi4>, tensor<2x8xf32> zero tensor<i4> offset tensor<2x1xf32> -> tensor<64x8xf32>
// CHECK: jinx.dequantize %{{.*}}, %{{.*}} offset %{{.*}} levels [0.000000e+00, 1.000000e+00,{{.*}}] : tensor<64x8xui4>, tensor<1x8xf32> offset tensor<f32> -> tensor<64x8xbf16>
func.func @dequantize(%a: tensor<?x8xui8, #jinx.dims<"n", "8">>, %h: tensor<f16>, %b: tensor<64x8xi4>, %s: tensor<2x8xf32>, %z: tensor<i4>, %o: tensor<2x1xf32>,
                      %c: tensor<64x8xui4>, %t: tensor<1x8xf32>, %p: tensor<f32>) -> (tensor<?x8xf16, #jinx.dims<"n", "8">>, tensor<64x8xf32>, tensor<64x8xbf16>) {
  %0 = jinx.dequantize %a, %h : tensor<?x8xui8, #jinx.dims<"n", "8">>, tensor<f16> -> tensor<?x8xf16, #jinx.dims<"n", "8">>
  %1 = jinx.dequantize %b, %s zero %z offset %o block 32 along 0 : tensor<64x8xi4>, tensor<2x8xf32> zero tensor<i4> offset tensor<2x1xf32> -> tensor<64x8xf32>
  %2 = jinx.dequantize %c, %t offset %p levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<64x8xui4>, tensor<1x8xf32> offset tensor<f32> -> tensor<64x8xbf16>
  return %0, %1, %2 : tensor<?x8xf16, #jinx.dims<"n", "8">>, tensor<64x8xf32>, tensor<64x8xbf16>
}

// CHECK-LABEL: @dequant_matmul
// CHECK: jinx.pack_codes %{{.*}} : tensor<64x20xi4> -> tensor<2x8x16xui32>
// CHECK: jinx.pack_codes %{{.*}} transpose : tensor<20x64xui4> -> tensor<2x8x16xui32>
// CHECK: jinx.dequant_matmul %{{.*}}, %{{.*}}, %{{.*}} group 32 levels [{{.*}}] : tensor<3x5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf16> -> tensor<3x5x20xf32>
// CHECK: jinx.dequant_matmul %{{.*}}, %{{.*}}, %{{.*}} offsets %{{.*}} group 64 : tensor<5x64xf32>, tensor<2x64x16xi8>, tensor<2x1x16xf32> offsets tensor<2x1x16xf32> -> tensor<5x20xf32>
func.func @dequant_matmul(%c: tensor<64x20xi4>, %d: tensor<20x64xui4>, %a: tensor<3x5x64xf32>, %s: tensor<2x2x16xf16>, %x: tensor<5x64xf32>, %i: tensor<2x64x16xi8>,
                          %t: tensor<2x1x16xf32>) -> (tensor<3x5x20xf32>, tensor<5x20xf32>, tensor<2x8x16xui32>) {
  %p = jinx.pack_codes %c : tensor<64x20xi4> -> tensor<2x8x16xui32>
  %q = jinx.pack_codes %d transpose : tensor<20x64xui4> -> tensor<2x8x16xui32>
  %y = jinx.dequant_matmul %a, %p, %s group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0]
    : tensor<3x5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf16> -> tensor<3x5x20xf32>
  %z = jinx.dequant_matmul %x, %i, %t offsets %t group 64 : tensor<5x64xf32>, tensor<2x64x16xi8>, tensor<2x1x16xf32> offsets tensor<2x1x16xf32> -> tensor<5x20xf32>
  return %y, %z, %q : tensor<3x5x20xf32>, tensor<5x20xf32>, tensor<2x8x16xui32>
}

// CHECK-LABEL: @scaled_matmul
// CHECK: jinx.scaled_matmul %{{.*}}, %{{.*}} scales %{{.*}}, %{{.*}} shared 128 : tensor<3x5x272xf8E4M3FN>, tensor<200x272xf8E4M3FN> scales tensor<3x5x3xf32>, tensor<2x3xf32> -> tensor<3x5x200xf32>
// CHECK: jinx.scaled_matmul %{{.*}}, %{{.*}} scales %{{.*}}, %{{.*}} shared 1 : tensor<?x16xf8E5M2, #jinx.dims<"n", "16">>, tensor<7x16xf8E4M3FN> scales tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<7x1xf32>
func.func @scaled_matmul(%a: tensor<3x5x272xf8E4M3FN>, %b: tensor<200x272xf8E4M3FN>, %s: tensor<3x5x3xf32>, %t: tensor<2x3xf32>, %c: tensor<?x16xf8E5M2, #jinx.dims<"n", "16">>,
                         %d: tensor<7x16xf8E4M3FN>, %u: tensor<?x1xf32, #jinx.dims<"n", "1">>, %v: tensor<7x1xf32>) -> (tensor<3x5x200xf32>, tensor<?x7xf32, #jinx.dims<"n", "7">>) {
  %y = jinx.scaled_matmul %a, %b scales %s, %t shared 128 : tensor<3x5x272xf8E4M3FN>, tensor<200x272xf8E4M3FN> scales tensor<3x5x3xf32>, tensor<2x3xf32> -> tensor<3x5x200xf32>
  %z = jinx.scaled_matmul %c, %d scales %u, %v shared 1
    : tensor<?x16xf8E5M2, #jinx.dims<"n", "16">>, tensor<7x16xf8E4M3FN> scales tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<7x1xf32> -> tensor<?x7xf32, #jinx.dims<"n", "7">>
  return %y, %z : tensor<3x5x200xf32>, tensor<?x7xf32, #jinx.dims<"n", "7">>
}

// CHECK-LABEL: @decode_blocks
// CHECK: jinx.decode_blocks %{{.*}} "Q4_1" : tensor<3x40xui8> -> tensor<3x64xf32>
// CHECK: jinx.decode_blocks %{{.*}} "Q6_K" : tensor<3x420xui8> -> tensor<3x512xf32>
func.func @decode_blocks(%a: tensor<3x40xui8>, %b: tensor<3x420xui8>) -> (tensor<3x64xf32>, tensor<3x512xf32>) {
  %x = jinx.decode_blocks %a "Q4_1" : tensor<3x40xui8> -> tensor<3x64xf32>
  %y = jinx.decode_blocks %b "Q6_K" : tensor<3x420xui8> -> tensor<3x512xf32>
  return %x, %y : tensor<3x64xf32>, tensor<3x512xf32>
}

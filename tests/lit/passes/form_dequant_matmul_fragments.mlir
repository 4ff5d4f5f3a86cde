// RUN: jinx-opt %s --jinx-form-dequant-matmul | FileCheck %s
// What becomes of codes in a module for a GPU.
module attributes {jinx.gpu = "sm_90a"} {

// Codes in the order of fragments; numbers in a row are words, and halves stay halves.
// CHECK-LABEL: @int4
// CHECK: %[[C:.*]] = jinx.pack_codes %{{.*}} : tensor<96x20xi4> -> tensor<1x2x512xui32>
// CHECK: %[[S:.*]] = jinx.pack %{{.*}} : tensor<3x20xbf16> -> tensor<2x3x16xbf16>
// CHECK: jinx.dequant_matmul %{{.*}}, %[[C]], %[[S]] group 32 levels [-8.000000e+00, {{.*}}, 7.000000e+00] : tensor<5x96xbf16>
// CHECK: jinx.cast %{{.*}} : tensor<5x20xf32> -> tensor<5x20xbf16>
func.func @int4(%x: tensor<5x96xbf16>) -> tensor<5x20xbf16> {
  %c = jinx.constant dense<3> : tensor<96x20xi4>
  %s = jinx.constant dense<0.5> : tensor<3x20xbf16>
  %w = jinx.dequantize %c, %s block 32 along 0 : tensor<96x20xi4>, tensor<3x20xbf16> -> tensor<96x20xbf16>
  %y = jinx.matmul %x, %w : tensor<5x96xbf16>, tensor<96x20xbf16> -> tensor<5x20xbf16>
  return %y : tensor<5x20xbf16>
}

// Levels of a table are decoded by pairs.
// CHECK-LABEL: @levels
// CHECK: jinx.pack_codes %{{.*}} transpose : tensor<20x64xui4> -> tensor<1x1x2048xui8>
// CHECK: jinx.dequant_matmul {{.*}} group 64 levels [0.000000e+00, 1.000000e+00, {{.*}}, 2.000000e+01]
func.func @levels(%x: tensor<5x64xf16>) -> tensor<5x20xf16> {
  %c = jinx.constant dense<3> : tensor<20x64xui4>
  %s = jinx.constant dense<0.5> : tensor<20x1xf16>
  %w = jinx.dequantize %c, %s block 64 along 1 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 20.0] : tensor<20x64xui4>, tensor<20x1xf16> -> tensor<20x64xf16>
  %y = jinx.matmul %x, %w transpose_b : tensor<5x64xf16>, tensor<20x64xf16> -> tensor<5x20xf16>
  return %y : tensor<5x20xf16>
}

// Bytes, too.
// CHECK-LABEL: @bytes
// CHECK: jinx.pack_codes %{{.*}} : tensor<64x4xi8> -> tensor<1x1x4096xi8>
// CHECK: jinx.dequant_matmul %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} group 64 :
func.func @bytes(%x: tensor<5x64xf16>) -> tensor<5x4xf16> {
  %c = jinx.constant dense<3> : tensor<64x4xi8>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi8>, tensor<f16> -> tensor<64x4xf16>
  %y = jinx.matmul %x, %w : tensor<5x64xf16>, tensor<64x4xf16> -> tensor<5x4xf16>
  return %y : tensor<5x4xf16>
}

// Tests that products of f32, of many rows, and of groups within 32 stay as they are.
// CHECK-LABEL: @kept
// CHECK-NOT: jinx.dequant_matmul
func.func @kept(%x: tensor<5x64xf32>, %m: tensor<65x64xf16>, %h: tensor<5x64xf16>) -> (tensor<5x4xf32>, tensor<65x4xf16>, tensor<5x4xf16>) {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf32>
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  %v = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf16>
  %z = jinx.matmul %m, %v : tensor<65x64xf16>, tensor<64x4xf16> -> tensor<65x4xf16>
  %t = jinx.constant dense<0.5> : tensor<4x4xf16>
  %u = jinx.dequantize %c, %t block 16 along 0 : tensor<64x4xi4>, tensor<4x4xf16> -> tensor<64x4xf16>
  %q = jinx.matmul %h, %u : tensor<5x64xf16>, tensor<64x4xf16> -> tensor<5x4xf16>
  return %y, %z, %q : tensor<5x4xf32>, tensor<65x4xf16>, tensor<5x4xf16>
}

}

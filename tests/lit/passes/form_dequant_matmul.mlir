// RUN: jinx-opt %s --split-input-file --jinx-form-dequant-matmul | FileCheck %s

// Signed codes in words of eight, which ascend: packing adds 8. The levels say what each stands for.
// CHECK-LABEL: @int4
// CHECK: %[[C:.*]] = jinx.pack_codes %{{.*}} : tensor<64x20xi4> -> tensor<2x8x16xui32>
// CHECK: %[[S:.*]] = jinx.pack %{{.*}} : tensor<2x20xf32> -> tensor<2x2x16xf32>
// CHECK: jinx.dequant_matmul %{{.*}}, %[[C]], %[[S]] group 32 levels [-8.000000e+00, -7.000000e+00, {{.*}}, 7.000000e+00]
func.func @int4(%x: tensor<5x64xf32>) -> tensor<5x20xf32> {
  %c = jinx.constant dense<3> : tensor<64x20xi4>
  %s = jinx.constant dense<0.5> : tensor<2x20xf32>
  %w = jinx.dequantize %c, %s block 32 along 0 : tensor<64x20xi4>, tensor<2x20xf32> -> tensor<64x20xf32>
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x20xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// -----

// Weights [n, k], as most models store them, and a table of levels. One zero point for all moves the levels.
// CHECK-LABEL: @transposed
// CHECK: jinx.pack_codes %{{.*}} transpose : tensor<20x64xui4> -> tensor<2x8x16xui32>
// CHECK: jinx.pack %{{.*}} transpose : tensor<20x2xf16> -> tensor<2x2x16xf16>
// CHECK: jinx.dequant_matmul {{.*}} group 32 levels [-8.000000e+00, -7.000000e+00, {{.*}}, 7.000000e+00]
func.func @transposed(%x: tensor<5x64xf32>) -> tensor<5x20xf32> {
  %c = jinx.constant dense<3> : tensor<20x64xui4>
  %s = jinx.constant dense<0.5> : tensor<20x2xf16>
  %z = jinx.constant dense<8> : tensor<ui4>
  %w = jinx.dequantize %c, %s zero %z block 32 along 1 : tensor<20x64xui4>, tensor<20x2xf16> zero tensor<ui4> -> tensor<20x64xf32>
  %y = jinx.matmul %x, %w transpose_b : tensor<5x64xf32>, tensor<20x64xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// -----

// Zero points of their own are offsets; a scale for a column is a group of all of k.
// CHECK-LABEL: @zero_points
// CHECK: %[[P:.*]] = jinx.mul
// CHECK: %[[N:.*]] = jinx.neg %[[P]]
// CHECK: %[[O:.*]] = jinx.pack %[[N]] : tensor<1x4xf32> -> tensor<1x1x16xf32>
// CHECK: jinx.dequant_matmul %{{.*}}, %{{.*}}, %{{.*}} offsets %[[O]] group 64 : tensor<5x64xf32>, tensor<1x64x16xi8>
func.func @zero_points(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xi8>
  %s = jinx.constant dense<0.5> : tensor<1x4xf32>
  %z = jinx.constant dense<[[1, 2, 3, 4]]> : tensor<1x4xi8>
  %w = jinx.dequantize %c, %s zero %z : tensor<64x4xi8>, tensor<1x4xf32> zero tensor<1x4xi8> -> tensor<64x4xf32>
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

// Unsigned bytes with their middle as zero point are signed ones.
// CHECK-LABEL: @unsigned
// CHECK: %[[B:.*]] = jinx.cast %{{.*}} : tensor<64x4xui8> -> tensor<64x4xi8>
// CHECK: %[[M:.*]] = jinx.add %[[B]]
// CHECK: jinx.pack %[[M]] : tensor<64x4xi8> -> tensor<1x64x16xi8>
// CHECK: jinx.dequant_matmul %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} group 64 :
func.func @unsigned(%x: tensor<5x64xf32>) -> tensor<5x4xf32> {
  %c = jinx.constant dense<3> : tensor<64x4xui8>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %z = jinx.constant dense<128> : tensor<ui8>
  %w = jinx.dequantize %c, %s zero %z : tensor<64x4xui8>, tensor<f32> zero tensor<ui8> -> tensor<64x4xf32>
  %y = jinx.matmul %x, %w : tensor<5x64xf32>, tensor<64x4xf32> -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// -----

// Halves are multiplied as f32.
// CHECK-LABEL: @halves
// CHECK: %[[A:.*]] = jinx.cast %{{.*}} : tensor<5x64xf16> -> tensor<5x64xf32>
// CHECK: jinx.dequant_matmul %[[A]]
// CHECK: jinx.cast %{{.*}} : tensor<5x4xf32> -> tensor<5x4xf16>
func.func @halves(%x: tensor<5x64xf16>) -> tensor<5x4xf16> {
  %c = jinx.constant dense<3> : tensor<64x4xi4>
  %s = jinx.constant dense<0.5> : tensor<f16>
  %w = jinx.dequantize %c, %s : tensor<64x4xi4>, tensor<f16> -> tensor<64x4xf16>
  %y = jinx.matmul %x, %w : tensor<5x64xf16>, tensor<64x4xf16> -> tensor<5x4xf16>
  return %y : tensor<5x4xf16>
}

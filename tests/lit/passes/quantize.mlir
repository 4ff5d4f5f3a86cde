// Layers get codes, by scheme.
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int4 min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,INT4
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int4 asymmetric=true min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,OFFSETS
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=nf4 min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,NF4
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int8-weights group=16 min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,BYTES
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int8 min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=int8-dynamic min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,DYNAMIC
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=fp8 min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,FP8
// RUN: jinx-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(jinx-quantize{scheme=fp8-block min-weights=0}))' | FileCheck %s --check-prefixes=CHECK,BLOCKS

// Groups lie along k. The weight of largest size is code -8; codes beside an offset are unsigned.
// CHECK-LABEL: @product
// CHECK-SAME: (%[[X:.*]]: tensor<5x64xf32>)
// INT4-DAG: %[[C:.*]] = jinx.constant dense<-8> : tensor<64x2xi4>
// INT4-DAG: %[[S:.*]] = jinx.constant dense<-6.250000e-02> : tensor<2x2xf16>
// INT4: %[[W:.*]] = jinx.dequantize %[[C]], %[[S]] block 32 along 0 : tensor<64x2xi4>, tensor<2x2xf16> -> tensor<64x2xf32>
// INT4: jinx.matmul %[[X]], %[[W]]
// OFFSETS-DAG: %[[C:.*]] = jinx.constant dense<0> : tensor<64x2xui4>
// OFFSETS-DAG: %[[O:.*]] = jinx.constant dense<5.000000e-01> : tensor<2x2xf16>
// OFFSETS: jinx.dequantize %[[C]], %{{.*}} offset %[[O]] block 32 along 0
// NF4: jinx.dequantize %{{.*}}, %{{.*}} block 32 along 0 levels [-1.000000e+00, {{.*}}, 1.000000e+00] : tensor<64x2xui4>, tensor<2x2xf16>
// BYTES: jinx.dequantize %{{.*}}, %{{.*}} block 16 along 0 : tensor<64x2xi8>, tensor<4x2xf32>
// INT8-DAG: %[[S:.*]] = jinx.constant dense<0.0117647061> : tensor<f32>
// INT8-DAG: %[[Z:.*]] = jinx.constant dense<85> : tensor<ui8>
// INT8: %[[Q:.*]] = jinx.quantize %[[X]], %[[S]] zero %[[Z]] : {{.*}} -> tensor<5x64xui8>
// INT8: %[[D:.*]] = jinx.dequantize %[[Q]], %[[S]] zero %[[Z]]
// INT8: %[[W:.*]] = jinx.dequantize %{{.*}}, %{{.*}} : tensor<64x2xi8>, tensor<1x2xf32>
// INT8: jinx.matmul %[[D]], %[[W]]
// DYNAMIC: %[[A:.*]] = jinx.abs %[[X]]
// DYNAMIC: %[[M:.*]] = jinx.reduce max, %[[A]] axes [1]
// DYNAMIC: %[[P:.*]] = jinx.mul %[[M]], %{{.*}}
// DYNAMIC: %[[S:.*]] = jinx.max %[[P]], %{{.*}}
// DYNAMIC: %[[Q:.*]] = jinx.quantize %[[X]], %[[S]] : tensor<5x64xf32>, tensor<5x1xf32> -> tensor<5x64xi8>
// DYNAMIC: %[[D:.*]] = jinx.dequantize %[[Q]], %[[S]]
// DYNAMIC: jinx.matmul %[[D]]
// FP8: jinx.quantize %[[X]], %{{.*}} : {{.*}} -> tensor<5x64xf8E4M3FN>
// FP8: jinx.dequantize %{{.*}}, %{{.*}} : tensor<64x2xf8E4M3FN>, tensor<1x2xf32>
// BLOCKS: %[[P:.*]] = jinx.pad %[[X]] {{.*}} -> tensor<5x128xf32>
// BLOCKS: %[[R:.*]] = jinx.reshape %[[P]] : tensor<5x128xf32> -> tensor<5x1x128xf32>
// BLOCKS: jinx.reduce max, %{{.*}} axes [2] : tensor<5x1x128xf32> -> tensor<5x1x1xf32>
// BLOCKS: %[[Q:.*]] = jinx.quantize %[[R]], %{{.*}} : tensor<5x1x128xf32>, tensor<5x1x1xf32> -> tensor<5x1x128xf8E4M3FN>
// BLOCKS: %[[D:.*]] = jinx.dequantize %{{.*}}, %{{.*}} block 128 along 1 : tensor<5x64xf8E4M3FN>, tensor<5x1xf32>
// BLOCKS: jinx.constant dense<0.00111607148> : tensor<1x1xf32>
// BLOCKS: %[[T:.*]] = jinx.slice %{{.*}} : tensor<1x128xf32> -> tensor<1x2xf32>
// BLOCKS: %[[W:.*]] = jinx.dequantize %{{.*}}, %[[T]] : tensor<64x2xf8E4M3FN>, tensor<1x2xf32>
// BLOCKS: jinx.matmul %[[D]], %[[W]]
func.func @product(%x: tensor<5x64xf32>) -> tensor<5x2xf32> {
  %w = jinx.constant dense<0.5> : tensor<64x2xf32>
  %y = jinx.matmul %x, %w {jinx.range = array<f64: -1.0, 2.0>} : tensor<5x64xf32>, tensor<64x2xf32> -> tensor<5x2xf32> loc("fc")
  return %y : tensor<5x2xf32>
}

// -----

// Transposed weights keep their layout: groups lie along the second dimension. A range above 0 reaches down to it.
// CHECK-LABEL: @transposed
// INT4: jinx.dequantize %{{.*}}, %{{.*}} block 32 along 1 : tensor<2x64xi4>, tensor<2x2xf16> -> tensor<2x64xf16>
// INT8-DAG: jinx.constant dense<0.00784313772> : tensor<f32>
// INT8-DAG: jinx.constant dense<0> : tensor<ui8>
// INT8: jinx.dequantize %{{.*}}, %{{.*}} : tensor<2x64xi8>, tensor<2x1xf32>
func.func @transposed(%x: tensor<5x64xf16>) -> tensor<5x2xf16> {
  %w = jinx.constant dense<0.5> : tensor<2x64xf16>
  %y = jinx.matmul %x, %w transpose_b {jinx.range = array<f64: 1.0, 2.0>} : tensor<5x64xf16>, tensor<2x64xf16> -> tensor<5x2xf16> loc("fc")
  return %y : tensor<5x2xf16>
}

// -----

// What two layers read is quantized once.
// CHECK-LABEL: @shared
// INT8: %[[Q:.*]] = jinx.quantize
// INT8: %[[D:.*]] = jinx.dequantize %[[Q]]
// INT8-NOT: jinx.quantize
// INT8: jinx.matmul %[[D]]
// INT8-NOT: jinx.quantize
// INT8: jinx.matmul %[[D]]
func.func @shared(%x: tensor<5x64xf32>) -> (tensor<5x2xf32>, tensor<5x3xf32>) {
  %w = jinx.constant dense<0.5> : tensor<64x2xf32>
  %v = jinx.constant dense<0.5> : tensor<64x3xf32>
  %y = jinx.matmul %x, %w {jinx.range = array<f64: -1.0, 2.0>} : tensor<5x64xf32>, tensor<64x2xf32> -> tensor<5x2xf32> loc("q")
  %z = jinx.matmul %x, %v {jinx.range = array<f64: -1.0, 2.0>} : tensor<5x64xf32>, tensor<64x3xf32> -> tensor<5x3xf32> loc("k")
  return %y, %z : tensor<5x2xf32>, tensor<5x3xf32>
}

// -----

// A convolution's scales are one for each output channel; beside floats it stays float.
// CHECK-LABEL: @convolution
// INT4-NOT: jinx.dequantize
// BLOCKS-NOT: jinx.dequantize
// INT8: jinx.quantize
// INT8: jinx.dequantize %{{.*}}, %{{.*}} : tensor<8x4x3x3xi8>, tensor<8x1x1x1xf32>
// DYNAMIC: jinx.reduce max, %{{.*}} axes [1, 2, 3] : tensor<2x4x8x8xf32> -> tensor<2x1x1x1xf32>
func.func @convolution(%x: tensor<2x4x8x8xf32>) -> tensor<2x8x6x6xf32> {
  %w = jinx.constant dense<0.5> : tensor<8x4x3x3xf32>
  %y = jinx.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, jinx.range = array<f64: 0.0, 1.0>} : tensor<2x4x8x8xf32>, tensor<8x4x3x3xf32> -> tensor<2x8x6x6xf32> loc("conv")
  return %y : tensor<2x8x6x6xf32>
}

// RUN: jinx-opt %s --split-input-file --jinx-expand-quantization | FileCheck %s

// The quotient, its nearest integer, the zero point; NaN compares false and gives the lowest value.
// CHECK-LABEL: @quantize
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[S:.*]]: tensor<f32>, %[[Z:.*]]: tensor<ui8>)
// CHECK: %[[Q:.*]] = jinx.div %[[X]], %[[S]]
// CHECK: %[[R:.*]] = jinx.round %[[Q]]
// CHECK: %[[F:.*]] = jinx.cast %[[Z]] : tensor<ui8> -> tensor<f32>
// CHECK: %[[T:.*]] = jinx.add %[[R]], %[[F]]
// CHECK: %[[LOW:.*]] = jinx.constant dense<0.000000e+00> : tensor<f32>
// CHECK: %[[ABOVE:.*]] = jinx.compare gt, %[[T]], %[[LOW]]
// CHECK: %[[HIGH:.*]] = jinx.constant dense<2.550000e+02> : tensor<f32>
// CHECK: %[[M:.*]] = jinx.min %[[T]], %[[HIGH]]
// CHECK: %[[V:.*]] = jinx.select %[[ABOVE]], %[[M]]
// CHECK: jinx.cast %[[V]] : tensor<4x8xf32> -> tensor<4x8xui8>
// CHECK-NOT: jinx.quantize
func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<4x8xui8> {
  %q = jinx.quantize %x, %s zero %z : tensor<4x8xf32>, tensor<f32> zero tensor<ui8> -> tensor<4x8xui8>
  return %q : tensor<4x8xui8>
}

// -----

// Ends of a signed type; the quotient of halves is rounded to a half before it is rounded to an integer.
// CHECK-LABEL: @halves
// CHECK: %[[Q:.*]] = jinx.div %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<f32>
// CHECK: %[[H:.*]] = jinx.cast %[[Q]] : tensor<4xf32> -> tensor<4xf16>
// CHECK: %[[F:.*]] = jinx.cast %[[H]] : tensor<4xf16> -> tensor<4xf32>
// CHECK: jinx.round %[[F]]
// CHECK: jinx.constant dense<-1.280000e+02>
// CHECK: jinx.constant dense<1.270000e+02>
func.func @halves(%x: tensor<4xf16>, %s: tensor<f16>) -> tensor<4xi8> {
  %q = jinx.quantize %x, %s : tensor<4xf16>, tensor<f16> -> tensor<4xi8>
  return %q : tensor<4xi8>
}

// -----

// 8-bit floats round and saturate as a cast does.
// CHECK-LABEL: @float8
// CHECK: %[[Q:.*]] = jinx.div
// CHECK-NEXT: jinx.cast %[[Q]] : tensor<4xf32> -> tensor<4xf8E4M3FN>
func.func @float8(%x: tensor<4xf32>, %s: tensor<f32>) -> tensor<4xf8E4M3FN> {
  %q = jinx.quantize %x, %s : tensor<4xf32>, tensor<f32> -> tensor<4xf8E4M3FN>
  return %q : tensor<4xf8E4M3FN>
}

// -----

// Blocks of three along the columns; the last has two.
// CHECK-LABEL: @blocks
// CHECK: %[[A:.*]] = jinx.reshape %{{.*}} : tensor<4x3xf32> -> tensor<4x3x1xf32>
// CHECK: %[[B:.*]] = jinx.broadcast %[[A]] : tensor<4x3x1xf32> -> tensor<4x3x3xf32>
// CHECK: %[[J:.*]] = jinx.reshape %[[B]] : tensor<4x3x3xf32> -> tensor<4x9xf32>
// CHECK: %[[S:.*]] = jinx.slice %[[J]]{{.*}} : tensor<4x9xf32> -> tensor<4x8xf32>
// CHECK: %[[P:.*]] = jinx.mul %{{.*}}, %[[S]]
// CHECK: jinx.add %[[P]], %{{.*}} : tensor<4x8xf32>, tensor<f32>
func.func @blocks(%q: tensor<4x8xi8>, %s: tensor<4x3xf32>, %o: tensor<f32>) -> tensor<4x8xf32> {
  %y = jinx.dequantize %q, %s offset %o block 3 along 1 : tensor<4x8xi8>, tensor<4x3xf32> offset tensor<f32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// 32-bit integers lose their zero point before they become floats.
// CHECK-LABEL: @wide
// CHECK: jinx.sub %{{.*}}, %{{.*}} : tensor<4xi32>, tensor<i32>
// CHECK: jinx.cast %{{.*}} : tensor<4xi32> -> tensor<4xf32>
func.func @wide(%q: tensor<4xi32>, %s: tensor<f32>, %z: tensor<i32>) -> tensor<4xf32> {
  %y = jinx.dequantize %q, %s zero %z : tensor<4xi32>, tensor<f32> zero tensor<i32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// What codes stand for is looked up; a signed code's bits count as unsigned.
// CHECK-LABEL: @levels
// CHECK: %[[T:.*]] = jinx.constant dense<[0.000000e+00, 1.000000e+00, {{.*}}]> : tensor<16xf32>
// CHECK: %[[I:.*]] = jinx.cast %{{.*}} : tensor<4xi4> -> tensor<4xi32>
// CHECK: %[[B:.*]] = jinx.and %[[I]], %{{.*}}
// CHECK: jinx.gather %[[T]], %[[B]]
func.func @levels(%q: tensor<4xi4>, %s: tensor<f32>) -> tensor<4xf32> {
  %y = jinx.dequantize %q, %s levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : tensor<4xi4>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

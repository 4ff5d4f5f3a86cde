// RUN: jinx-opt %s --split-input-file --jinx-pack="byte-dots=true" | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-pack | FileCheck %s --check-prefix=WITHOUT

// Unsigned bytes times constant signed ones stay bytes; without the instruction they become floats, which are exact here.
// CHECK-LABEL: @bytes
// CHECK: %[[P:.*]] = jinx.pack %{{.*}} interleave 4 : tensor<8x20xi8> -> tensor<2x2x64xi8>
// CHECK: jinx.packed_matmul %{{.*}}, %[[P]] : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x20xi32>
// WITHOUT-LABEL: @bytes
// WITHOUT: jinx.packed_matmul {{.*}} -> tensor<4x20xf32>
func.func @bytes(%a: tensor<4x8xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Rows that are no multiple of four, and two signed operands, have no such instruction.
// CHECK-LABEL: @odd_depth
// CHECK-NOT: interleave
func.func @odd_depth(%a: tensor<4x7xui8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<7x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x7xui8>, tensor<7x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// CHECK-LABEL: @signed
// CHECK-NOT: interleave
func.func @signed(%a: tensor<4x8xi8>) -> tensor<4x20xi32> {
  %b = jinx.constant dense<-3> : tensor<8x20xi8>
  %y = jinx.matmul %a, %b : tensor<4x8xi8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// What is no constant would be packed in every run.
// CHECK-LABEL: @no_constant
// CHECK-NOT: interleave
func.func @no_constant(%a: tensor<4x8xui8>, %b: tensor<8x20xi8>) -> tensor<4x20xi32> {
  %y = jinx.matmul %a, %b : tensor<4x8xui8>, tensor<8x20xi8> -> tensor<4x20xi32>
  return %y : tensor<4x20xi32>
}

// -----

// Recurrence weights of a quantized layer that fit into bytes.
// CHECK-LABEL: @lstm
// CHECK: %[[P:.*]] = jinx.pack %{{.*}} transpose interleave 4 : tensor<4x4x4xi8> -> tensor<4x1x1x64xi8>
// CHECK: jinx.lstm %{{.*}}, %[[P]]
// WITHOUT-LABEL: @lstm
// WITHOUT: jinx.pack %{{.*}} transpose : tensor<4x4x4xi8> -> tensor<4x1x4x16xi8>
func.func @lstm(%xw: tensor<5x1x16xf32>, %h: tensor<1x4xf32>, %c: tensor<1x4xf32>, %s: tensor<16xf32>) -> tensor<5x1x4xf32> {
  %r = jinx.constant dense<7.0> : tensor<16x4xf32>
  %ys, %hn, %cn = jinx.lstm %xw, %r, %h, %c, %s : (tensor<5x1x16xf32>, tensor<16x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<16xf32>)
      -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return %ys : tensor<5x1x4xf32>
}

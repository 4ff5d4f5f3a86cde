// RUN: jinx-opt %s --split-input-file --jinx-simplify | FileCheck %s

// pow(x, 2) = x * x
// CHECK-LABEL: @square
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[Y:.*]] = jinx.mul %[[X]], %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @square(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<2.0> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Integers times 0 are 0, and adding that changes nothing.
// CHECK-LABEL: @integer_zero
// CHECK-SAME: (%[[X:.*]]: tensor<4x3xi32>, %[[S:.*]]: tensor<4x1xi32>
// CHECK-NEXT: return %[[X]]
func.func @integer_zero(%x: tensor<4x3xi32>, %s: tensor<4x1xi32>) -> tensor<4x3xi32> {
  %c = jinx.constant dense<0> : tensor<i32>
  %none = jinx.mul %s, %c : tensor<4x1xi32>, tensor<i32> -> tensor<4x1xi32>
  %y = jinx.sub %x, %none : tensor<4x3xi32>, tensor<4x1xi32> -> tensor<4x3xi32>
  return %y : tensor<4x3xi32>
}

// -----

// A float may be infinite: its product with 0 stays.
// CHECK-LABEL: @float_zero
// CHECK: jinx.mul
func.func @float_zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<0.0> : tensor<f32>
  %y = jinx.mul %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// CHECK-LABEL: @cube
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[S:.*]] = jinx.mul %[[X]], %[[X]]
// CHECK-NEXT: %[[Y:.*]] = jinx.mul %[[S]], %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @cube(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<3.0> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// CHECK-LABEL: @root
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[Y:.*]] = jinx.sqrt %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @root(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<0.5> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// CHECK-LABEL: @first_power
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @first_power(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<1.0> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that other exponents stay.
// CHECK-LABEL: @other_power
// CHECK: jinx.pow
func.func @other_power(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<2.5> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that a power which broadcasts its base stays: a product would have the base's shape.
// CHECK-LABEL: @broadcast_power
// CHECK: jinx.pow
func.func @broadcast_power(%x: tensor<1xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<2.0> : tensor<4xf32>
  %y = jinx.pow %x, %c : tensor<1xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// x / 4 = x * 0.25, to the last bit
// CHECK-LABEL: @divide_by_four
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK: %[[C:.*]] = jinx.constant dense<2.500000e-01> : tensor<f32>
// CHECK: jinx.mul %[[X]], %[[C]]
func.func @divide_by_four(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<4.0> : tensor<f32>
  %y = jinx.div %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that a division whose reciprocal rounds stays.
// CHECK-LABEL: @divide_by_three
// CHECK: jinx.div
func.func @divide_by_three(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<3.0> : tensor<f32>
  %y = jinx.div %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// CHECK-LABEL: @divide_by_zero
// CHECK: jinx.div
func.func @divide_by_zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<0.0> : tensor<f32>
  %y = jinx.div %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Neutral operands vanish: (x * 1 + 0 - 0) / 1
// CHECK-LABEL: @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @neutral(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %one = jinx.constant dense<1.0> : tensor<f32>
  %a = jinx.mul %one, %x : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %b = jinx.add %a, %zero : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %c = jinx.sub %b, %zero : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %d = jinx.div %c, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----

// Tests that 0 - x is no identity.
// CHECK-LABEL: @negation
// CHECK: jinx.sub
func.func @negation(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %y = jinx.sub %zero, %x : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that adding zeros of a larger shape stays: it broadcasts x.
// CHECK-LABEL: @broadcast_zero
// CHECK: jinx.add
func.func @broadcast_zero(%x: tensor<1xf32>) -> tensor<4xf32> {
  %zero = jinx.constant dense<0.0> : tensor<4xf32>
  %y = jinx.add %x, %zero : tensor<1xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Constants go to the right.
// CHECK-LABEL: @constant_right
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>
// CHECK: %[[C:.*]] = jinx.constant
// CHECK: jinx.add %[[X]], %[[C]]
func.func @constant_right(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = jinx.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = jinx.add %c, %x : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// A reshape moves down through an elementwise operator, so that the chain above it stays whole.
// CHECK-LABEL: @sink_reshape
// CHECK: %[[E:.*]] = jinx.exp %{{.*}} : tensor<2x3xf32>
// CHECK: %[[T:.*]] = jinx.tanh %[[E]] : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = jinx.reshape %[[T]] : tensor<2x3xf32> -> tensor<6xf32>
// CHECK: return %[[Y]]
func.func @sink_reshape(%x: tensor<2x3xf32>) -> tensor<6xf32> {
  %e = jinx.exp %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %r = jinx.reshape %e : tensor<2x3xf32> -> tensor<6xf32>
  %y = jinx.tanh %r : tensor<6xf32> -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// A constant with one value goes along, whatever its shape.
// CHECK-LABEL: @sink_reshape_scale
// CHECK: %[[C:.*]] = jinx.constant dense<3.000000e+00> : tensor<1x1xf32>
// CHECK: %[[E:.*]] = jinx.exp
// CHECK: %[[M:.*]] = jinx.mul %[[E]], %[[C]]
// CHECK: jinx.reshape %[[M]]
func.func @sink_reshape_scale(%x: tensor<2x3xf32>) -> tensor<6xf32> {
  %c = jinx.constant dense<3.0> : tensor<6xf32>
  %e = jinx.exp %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %r = jinx.reshape %e : tensor<2x3xf32> -> tensor<6xf32>
  %y = jinx.mul %r, %c : tensor<6xf32>, tensor<6xf32> -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// Tests that a reshape of an argument stays above: there is no chain to keep whole.
// CHECK-LABEL: @reshape_of_argument
// CHECK: jinx.reshape
// CHECK: jinx.tanh
func.func @reshape_of_argument(%x: tensor<2x3xf32>) -> tensor<6xf32> {
  %r = jinx.reshape %x : tensor<2x3xf32> -> tensor<6xf32>
  %y = jinx.tanh %r : tensor<6xf32> -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// Tests that a reshape which others read, too, stays.
// CHECK-LABEL: @reshape_of_two_uses
// CHECK: jinx.exp
// CHECK: jinx.reshape
// CHECK: jinx.tanh
func.func @reshape_of_two_uses(%x: tensor<2x3xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  %e = jinx.exp %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %r = jinx.reshape %e : tensor<2x3xf32> -> tensor<6xf32>
  %y = jinx.tanh %r : tensor<6xf32> -> tensor<6xf32>
  return %r, %y : tensor<6xf32>, tensor<6xf32>
}

// -----

// Opposite transposes cancel.
// CHECK-LABEL: @transposes
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>
// CHECK-NEXT: return %[[X]]
func.func @transposes(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %a = jinx.transpose %x, [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  %b = jinx.transpose %a, [2, 0, 1] : tensor<3x4x2xf32> -> tensor<2x3x4xf32>
  return %b : tensor<2x3x4xf32>
}

// -----

// Two transposes compose: dimension i of the outer is dimension inner[outer[i]] of x.
// CHECK-LABEL: @compose
// CHECK: jinx.transpose %{{.*}}, [2, 1, 0] : tensor<2x3x4xf32> -> tensor<4x3x2xf32>
// CHECK-NOT: jinx.transpose
func.func @compose(%x: tensor<2x3x4xf32>) -> tensor<4x3x2xf32> {
  %a = jinx.transpose %x, [0, 2, 1] : tensor<2x3x4xf32> -> tensor<2x4x3xf32>
  %b = jinx.transpose %a, [1, 2, 0] : tensor<2x4x3xf32> -> tensor<4x3x2xf32>
  return %b : tensor<4x3x2xf32>
}

// -----

// A transpose that moves only dimensions of extent 1 is a reshape.
// CHECK-LABEL: @transpose_of_ones
// CHECK: jinx.reshape %{{.*}} : tensor<1x3x4xf32> -> tensor<3x1x4xf32>
func.func @transpose_of_ones(%x: tensor<1x3x4xf32>) -> tensor<3x1x4xf32> {
  %y = jinx.transpose %x, [1, 0, 2] : tensor<1x3x4xf32> -> tensor<3x1x4xf32>
  return %y : tensor<3x1x4xf32>
}

// -----

// Operators that change nothing fold away.
// CHECK-LABEL: @identities
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @identities(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = jinx.cast %x : tensor<4xf32> -> tensor<4xf32>
  %b = jinx.broadcast %a : tensor<4xf32> -> tensor<4xf32>
  %c = jinx.slice %b starts ["0"] steps [1] : tensor<4xf32> -> tensor<4xf32>
  %d = jinx.concat %c axis 0 : tensor<4xf32> -> tensor<4xf32>
  %e = jinx.reshape %d : tensor<4xf32> -> tensor<2x2xf32>
  %f = jinx.reshape %e : tensor<2x2xf32> -> tensor<4xf32>
  return %f : tensor<4xf32>
}

// -----

// Tests that a slice which turns its operand around stays, although the types agree.
// CHECK-LABEL: @reverse
// CHECK: jinx.slice
func.func @reverse(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = jinx.slice %x starts ["3"] steps [-1] : tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that the largest of a function that never falls is taken below it.
// CHECK-LABEL: @max_of_tanh
// CHECK: jinx.reduce max, %arg0 axes [1] : tensor<2x8xf32> -> tensor<2x1xf32>
// CHECK-NEXT: jinx.tanh %{{.*}} : tensor<2x1xf32>
func.func @max_of_tanh(%x: tensor<2x8xf32>) -> tensor<2x1xf32> {
  %t = jinx.tanh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %y = jinx.reduce max, %t axes [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// -----

// Tests that a sum is not, and neither is the largest of a function that falls somewhere.
// CHECK-LABEL: @sum_of_tanh
// CHECK: jinx.tanh
// CHECK-NEXT: jinx.abs
// CHECK-NEXT: jinx.reduce max
// CHECK-NEXT: jinx.reduce sum
func.func @sum_of_tanh(%x: tensor<2x8xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %t = jinx.tanh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %a = jinx.abs %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %m = jinx.reduce max, %a axes [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  %s = jinx.reduce sum, %t axes [1] : tensor<2x8xf32> -> tensor<2x1xf32>
  return %m, %s : tensor<2x1xf32>, tensor<2x1xf32>
}

// -----

// A reshape goes below an addition whose bias lies along whole dimensions on both sides: the chain above stays whole.
// CHECK-LABEL: @reshape_below_bias
// CHECK: %[[E:.*]] = jinx.exp
// CHECK: %[[A:.*]] = jinx.add %[[E]], %{{.*}} : tensor<2x1x5x4xf32>, tensor<1x1x1x4xf32> -> tensor<2x1x5x4xf32>
// CHECK: %[[R:.*]] = jinx.relu %[[A]]
// CHECK: jinx.reshape %[[R]] : tensor<2x1x5x4xf32> -> tensor<2x5x4xf32>
func.func @reshape_below_bias(%x: tensor<2x1x5x4xf32>, %b: tensor<4xf32>) -> tensor<2x5x4xf32> {
  %e = jinx.exp %x : tensor<2x1x5x4xf32> -> tensor<2x1x5x4xf32>
  %r = jinx.reshape %e : tensor<2x1x5x4xf32> -> tensor<2x5x4xf32>
  %a = jinx.add %r, %b : tensor<2x5x4xf32>, tensor<4xf32> -> tensor<2x5x4xf32>
  %y = jinx.relu %a : tensor<2x5x4xf32> -> tensor<2x5x4xf32>
  return %y : tensor<2x5x4xf32>
}

// -----

// Tests that it stays above a bias along a part of what the reshape joins: there is no such bias above it.
// CHECK-LABEL: @reshape_splits_bias
// CHECK: jinx.exp
// CHECK-NEXT: jinx.reshape
// CHECK-NEXT: jinx.add
func.func @reshape_splits_bias(%x: tensor<2x20xf32>, %b: tensor<4xf32>) -> tensor<2x5x4xf32> {
  %e = jinx.exp %x : tensor<2x20xf32> -> tensor<2x20xf32>
  %r = jinx.reshape %e : tensor<2x20xf32> -> tensor<2x5x4xf32>
  %a = jinx.add %r, %b : tensor<2x5x4xf32>, tensor<4xf32> -> tensor<2x5x4xf32>
  return %a : tensor<2x5x4xf32>
}

// -----

// Tests that it stays above an addition of two chains: it would only come to stand between the other chain and the addition.
// CHECK-LABEL: @reshape_meets_a_chain
// CHECK: jinx.reshape
// CHECK: jinx.add
func.func @reshape_meets_a_chain(%x: tensor<2x1x4xf32>, %z: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %e = jinx.exp %x : tensor<2x1x4xf32> -> tensor<2x1x4xf32>
  %r = jinx.reshape %e : tensor<2x1x4xf32> -> tensor<2x4xf32>
  %f = jinx.exp %z : tensor<2x4xf32> -> tensor<2x4xf32>
  %a = jinx.add %r, %f : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %a : tensor<2x4xf32>
}

// -----

// pow(x, 0.75) = sqrt(x) * sqrt(sqrt(x))
// CHECK-LABEL: @three_quarters
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[S:.*]] = jinx.sqrt %[[X]]
// CHECK-NEXT: %[[T:.*]] = jinx.sqrt %[[S]]
// CHECK-NEXT: %[[Y:.*]] = jinx.mul %[[S]], %[[T]]
func.func @three_quarters(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = jinx.constant dense<0.75> : tensor<f32>
  %y = jinx.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests GELU as it is written with tanh: x * 0.5 * (tanh(p) + 1) = x * sigmoid(2p), the factor of p doubled.
// CHECK-LABEL: @sigmoid_of_tanh
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[Q:.*]]: tensor<4x8xf32>
// CHECK: %[[TWICE:.*]] = jinx.constant dense<1.600000e+00>
// CHECK: %[[P:.*]] = jinx.mul %[[Q]], %[[TWICE]]
// CHECK: %[[S:.*]] = jinx.sigmoid %[[P]]
// CHECK: jinx.mul %[[X]], %[[S]]
// CHECK-NOT: tanh
func.func @sigmoid_of_tanh(%x: tensor<4x8xf32>, %q: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %half = jinx.constant dense<0.5> : tensor<f32>
  %one = jinx.constant dense<1.0> : tensor<f32>
  %c = jinx.constant dense<0.8> : tensor<f32>
  %p = jinx.mul %q, %c : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %t = jinx.tanh %p : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = jinx.add %one, %t : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %h = jinx.mul %x, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %y = jinx.mul %h, %s : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Tests that it stays where the hyperbolic tangent is wanted elsewhere too.
// CHECK-LABEL: @tanh_of_two_uses
// CHECK: jinx.tanh
// CHECK-NOT: sigmoid
func.func @tanh_of_two_uses(%p: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %half = jinx.constant dense<0.5> : tensor<f32>
  %one = jinx.constant dense<1.0> : tensor<f32>
  %t = jinx.tanh %p : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = jinx.add %t, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %y = jinx.mul %s, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %y, %t : tensor<4x8xf32>, tensor<4x8xf32>
}

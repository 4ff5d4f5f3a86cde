// RUN: jinx-opt %s | jinx-opt | FileCheck %s

// CHECK-LABEL: @digits
// CHECK: jinx.split_digits %{{.*}} group 32 digits 3 zero 8 : tensor<3x5x72xf32> -> tensor<3x5x3x27xi32>, tensor<3x5x3x2xf32>
// CHECK: jinx.dequant_matmul %{{.*}} factors %{{.*}}, %{{.*}}, %{{.*}} group 32 levels
// CHECK: jinx.dequant_matmul %{{.*}} factors %{{.*}}, %{{.*}}, %{{.*}} offsets %{{.*}} group 32 :
func.func @digits(%a: tensor<3x5x72xf32>, %c: tensor<2x9x16xui32>, %b: tensor<2x18x64xui8>, %s: tensor<2x3x16xf16>) -> (tensor<3x5x20xf32>, tensor<3x5x20xf32>) {
  %w, %f = jinx.split_digits %a group 32 digits 3 zero 8 : tensor<3x5x72xf32> -> tensor<3x5x3x27xi32>, tensor<3x5x3x2xf32>
  %y = jinx.dequant_matmul %w factors %f, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    : tensor<3x5x3x27xi32> factors tensor<3x5x3x2xf32>, tensor<2x9x16xui32>, tensor<2x3x16xf16> -> tensor<3x5x20xf32>
  %z = jinx.dequant_matmul %w factors %f, %b, %s offsets %s group 32
    : tensor<3x5x3x27xi32> factors tensor<3x5x3x2xf32>, tensor<2x18x64xui8>, tensor<2x3x16xf16> offsets tensor<2x3x16xf16> -> tensor<3x5x20xf32>
  return %y, %z : tensor<3x5x20xf32>, tensor<3x5x20xf32>
}

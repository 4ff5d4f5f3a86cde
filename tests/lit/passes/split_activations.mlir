// RUN: jinx-opt %s --split-input-file --jinx-split-activations | FileCheck %s
// RUN: jinx-opt %s --split-input-file --jinx-split-activations=bits=16 | FileCheck %s --check-prefix=SIXTEEN
// RUN: jinx-opt %s --split-input-file --remarks-filter='jinx-split-activations' --remark-format=emitRemark --jinx-split-activations=bits=24 -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Three digits for each activation, whose sums are where a group's sum begins: minus eight times.
// CHECK-LABEL: @numbers
// CHECK: %[[W:.*]], %[[F:.*]] = jinx.split_digits %{{.*}} group 32 digits 3 zero 8 : tensor<5x64xf32> -> tensor<5x2x27xi32>, tensor<5x2x2xf32>
// CHECK: jinx.dequant_matmul %[[W]] factors %[[F]], %{{.*}}, %{{.*}} group 32 levels
// SIXTEEN-LABEL: @numbers
// SIXTEEN: digits 2 zero 8 : tensor<5x64xf32> -> tensor<5x2x18xi32>, tensor<5x2x2xf32>
// REMARK: Split{{.*}}activations are 24 bits, a unit for each 32 along k
func.func @numbers(%x: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) -> tensor<5x20xf32> {
  %y = jinx.dequant_matmul %x, %c, %s group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// -----

// A table has digits itself, beside 16 bits.
// CHECK-LABEL: @table
// CHECK: digits 2 zero 128
// SIXTEEN-LABEL: @table
// SIXTEEN: digits 2 zero 128
// REMARK: Kept{{.*}}its codes have a table of levels, which has 16 bits beside digits
func.func @table(%x: tensor<5x64xf32>, %c: tensor<2x8x16xui32>, %s: tensor<2x2x16xf32>) -> tensor<5x20xf32> {
  %y = jinx.dequant_matmul %x, %c, %s group 32 levels [-1.0, -0.5, -0.4, -0.3, -0.2, -0.1, -0.05, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0]
    : tensor<5x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// -----

// Bytes become unsigned, and lie four k together: the even ones of eight, then the odd ones.
// CHECK-LABEL: @bytes
// CHECK: jinx.split_digits %{{.*}} group 32 digits 3 zero 128
// CHECK: jinx.transpose %{{.*}}, [0, 2, 1, 3] : tensor<8x4x2x20xui8> -> tensor<8x2x4x20xui8>
// CHECK: jinx.pack %{{.*}} interleave 4 : tensor<64x20xui8> -> tensor<2x16x64xui8>
// CHECK: jinx.dequant_matmul %{{.*}} factors %{{.*}}, %{{.*}}, %{{.*}} group 32 : tensor<5x2x27xi32> factors tensor<5x2x2xf32>, tensor<2x16x64xui8>
func.func @bytes(%x: tensor<5x64xf32>, %i: tensor<64x20xi8>, %s: tensor<2x2x16xf32>) -> tensor<5x20xf32> {
  %c = jinx.pack %i : tensor<64x20xi8> -> tensor<2x64x16xi8>
  %y = jinx.dequant_matmul %x, %c, %s group 32 : tensor<5x64xf32>, tensor<2x64x16xi8>, tensor<2x2x16xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// -----

// CHECK-LABEL: @odd_depth
// CHECK-NOT: jinx.split_digits
// REMARK: Kept{{.*}}scales are of groups of 37, expected a multiple of 8 up to 8192
func.func @odd_depth(%x: tensor<5x37xf32>, %i: tensor<37x20xi8>, %s: tensor<2x1x16xf32>) -> tensor<5x20xf32> {
  %c = jinx.pack %i : tensor<37x20xi8> -> tensor<2x37x16xi8>
  %y = jinx.dequant_matmul %x, %c, %s group 37 : tensor<5x37xf32>, tensor<2x37x16xi8>, tensor<2x1x16xf32> -> tensor<5x20xf32>
  return %y : tensor<5x20xf32>
}

// RUN: jinx compile %s --isa x86-64-v4-vnni --emit tile | FileCheck %s --check-prefix=TILE
// RUN: jinx compile %s --isa x86-64-v4-vnni --emit llvm | FileCheck %s --check-prefix=LLVM
// RUN: sed 's/<1x/<2x/g' %s > %t.rows.mlir
// RUN: jinx compile %t.rows.mlir --isa x86-64-v4-vnni --emit tile | FileCheck %s --check-prefix=NONE
// RUN: sed 's/ levels .*\] :/ :/' %s > %t.numbers.mlir
// RUN: jinx compile %t.numbers.mlir --isa x86-64-v4-vnni --emit tile | FileCheck %s --check-prefix=NONE

// One row asks ahead for codes with a table of levels, in each of four panels.
// TILE: tile.kernel @k1_dequant_matmul
// TILE-COUNT-4: tile.load {{.*}}ahead = 768
// TILE-NOT: ahead = 768
// LLVM: define void @k1_dequant_matmul
// LLVM-COUNT-4: call void @llvm.prefetch.p0(ptr {{.*}}, i32 0, i32 2, i32 1)
// LLVM-NOT: call void @llvm.prefetch

// Several rows do not, nor does one row beside codes that are numbers.
// NONE: tile.kernel @k1_dequant_matmul
// NONE-NOT: ahead =
// NONE: tile.dp4a
func.func @main(%x: tensor<1x64xf32> {jinx.name = "x"}) -> (tensor<1x64xf32> {jinx.name = "y"}) {
  %c = jinx.constant dense<3> : tensor<64x64xui4>
  %s = jinx.constant dense<0.5> : tensor<64x2xf16>
  %w = jinx.dequantize %c, %s block 32 along 1 levels [-1.0, -0.75, -0.5, -0.25, -0.2, -0.15, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0] : tensor<64x64xui4>, tensor<64x2xf16> -> tensor<64x64xf32>
  %y = jinx.matmul %x, %w transpose_b : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}

// How products of f32 are made: by three of TF32, by one, or on scalar units.
// RUN: jinx compile %s --target cuda:sm_90a --emit graph | FileCheck %s --check-prefix=SPLIT
// RUN: jinx compile %s --target cuda:sm_90a --emit graph --f32-products split | FileCheck %s --check-prefix=SPLIT
// RUN: jinx compile %s --target cuda:sm_90a --emit graph --f32-products tf32 | FileCheck %s --check-prefix=TF32
// RUN: jinx compile %s --target cuda:sm_90a --emit graph --f32-products scalar | FileCheck %s --check-prefix=SCALAR
// RUN: jinx compile %s --target cuda:sm_90a --emit tile | FileCheck %s --check-prefix=TILE
// RUN: not jinx compile %s --target cuda:sm_90a --emit graph --f32-products bf16 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SPLIT: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows : tensor<96x64xf32>
// TF32: jinx.packed_matmul %{{.*}}, %{{.*}} by_rows tf32 : tensor<96x64xf32>
// SCALAR: jinx.packed_matmul %{{.*}}, %{{.*}} : tensor<96x64xf32>, tensor<5x64x16xf32>
// TILE: tile.split_low
// TILE: tile.mma_high_low
// UNKNOWN: --f32-products: bf16 not in {split,tf32,scalar}
func.func @main(%a: tensor<96x64xf32> {jinx.name = "a"}, %b: tensor<80x64xf32> {jinx.name = "b"}) -> (tensor<96x80xf32> {jinx.name = "y"}) {
  %y = jinx.matmul %a, %b transpose_b : tensor<96x64xf32>, tensor<80x64xf32> -> tensor<96x80xf32>
  return %y : tensor<96x80xf32>
}

// RUN: jinx compile %s --target cuda:sm_90a --emit tile | FileCheck %s --check-prefix=TILES
// RUN: jinx compile %s --target cuda:sm_80 --emit tile | FileCheck %s --check-prefix=WARPS
// RUN: sed 's/x16xbf16/x16xf32/g' %s > %t.f32.mlir
// RUN: jinx compile %t.f32.mlir --target cuda:sm_90a --emit tile | FileCheck %s --check-prefix=WARPS

// Tensor cores where there is a copy engine, for elements of 16 bits. Both layers have the same tiles: they are found once.
// The third kernel writes where the second one has written what no other item has a part of.
// TILES: %[[FOUND:.*]]:3 = jinx.launch @k0_paged_attention_items(
// TILES-NOT: _items(
// TILES: %[[DONE:.*]]:3 = jinx.launch @k0_paged_attention({{.*}}, %[[FOUND]]#0, %[[FOUND]]#2)
// TILES-NOT: _items(
// TILES: jinx.launch @k0_paged_attention_join(%[[DONE]]#0, %[[DONE]]#1, %[[FOUND]]#1, %[[DONE]]#2){{.*}}in_place = array<i64: 3>
// TILES-NOT: _items(
// TILES: %[[DONE:.*]]:3 = jinx.launch @k0_paged_attention({{.*}}, %[[FOUND]]#0, %[[FOUND]]#2)
// TILES-NOT: _items(
// TILES: jinx.launch @k0_paged_attention_join(%[[DONE]]#0, %[[DONE]]#1, %[[FOUND]]#1, %[[DONE]]#2){{.*}}in_place = array<i64: 3>
// TILES: tile.mma_shared

// WARPS-NOT: _items(
// WARPS: jinx.launch @k0_paged_attention(
// WARPS: jinx.launch @k0_paged_attention_merge(
// WARPS-NOT: tile.mma_shared
func.func @main(%q: tensor<5x4x16xbf16> {jinx.name = "q"}, %k0: tensor<7x2x16x16xbf16> {jinx.name = "k0"}, %v0: tensor<7x2x16x16xbf16> {jinx.name = "v0"},
                %k1: tensor<7x2x16x16xbf16> {jinx.name = "k1"}, %v1: tensor<7x2x16x16xbf16> {jinx.name = "v1"}, %table: tensor<3x4xi32> {jinx.name = "table"},
                %sequence: tensor<5xi32> {jinx.name = "sequence"}, %position: tensor<5xi32> {jinx.name = "position"}) -> (tensor<5x4x16xbf16> {jinx.name = "y"}) {
  %a = jinx.paged_attention %q, %k0, %v0, %table, %sequence, %position scale 0.25
    : tensor<5x4x16xbf16>, tensor<7x2x16x16xbf16>, tensor<7x2x16x16xbf16>, tensor<3x4xi32>, tensor<5xi32>, tensor<5xi32> -> tensor<5x4x16xbf16>
  %y = jinx.paged_attention %a, %k1, %v1, %table, %sequence, %position scale 0.25
    : tensor<5x4x16xbf16>, tensor<7x2x16x16xbf16>, tensor<7x2x16x16xbf16>, tensor<3x4xi32>, tensor<5xi32>, tensor<5xi32> -> tensor<5x4x16xbf16>
  return %y : tensor<5x4x16xbf16>
}

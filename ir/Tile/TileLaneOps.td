// Lanes that depend on each other: running sums, order, stores that go anywhere. Included by TileOps.td.
//
// A row of n elements summed as it goes, 1024 at a time (indices abridged):
//
//   %end = scf.for %tile = … iter_args(%carry = %zero) {
//     %x = tile.load %row[%tile * 1024] …
//     %sums, %total = tile.scan %x : vector<1024xf32>, f32        // x0, x0 + x1, … and the last of them
//     %all = vector.broadcast %carry …                            // what came before
//     tile.store %sums + %all, …
//     scf.yield %carry + %total
//   }
#ifndef JINX_TILE_LANE_OPS_TD
#define JINX_TILE_LANE_OPS_TD

def Tile_ScanOp : Tile_Op<"scan", [Pure, AllTypesMatch<["tile", "sums"]>]> {
  let summary = "running sums over the lanes of a rank-1 tile, and the sum of all";
  let description = [{
    `exclusive` leaves a lane's own element out; `reverse` begins with the last lane. The order in which lanes are added follows from the
    tile's width and the target alone. Integers wrap. CUDA: a thread holds as many elements as any other.
  }];
  let arguments = (ins AnyVectorOfNonZeroRank:$tile, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs AnyVectorOfNonZeroRank:$sums, AnyType:$total);
  let assemblyFormat = "$tile (`exclusive` $exclusive^)? (`reverse` $reverse^)? attr-dict `:` type($tile) `,` type($total)";
  let hasVerifier = 1;
}
def Tile_SortOp : Tile_Op<"sort", [Pure, AllTypesMatch<["tile", "sorted"]>]> {
  let summary = "the lanes of a rank-1 tile of i64 in ascending order (CUDA)";
  let description = [{ `descending` turns the order around. The width is a power of two. }];
  let arguments = (ins AnyVectorOfNonZeroRank:$tile, UnitAttr:$descending);
  let results = (outs AnyVectorOfNonZeroRank:$sorted);
  let assemblyFormat = "$tile (`descending` $descending^)? attr-dict `:` type($tile)";
  let hasVerifier = 1;
}
def Tile_ScatterOp : Tile_Op<"scatter", [MemoryEffects<[MemWrite]>]> {
  let summary = "ptr[offsets[i]] = tile[i] where mask[i] (CUDA)";
  let description = [{ No two lanes, of this program or another, write one element. }];
  let arguments = (ins AnyVectorOfNonZeroRank:$tile, Tile_PtrType:$ptr, AnyVectorOfNonZeroRank:$offsets, AnyVectorOfNonZeroRank:$mask);
  let assemblyFormat = "$tile `,` $ptr `[` $offsets `]` `mask` $mask attr-dict `:` type($tile) `,` type($ptr) `,` type($offsets) `,` type($mask)";
}

#endif

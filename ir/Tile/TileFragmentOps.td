// Fragments in the tile dialect: products of tiles in registers, and rows of a warpgroup's tile. Included by TileOps.td; CUDA only.
//
// A warpgroup's tile of 64 rows (vector<64xNxf32>, the result of a product) lies in registers as the tensor cores leave it: a row's
// elements in four neighbouring lanes. A *row tile*, vector<64x1x…>, has a value for each row, known to the four lanes of the row. Row
// tiles are computed with `arith` and `math`, broadcast over columns with vector.broadcast, stored with tile.store. A *column tile*,
// vector<1xNx…>, has a value for each column; it comes from a one-row buffer of a ring (tile.column_load) and is broadcast over rows.
//
// A step of attention with both products in flight, its softmax between (masks, scaling and the rest abridged):
//
//   %p = tile.mma_operand %weights : vector<64x128xf32> -> vector<64x128xbf16>       // of the step before
//   %ks = tile.ring_wait %keys
//   %s = tile.mma_shared %qs 0 row %row, %ks 0 : vector<64x128xf32>                 // S = Q Kᵀ, issued
//   %vs = tile.ring_wait %values
//   %o1 = tile.mma_registers %o, %p, %vs 0 : (vector<64x64xf32>, vector<64x128xbf16>)  // O += P V, issued
//   %s1 = tile.mma_wait %s pending 1 : vector<64x128xf32> -> vector<64x128xf32>     // S is there, O may still run
//   tile.ring_release %keys lag 0
//   %m = tile.row_reduce max, %s1 : vector<64x128xf32> -> vector<64x1xf32>
//   %x = vector.broadcast %m : vector<64x1xf32> to vector<64x128xf32>
//   …                                                                               // %e = exp2(s1 - x)
//   %l = tile.row_reduce sum, %e parts : vector<64x128xf32> -> vector<64x1xf32>     // a sum for each lane; tile.row_combine at the end
//   %o2 = tile.mma_wait %o1 behind %l : vector<64x64xf32>, vector<64x1xf32> -> vector<64x64xf32>
//   tile.ring_release %values lag 0
#ifndef JINX_TILE_FRAGMENT_OPS_TD
#define JINX_TILE_FRAGMENT_OPS_TD

def Tile_MmaSharedOp : Tile_Op<"mma_shared"> {
  let summary = "result[m, n] = sum over k of A(row + m, k) * B(n, k): buffers of slots, 16-bit or 8-bit floats, f32 result";
  let description = [{
    The result is a tile of 64 rows and as many columns as B has rows; k is the width of both buffers, which may be of one ring. Asynchronous: the result may be used
    after tile.mma_wait only, and the slots be released after it.
  }];
  let arguments = (ins Tile_SlotType:$a_slot, I64Attr:$a, Index:$row, Tile_SlotType:$b_slot, I64Attr:$b);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = "$a_slot $a `row` $row `,` $b_slot $b attr-dict `:` type($result)";
}
def Tile_MmaHighLowOp : Tile_Op<"mma_high_low"> {
  let summary = "result[m, n] = sum over k of A(row + m, k) * B(n, k), of f32, by three products of TF32";
  let description = [{
    A value is its high part, which is TF32, and what that leaves: a = a1 + a2. The result is a2*b1 + a1*b2 + a1*b1; a2*b2 is below 2^-20 of
    |a*b|. Threads read A and take it apart; `low` is the buffer of B's low parts (tile.split_low). Otherwise as tile.mma_shared, on one
    slot, which each warp gives back. Infinities give what they give in f32. (Ootomo & Yokota 2022.)
  }];
  let arguments = (ins Tile_SlotType:$slot, I64Attr:$a, Index:$row, I64Attr:$b, I64Attr:$low);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = "$slot $a `row` $row `,` $b `low` $low attr-dict `:` type($result)";
}
def Tile_MmaOperandOp : Tile_Op<"mma_operand"> {
  let summary = "rounds a tile to 16-bit floats, here and now, as A of tile.mma_registers";
  let description = [{ Loops may carry it; nothing else may use it. }];
  let arguments = (ins Tile_Vector:$tile);
  let results = (outs Tile_Vector:$operand);
  let assemblyFormat = "$tile attr-dict `:` type($tile) `->` type($operand)";
  let hasVerifier = 1;
}
def Tile_MmaRegistersOp : Tile_Op<"mma_registers", [AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc[m, n] += sum over k of a[m, k] * B(k, n): a in registers, B a buffer of a slot, stored [k, n]";
  let description = [{
    Asynchronous, as tile.mma_shared. With `lag` 1, B is in the slot before: the one that this ring's last release (lag 1) has kept; nothing is added where none is.
  }];
  let arguments = (ins Tile_Vector:$acc, Tile_Vector:$a, Tile_SlotType:$slot, I64Attr:$b, DefaultValuedAttr<I64Attr, "0">:$lag);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = "$acc `,` $a `,` $slot $b (`lag` $lag^)? attr-dict `:` `(` type($acc) `,` type($a) `)`";
  let hasVerifier = 1;
}
def Tile_RowReduceOp : Tile_Op<"row_reduce", [Pure]> {
  let summary = "combines the elements of each row: a row tile";
  let description = [{
    `max` leaves NaN out. With `parts` each of a row's four lanes keeps what it has of the row: such a row tile may be scaled by and added
    to others, and means something after tile.row_combine.
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Vector:$tile, UnitAttr:$parts);
  let results = (outs Tile_Vector:$rows);
  let assemblyFormat = "$kind `,` $tile (`parts` $parts^)? attr-dict `:` type($tile) `->` type($rows)";
  let hasVerifier = 1;
}
def Tile_RowCombineOp : Tile_Op<"row_combine", [Pure, AllTypesMatch<["parts", "rows"]>]> {
  let summary = "a row tile from the parts that a row's lanes hold";
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Vector:$parts);
  let results = (outs Tile_Vector:$rows);
  let assemblyFormat = "$kind `,` $parts attr-dict `:` type($parts)";
  let hasVerifier = 1;
}
def Tile_WarpAnyOp : Tile_Op<"warp_any"> {
  let summary = "whether any row of a warp says so: each of a warpgroup's four warps has an answer for its own 16 rows";
  let arguments = (ins Tile_Vector:$says);
  let results = (outs I1:$any);
  let assemblyFormat = "$says attr-dict `:` type($says)";
  let hasVerifier = 1;
}
def Tile_ColumnLoadOp : Tile_Op<"column_load"> {
  let summary = "a column tile: what a one-row buffer of a slot holds for each column";
  let arguments = (ins Tile_SlotType:$slot, I64Attr:$buffer);
  let results = (outs Tile_Vector:$columns);
  let assemblyFormat = "$slot $buffer attr-dict `:` type($columns)";
  let hasVerifier = 1;
}
def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "tile[i, j] = i (axis 0) or j (axis 1), i32";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Tile_Vector:$tile);
  let assemblyFormat = "$axis attr-dict `:` type($tile)";
  let hasVerifier = 1;
}

#endif

// Time in the tile dialect: rings of shared-memory slots, roles, tensor-core products. Included by TileOps.td; CUDA only.
//
// A ring is a queue of `stages` slots in shared memory. Whoever fills acquires the next free slot, starts copies into it and commits it;
// whoever reads waits for the oldest committed slot and later releases it. Slots are filled, read and released in one order, so no slot
// number and no parity appears in a program: they belong to the ring, and every barrier of a kernel comes from one. There are two kinds:
//
//   async   all threads of the block both fill and read; copies are cp.async by elements or pieces of rows (any strides, masked edges, zero filled)
//   bulk    one thread of a producer role fills by TMA, consumer warpgroups read; filled and free are mbarriers. In a cluster the blocks
//           share copies: a tile is cut into slices, each block fetches one and multicasts it.
//
// A product on the tensor cores with a bulk ring (loops over k abridged):
//
//   %ring = tile.ring bulk stages 4 [vector<128x64xbf16>, vector<256x64xbf16>] names ["a", "b"] : !tile.ring
//   tile.roles consumers 2 registers 40, 232 producer {
//     scf.for … {
//       %s = tile.ring_acquire %ring
//       tile.copy_bulk %map_a[%k, %row] into %s 0
//       tile.copy_bulk %map_b[%k, %col] into %s 1
//       tile.ring_commit %s
//     }
//   } consumer {
//     %acc = scf.for … iter_args(%c = %zero) {
//       %s = tile.ring_wait %ring
//       %next = tile.mma %c, %s 0, 1 row %r pending 1      // issued; the product before it has finished
//       tile.ring_release %ring lag 1                      // so the slot before goes back
//       scf.yield %next
//     }
//     %done = tile.mma_wait %acc
//     tile.ring_release %ring lag 0
//     tile.store_bulk … // after the epilogue on %done
//   }
#ifndef JINX_TILE_PIPELINE_OPS_TD
#define JINX_TILE_PIPELINE_OPS_TD

def Tile_RingType : TypeDef<Tile_Dialect, "Ring"> {
  let mnemonic = "ring";
  let summary = "Queue of slots in shared memory";
}
def Tile_SlotType : TypeDef<Tile_Dialect, "Slot"> {
  let mnemonic = "slot";
  let summary = "One slot of a ring: a set of buffers";
}
def Tile_TensorMapType : TypeDef<Tile_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "Shape and box of a tensor in global memory, as bulk copies take it";
}
def Tile_RingKind : I32EnumAttr<"RingKind", "who fills a ring", [I32EnumAttrCase<"async", 0>, I32EnumAttrCase<"bulk", 1>]> {
  let cppNamespace = "::jinx::tile";
}

def Tile_NumProgramsOp : Tile_Op<"num_programs", [Pure]> {
  let summary = "extent of the grid";
  let results = (outs Index:$count);
  let assemblyFormat = "attr-dict";
}
def Tile_ClusterRankOp : Tile_Op<"cluster_rank", [Pure]> {
  let summary = "position of this block in its cluster along axis 0, 1 or 2: m, n, k (the kernel's attribute `cluster`)";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Index:$rank);
  let assemblyFormat = "$axis attr-dict";
}
def Tile_TensorMapOp : Tile_Op<"tensor_map", [Pure]> {
  let summary = "tensor map of a buffer operand: becomes a kernel parameter that the runtime encodes";
  let description = [{
    `dims` innermost first, in elements; `strides` in bytes, of dimension 1 and on; formulas over a0, a1, ….

    With `window` the tensor is images (c, w, h, n) and a copy takes a run of pixels, as a convolution walks them: `box` is
    [channels, pixels]; `window` is [first w, first h, last w, last h, step w, step h]. The first pixel is at (first w, first h), the next
    step w to its right, up to (dims[1] - 1 + last w); then the next row, step h further down, up to (dims[2] - 1 + last h); then the next
    image. Pixels outside the image are zeros. A convolution of kernel k, padding p and dilation d has first -p and last p - (k-1)*d.
  }];
  let arguments = (ins Tile_PtrType:$ptr, StrArrayAttr:$dims, StrArrayAttr:$strides, DenseI64ArrayAttr:$box, I64Attr:$swizzle,
                       OptionalAttr<DenseI64ArrayAttr>:$window);
  let results = (outs Tile_TensorMapType:$map);
  let assemblyFormat = "$ptr `dims` $dims `strides` $strides `box` $box `swizzle` $swizzle (`window` $window^)? attr-dict `:` type($ptr)";
  let hasVerifier = 1;
}

def Tile_RingOp : Tile_Op<"ring"> {
  let summary = "a ring of `stages` slots, each with these buffers (rows x columns)";
  let description = [{
    `pads`: elements added to each row of a buffer of an async ring, so that columns fall on different banks. A buffer for products of warps has
    rows of 128 bytes, whose chunks of 16 are swizzled as its readers want. A buffer of a bulk ring has
    rows of 128 bytes, swizzled; a wider one lies in panels of that width, one after the other. A buffer of one row lies as it is: threads
    read it themselves (tile.column_load), and each warp gives back a slot of such a ring.
  }];
  let arguments = (ins Tile_RingKind:$kind, I64Attr:$stages, TypeArrayAttr:$buffers, StrArrayAttr:$names,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$pads);
  let results = (outs Tile_RingType:$ring);
  let assemblyFormat = "$kind `stages` $stages $buffers `names` $names (`pads` $pads^)? attr-dict";
}
def Tile_RingAcquireOp : Tile_Op<"ring_acquire"> {
  let summary = "waits until the next slot is free to be filled";
  let arguments = (ins Tile_RingType:$ring);
  let results = (outs Tile_SlotType:$slot);
  let assemblyFormat = "$ring attr-dict";
}
def Tile_CopyOp : Tile_Op<"copy", [AttrSizedOperandSegments]> {
  let summary = "starts buffer[i, j] = ptr[offset + i*strides0 + j*strides1] where i < limits0 and j < limits1, else 0 (async ring)";
  let description = [{ With `panel` p, columns come in packed panels of 16: j*strides1 becomes (j floordiv 16)*p + (j mod 16)*strides1. }];
  let arguments = (ins Tile_PtrType:$ptr, Index:$offset, Variadic<Index>:$strides, Variadic<Index>:$limits, Optional<Index>:$panel,
                       Tile_SlotType:$slot, I64Attr:$buffer);
  let assemblyFormat = [{
    $ptr `[` $offset `]` `strides` `(` $strides `)` `limits` `(` $limits `)` (`panel` $panel^)? `into` $slot $buffer attr-dict `:` type($ptr)
  }];
}
def Tile_CopyBulkOp : Tile_Op<"copy_bulk", [AttrSizedOperandSegments]> {
  let summary = "starts the copy of the map's box at these coordinates (innermost first) into a buffer (bulk ring)";
  let description = [{
    A buffer of several panels takes a box for each, side by side along the first coordinate.
    `across`: axis of the cluster along which blocks want the same tile. Coordinates are those of the whole tile; each block fetches its
    slice of the second dimension and multicasts it to the blocks along that axis. With the attribute `halves` two blocks do so, and a slice is a box of
    its own: its number is added to the third coordinate. With `own` a slice is a box of a map that the block chose: coordinates are taken as they are.
    `tap` (map with a window): every pixel of the run is read that many to the right and down (w, h).
    `row`: the box is part of the buffer, from that row on, a multiple of 8. The boxes of a slot must fill it between them.
  }];
  let arguments = (ins Tile_TensorMapType:$map, Variadic<Index>:$at, Variadic<Index>:$tap, Tile_SlotType:$slot, I64Attr:$buffer,
                       OptionalAttr<I64Attr>:$across, OptionalAttr<I64Attr>:$row);
  let assemblyFormat = "$map `[` $at `]` (`tap` `(` $tap^ `)`)? `into` $slot $buffer (`across` $across^)? (`row` $row^)? attr-dict";
  let builders = [OpBuilder<(ins "::mlir::Value":$map, "::mlir::ValueRange":$at, "::mlir::ValueRange":$tap, "::mlir::Value":$slot,
                                 "::mlir::IntegerAttr":$buffer, "::mlir::IntegerAttr":$across), [{
    build($_builder, $_state, map, at, tap, slot, buffer, across, ::mlir::IntegerAttr());
  }]>];
  let hasVerifier = 1;
}
def Tile_RingCommitOp : Tile_Op<"ring_commit"> {
  let summary = "no more copies into the acquired slot; it can be read once they have landed";
  let arguments = (ins Tile_SlotType:$slot);
  let assemblyFormat = "$slot attr-dict";
}
def Tile_RingWaitOp : Tile_Op<"ring_wait"> {
  let summary = "waits for the oldest committed slot that was not yet waited for";
  let description = [{ `behind` (async ring): how many slots committed after it may still be in flight. }];
  let arguments = (ins Tile_RingType:$ring, DefaultValuedAttr<I64Attr, "0">:$behind);
  let results = (outs Tile_SlotType:$slot);
  let assemblyFormat = "$ring (`behind` $behind^)? attr-dict";
}
def Tile_ClearRowsOp : Tile_Op<"clear_rows"> {
  let summary = "zeros in the rows of a buffer from `first` on: of a slot waited for, by the only consumer, before a product reads it";
  let description = [{ What follows the last valid row of what was fetched may be NaN, which a weight of 0 does not hide. Nothing where `first` lies past the last row. }];
  let arguments = (ins Tile_SlotType:$slot, I64Attr:$buffer, Index:$first);
  let assemblyFormat = "$slot $buffer `from` $first attr-dict";
  let hasVerifier = 1;
}
def Tile_RingReleaseOp : Tile_Op<"ring_release"> {
  let summary = "gives back the slot waited for `lag` waits before the latest; nothing where there is none";
  let description = [{ lag 0 after a loop of lag 1 gives back the last slot. }];
  let arguments = (ins Tile_RingType:$ring, I64Attr:$lag);
  let assemblyFormat = "$ring `lag` $lag attr-dict";
}
def Tile_RingDrainOp : Tile_Op<"ring_drain"> {
  let summary = "bulk ring, producer: waits until every slot came back; async ring: until no copy is in flight";
  let arguments = (ins Tile_RingType:$ring);
  let assemblyFormat = "$ring attr-dict";
}

def Tile_RingSkipOp : Tile_Op<"ring_skip"> {
  let summary = "passes over this many slots, which another consumer reads (bulk ring, consumers that take turns)";
  let arguments = (ins Tile_RingType:$ring, Index:$count);
  let assemblyFormat = "$ring `count` $count attr-dict";
}

def Tile_RolesOp : Tile_Op<"roles", [NoTerminator, SingleBlock]> {
  let summary = "splits the block's warpgroups: one thread of the first runs `producer`, the others run `consumer`";
  let description = [{
    Consumers read every slot together, each its rows of it. With `turns` each slot is one consumer's: they read by turns, in the order of
    their numbers, and pass over the slots of the others (tile.ring_skip). One multiplies while another runs its epilogue. The turn also says
    that the slots passed over were waited for: a slot's barrier tells a round from the next one, not from the one after.

    `splitter` is for products of f32 (tile.mma_high_low): a warpgroup between the producer and the consumers, with the producer's registers,
    which waits for each slot, writes low parts beside what was fetched (tile.split_low), and says so to the consumers.

      tile.turn_wait                       // until the consumer before has issued its products
      %acc = scf.for … { … }
      tile.turn_pass                       // the next one's products queue behind these
      tile.ring_skip %ring count %steps    // the slots of the other one's tile
  }];
  let arguments = (ins I64Attr:$consumers, I64Attr:$producer_registers, I64Attr:$consumer_registers, UnitAttr:$turns);
  let regions = (region SizedRegion<1>:$producer, SizedRegion<1>:$consumer, AnyRegion:$splitter);
  let assemblyFormat = [{
    `consumers` $consumers (`turns` $turns^)? `registers` $producer_registers `,` $consumer_registers `producer` $producer (`splitter` $splitter^)?
    `consumer` $consumer attr-dict
  }];
}
def Tile_TurnWaitOp : Tile_Op<"turn_wait"> {
  let summary = "waits for this consumer's turn to issue products, with slots of its own or not; the first one's first turn has come";
  let assemblyFormat = "attr-dict";
}
def Tile_TurnPassOp : Tile_Op<"turn_pass"> {
  let summary = "gives the turn to the next consumer";
  let assemblyFormat = "attr-dict";
}
def Tile_ConsumerIdOp : Tile_Op<"consumer_id", [Pure]> {
  let summary = "number of this consumer warpgroup";
  let results = (outs Index:$id);
  let assemblyFormat = "attr-dict";
}
def Tile_MmaOp : Tile_Op<"mma"> {
  let summary = "acc[m, n] += sum over k of A(row + m, k) * B(k, n) on buffers of a slot";
  let description = [{
    Async ring: A is stored [k, m] and B [k, n], f32; every thread of the block holds some of acc.
    Async ring in a kernel with the attribute `warps` [m, n]: A is stored [m, k] and B [n, k], in rows of 128 bytes, 16-bit floats of one type or
    bytes of either sign; acc is i32 for bytes, else f32. The warps stand in a grid over acc. `pending` is 1: the last step of a slot is left to
    the next product, or to tile.mma_wait.
    Bulk ring: A is stored [m, k] and B [n, k], 16-bit floats, 8-bit floats, bytes of either sign, or f32, of which products see what TF32
    has, the upper 19 bits (the types of the ring's buffers say which); acc is i32 for bytes, else f32. A warpgroup holds acc, whose rows are a multiple of 64. The product is asynchronous: `pending`
    says how many products may still run when this returns; acc may be used after tile.mma_wait only. On 8-bit floats each instruction, 32
    elements of k, keeps about 14 bits of acc; tile.mma_shared has a sum of its own for each slot. `row_step`: rows of A from 64 rows of acc to the next 64.
  }];
  let arguments = (ins Tile_Vector:$acc, Tile_SlotType:$slot, I64Attr:$a, I64Attr:$b, Optional<Index>:$row,
                       DefaultValuedAttr<I64Attr, "0">:$pending, DefaultValuedAttr<I64Attr, "64">:$row_step);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = "$acc `,` $slot $a `,` $b (`row` $row^)? (`pending` $pending^)? (`row_step` $row_step^)? attr-dict `:` type($acc) `->` type($result)";
}
def Tile_SplitLowOp : Tile_Op<"split_low"> {
  let summary = "writes what TF32 leaves of buffer `from` into buffer `to`: by the splitter, of a slot waited for, which consumers may then read";
  let description = [{ Both are of f32 and one shape. Nobody copies into `to`. Comes last: the splitter goes on to the next slot. }];
  let arguments = (ins Tile_SlotType:$slot, I64Attr:$from, I64Attr:$to);
  let assemblyFormat = "$slot `from` $from `to` $to attr-dict";
  let hasVerifier = 1;
}
def Tile_MmaWaitOp : Tile_Op<"mma_wait"> {
  let summary = "waits until at most `pending` products run: every one that makes acc has finished";
  let description = [{
    With `behind`, a tile of f32 in registers, it waits once that is known, and not before: what the tile is made of runs under the products,
    which no order in the text brings about (ptxas moves waits up).
  }];
  let arguments = (ins Tile_Vector:$acc, DefaultValuedAttr<I64Attr, "0">:$pending, Optional<Tile_Vector>:$behind);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = "$acc (`pending` $pending^)? (`behind` $behind^)? attr-dict `:` type($acc) (`,` type($behind)^)? `->` type($result)";
  let builders = [OpBuilder<(ins "mlir::Type":$result, "mlir::Value":$acc, CArg<"uint64_t", "0">:$pending),
                            [{ build($_builder, $_state, result, acc, pending, mlir::Value()); }]>];
  let hasVerifier = 1;
}
def Tile_ClusterReduceOp : Tile_Op<"cluster_reduce"> {
  let summary = "sums a warpgroup's tile over the blocks of the cluster along k; each block gets its slice of the columns";
  let description = [{
    The tile has n columns and the cluster s blocks along k (axis 2): block r gets columns r*n/s … (r+1)*n/s - 1 of the sum, which is added
    up in the order of the blocks. All of them take part, in all warpgroups.
  }];
  let arguments = (ins Tile_Vector:$tile);
  let results = (outs Tile_Vector:$slice);
  let assemblyFormat = "$tile attr-dict `:` type($tile) `->` type($slice)";
}
def Tile_UnpairOp : Tile_Op<"unpair", [Pure]> {
  let summary = "the halves of a warpgroup's tile, its upper and lower rows or its left and right columns, as two tiles";
  let description = [{
    Of products of one operand with two, whose rows lie behind each other in a buffer. A thread has elements of one place of both halves: rows are a multiple of
    128, or columns of 16.
  }];
  let arguments = (ins Tile_Vector:$tile);
  let results = (outs Tile_Vector:$first, Tile_Vector:$second);
  let assemblyFormat = "$tile attr-dict `:` type($tile) `->` type($first) `,` type($second)";
  let hasVerifier = 1;
}
def Tile_StoreBulkOp : Tile_Op<"store_bulk"> {
  let summary = "stores a warpgroup's tile at these coordinates of the map, through shared memory and TMA; clipped at edges";
  let arguments = (ins Tile_Vector:$tile, Tile_TensorMapType:$map, Variadic<Index>:$at);
  let assemblyFormat = "$tile `,` $map `[` $at `]` attr-dict `:` type($tile)";
}

#endif

// The tile dialect: one kernel as a block program over tiles, in one form for every target. See ir/Tile/Tile.h.
#ifndef JINX_TILE_OPS_TD
#define JINX_TILE_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::jinx::tile";
  let summary = "Block programs over tiles";
  let useDefaultTypePrinterParser = 1;
}

def Tile_PtrType : TypeDef<Tile_Dialect, "Ptr"> {
  let mnemonic = "ptr";
  let summary = "Address of elements of one type: a buffer operand, or scratch memory";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;
def Tile_Vector : AnyTypeOf<[AnyVectorOfNonZeroRank], "tile (a vector of rank 1 or 2)">;

def Tile_KernelOp : Tile_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "a kernel: one program of its one-dimensional grid";
  let description = [{
    The body's arguments are the buffers (`!tile.ptr`), then the size parameters (`index`), which formulas call a0, a1, ….
    `programs` is the extent of the grid and `scratch` the bytes of private memory a program needs, both formulas over a0, a1, ….
    `num_inputs` of the buffers are read, the others written. `provenance` says which nodes it computes.

    `sums` [buffer, part, ranks] (CUDA): that input is an all_reduce's result, which the kernel makes itself where its launch has a table of peers
    (runtime/comm/peers): the sum of what each of so many ranks has in its input `part`. One tile.load has the buffer: each program a whole row, the rows
    one after the other.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$programs, StrAttr:$scratch, I64Attr:$num_buffers, I64Attr:$num_inputs,
                       StrAttr:$provenance, OptionalAttr<DenseI64ArrayAttr>:$sums);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::TypeRange":$buffers, "int64_t":$numInputs, "int64_t":$numSizes,
                                 "::llvm::StringRef":$provenance)>];
  let extraClassDeclaration = [{
    ::mlir::Value buffer(int64_t i) { return getBody().getArgument(i); }
    ::mlir::Value size(int64_t i) { return getBody().getArgument(getNumBuffers() + i); }
    int64_t numSizes() { return int64_t(getBody().getNumArguments()) - int64_t(getNumBuffers()); }
  }];
}
def Tile_ProgramIdOp : Tile_Op<"program_id", [Pure]> {
  let summary = "index of this program in the grid";
  let results = (outs Index:$id);
  let assemblyFormat = "attr-dict";
}
def Tile_ScratchOp : Tile_Op<"scratch", [Pure]> {
  let summary = "address in the program's private memory (CPU: per thread; CUDA: shared memory of the block)";
  let arguments = (ins Index:$byte_offset);
  let results = (outs Tile_PtrType:$ptr);
  let assemblyFormat = "$byte_offset attr-dict `:` type($ptr)";
}
def Tile_LoadOp : Tile_Op<"load", [AttrSizedOperandSegments, MemoryEffects<[MemRead]>]> {
  let summary = "tile[i, j] = ptr[offset + i*strides0 + j*strides1] where i < limits0 and j < limits1, else 0";
  let description = [{ One stride per dimension of the tile. `limits` are absent (every lane is valid) or one per dimension.
    `ahead`, on loads of rank-1 tiles: so many elements behind the offset are asked for, into the second-level cache; they need not exist (CPU). }];
  let arguments = (ins Tile_PtrType:$ptr, Index:$offset, Variadic<Index>:$strides, Variadic<Index>:$limits);
  let results = (outs Tile_Vector:$tile);
  let assemblyFormat = "$ptr `[` $offset `]` `strides` `(` $strides `)` (`limits` `(` $limits^ `)`)? attr-dict `:` type($ptr) `->` type($tile)";
}
def Tile_StoreOp : Tile_Op<"store", [AttrSizedOperandSegments, MemoryEffects<[MemWrite]>]> {
  let summary = "ptr[offset + i*strides0 + j*strides1] = tile[i, j] where i < limits0 and j < limits1";
  let arguments = (ins Tile_Vector:$tile, Tile_PtrType:$ptr, Index:$offset, Variadic<Index>:$strides, Variadic<Index>:$limits);
  let assemblyFormat = "$tile `,` $ptr `[` $offset `]` `strides` `(` $strides `)` (`limits` `(` $limits^ `)`)? attr-dict `:` type($tile) `,` type($ptr)";
}
def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>]> {
  let summary = "tile[i] = ptr[offsets[i]] where mask[i], else 0";
  let arguments = (ins Tile_PtrType:$ptr, AnyVectorOfNonZeroRank:$offsets, AnyVectorOfNonZeroRank:$mask);
  let results = (outs AnyVectorOfNonZeroRank:$tile);
  let assemblyFormat = "$ptr `[` $offsets `]` `mask` $mask attr-dict `:` type($ptr) `,` type($offsets) `,` type($mask) `->` type($tile)";
}
def Tile_ReduceKind : I32EnumAttr<"ReduceKind", "how lanes are combined",
    [I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"min", 2>, I32EnumAttrCase<"prod", 3>]> {
  let cppNamespace = "::jinx::tile";
}
def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "combines all lanes of a rank-1 tile into a scalar";
  let arguments = (ins Tile_ReduceKind:$kind, AnyVectorOfNonZeroRank:$tile);
  let results = (outs AnyType:$scalar);
  let assemblyFormat = "$kind `,` $tile attr-dict `:` type($tile) `->` type($scalar)";
}
def Tile_DotOp : Tile_Op<"dot", [MemoryEffects<[MemRead]>]> {
  let summary = "acc[m, n] += sum over k < depth of a(m, k) * b(k, n)";
  let description = [{
    a(m, k) = a[a_offset + min(m, rows-1)*a_stride + k]: rows past the last valid one repeat it, and their results are not stored.
    b is packed in panels of 16 columns: b(k, n) = b[b_offset + (n floordiv 16)*b_panel + k*16 + n mod 16]. A b of signed bytes beside
    floats is widened as it is read (CPU).
    Bytes summed in i32 (CPU): those of a are unsigned, those of b signed, and b's panels are interleaved by 4 (jinx.pack): b(k, n) =
    b[b_offset + (n floordiv 16)*b_panel + (k floordiv 4)*64 + (n mod 16)*4 + k mod 4],
    with zeros in b past a constant depth that is no multiple of 4; a is not read there. Sums wrap.
    CPU: the accumulator lives in registers for the whole depth. CUDA: operands must lie in shared memory.
  }];
  let arguments = (ins Tile_Vector:$acc, Tile_PtrType:$a, Index:$a_offset, Index:$a_stride, Optional<Index>:$rows, Tile_PtrType:$b,
                       Index:$b_offset, Index:$b_panel, Index:$depth);
  let results = (outs Tile_Vector:$result);
  let assemblyFormat = [{
    $acc `,` $a `[` $a_offset `]` `stride` $a_stride (`rows` $rows^)? `,` $b `[` $b_offset `]` `panel` $b_panel `depth` $depth attr-dict
    `:` type($acc) `,` type($a) `,` type($b) `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// Products of bytes summed in i32.
    bool ofBytes() { return getA().getType().getElement().isInteger(8) && getB().getType().getElement().isInteger(8); }
  }];
}

def Tile_DecodeOp : Tile_Op<"decode", [Pure]> {
  let summary = "tile[i] = levels[bits 4*index to 4*index+3 of words[i]]: what 4-bit codes stand for";
  let description = [{
    A word holds eight codes (jinx.pack_codes). One load of words and eight decodes give eight rows of a panel of weights:

    %words = tile.load %codes[%at] … -> vector<16xi32>
    %w3 = tile.decode %words 3 levels [-8.0, -7.0, …, 7.0] : vector<16xi32> -> vector<16xf32>
  }];
  let arguments = (ins AnyVectorOfNonZeroRank:$words, I64Attr:$index, DenseF32ArrayAttr:$levels);
  let results = (outs AnyVectorOfNonZeroRank:$tile);
  let assemblyFormat = "$words $index `levels` $levels attr-dict `:` type($words) `->` type($tile)";
  let hasVerifier = 1;
}

def Tile_LookupOp : Tile_Op<"lookup", [Pure, AllTypesMatch<["words", "tile"]>]> {
  let summary = "each byte of words, 0 to 15, becomes its entry of a table of bytes (CPU)";
  let arguments = (ins AnyVectorOfNonZeroRank:$words, DenseI8ArrayAttr:$table);
  let results = (outs AnyVectorOfNonZeroRank:$tile);
  let assemblyFormat = "$words `table` $table attr-dict `:` type($words)";
  let hasVerifier = 1;
}
def Tile_Dp4aOp : Tile_Op<"dp4a", [Pure, AllTypesMatch<["acc", "a", "b", "result"]>]> {
  let summary = "result[i] = acc[i] + a[i].0 * b[i].0 + … + a[i].3 * b[i].3: bytes of words, those of a unsigned, those of b signed; sums wrap (CPU)";
  let arguments = (ins AnyVectorOfNonZeroRank:$acc, AnyVectorOfNonZeroRank:$a, AnyVectorOfNonZeroRank:$b);
  let results = (outs AnyVectorOfNonZeroRank:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc)";
  let hasVerifier = 1;
}

include "ir/Tile/TileLaneOps.td"
include "ir/Tile/TilePipelineOps.td"
include "ir/Tile/TileFragmentOps.td"
include "ir/Tile/TileCodeOps.td"

#endif

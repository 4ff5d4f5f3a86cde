// The dist dialect: which rank has what, and how ranks pass it on. See docs/spec/dist.md.
#ifndef JINX_DIST_DIALECT_TD
#define JINX_DIST_DIALECT_TD

include "ir/Graph/GraphDialect.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::jinx::dist";
  let summary = "Models on a mesh of ranks: states of values, resharding, collectives";
  let description = [{
    A module has a mesh with named axes, `dist.mesh @mesh <"dp" = 2, "tp" = 4>`; rank r has the coordinates of r in row-major order of the axes.
    A function is in one of three forms, which an attribute with the mesh's name tells, and which the dialect verifies as a whole:

    - `dist.annotated = @mesh`: whole shapes. Wishes (`#dist.sharding`) stand at arguments and results, as `dist.sharding`, and at `dist.constrain`.
    - `dist.placed = @mesh`: whole shapes; each type says in its encoding what ranks have of the value, `tensor<8x64xf32, #dist.on<"tp" = shard 1>>`,
      and `dist.reshard` stands wherever that changes. Operators agree with their factor rules (ir/Graph/Factors.h).
    - `dist.own = @mesh`: the shapes that one rank has; collectives are operators; the symbol `rank.tp` is the rank's coordinate on the axis tp.
      Types say what other ranks have: the same, or something else, or a part of a sum.
    - `dist.ranked = @mesh`: an own function as the graph passes see it: types without states; where it was made for one rank, coordinates are numbers.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::jinx::graph::GraphDialect"];
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
}

class Dist_Attr<string name, string mnemonic_, list<Trait> traits = []> : AttrDef<Dist_Dialect, name, traits> { let mnemonic = mnemonic_; }

def Dist_OnAttr : Dist_Attr<"On", "on", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>, DeclareAttrInterfaceMethods<Graph_SizedEncoding>]> {
  let summary = "What ranks have of a tensor, for each axis of the mesh on which it is not simply replicated";
  let description = [{
    Of whole values (a placed function): `"tp" = shard 1`: ranks along tp have neighbouring parts of dimension 1, of equal sizes, the last ones filled up;
    `"dp" = partial sum`: the value is the sum of what ranks along dp have. Of a rank's own values (an own function): `"tp" = varying`: ranks have different ones;
    `"tp" = invariant`: all have the same, and it is one value (its cotangent is, too); `partial` as before. An axis that is not named is replicated.

    States are in one order, so that equal types compare equal: shards by dimension, of one dimension the major axis first; then the rest as they are
    in the mesh. Formulas of sizes follow where a dimension is dynamic: `#dist.on<"tp" = shard 0, sizes "n", "64">`.
  }];
  let parameters = (ins ArrayRefParameter<"::jinx::dist::AxisState">:$states, ArrayRefParameter<"::mlir::StringAttr">:$formulas);
  let hasCustomAssemblyFormat = 1;
}

def Dist_DimShardingAttr : Dist_Attr<"DimSharding", "dim"> {
  let summary = "A wish for one dimension; part of #dist.sharding";
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$axes, "bool":$open, "int64_t":$priority);
  let assemblyFormat = "`<` $axes `,` $open `,` $priority `>`";
}
def Dist_ShardingAttr : Dist_Attr<"Sharding", "sharding"> {
  let summary = "A wish: which axes of the mesh split which dimension of a tensor";
  let description = [{
    `#dist.sharding<[["dp"], ["tp", ?], []]>`: for each dimension the axes that split it, the major one first. A dimension that ends with `?` is open: propagation
    may add axes. Without, it is closed: nothing more. `[]` is closed and whole. A number behind a dimension is the priority of what stands there,
    `["tp"] p1`: wishes of priority 0 spread through the whole function before those of 1 (batch first, then tensors, then weights).
  }];
  let parameters = (ins ArrayRefParameter<"::jinx::dist::DimShardingAttr">:$perDim);
  let hasCustomAssemblyFormat = 1;
}

def Dist_PendingType : TypeDef<Dist_Dialect, "Pending"> {
  let mnemonic = "pending";
  let summary = "What a collective that was started will give: `dist.wait` has it";
  let parameters = (ins "::mlir::RankedTensorType":$value);
  let assemblyFormat = "`<` $value `>`";
}

#endif

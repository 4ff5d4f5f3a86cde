// The attributes of constants that are a part of others, or others on each other (PartAttr.h).
#ifndef JINX_GRAPH_PARTS_TD
#define JINX_GRAPH_PARTS_TD

include "mlir/IR/BuiltinAttributeInterfaces.td"
include "ir/Graph/GraphBase.td"

def Graph_StackAttr : Graph_Attr<"Stack", "stack", [ElementsAttrInterface]> {
  let summary = "Large constants of one type on each other";
  let description = [{
    y[i, …] = entries[i][…], of the type's shape. The bytes stay where the entries have them: the experts of a mixture, which a file has one by one, are one constant without a copy.

        #jinx.stack<[dense_resource<e0> : tensor<14336x4096xbf16>, dense_resource<e1> : tensor<14336x4096xbf16>]> : tensor<2x14336x4096xbf16>

    C1: `entries` has 1 or more, of one static type of whole bytes. C2: the stack's type is the entries' with their number in front.
  }];
  let parameters = (ins AttributeSelfTypeParameter<"", "::mlir::ShapedType">:$type, ArrayRefParameter<"::mlir::DenseResourceElementsAttr">:$entries);
  let assemblyFormat = "`<` `[` $entries `]` `>`";
  let genVerifyDecl = 1;
}

def Graph_PartAttr : Graph_Attr<"Part", "part", [ElementsAttrInterface]> {
  let summary = "Elements of a box of a large constant; what is beyond its end is zero";
  let description = [{
    y[i0, i1, …] = whole[starts0 + i0, starts1 + i1, …], of the type's shape, or 0 where `whole` has ended. The bytes stay where `whole` has them: a rank's part of a
    weight is no copy of it.

        #jinx.part<dense_resource<w> : tensor<256x512xbf16>, [0, 256]> : tensor<256x256xbf16>

    C1: `whole` and the part have static shapes of one rank, at least 1, and one element type of whole bytes. C2: `starts` has a number for each dimension, not negative. C3: `whole` is a resource or
    a stack.
  }];
  let parameters = (ins AttributeSelfTypeParameter<"", "::mlir::ShapedType">:$type, "::mlir::ElementsAttr":$whole, ArrayRefParameter<"int64_t">:$starts);
  let assemblyFormat = "`<` $whole `,` `[` $starts `]` `>`";
  let genVerifyDecl = 1;
}

#endif

// The attribute of constants that are a part of another one (PartAttr.h).
#ifndef JINX_GRAPH_PARTS_TD
#define JINX_GRAPH_PARTS_TD

include "mlir/IR/BuiltinAttributeInterfaces.td"
include "ir/Graph/GraphBase.td"

def Graph_PartAttr : Graph_Attr<"Part", "part", [ElementsAttrInterface]> {
  let summary = "Elements of a box of a large constant; what is beyond its end is zero";
  let description = [{
    y[i0, i1, …] = whole[starts0 + i0, starts1 + i1, …], of the type's shape, or 0 where `whole` has ended. The bytes stay where `whole` has them: a rank's part of a
    weight is no copy of it.

        #jinx.part<dense_resource<w> : tensor<256x512xbf16>, [0, 256]> : tensor<256x256xbf16>

    C1: `whole` and the part have static shapes of one rank, at least 1, and one element type of whole bytes. C2: `starts` has a number for each dimension, not negative.
  }];
  let parameters = (ins AttributeSelfTypeParameter<"", "::mlir::ShapedType">:$type, "::mlir::DenseResourceElementsAttr":$whole, ArrayRefParameter<"int64_t">:$starts);
  let assemblyFormat = "`<` $whole `,` `[` $starts `]` `>`";
  let genVerifyDecl = 1;
}

#endif

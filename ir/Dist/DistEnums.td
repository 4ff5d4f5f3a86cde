// What ranks have of a value, as a word. In a file of its own: enums are generated from all that a file includes.
#ifndef JINX_DIST_ENUMS_TD
#define JINX_DIST_ENUMS_TD

include "mlir/IR/EnumAttr.td"

def Dist_StateKind : I32EnumAttr<"StateKind", "what a value is on an axis of the mesh",
    [I32EnumAttrCase<"replicate", 0>, I32EnumAttrCase<"invariant", 1>, I32EnumAttrCase<"shard", 2>, I32EnumAttrCase<"varying", 3>,
     I32EnumAttrCase<"partial", 4>]> {
  let cppNamespace = "::jinx::dist";
  let genSpecializedAttr = 0;
}

#endif

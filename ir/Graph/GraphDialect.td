// The types of the graph dialect: the meaning of a model, in tensors. See docs/spec/graph.md.
#ifndef JINX_GRAPH_DIALECT_TD
#define JINX_GRAPH_DIALECT_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "mlir/IR/BuiltinTypes.td"
include "mlir/IR/TensorEncoding.td"
include "ir/Graph/GraphBase.td"

class Graph_Type<string name, string mnemonic_> : TypeDef<Graph_Dialect, name> { let mnemonic = mnemonic_; }

def Graph_SizedEncoding : AttrInterface<"SizedEncoding"> {
  let cppNamespace = "::jinx::graph";
  let description = [{ A tensor type's encoding that says, maybe among other things, which formulas its extents have. }];
  let methods = [
    InterfaceMethod<"One formula per dimension, as canonical SizeExpr text; none where all extents are numbers.", "::llvm::ArrayRef<::mlir::StringAttr>",
                    "getSizeFormulas">,
  ];
}
def Graph_DimsAttr : Graph_Attr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>, DeclareAttrInterfaceMethods<Graph_SizedEncoding>]> {
  let summary = "Formulas of a tensor's extents, one per dimension, as canonical SizeExpr text";
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$exprs);
  let assemblyFormat = "`<` $exprs `>`";
}

def Graph_StringType : Graph_Type<"String", "string"> {
  let summary = "Element type of ONNX string tensors; such values live on the host";
}
def Graph_SequenceType : Graph_Type<"Sequence", "sequence"> {
  let summary = "ONNX sequence; lives on the host";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def Graph_OptionalType : Graph_Type<"Optional", "optional"> {
  let summary = "ONNX optional; lives on the host";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def Graph_NoneType : Graph_Type<"None", "none"> {
  let summary = "An omitted optional operand of a host call";
}

def Graph_ReduceKind : I32EnumAttr<"ReduceKind", "how elements are combined",
    [I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"min", 2>, I32EnumAttrCase<"prod", 3>]> {
  let cppNamespace = "::jinx::graph";
}

#endif

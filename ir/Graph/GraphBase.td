// The graph dialect itself, and the class of its attributes.
#ifndef JINX_GRAPH_BASE_TD
#define JINX_GRAPH_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Graph_Dialect : Dialect {
  let name = "jinx";
  let cppNamespace = "::jinx::graph";
  let summary = "Models as graphs of tensor operators with named dynamic dimensions";
  let description = [{
    Values are tensors with value semantics. A dynamic dimension has a formula over named symbols, carried in the type's
    encoding: `tensor<?x64xf32, #jinx.dims<"batch*seq", "64">>`. A static tensor has no encoding.
    Locations carry the name of the source node; every pass keeps them.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

class Graph_Attr<string name, string mnemonic_, list<Trait> traits = []> : AttrDef<Graph_Dialect, name, traits> { let mnemonic = mnemonic_; }

#endif

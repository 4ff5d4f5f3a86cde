// All operators of the graph dialect; the families are in the files included below.
#ifndef JINX_GRAPH_OPS_TD
#define JINX_GRAPH_OPS_TD

include "ir/Graph/GraphDialect.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/OpAsmInterface.td"

/// A pure operator whose result type follows from operands and attributes (see the family's Infer*.cpp).
class Graph_Op<string mnemonic, list<Trait> traits = []> : Op<Graph_Dialect, mnemonic, traits>;
class Graph_InferredOp<string mnemonic, list<Trait> traits = []>
    : Graph_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>], traits)> {
  let extraClassDeclaration = [{
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return ::jinx::graph::areCompatible(inferred, actual);
    }
  }];
}

include "ir/Graph/GraphElementwiseOps.td"
include "ir/Graph/GraphShapeOps.td"
include "ir/Graph/GraphContractionOps.td"
include "ir/Graph/GraphQuantOps.td"
include "ir/Graph/GraphReduceOps.td"
include "ir/Graph/GraphIndexOps.td"
include "ir/Graph/GraphPageOps.td"
include "ir/Graph/GraphHostOps.td"
include "ir/Graph/GraphFusionOps.td"

#endif

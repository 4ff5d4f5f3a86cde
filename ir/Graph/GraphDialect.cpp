// Registration of the graph dialect, and what ODS does not generate for its types.
#include "ir/Graph/Graph.h"
#include "ir/Graph/PartAttr.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace jinx::graph;

#include "ir/Graph/GraphDialect.cpp.inc"
#include "ir/Graph/GraphEnums.cpp.inc"
#include "ir/Graph/GraphInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/Graph/GraphAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Graph/GraphTypes.cpp.inc"
#define GET_OP_CLASSES
#include "ir/Graph/GraphOps.cpp.inc"

void GraphDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/Graph/GraphAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/Graph/GraphTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/Graph/GraphOps.cpp.inc"
      >();
}

ArrayRef<StringAttr> DimsAttr::getSizeFormulas() const { return getExprs(); }

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, function_ref<InFlightDiagnostic()> emitError) const {
  if (getExprs().size() != shape.size())
    return emitError() << "has " << getExprs().size() << " formulas, expected " << shape.size() << " (the tensor's rank)";
  for (auto [text, extent] : llvm::zip(getExprs(), shape)) {
    auto formula = jinx::SizeExpr::parse(text.getValue());
    if (!formula) return emitError() << "formula " << text << ": " << formula.status().message();
    if (ShapedType::isStatic(extent) && formula->constant() != extent)
      return emitError() << "formula " << text << " stands at a static dimension, expected \"" << extent << "\"";
  }
  return success();
}

Operation *GraphDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type) return nullptr;
  return ConstantOp::create(builder, loc, elements);
}

// Attributes of functions, arguments and results: which form a function is in, and that what it names is there.
#include "ir/Dist/Forms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::dist;

MeshOp dist::meshOf(Operation *function, StringRef form) {
  auto name = function->getAttrOfType<FlatSymbolRefAttr>(form);
  return name ? SymbolTable::lookupNearestSymbolFrom<MeshOp>(function, name) : MeshOp();
}

MeshOp dist::meshOf(Operation *function) {
  for (StringRef form : {kAnnotated, kPlaced, kOwn, kRanked})
    if (MeshOp mesh = meshOf(function, form)) return mesh;
  return {};
}

bool dist::readsCoordinate(Operation *op, StringAttr axis) {
  std::string symbol = coordinateSymbol(axis);
  bool found = false;
  op->getAttrDictionary().walk([&](StringAttr text) {
    if (!text.getValue().contains(symbol)) return;
    auto formula = SizeExpr::parse(text.getValue());
    found |= formula && llvm::is_contained(formula->symbols(), symbol);
  });
  return found;
}

SmallVector<StringAttr> dist::axesRead(FunctionOpInterface function, MeshOp mesh) {
  SmallVector<StringAttr> read;
  for (StringAttr axis : mesh.getAxes().getAsRange<StringAttr>()) {
    WalkResult walk = function.getFunctionBody().walk([&](Operation *op) { return readsCoordinate(op, axis) ? WalkResult::interrupt() : WalkResult::advance(); });
    if (walk.wasInterrupted()) read.push_back(axis);
  }
  return read;
}

FailureOr<int64_t> dist::groupSize(Operation *op, ArrayAttr axes, MeshOp mesh) {
  llvm::SmallDenseSet<StringRef> seen;
  int64_t ranks = 1;
  for (StringRef axis : axes.getAsValueRange<StringAttr>()) {
    int64_t size = mesh.sizeOf(axis);
    if (!size) return op->emitOpError("axis \"") << axis << "\" is not one of @" << mesh.getSymName();
    if (!seen.insert(axis).second) return op->emitOpError("axis \"") << axis << "\" is there twice";
    ranks *= size;
  }
  return ranks;
}

namespace {

/// What is verified from outside is verified before its inside: nothing is asked of operators that are wrong by themselves, which the ordinary verification tells.
bool isSound(FunctionOpInterface function) {
  WalkResult walk = function.getFunctionBody().walk([](Operation *op) {
    ScopedDiagnosticHandler silent(op->getContext(), [](Diagnostic &) { return success(); });
    auto info = op->getRegisteredInfo();
    return info && failed(info->verifyInvariants(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return !walk.wasInterrupted();
}

/// Axes of types and wishes are the mesh's.
LogicalResult verifyAxes(FunctionOpInterface function, MeshOp mesh) {
  auto check = [&](Operation *at, Type type) -> LogicalResult {
    for (const AxisState &state : statesOf(type))
      if (!mesh.sizeOf(state.axis)) return at->emitOpError("has ") << type << ", axis " << state.axis << " is not one of @" << mesh.getSymName();
    return success();
  };
  for (Type type : function.getArgumentTypes())
    if (failed(check(function, type))) return failure();
  WalkResult walk = function.getFunctionBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (failed(check(op, type))) return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult verifySharding(Operation *op, Attribute value, Type type, StringRef what, unsigned index) {
  auto wish = dyn_cast<ShardingAttr>(value);
  if (!wish) return op->emitOpError("dist.sharding of ") << what << " " << index << " is " << value << ", expected #dist.sharding<…>";
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return op->emitOpError("dist.sharding of ") << what << " " << index << ", which is " << type << ", expected a tensor";
  if (int64_t(wish.getPerDim().size()) != tensor.getRank())
    return op->emitOpError("dist.sharding of ") << what << " " << index << " has " << wish.getPerDim().size() << " dimensions, expected " << tensor.getRank();
  MeshOp mesh = meshOf(op);
  if (!mesh) return op->emitOpError("has a dist.sharding and no mesh: set dist.annotated = @mesh");
  llvm::SmallDenseSet<StringAttr> seen;
  for (DimShardingAttr dim : wish.getPerDim())
    for (StringAttr axis : dim.getAxes()) {
      if (!mesh.sizeOf(axis)) return op->emitOpError("dist.sharding of ") << what << " " << index << ": axis " << axis << " is not one of @" << mesh.getSymName();
      if (!seen.insert(axis).second) return op->emitOpError("dist.sharding of ") << what << " " << index << ": axis " << axis << " is there twice";
    }
  return success();
}

}  // namespace

namespace {
/// dist.coordinates says of axes for which of their ranks the function was made.
LogicalResult verifyCoordinates(Operation *op, Attribute value) {
  MeshOp mesh = meshOf(op);
  auto entries = dyn_cast<DictionaryAttr>(value);
  if (!mesh || !entries) return op->emitOpError() << kCoordinates << " is " << value << ", expected {axis = coordinate} on a function of ranks";
  for (NamedAttribute entry : entries) {
    int64_t size = mesh.sizeOf(entry.getName());
    auto at = dyn_cast<IntegerAttr>(entry.getValue());
    if (!size) return op->emitOpError() << kCoordinates << ": axis " << entry.getName() << " is not one of @" << mesh.getSymName();
    if (!at || at.getInt() < 0 || at.getInt() >= size)
      return op->emitOpError() << kCoordinates << ": " << entry.getName() << " is " << entry.getValue() << ", expected 0.." << size - 1;
  }
  return success();
}
}  // namespace

LogicalResult DistDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (name == kStage || name == kPiece) return isa<IntegerAttr>(attribute.getValue()) ? success() : op->emitOpError() << name << " is " << attribute.getValue() << ", expected a number";
  if (name == kCoordinates) return verifyCoordinates(op, attribute.getValue());
  if (name != kAnnotated && name != kPlaced && name != kOwn && name != kRanked) return op->emitOpError("attribute ") << attribute.getName() << " is none of the dist dialect";
  auto function = dyn_cast<func::FuncOp>(op);
  if (!function) return op->emitOpError("has ") << name << ", which is an attribute of functions";
  if (!isa<FlatSymbolRefAttr>(attribute.getValue())) return op->emitOpError() << name << " is " << attribute.getValue() << ", expected a mesh's name";
  MeshOp mesh = meshOf(op, name);
  if (!mesh) return op->emitOpError() << name << " is " << attribute.getValue() << ", which is no dist.mesh of the module";
  if (int(op->hasAttr(kAnnotated)) + int(op->hasAttr(kPlaced)) + int(op->hasAttr(kOwn)) + int(op->hasAttr(kRanked)) > 1)
    return op->emitOpError("is in two forms, expected one of dist.annotated, dist.placed, dist.own and dist.ranked");
  if (!isSound(function)) return success();
  if (failed(verifyAxes(function, mesh))) return failure();
  if (name == kPlaced) return verifyPlaced(function, mesh);
  if (name == kOwn) return verifyOwn(function, mesh);
  return name == kRanked ? verifyRanked(function, mesh) : success();
}

namespace {
/// dist.whole names the type that a caller sees: what it splits varies, and nothing else does.
LogicalResult verifyWholeType(Operation *op, Attribute value, Type own, StringRef what, unsigned index) {
  auto named = dyn_cast<TypeAttr>(value);
  auto whole = named ? dyn_cast<RankedTensorType>(named.getValue()) : RankedTensorType();
  auto part = dyn_cast<RankedTensorType>(own);
  auto error = [&] { return op->emitOpError("dist.whole of ") << what << " " << index; };
  if (!whole || !part || whole.getRank() != part.getRank() || whole.getElementType() != part.getElementType()) return error() << " is " << value << ", expected a tensor of which " << own << " is a part";
  MeshOp mesh = meshOf(op);
  for (const AxisState &state : statesOf(whole)) {
    if (!mesh) return error() << " has axis " << state.axis << " and there is no mesh: set dist.own = @mesh or dist.ranked = @mesh";
    if (!mesh.sizeOf(state.axis)) return error() << ": axis " << state.axis << " is not one of @" << mesh.getSymName();
  }
  if (!meshOf(op, kOwn)) return success();  // ranked types say nothing of axes
  for (StringAttr axis : mesh.getAxes().getAsRange<StringAttr>()) {
    AxisState placed = stateOf(whole, axis), state = stateOf(part, axis);
    if ((placed.kind == StateKind::shard) != (state.kind == StateKind::varying))
      return error() << " is " << describe(placed) << " on " << axis << ", where the " << what << " is " << describe(state) << ", expected a shard where it is varying";
  }
  return success();
}
}  // namespace

LogicalResult DistDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned argument, NamedAttribute attribute) {
  if (attribute.getName() == kWholeType) return verifyWholeType(op, attribute.getValue(), cast<FunctionOpInterface>(op).getArgumentTypes()[argument], "argument", argument);
  if (attribute.getName() != kSharding) return op->emitOpError("attribute ") << attribute.getName() << " is none of the dist dialect";
  return verifySharding(op, attribute.getValue(), cast<FunctionOpInterface>(op).getArgumentTypes()[argument], "argument", argument);
}

LogicalResult DistDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned result, NamedAttribute attribute) {
  if (attribute.getName() == kWholeType) return verifyWholeType(op, attribute.getValue(), cast<FunctionOpInterface>(op).getResultTypes()[result], "result", result);
  if (attribute.getName() != kSharding) return op->emitOpError("attribute ") << attribute.getName() << " is none of the dist dialect";
  return verifySharding(op, attribute.getValue(), cast<FunctionOpInterface>(op).getResultTypes()[result], "result", result);
}

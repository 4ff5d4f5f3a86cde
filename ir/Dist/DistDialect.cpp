// Registration of the dist dialect, and how its attributes are written.
#include "ir/Dist/Dist.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::dist;

#include "ir/Dist/DistDialect.cpp.inc"
#include "ir/Dist/DistEnums.cpp.inc"
#include "ir/Dist/DistInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/Dist/DistAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Dist/DistTypes.cpp.inc"
#define GET_OP_CLASSES
#include "ir/Dist/DistOps.cpp.inc"

void DistDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/Dist/DistAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/Dist/DistTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/Dist/DistOps.cpp.inc"
      >();
}

namespace {

ParseResult parseName(AsmParser &parser, StringAttr &name) {
  std::string text;
  if (parser.parseString(&text)) return failure();
  name = StringAttr::get(parser.getContext(), text);
  return success();
}

// "tp" = shard 1
ParseResult parseState(AsmParser &parser, AxisState &state) {
  StringRef word;
  SMLoc at;
  if (parseName(parser, state.axis) || parser.parseEqual() || (at = parser.getCurrentLocation(), parser.parseKeyword(&word))) return failure();
  auto kind = symbolizeStateKind(word);
  if (!kind) return parser.emitError(at, "state is '") << word << "', expected replicate, invariant, shard, varying or partial";
  state.kind = *kind;
  if (*kind == StateKind::shard) return parser.parseInteger(state.dim);
  if (*kind != StateKind::partial) return success();
  at = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return failure();
  auto reduction = graph::symbolizeReduceKind(word);
  if (!reduction) return parser.emitError(at, "parts are joined by '") << word << "', expected sum, prod, max or min";
  state.reduction = *reduction;
  return success();
}

}  // namespace

// #dist.on<"tp" = shard 1, "dp" = partial sum, sizes "n", "64">
Attribute OnAttr::parse(AsmParser &parser, Type) {
  States states;
  SmallVector<StringAttr> formulas;
  SMLoc at = parser.getCurrentLocation();
  if (parser.parseLess()) return {};
  do {
    if (succeeded(parser.parseOptionalKeyword("sizes"))) {
      auto formula = [&] { return parseName(parser, formulas.emplace_back()); };
      if (parser.parseCommaSeparatedList(formula)) return {};
      break;
    }
    if (parseState(parser, states.emplace_back())) return {};
  } while (succeeded(parser.parseOptionalComma()));
  if (parser.parseGreater()) return {};
  return parser.getChecked<OnAttr>(at, parser.getContext(), states, formulas);
}

void OnAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getStates(), printer, [&](const AxisState &state) { printer << state.axis << " = " << describe(state); });
  if (!getFormulas().empty()) {
    printer << (getStates().empty() ? "sizes " : ", sizes ");
    llvm::interleaveComma(getFormulas(), printer);
  }
  printer << ">";
}

ArrayRef<StringAttr> OnAttr::getSizeFormulas() const { return getFormulas(); }

LogicalResult OnAttr::verifyEncoding(ArrayRef<int64_t> shape, Type element, function_ref<InFlightDiagnostic()> emitError) const {
  if (!getFormulas().empty() && failed(graph::DimsAttr::get(getContext(), getFormulas()).verifyEncoding(shape, element, emitError))) return failure();
  llvm::SmallDenseSet<StringAttr> seen;
  int64_t last = -1;
  for (const AxisState &state : getStates()) {
    if (!seen.insert(state.axis).second) return emitError() << "axis " << state.axis << " has two states, expected one";
    if (state.kind == StateKind::replicate) return emitError() << "axis " << state.axis << " is replicated: leave it out";
    if (state.kind != StateKind::shard) {
      last = int64_t(shape.size());
      continue;
    }
    if (state.dim < 0 || state.dim >= int64_t(shape.size()))
      return emitError() << "axis " << state.axis << " shards dimension " << state.dim << " of a tensor of rank " << shape.size();
    if (state.dim < last) return emitError() << "axis " << state.axis << " is out of order: shards come first, by dimension";
    last = state.dim;
  }
  return success();
}

// #dist.sharding<[["dp"] p1, ["tp", ?], []]>
Attribute ShardingAttr::parse(AsmParser &parser, Type) {
  SmallVector<DimShardingAttr> dims;
  auto parseDim = [&]() -> ParseResult {
    SmallVector<StringAttr> axes;
    bool open = false;
    auto entry = [&]() -> ParseResult {
      if (open) return parser.emitError(parser.getCurrentLocation(), "'?' stands last, expected ']'");
      open = succeeded(parser.parseOptionalQuestion());
      return open ? success() : parseName(parser, axes.emplace_back());
    };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, entry)) return failure();
    int64_t priority = 0;
    StringRef word;
    SMLoc at = parser.getCurrentLocation();
    if (succeeded(parser.parseOptionalKeyword(&word)) && (!word.consume_front("p") || word.getAsInteger(10, priority) || priority < 0))
      return parser.emitError(at, "priority is not p0, p1, …");
    dims.push_back(DimShardingAttr::get(parser.getContext(), axes, open, priority));
    return success();
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseDim) || parser.parseGreater()) return {};
  return ShardingAttr::get(parser.getContext(), dims);
}

void ShardingAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getPerDim(), printer, [&](DimShardingAttr dim) {
    printer << "[";
    llvm::interleaveComma(dim.getAxes(), printer);
    if (dim.getOpen()) printer << (dim.getAxes().empty() ? "?" : ", ?");
    printer << "]";
    if (dim.getPriority()) printer << " p" << dim.getPriority();
  });
  printer << "]>";
}

// dist.mesh @mesh <"dp" = 2, "tp" = 4>
ParseResult MeshOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<Attribute> axes;
  SmallVector<int64_t> sizes;
  auto axis = [&]() -> ParseResult {
    StringAttr axisName;
    if (parseName(parser, axisName) || parser.parseEqual() || parser.parseInteger(sizes.emplace_back())) return failure();
    axes.push_back(axisName);
    return success();
  };
  if (parser.parseSymbolName(name, "sym_name", result.attributes) || parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, axis)) return failure();
  Builder &b = parser.getBuilder();
  result.addAttribute("axes", b.getArrayAttr(axes));
  result.addAttribute("sizes", b.getDenseI64ArrayAttr(sizes));
  return parser.parseOptionalAttrDict(result.attributes);
}

void MeshOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printer << " <";
  llvm::interleaveComma(llvm::zip_equal(getAxes(), getSizes()), printer, [&](auto axis) { printer << std::get<0>(axis) << " = " << std::get<1>(axis); });
  printer << ">";
  printer.printOptionalAttrDict((*this)->getAttrs(), {"sym_name", "axes", "sizes"});
}

int64_t MeshOp::getRanks() { return llvm::product_of(getSizes()); }
int64_t MeshOp::placeOf(StringRef axis) {
  for (auto [i, name] : llvm::enumerate(getAxes().getAsValueRange<StringAttr>()))
    if (name == axis) return int64_t(i);
  return -1;
}
int64_t MeshOp::sizeOf(StringRef axis) {
  int64_t place = placeOf(axis);
  return place < 0 ? 0 : getSizes()[place];
}

LogicalResult MeshOp::verify() {
  constexpr int64_t kMostRanks = 1 << 24;
  if (getAxes().size() != getSizes().size()) return emitOpError("has ") << getAxes().size() << " axes and " << getSizes().size() << " sizes";
  llvm::SmallDenseSet<StringRef> seen;
  int64_t ranks = 1;
  for (auto [name, size] : llvm::zip_equal(getAxes().getAsValueRange<StringAttr>(), getSizes())) {
    if (!SizeExpr::isSymbolName(name)) return emitOpError("axis \"") << name << "\" is no name: letters, digits and _ . $, a letter or _ first";
    if (!seen.insert(name).second) return emitOpError("axis \"") << name << "\" is there twice";
    if (size < 1) return emitOpError("axis \"") << name << "\" has " << size << " ranks, expected 1 or more";
    if (size > kMostRanks / ranks) return emitOpError("has more than ") << kMostRanks << " ranks";
    ranks *= size;
  }
  return success();
}

LogicalResult ConstrainOp::verify() {
  int64_t rank = getX().getType().getRank(), wished = int64_t(getSharding().getPerDim().size());
  return rank == wished ? success() : emitOpError("the wish has ") << wished << " dimensions, expected " << rank << " (rank of x)";
}

LogicalResult ReshardOp::verify() {
  if (graph::areCompatible(getX().getType(), getY().getType())) return success();
  return emitOpError("result is ") << getY().getType() << ", expected the operand's elements and sizes, " << withoutStates(getX().getType());
}
OpFoldResult ReshardOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType()) return getX();
  return {};
}

LogicalResult WaitOp::verify() {
  if (!getPending().hasOneUse()) return emitOpError("what it waits for is waited for twice");
  Operation *start = getPending().getDefiningOp();
  if (!isa_and_nonnull<Collective, SendOp, RecvOp>(start)) return emitOpError("waits for what no collective started");
  return success();
}

LogicalResult SendOp::verify() {
  if (!getPending() || getPending().getType().getValue() == getX().getType()) return success();
  return emitOpError("starts ") << getPending().getType().getValue() << ", expected what it sends, " << getX().getType();
}

/// All dimensions but the first.
static LogicalResult verifyRows(Operation *op, const Twine &what, RankedTensorType rows, RankedTensorType all) {
  if (rows.getRank() == 0 || all.getRank() != rows.getRank() || rows.getElementType() != all.getElementType())
    return op->emitOpError(what) << " is " << rows << ", expected rows of " << all;
  graph::Sizes some = graph::sizesOf(rows), whole = graph::sizesOf(all);
  for (int64_t d = 1; d < rows.getRank(); ++d)
    if (graph::surelyDifferent(some[d], whole[d]))
      return op->emitOpError(what) << " has " << some[d].str() << " in dimension " << d << ", expected " << whole[d].str();
  return success();
}
LogicalResult AllToAllVOp::verify() {
  auto x = cast<RankedTensorType>(getX().getType()), y = cast<RankedTensorType>(getY().getType());
  if (failed(verifyRows(*this, "result", y, x))) return failure();
  for (auto [counts, what] : {std::pair{getSends(), "sends"}, std::pair{getReceives(), "receives"}})
    if (auto type = cast<RankedTensorType>(counts.getType()); type.getRank() != 1 || !type.getElementType().isSignlessInteger(64))
      return emitOpError(what) << " is " << withoutStates(type) << ", expected i64 with a count for each rank";
  if (auto share = getShare(); share && !(share->convertToDouble() >= 0 && share->convertToDouble() <= 1))
    return emitOpError("share is ") << share->convertToDouble() << ", expected 0 to 1: of the rows of x or y";
  return success();
}
LogicalResult RowsOp::verify() {
  if (failed(verifyRows(*this, "result", getY().getType(), getX().getType()))) return failure();
  auto from = SizeExpr::parse(getFrom().str());
  if (!from) return emitOpError("from is \"") << getFrom() << "\", expected a formula of sizes";
  const SizeExpr taken = graph::sizesOf(getY().getType())[0], given = graph::sizesOf(getX().getType())[0];
  auto first = from->constant(), rows = taken.constant(), all = given.constant();
  if (!(first && *first < 0) && !(first && rows && all && *first > *all - *rows)) return success();
  return emitOpError("takes ") << taken.str() << " rows from " << from->str() << " on, expected rows of 0.." << (given - SizeExpr(1)).str();
}
LogicalResult JoinRowsOp::verify() {
  if (getXs().empty()) return emitOpError("joins nothing, expected an operand");
  SizeExpr rows = 0;
  for (auto [i, x] : llvm::enumerate(getXs())) {
    if (failed(verifyRows(*this, "operand " + Twine(i), cast<RankedTensorType>(x.getType()), getY().getType()))) return failure();
    rows = rows + graph::sizesOf(x.getType())[0];
  }
  SizeExpr got = graph::sizesOf(getY().getType())[0];
  if (graph::surelyDifferent(got, rows)) return emitOpError("result has ") << got.str() << " rows, expected " << rows.str() << ", those of its operands";
  return success();
}

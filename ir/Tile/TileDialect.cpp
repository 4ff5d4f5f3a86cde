// Registration of the tile dialect, and the kernel's text form.
#include "ir/Tile/Tile.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace jinx::tile;

#include "ir/Tile/TileDialect.cpp.inc"
#include "ir/Tile/TileEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Tile/TileTypes.cpp.inc"
#define GET_OP_CLASSES
#include "ir/Tile/TileOps.cpp.inc"

void TileDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/Tile/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/Tile/TileOps.cpp.inc"
      >();
}

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name, TypeRange buffers, int64_t numInputs, int64_t numSizes,
                     StringRef provenance) {
  state.addAttribute("sym_name", builder.getStringAttr(name));
  state.addAttribute("programs", builder.getStringAttr("1"));
  state.addAttribute("scratch", builder.getStringAttr("0"));
  state.addAttribute("num_buffers", builder.getI64IntegerAttr(buffers.size()));
  state.addAttribute("num_inputs", builder.getI64IntegerAttr(numInputs));
  state.addAttribute("provenance", builder.getStringAttr(provenance));
  Region *body = state.addRegion();
  Block *block = new Block;
  body->push_back(block);
  for (Type type : buffers) block->addArgument(type, state.location);
  for (int64_t i = 0; i < numSizes; ++i) block->addArgument(builder.getIndexType(), state.location);
}

// tile.kernel @name(%a: !tile.ptr<f32>, …, %n: index) inputs 1 programs "…" scratch "…" from "…" { … }
ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &b = parser.getBuilder();
  StringAttr name, programs, scratch, provenance;
  SmallVector<OpAsmParser::Argument> args;
  int64_t numInputs = 0, numBuffers = 0;
  if (parser.parseSymbolName(name, "sym_name", result.attributes) ||
      parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true) || parser.parseKeyword("inputs") ||
      parser.parseInteger(numInputs))
    return failure();
  DenseI64ArrayAttr sums;
  if (succeeded(parser.parseOptionalKeyword("sums")) && parser.parseCustomAttributeWithFallback(sums)) return failure();
  if (sums) result.addAttribute("sums", sums);
  if (parser.parseKeyword("programs") || parser.parseAttribute(programs) ||
      parser.parseKeyword("scratch") || parser.parseAttribute(scratch) || parser.parseKeyword("from") || parser.parseAttribute(provenance))
    return failure();
  for (auto &arg : args) numBuffers += isa<PtrType>(arg.type);
  result.addAttribute("programs", programs);
  result.addAttribute("scratch", scratch);
  result.addAttribute("provenance", provenance);
  result.addAttribute("num_buffers", b.getI64IntegerAttr(numBuffers));
  result.addAttribute("num_inputs", b.getI64IntegerAttr(numInputs));
  return parser.parseRegion(*result.addRegion(), args);
}

void KernelOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << '(';
  llvm::interleaveComma(getBody().getArguments(), printer, [&](BlockArgument arg) { printer.printRegionArgument(arg); });
  printer << ") inputs " << getNumInputs();
  if (getSums()) {
    printer << " sums ";
    printer.printStrippedAttrOrType(getSumsAttr());
  }
  printer << " programs " << getProgramsAttr() << " scratch " << getScratchAttr() << " from "
          << getProvenanceAttr() << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/false);
}

LogicalResult KernelOp::verify() {
  if (!getSums()) return success();
  const auto sum = *getSums();
  auto isInput = [&](int64_t i) { return i >= 0 && i < int64_t(getNumInputs()); };
  if (sum.size() != 3 || !isInput(sum[0]) || !isInput(sum[1]) || sum[0] == sum[1] || sum[2] < 2)
    return emitOpError("sums ") << getSumsAttr() << ", expected two of its " << getNumInputs() << " inputs, the sum and a part of it, and two ranks or more";
  if (buffer(sum[0]).getType() != buffer(sum[1]).getType()) return emitOpError("sums ") << buffer(sum[1]).getType() << " to " << buffer(sum[0]).getType() << ", expected one type";
  return success();
}

std::optional<SumOfRanks> jinx::tile::sumOfRanks(KernelOp kernel) {
  if (!kernel.getSums()) return std::nullopt;
  const auto sum = *kernel.getSums();
  return SumOfRanks{sum[0], sum[1], sum[2]};
}

LogicalResult TensorMapOp::verify() {
  size_t dims = getDims().size(), box = getWindow() ? 2 : dims;
  if (getStrides().size() + 1 != dims)
    return emitOpError("has ") << dims << " dims and " << getStrides().size() << " strides, expected one stride less than dims";
  if (getWindow() && (getWindow()->size() != 6 || dims != 4))
    return emitOpError("has a window of ") << getWindow()->size() << " numbers over " << dims << " dims, expected 6 over 4 (c, w, h, n)";
  if (getBox().size() == box) return success();
  return emitOpError("has a box of ") << getBox().size() << " extents beside " << dims << " dims, expected " << box;
}

LogicalResult CopyBulkOp::verify() {
  auto map = getMap().getDefiningOp<TensorMapOp>();
  if (!map) return success();
  size_t dims = map.getDims().size(), tap = map.getWindow() ? 2 : 0;
  if (getAt().size() != dims || getTap().size() != tap)
    return emitOpError("has ") << getAt().size() << " coordinates and a tap of " << getTap().size() << ", expected " << dims << " and " << tap;
  if (!getRow()) return success();
  if (int64_t(*getRow()) % 8 || getAcross()) return emitOpError("goes to row ") << *getRow() << " on, expected a multiple of 8 in a buffer of the block's own";
  auto acquire = getSlot().getDefiningOp<RingAcquireOp>();
  auto ring = acquire ? acquire.getRing().getDefiningOp<RingOp>() : RingOp();
  if (!ring || getBuffer() >= ring.getBuffers().size()) return success();
  int64_t end = int64_t(*getRow()) + map.getBox()[1], rows = cast<VectorType>(cast<TypeAttr>(ring.getBuffers()[getBuffer()]).getValue()).getDimSize(0);
  if (end > rows) return emitOpError("ends with row ") << end << " of a buffer of " << rows << " rows";
  return success();
}

LogicalResult SplitLowOp::verify() {
  auto wait = getSlot().getDefiningOp<RingWaitOp>();
  auto ring = wait ? wait.getRing().getDefiningOp<RingOp>() : RingOp();
  if (!ring) return emitOpError("splits a slot that tile.ring_wait gives");
  int64_t buffers = int64_t(ring.getBuffers().size());
  if (int64_t(getFrom()) >= buffers || int64_t(getTo()) >= buffers || getFrom() == getTo())
    return emitOpError("splits buffer ") << getFrom() << " into buffer " << getTo() << ", expected two of the ring's " << buffers;
  auto typeOf = [&](int64_t buffer) { return cast<VectorType>(cast<TypeAttr>(ring.getBuffers()[buffer]).getValue()); };
  if (typeOf(getFrom()) != typeOf(getTo()) || !typeOf(getFrom()).getElementType().isF32())
    return emitOpError("splits ") << typeOf(getFrom()) << " into " << typeOf(getTo()) << ", expected one type of f32";
  return success();
}

LogicalResult ClearRowsOp::verify() {
  if (!getSlot().getDefiningOp<RingWaitOp>()) return emitOpError("clears rows of a slot that tile.ring_wait gives");
  auto roles = (*this)->getParentOfType<RolesOp>();
  if (roles && roles.getConsumers() != 1) return emitOpError("is for one consumer, got ") << roles.getConsumers() << ": they would clear each other's rows";
  return success();
}

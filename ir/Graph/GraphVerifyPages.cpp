// Verifiers of pages: write_pages, paged_attention.
#include "ir/Graph/Pages.h"
#include "ir/Graph/Verify.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isWideFloat(Type type) { return type.isF32() || type.isF16() || type.isBF16(); }

LogicalResult verifyElements(Operation *op, StringRef name, Value v, bool isRight, StringRef expected) {
  return isRight ? success() : op->emitOpError() << name << " has elements of " << elementOf(v) << ", expected " << expected;
}

/// A pool of pages, and its scales.
LogicalResult verifyPool(Operation *op, StringRef name, Value pool, Value scales) {
  Sizes sizes = sizesOf(pool.getType());
  if (sizes.size() != 4) return op->emitOpError() << name << " has rank " << sizes.size() << ", expected 4 (pages, heads, rows, depth)";
  if (failed(verifyElements(op, name, pool, isWideFloat(elementOf(pool)) || areCodes(pool), "f32, f16, bf16, i8 or f8E4M3FN"))) return failure();
  if (!sizes[2].isConstant(kPageRows)) return op->emitOpError() << name << " has pages of " << sizes[2].str() << " rows, expected " << kPageRows;
  auto depth = sizes[3].constant();
  if (!depth || *depth == 0 || *depth % kPageColumns) return op->emitOpError() << name << " has depth " << sizes[3].str() << ", expected a multiple of " << kPageColumns;
  if (areCodes(pool) && !scales) return op->emitOpError() << name << " has elements of " << elementOf(pool) << " and no scales, expected scales beside 8 bits";
  if (!areCodes(pool) && scales) return op->emitOpError() << name << " has elements of " << elementOf(pool) << " and scales, expected scales beside 8 bits only";
  if (!scales) return success();
  if (failed(verifyElements(op, "scales", scales, elementOf(scales).isF32(), "f32"))) return failure();
  return verifyShape(op, "scales", scales, ArrayRef(sizes).drop_back());
}

/// Whose memory may be written: an argument of the model, or what another write left, for nobody else.
LogicalResult verifyWritten(Operation *op, StringRef name, Value v) {
  if (!v.hasOneUse()) return op->emitOpError() << name << " has " << std::distance(v.use_begin(), v.use_end()) << " uses, expected this one only (it is written in place)";
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    Operation *parent = argument.getOwner()->getParentOp();
    if (isa<func::FuncOp>(parent)) return success();
    if (auto group = dyn_cast<GroupOp>(parent)) return verifyWritten(op, name, group.getInputs()[argument.getArgNumber()]);
  } else if (isa<WritePagesOp, GroupOp, LaunchOp>(v.getDefiningOp())) {
    return success();
  }
  return op->emitOpError() << name << " is written in place, expected an argument of @main or what jinx.write_pages leaves";
}

LogicalResult verifyTokens(Operation *op, StringRef name, Value v, const SizeExpr &tokens) {
  if (failed(verifyElements(op, name, v, elementOf(v).isInteger(32), "i32"))) return failure();
  return verifyShape(op, name, v, {tokens});
}

}  // namespace

LogicalResult WritePagesOp::verify() {
  if (failed(verifyPool(*this, "pool", getPool(), getScales()))) return failure();
  Sizes pool = sizesOf(getPool().getType()), rows = sizesOf(getRows().getType());
  if (rows.size() != 3) return emitOpError("rows has rank ") << rows.size() << ", expected 3 (tokens, heads, depth)";
  if (failed(verifyElements(*this, "rows", getRows(), isWideFloat(elementOf(getRows())), "f32, f16 or bf16")) ||
      failed(verifyShape(*this, "rows", getRows(), {rows[0], pool[1], pool[3]})) || failed(verifyTokens(*this, "slots", getSlots(), rows[0])))
    return failure();
  if (bool(getScales()) != bool(getPageScales())) return emitOpError("has ") << getNumResults() << " results, expected one for the pool and one for scales";
  for (auto [name, operand, result] : {std::tuple("pages", getPool(), getPages()), std::tuple("page_scales", getScales(), getPageScales())}) {
    if (!operand) continue;
    if (operand.getType() != result.getType()) return emitOpError() << name << " is " << result.getType() << ", expected " << operand.getType() << " (it is the same memory)";
    if (failed(verifyWritten(*this, name == StringRef("pages") ? "pool" : "scales", operand))) return failure();
  }
  return success();
}

LogicalResult PagedAttentionOp::verify() {
  if (failed(verifyPool(*this, "keys", getKeys(), getKeyScales())) || failed(verifyPool(*this, "values", getValues(), getValueScales()))) return failure();
  Sizes q = sizesOf(getQ().getType()), keys = sizesOf(getKeys().getType()), values = sizesOf(getValues().getType()), table = sizesOf(getTable().getType());
  if (q.size() != 3) return emitOpError("q has rank ") << q.size() << ", expected 3 (tokens, heads, depth)";
  if (failed(verifyElements(*this, "q", getQ(), isWideFloat(elementOf(getQ())), "f32, f16 or bf16")) || failed(verifyShape(*this, "q", getQ(), {q[0], q[1], keys[3]})) ||
      failed(verifyShape(*this, "values", getValues(), {keys[0], keys[1], keys[2], values[3]})))
    return failure();
  if (elementOf(getKeys()) != elementOf(getValues())) return emitOpError("values has elements of ") << elementOf(getValues()) << ", expected " << elementOf(getKeys()) << " (as keys)";
  for (auto [name, v, kind] : {std::tuple("keys", getKeys(), PageKind::keys), std::tuple("values", getValues(), PageKind::values)})
    if (auto write = v.getDefiningOp<WritePagesOp>(); write && write.getKind() != kind)
      return emitOpError() << name << " are pages of " << stringifyPageKind(write.getKind()) << ", expected those that a write of " << name << " left";
  auto heads = q[1].constant(), shared = keys[1].constant();
  if (!heads || !shared || *shared == 0 || *heads % *shared) return emitOpError("q has ") << q[1].str() << " heads, expected a multiple of the " << keys[1].str() << " of keys";
  if (table.size() != 2) return emitOpError("table has rank ") << table.size() << ", expected 2 (sequences, entries)";
  if (failed(verifyElements(*this, "table", getTable(), elementOf(getTable()).isInteger(32), "i32")) || failed(verifyTokens(*this, "sequence", getSequence(), q[0])) ||
      failed(verifyTokens(*this, "position", getPosition(), q[0])))
    return failure();
  if (int64_t(getWindow()) < 0) return emitOpError("window is ") << int64_t(getWindow()) << ", expected a number of keys, or 0 for all";
  if (elementOf(getY()) != elementOf(getQ())) return emitOpError("y has elements of ") << elementOf(getY()) << ", expected " << elementOf(getQ()) << " (as q)";
  return verifyShape(*this, "y", getY(), {q[0], q[1], values[3]});
}

std::optional<SmallVector<int64_t>> jinx::graph::inPlaceOf(GroupOp group) {
  SmallVector<int64_t> inputs;
  for (Value v : group.getBody().front().getTerminator()->getOperands()) {
    auto write = v.getDefiningOp<WritePagesOp>();
    Value memory = !write ? Value() : v == write.getPages() ? write.getPool() : write.getScales();
    auto argument = dyn_cast_if_present<BlockArgument>(memory);
    inputs.push_back(argument ? int64_t(argument.getArgNumber()) : -1);
  }
  if (llvm::all_of(inputs, [](int64_t i) { return i < 0; })) return std::nullopt;
  return inputs;
}

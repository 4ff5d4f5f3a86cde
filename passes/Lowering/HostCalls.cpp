#include "passes/Lowering/HostCalls.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

constexpr int64_t kOpset = 21;

/// [value], known now or a formula, as an operand.
Value oneInteger(OpBuilder &b, Location loc, const SizeExpr &value, SmallVectorImpl<GroupOp> &groups) {
  auto type = RankedTensorType::get({1}, b.getI64Type());
  if (auto number = value.constant()) return ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>{*number}));
  auto group = GroupOp::create(b, loc, TypeRange{type}, ValueRange(), "rows");
  groups.push_back(group);
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&group.getBody());
  Value sizes = SizesOp::create(b, loc, type, b.getStrArrayAttr({value.str()}));
  YieldOp::create(b, loc, sizes);
  return group.getResult(0);
}

}  // namespace

bool replaceByHostCall(Operation *op, SmallVectorImpl<GroupOp> &groups) {
  OpBuilder b(op);
  NamedAttrList attributes;
  SmallVector<Value> operands(op->getOperands());
  auto set = [&](StringRef name, int64_t v) { attributes.set(name, b.getI64IntegerAttr(v)); };
  auto reduce = [&](ScatterKind kind) { attributes.set("reduction", b.getStringAttr(kind == ScatterKind::set ? "none" : stringifyScatterKind(kind))); };
  StringRef name = llvm::TypeSwitch<Operation *, StringRef>(op)
                       .Case([&](GatherElementsOp o) { return set("axis", o.getAxis()), "GatherElements"; })
                       .Case([&](GatherNdOp o) { return set("batch_dims", o.getBatch()), "GatherND"; })
                       .Case([&](ScatterElementsOp o) { return set("axis", o.getAxis()), reduce(o.getKind()), "ScatterElements"; })
                       .Case([&](ScatterNdOp o) { return reduce(o.getKind()), "ScatterND"; })
                       .Case([&](CumsumOp o) {
                         operands.push_back(oneInteger(b, op->getLoc(), int64_t(o.getAxis()), groups));
                         set("exclusive", o.getExclusive());
                         set("reverse", o.getReverse());
                         return "CumSum";
                       })
                       .Case([&](TopKOp o) {
                         operands.push_back(oneInteger(b, op->getLoc(), sizesOf(o.getValues().getType())[o.getAxis()], groups));
                         set("axis", o.getAxis());
                         set("largest", !o.getAscending());
                         return "TopK";
                       })
                       .Default([](Operation *) { return ""; });
  if (name.empty()) return false;
  auto call = HostCallOp::create(b, op->getLoc(), op->getResultTypes(), "", name, kOpset, attributes.getDictionary(op->getContext()), operands);
  op->replaceAllUsesWith(call);
  op->erase();
  return true;
}

}  // namespace jinx::passes

#include "codegen/schedules/SortKeys.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {
namespace {

Value integers(KernelBuilder &kb, Type type, int64_t v) {
  auto vector = cast<VectorType>(type);
  return arith::ConstantOp::create(kb.b(), kb.loc(), DenseElementsAttr::get(vector, kb.b().getIntegerAttr(vector.getElementType(), v)));
}

/// A signed 32-bit integer that orders as the element does.
Value orderOf(KernelBuilder &kb, Value x, Type element) {
  OpBuilder &b = kb.b();
  Location loc = kb.loc();
  auto shape = cast<VectorType>(x.getType()), i32 = cast<VectorType>(shape.clone(b.getI32Type()));
  if (auto integer = dyn_cast<IntegerType>(element)) {
    if (integer.getWidth() < 32)
      return integer.isUnsignedInteger() || integer.getWidth() == 1 ? Value(arith::ExtUIOp::create(b, loc, i32, x)) : arith::ExtSIOp::create(b, loc, i32, x);
    return integer.isUnsignedInteger() ? Value(arith::XOrIOp::create(b, loc, x, integers(kb, i32, INT32_MIN))) : x;
  }
  if (element.getIntOrFloatBitWidth() < 32) x = arith::ExtFOp::create(b, loc, shape.clone(b.getF32Type()), x);
  Value bits = arith::BitcastOp::create(b, loc, i32, x), most = integers(kb, i32, INT32_MAX);
  Value size = arith::AndIOp::create(b, loc, bits, most);
  // A negative number's order is its complement but for the sign.
  Value sign = arith::ShRSIOp::create(b, loc, bits, integers(kb, i32, 31));
  Value order = arith::XOrIOp::create(b, loc, bits, arith::AndIOp::create(b, loc, sign, most));
  auto when = [&](arith::CmpIPredicate p, int64_t than, Value then) {
    order = arith::SelectOp::create(b, loc, arith::CmpIOp::create(b, loc, p, size, integers(kb, i32, than)), then, order);
  };
  when(arith::CmpIPredicate::eq, 0, integers(kb, i32, 0));
  when(arith::CmpIPredicate::sgt, 0x7f800000, most);
  return order;
}

}  // namespace

Value sortKeys(KernelBuilder &kb, Value x, Type element, bool ascending, Value begin, Value limit) {
  OpBuilder &b = kb.b();
  Location loc = kb.loc();
  auto type = cast<VectorType>(x.getType()), keyTile = cast<VectorType>(type.clone(b.getI64Type()));
  int64_t width = type.getDimSize(0);
  Value order = orderOf(kb, x, element);
  if (!ascending) order = arith::XOrIOp::create(b, loc, order, integers(kb, order.getType(), -1));
  Value high = arith::ShLIOp::create(b, loc, arith::ExtSIOp::create(b, loc, keyTile, order), integers(kb, keyTile, 32));
  Value lanes = vector::StepOp::create(b, loc, VectorType::get({width}, b.getIndexType()));
  Value positions = arith::AddIOp::create(b, loc, lanes, kb.splat(begin, width));
  Value keys = arith::OrIOp::create(b, loc, high, arith::IndexCastOp::create(b, loc, keyTile, positions));
  if (!limit) return keys;
  Value valid = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lanes, kb.splat(limit, width));
  return arith::SelectOp::create(b, loc, valid, keys, integers(kb, keyTile, INT64_MAX));
}

Value positionsOf(KernelBuilder &kb, Value keys) {
  return arith::AndIOp::create(kb.b(), kb.loc(), keys, integers(kb, keys.getType(), 0xffffffff));
}

}  // namespace jinx::schedules

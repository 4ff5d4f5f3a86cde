#include "codegen/cpu/RowMemory.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::cpu {

Value RowMemory::address(Location loc, Value ptr, Type element, Value offset) {
  Type type = LLVM::LLVMPointerType::get(b_.getContext());
  return LLVM::GEPOp::create(b_, loc, type, element, ptr, ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(toI64(loc, offset))});
}
Value RowMemory::laneMask(Location loc, Value limit, int64_t width) {
  Type type = VectorType::get({width}, b_.getI1Type());
  return vector::CreateMaskOp::create(b_, loc, type, limit);
}
Value RowMemory::allTrue(Location loc, int64_t width) {
  auto type = VectorType::get({width}, b_.getI1Type());
  return arith::ConstantOp::create(b_, loc, type, DenseElementsAttr::get(type, true));
}
Value RowMemory::laneAddresses(Location loc, Value ptr, Type element, Value offset, Value stride, int64_t width) {
  auto vec = VectorType::get({width}, b_.getIndexType());
  Value lanes = vector::StepOp::create(b_, loc, vec);
  Value offsets = arith::MulIOp::create(b_, loc, lanes, vector::BroadcastOp::create(b_, loc, vec, stride));
  offsets = arith::AddIOp::create(b_, loc, offsets, vector::BroadcastOp::create(b_, loc, vec, offset));
  return gatherAddresses(loc, ptr, element, offsets, width);
}
Value RowMemory::gatherAddresses(Location loc, Value ptr, Type element, Value offsets, int64_t width) {
  Value wide = arith::IndexCastOp::create(b_, loc, VectorType::get({width}, b_.getI64Type()), offsets);
  Type ptrs = VectorType::get({width}, LLVM::LLVMPointerType::get(b_.getContext()));
  return LLVM::GEPOp::create(b_, loc, ptrs, element, ptr, ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(wide)});
}
void RowMemory::fetch(Location loc, Type element, Value ptr, Value offset) {
  constexpr int32_t kRead = 0, kSecondLevel = 2, kData = 1;  // LLVM's prefetch
  LLVM::Prefetch::create(b_, loc, address(loc, ptr, element, offset), kRead, kSecondLevel, kData);
}
Value RowMemory::loadRow(Location loc, VectorType type, Value ptr, Value offset, Value stride, Value limit) {
  return bitcast(loc, type, loadBits(loc, bitsOf(type), ptr, offset, stride, limit));
}
Value RowMemory::loadBits(Location loc, VectorType type, Value ptr, Value offset, Value stride, Value limit) {
  Type element = type.getElementType();
  int64_t width = type.getDimSize(0);
  auto constantStride = getConstantIntValue(stride);
  if (constantStride == 0) {
    Value scalar = LLVM::LoadOp::create(b_, loc, element, address(loc, ptr, element, offset), alignmentOf(element));
    return vector::BroadcastOp::create(b_, loc, type, scalar);
  }
  if (constantStride == 1) {
    Value at = address(loc, ptr, element, offset);
    if (!limit) return LLVM::LoadOp::create(b_, loc, type, at, alignmentOf(element));
    if (!lanes_.masked) return loadLanes(loc, type, ptr, offset, stride, limit);
    return LLVM::MaskedLoadOp::create(b_, loc, type, at, laneMask(loc, limit, width), zero(loc, type), alignmentOf(element));
  }
  if (!lanes_.masked) return loadLanes(loc, type, ptr, offset, stride, limit);
  Value at = laneAddresses(loc, ptr, element, offset, stride, width);
  Value mask = limit ? laneMask(loc, limit, width) : allTrue(loc, width);
  return LLVM::masked_gather::create(b_, loc, type, at, mask, ValueRange{zero(loc, type)}, b_.getI32IntegerAttr(alignmentOf(element)));
}
void RowMemory::storeNarrowTail(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit) {
  auto type = cast<VectorType>(row.getType());
  Value isWhole = arith::CmpIOp::create(b_, loc, arith::CmpIPredicate::sge, limit, indexConstant(loc, type.getDimSize(0)));
  auto branch = scf::IfOp::create(b_, loc, isWhole, /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(branch.thenBlock());
  LLVM::StoreOp::create(b_, loc, row, address(loc, ptr, type.getElementType(), offset), alignmentOf(type.getElementType()));
  b_.setInsertionPointToStart(branch.elseBlock());
  storeLanes(loc, row, ptr, offset, stride, limit);
}
void RowMemory::storeRow(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit) {
  auto type = bitsOf(cast<VectorType>(row.getType()));
  row = bitcast(loc, type, row);
  Type element = type.getElementType();
  int64_t width = type.getDimSize(0);
  bool contiguous = getConstantIntValue(stride) == 1;
  if (!lanes_.masked && (limit || !contiguous)) return storeLanes(loc, row, ptr, offset, stride, limit);
  if (contiguous) {
    Value at = address(loc, ptr, element, offset);
    if (!limit) {
      LLVM::StoreOp::create(b_, loc, row, at, alignmentOf(element));
      return;
    }
    // LLVM 22 writes a whole 32-bit lane where a mask that it finds out to be constant leaves one lane of a truncation.
    if (element.getIntOrFloatBitWidth() < 32) return storeNarrowTail(loc, row, ptr, offset, stride, limit);
    LLVM::MaskedStoreOp::create(b_, loc, row, at, laneMask(loc, limit, width), alignmentOf(element));
    return;
  }
  Value at = laneAddresses(loc, ptr, element, offset, stride, width);
  Value mask = limit ? laneMask(loc, limit, width) : allTrue(loc, width);
  LLVM::masked_scatter::create(b_, loc, row, at, mask, b_.getI32IntegerAttr(alignmentOf(element)));
}
Value RowMemory::gather(Location loc, VectorType type, Value ptr, Value offsets, Value mask) {
  auto bits = bitsOf(type);
  if (!lanes_.masked) return bitcast(loc, type, gatherLanes(loc, bits, ptr, offsets, mask));
  Type element = bits.getElementType();
  Value at = gatherAddresses(loc, ptr, element, offsets, bits.getDimSize(0));
  Value v = LLVM::masked_gather::create(b_, loc, bits, at, mask, ValueRange{zero(loc, bits)}, b_.getI32IntegerAttr(alignmentOf(element)));
  return bitcast(loc, type, v);
}

// ---- lane by lane, for processors without masks -----------------------------------------------------------------------------------

Value RowMemory::laneBuffer(Location loc, VectorType type) {
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(entry_);
  Value count = LLVM::ConstantOp::create(b_, loc, b_.getI64Type(), b_.getI64IntegerAttr(1));
  return LLVM::AllocaOp::create(b_, loc, LLVM::LLVMPointerType::get(b_.getContext()), type, count, /*alignment=*/64);
}
void RowMemory::forLanes(Location loc, Value limit, int64_t width, function_ref<void(Value)> body) {
  Value end = indexConstant(loc, width), zero = indexConstant(loc, 0);
  if (limit) end = arith::MinSIOp::create(b_, loc, arith::MaxSIOp::create(b_, loc, limit, zero), end);
  auto loop = scf::ForOp::create(b_, loc, zero, end, indexConstant(loc, 1));
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}
void RowMemory::copyLane(Location loc, Type element, Value from, Value fromIndex, Value to, Value toIndex) {
  Value v = LLVM::LoadOp::create(b_, loc, element, address(loc, from, element, fromIndex), alignmentOf(element));
  LLVM::StoreOp::create(b_, loc, v, address(loc, to, element, toIndex), alignmentOf(element));
}
Value RowMemory::loadLanes(Location loc, VectorType type, Value ptr, Value offset, Value stride, Value limit) {
  Value buffer = laneBuffer(loc, type);
  if (limit) LLVM::StoreOp::create(b_, loc, zero(loc, type), buffer);
  forLanes(loc, limit, type.getDimSize(0),
           [&](Value lane) { copyLane(loc, type.getElementType(), ptr, add(loc, offset, mul(loc, lane, stride)), buffer, lane); });
  return LLVM::LoadOp::create(b_, loc, type, buffer);
}
void RowMemory::storeLanes(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit) {
  auto type = cast<VectorType>(row.getType());
  Value buffer = laneBuffer(loc, type);
  LLVM::StoreOp::create(b_, loc, row, buffer);
  forLanes(loc, limit, type.getDimSize(0),
           [&](Value lane) { copyLane(loc, type.getElementType(), buffer, lane, ptr, add(loc, offset, mul(loc, lane, stride))); });
}
Value RowMemory::gatherLanes(Location loc, VectorType type, Value ptr, Value offsets, Value mask) {
  auto spill = [&](Value v, Type element) {
    auto wide = VectorType::get(type.getShape(), element);
    Value buffer = laneBuffer(loc, wide);
    LLVM::StoreOp::create(b_, loc, v, buffer);
    return buffer;
  };
  auto i64s = VectorType::get(type.getShape(), b_.getI64Type());
  auto i8s = VectorType::get(type.getShape(), b_.getI8Type());
  Value at = spill(arith::IndexCastOp::create(b_, loc, i64s, offsets), b_.getI64Type());
  Value valid = spill(arith::ExtUIOp::create(b_, loc, i8s, mask), b_.getI8Type());
  Value buffer = laneBuffer(loc, type);
  LLVM::StoreOp::create(b_, loc, zero(loc, type), buffer);
  forLanes(loc, Value(), type.getDimSize(0), [&](Value lane) {
    Value flag = LLVM::LoadOp::create(b_, loc, b_.getI8Type(), address(loc, valid, b_.getI8Type(), lane));
    Value none = arith::ConstantOp::create(b_, loc, b_.getI8IntegerAttr(0));
    Value set = arith::CmpIOp::create(b_, loc, arith::CmpIPredicate::ne, flag, none);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(scf::IfOp::create(b_, loc, set, /*withElse=*/false).thenBlock());
    Value offset = toIndex(loc, LLVM::LoadOp::create(b_, loc, b_.getI64Type(), address(loc, at, b_.getI64Type(), lane)));
    copyLane(loc, type.getElementType(), ptr, offset, buffer, lane);
  });
  return LLVM::LoadOp::create(b_, loc, type, buffer);
}

}  // namespace jinx::cpu

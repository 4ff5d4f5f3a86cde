#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "ir/Graph/StackedConstants.h"

using namespace mlir;

namespace jinx::schedules {
namespace {

/// What reports and traces show.
std::string provenanceOf(graph::GroupOp group) {
  std::string text;
  for (StringAttr node : nodesOf(group)) text += (text.empty() ? "" : ", ") + node.str();
  return text;
}

}  // namespace

SmallVector<StringAttr> nodesOf(graph::GroupOp group) {
  SmallVector<StringAttr> nodes;
  group.getBody().walk([&](Operation *op) {
    if (isa<graph::ConstantOp>(op)) return;
    op->getLoc()->walk([&](Location inner) {  // what stands for several nodes has the names of all
      if (auto name = dyn_cast<NameLoc>(inner); name && !llvm::is_contained(nodes, name.getName())) nodes.push_back(name.getName());
      return isa<NameLoc>(inner) ? WalkResult::skip() : WalkResult::advance();
    });
  });
  return nodes;
}

KernelBuilder::KernelBuilder(OpBuilder &builder, Location loc, StringRef name, graph::GroupOp group, TypeRange inputs, TypeRange results)
    : builder_(builder), loc_(UnknownLoc::get(builder.getContext())), group_(group) {
  SmallVector<Type> buffers;
  auto add = [&](Type type) {
    buffers.push_back(tile::PtrType::get(builder.getContext(), memoryType(cast<RankedTensorType>(type).getElementType())));
  };
  for (Type type : inputs) add(type);
  for (Type type : results) add(type);
  kernel_ = tile::KernelOp::create(builder, loc, name, buffers, inputs.size(), 0, provenanceOf(group));
  SmallVector<int64_t> constants;
  for (auto [i, input] : llvm::enumerate(group.getInputs()))
    if (graph::isConstant(input)) constants.push_back(static_cast<int64_t>(i));
  // Which buffers nobody writes while the plan is loaded.
  if (inputs.size() == group.getInputs().size() && !constants.empty()) kernel_->setAttr("constants", builder.getDenseI64ArrayAttr(constants));
  builder.setInsertionPointToStart(&kernel_.getBody().front());
}

Value KernelBuilder::constant(int64_t v) {
  auto it = constants_.find(v);
  if (it != constants_.end()) return it->second;
  OpBuilder::InsertionGuard guard(builder_);
  if (lastPrelude_) {
    builder_.setInsertionPointAfter(lastPrelude_);
  } else {
    builder_.setInsertionPointToStart(&kernel_.getBody().front());
  }
  auto op = arith::ConstantIndexOp::create(builder_, loc_, v);
  lastPrelude_ = op;
  return constants_[v] = op;
}

Value KernelBuilder::size(const SizeExpr &expr) {
  if (auto c = expr.constant()) return constant(*c);
  if (multiple_ > 1 && expr.exactDivide(factor_)) {
    auto &known = multiples_[{expr.str(), multiple_}];
    if (known) return known;
    const int64_t multiple = std::exchange(multiple_, 1);
    Value by = constant(multiple), whole = size(expr);
    OpBuilder::InsertionGuard guard(builder_);
    builder_.setInsertionPointAfter(lastPrelude_);
    known = mul(floorDiv(whole, by), by);
    lastPrelude_ = known.getDefiningOp();
    multiple_ = multiple;
    return known;
  }
  auto it = sizeValues_.find(expr.str());
  if (it != sizeValues_.end()) return it->second;
  sizes_.push_back(expr);
  return sizeValues_[expr.str()] = kernel_.getBody().addArgument(builder_.getIndexType(), loc_);
}

Value KernelBuilder::add(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy) return constant(*cx + *cy);
  if (cx == 0) return y;
  if (cy == 0) return x;
  return arith::AddIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::sub(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy) return constant(*cx - *cy);
  if (cy == 0) return x;
  return arith::SubIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::mul(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy) return constant(*cx * *cy);
  if (cx == 0 || cy == 0) return constant(0);
  if (cx == 1) return y;
  if (cy == 1) return x;
  return arith::MulIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::min(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy) return constant(std::min(*cx, *cy));
  return arith::MinSIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::max(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy) return constant(std::max(*cx, *cy));
  return arith::MaxSIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::floorDiv(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cy == 1) return x;
  if (cx && cy && *cy > 0 && *cx >= 0) return constant(*cx / *cy);
  return arith::DivUIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::rem(Value x, Value y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cy == 1) return constant(0);
  if (cx && cy && *cy > 0 && *cx >= 0) return constant(*cx % *cy);
  return arith::RemUIOp::create(builder_, loc_, x, y);
}
Value KernelBuilder::loadIndex(Value ptr, Value at) {
  auto type = VectorType::get({1}, cast<tile::PtrType>(ptr.getType()).getElement());
  Value one = tile::LoadOp::create(builder_, loc_, type, ptr, at, ValueRange{constant(1)}, ValueRange());
  return arith::IndexCastOp::create(builder_, loc_, builder_.getIndexType(), vector::ExtractOp::create(builder_, loc_, one, ArrayRef<int64_t>{0}));
}
Value KernelBuilder::splat(Value scalar, int64_t width) {
  return vector::BroadcastOp::create(builder_, loc_, VectorType::get({width}, scalar.getType()), scalar);
}

SmallVector<Value> KernelBuilder::delinearize(Value linear, ArrayRef<SizeExpr> extents) {
  SmallVector<Value> result(extents.size());
  int64_t last = -1;  // outermost dimension that is not 1: takes what is left, without a remainder
  for (int64_t i = extents.size() - 1; i >= 0; --i)
    if (!extents[i].isConstant(1)) last = i;
  for (int64_t i = extents.size() - 1; i >= 0; --i) {
    if (extents[i].isConstant(1)) {
      result[i] = constant(0);
    } else if (i == last) {
      result[i] = linear;
    } else {
      Value extent = size(extents[i]);
      result[i] = rem(linear, extent);
      linear = floorDiv(linear, extent);
    }
  }
  return result;
}

SmallVector<SizeExpr> KernelBuilder::strides(ArrayRef<SizeExpr> sizes) {
  SmallVector<SizeExpr> result(sizes.size());
  SizeExpr stride = 1;
  for (int64_t i = sizes.size() - 1; i >= 0; --i) {
    result[i] = stride;
    stride = stride * sizes[i];
  }
  return result;
}

SmallVector<SizeExpr> KernelBuilder::stridesOf(BlockArgument arg) {
  auto own = strides_.find(arg.getArgNumber());
  return own != strides_.end() ? own->second : strides(graph::sizesOf(arg.getType()));
}

std::string KernelBuilder::formula(const SizeExpr &expr) {
  if (auto c = expr.constant()) return std::to_string(*c);
  return "a" + std::to_string(cast<BlockArgument>(size(expr)).getArgNumber() - kernel_.getNumBuffers());
}

Value KernelBuilder::splatTile(graph::ConstantOp op, VectorType shape) {
  Type element = registerType(cast<RankedTensorType>(op.getY().getType()).getElementType());
  Attribute value = splatAttribute(cast<DenseElementsAttr>(op.getValue()), element);
  VectorType type = shape.clone(element);
  return arith::ConstantOp::create(builder_, loc_, type, DenseElementsAttr::get(type, value));
}

Value KernelBuilder::loadTile(BlockArgument arg, VectorType shape, Value offset, ValueRange strides, ValueRange limits, StringRef phase) {
  Type element = cast<RankedTensorType>(arg.getType()).getElementType();
  VectorType type = shape.clone(memoryType(element));
  auto tile = tile::LoadOp::create(builder_, loc_, type, input(arg), offset, strides, limits);
  if (!phase.empty()) tile->setAttr("phase", builder_.getStringAttr(phase));
  if (!element.isInteger(1)) return tile;
  Value zero = arith::ConstantOp::create(builder_, loc_, type, builder_.getZeroAttr(type));
  return arith::CmpIOp::create(builder_, loc_, arith::CmpIPredicate::ne, tile, zero);
}

Scheduled KernelBuilder::finish(const SizeExpr &programs, const SizeExpr &scratchBytes, const SizeExpr &work) {
  kernel_.setPrograms(formula(programs));
  kernel_.setScratch(formula(scratchBytes));
  return {kernel_, sizes_, programs, scratchBytes, work};
}

void sayMultiples(tile::KernelOp kernel, ArrayRef<SizeExpr> sizes) {
  constexpr int64_t kMost = 16;
  SmallVector<int64_t> multiples;
  for (const SizeExpr &size : sizes) {
    int64_t multiple = kMost;
    while (multiple > 1 && !size.exactDivide(multiple)) multiple /= 2;
    multiples.push_back(multiple);
  }
  if (llvm::any_of(multiples, [](int64_t m) { return m > 1; }))
    kernel->setAttr("multiples", DenseI64ArrayAttr::get(kernel.getContext(), multiples));
}

}  // namespace jinx::schedules

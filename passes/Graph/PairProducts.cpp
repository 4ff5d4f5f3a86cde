// Two products of one operand, of which one value is made element by element (a gated feed-forward network), become one group with one product:
//
//   %g = packed_matmul %x, %wg          %w = concat %wg, %wu axis 0      a constant in two pieces: nothing is copied (ir/Graph/StackedConstants.h)
//   %u = packed_matmul %x, %wu          %y = group "matmul"(%x, %w) {
//   %s = sigmoid %g                       %p = packed_matmul %x, %w      [n, 2 * 8192]
//   %t = mul %g, %s               ->      %g = slice %p, first half of the columns
//   %y = mul %t, %u                       %u = slice %p, second half
//                                         … sigmoid, mul, mul …          [n, 8192]
//                                       }
//
// Its kernel has the sums of both in registers (codegen/schedules/cuda/GroupWgmma.cpp): a launch less, and neither product goes through memory.
//
// A mixture of experts has two grouped products of one operand and the same ends. The weights [g, n, k] of both would be no such product if they lay behind each
// other, so the group has both products, side by side, and its kernel fetches of two tensors (GroupedMatmul.cpp). These need not be constants.
//
//   %g = packed_grouped_matmul %x, %wg, %ends        %y = group "grouped"(%x, %wg, %ends, %wu) {
//   %u = packed_grouped_matmul %x, %wu, %ends   ->     %g = packed_grouped_matmul %x, %wg, %ends
//   %y = …                                             %u = packed_grouped_matmul %x, %wu, %ends
//                                                      … }
//
// The two products and what is between them and the value must be closed: nobody else reads them. Of what follows the value as much joins as leaves one result.
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/Schedules.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_PAIRPRODUCTS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-pair-products";
constexpr size_t kMostOperators = 32;  // of an epilogue

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isWideFloat(Value v) {
  auto type = dyn_cast<FloatType>(elementOf(v));
  return type && type.getWidth() >= 16;
}

/// `packed_matmul` or `packed_grouped_matmul`: y of an activation and weights, and of ends.
bool isGrouped(Operation *product) { return isa<PackedGroupedMatmulOp>(product); }
Value activationOf(Operation *product) { return product->getOperand(0); }
Value weightsOf(Operation *product) { return product->getOperand(1); }
Value endsOf(Operation *product) { return isGrouped(product) ? product->getOperand(2) : Value(); }
Value resultOf(Operation *product) { return product->getResult(0); }

/// Why the kernel cannot take a product; empty if it can.
std::string unfit(Operation *op) {
  constexpr int64_t kAligned = 8;  // elements of 16 bytes, which rows are a multiple of
  const Sizes a = sizesOf(activationOf(op).getType()), b = sizesOf(weightsOf(op).getType()), y = sizesOf(resultOf(op).getType());
  const bool areMatrices = op->hasAttr("by_rows") && b.size() == (isGrouped(op) ? 3 : 2) && y.size() == 2 && a.back() == b.back() && b.back().exactDivide(kAligned);
  if (!areMatrices) return isGrouped(op) ? "it is no product of matrices whose rows are read in bulk" : "it is no product of two matrices whose rows are read in bulk";
  if (!elementOf(weightsOf(op)).isBF16() && !elementOf(weightsOf(op)).isF16()) return "it does not multiply 16-bit floats";
  if (isGrouped(op)) return "";
  auto weights = weightsOf(op).getDefiningOp<ConstantOp>();
  if (!weights || !weights.getY().hasOneUse()) return "its weights are no constant of its own";
  return "";
}

/// What is computed of both products, in the order of the block.
struct Gated {
  SmallVector<Operation *> operators;
  Value result;
};

struct PairProductsPass : impl::PairProductsBase<PairProductsPass> {
  using PairProductsBase::PairProductsBase;

  void runOnOperation() override {
    llvm::MapVector<std::tuple<Value, Value, Block *>, SmallVector<Operation *>> products;
    getOperation().walk([&](Operation *op) {
      if (isa<PackedMatmulOp, PackedGroupedMatmulOp>(op) && !isa<GroupOp>(op->getParentOp())) products[{activationOf(op), endsOf(op), op->getBlock()}].push_back(op);
    });
    for (auto &[operand, all] : products)
      if (all.size() > 1) pairUp(all);
  }

  void pairUp(ArrayRef<Operation *> all) {
    SmallVector<Operation *> left;
    for (Operation *op : all) {
      std::string why = schedules::gpuOf(op).hasCopyEngine() ? unfit(op) : "their kernel needs a copy engine, which GPUs have from sm_90 on";
      why.empty() ? left.push_back(op) : apart(op, why);
    }
    while (!left.empty()) {
      Operation *first = left.front();
      left.erase(left.begin());
      std::string why = "no other product of its operand has its shape and type";
      for (Operation **second = left.begin(); second != left.end(); ++second) {
        if (weightsOf(*second).getType() != weightsOf(first).getType() || resultOf(*second).getType() != resultOf(first).getType()) continue;
        std::optional<Gated> gated = gatedBy(first, *second, why);
        if (!gated) continue;
        form(first, *second, *gated);
        left.erase(second);
        why.clear();
        break;
      }
      if (!why.empty()) apart(first, why);
    }
  }
  static void apart(Operation *op, StringRef why) {
    say(missed(op, kArgument, "Apart"), [&] { return (kindOf(op) + ": " + why).str(); });
  }

  /// The longest row of operators that read both products and have one result.
  static std::optional<Gated> gatedBy(Operation *first, Operation *second, std::string &why) {
    const Sizes sizes = sizesOf(resultOf(first).getType());
    llvm::SetVector<Operation *> members;
    llvm::SmallPtrSet<Value, 16> values = {resultOf(first), resultOf(second)};
    auto joins = [&](Operation &op) {
      if (!schedules::isElementwiseSupported(&op) || op.getNumResults() != 1 || !(sizesOf(op.getResult(0).getType()) == sizes)) return false;
      auto isInside = [&](Value v) { return values.contains(v); };
      return llvm::any_of(op.getOperands(), isInside) && isWideFloat(op.getResult(0)) && llvm::all_of(op.getOperands(), isWideFloat);
    };
    Operation *begin = first->isBeforeInBlock(second) ? first : second;
    for (Operation &op : llvm::make_range(begin->getIterator(), begin->getBlock()->end())) {
      if (members.size() == kMostOperators || !joins(op)) continue;
      members.insert(&op);
      values.insert(op.getResult(0));
    }
    SmallVector<Operation *> row(members.begin(), members.end());
    for (; !row.empty(); row.pop_back())
      if (isClosed(first, second, row)) return Gated{row, row.back()->getResult(0)};
    why = "no value is made of it and another product element by element, or something else reads them";
    return {};
  }
  /// Nobody else reads the products, nor what is made of them before the last of the row.
  static bool isClosed(Operation *first, Operation *second, ArrayRef<Operation *> row) {
    auto isInside = [&](Operation *user) { return llvm::is_contained(row, user); };
    auto isOwn = [&](Value v) { return !v.use_empty() && llvm::all_of(v.getUsers(), isInside); };
    return isOwn(resultOf(first)) && isOwn(resultOf(second)) && llvm::all_of(row.drop_back(), [&](Operation *op) { return isOwn(op->getResult(0)); });
  }

  void form(Operation *first, Operation *second, Gated gated) {
    Operation *last = gated.operators.back();
    OpBuilder b(last);
    SmallVector<Location> locations = {first->getLoc(), second->getLoc()};
    for (Operation *op : gated.operators) locations.push_back(op->getLoc());
    llvm::SetVector<Value> inputs;
    SmallVector<Operation *> constants;  // computed inside
    if (isGrouped(first)) {
      inputs.insert_range(first->getOperands());
      inputs.insert(weightsOf(second));
    } else {
      inputs.insert(activationOf(first));
      inputs.insert(stacked(b, cast<PackedMatmulOp>(first), cast<PackedMatmulOp>(second)));
    }
    for (Operation *op : gated.operators)
      for (Value v : op->getOperands()) {
        Operation *def = v.getDefiningOp();
        if (def == first || def == second || llvm::is_contained(gated.operators, def)) continue;
        auto constant = dyn_cast_if_present<ConstantOp>(def);
        if (!constant || !constant.getValue().isSplat() || !schedules::isEmittable(constant)) {
          inputs.insert(v);
        } else if (!llvm::is_contained(constants, def)) {
          constants.push_back(def);
        }
      }
    auto group = GroupOp::create(b, b.getFusedLoc(locations), gated.result.getType(), inputs.getArrayRef(), isGrouped(first) ? "grouped" : "matmul");
    Block *body = b.createBlock(&group.getBody());
    IRMapping mapping;
    for (Value v : inputs) mapping.map(v, body->addArgument(v.getType(), v.getLoc()));
    b.setInsertionPointToStart(body);
    for (Operation *op : constants) b.clone(*op, mapping);
    if (isGrouped(first)) {
      for (Operation *op : {first, second}) b.clone(*op, mapping);
    } else {
      multiply(b, cast<PackedMatmulOp>(first), cast<PackedMatmulOp>(second), mapping, body->getArgument(1));
    }
    for (Operation *op : gated.operators) b.clone(*op, mapping);
    YieldOp::create(b, group.getLoc(), mapping.lookup(gated.result));
    say(passed(first, kArgument, "Paired"), [&] {
      return kindOf(first) + ": two products of one operand are one, of 2 * " + sizesOf(resultOf(first).getType())[1].str() + " columns, with " + std::to_string(gated.operators.size()) + " operators that read both";
    });
    ++numPaired;
    gated.result.replaceAllUsesWith(group.getResult(0));
    for (Operation *op : llvm::reverse(gated.operators)) op->erase();
    first->erase();
    second->erase();
  }
  /// Both constants behind each other.
  static Value stacked(OpBuilder &b, PackedMatmulOp first, PackedMatmulOp second) {
    const Sizes one = sizesOf(first.getB().getType());
    return ConcatOp::create(b, b.getFusedLoc({first.getLoc(), second.getLoc()}), tensorOf({2 * one[0], one[1]}, elementOf(first.getB())), ValueRange{first.getB(), second.getB()}, 0);
  }
  /// The product by `weights`, which are stacked, and its halves in place of both.
  static void multiply(OpBuilder &b, PackedMatmulOp first, PackedMatmulOp second, IRMapping &mapping, Value weights) {
    const Sizes sizes = sizesOf(first.getY().getType());
    Value product = PackedMatmulOp::create(b, b.getFusedLoc({first.getLoc(), second.getLoc()}), tensorOf({sizes[0], 2 * sizes[1]}, elementOf(first.getY())), mapping.lookup(first.getA()), weights,
                                           first.getByRowsAttr(), first.getFastSumsAttr(), first.getTf32Attr());
    for (auto [op, from] : {std::pair(first, int64_t(0)), std::pair(second, *sizes[1].constant())}) {
      const std::string start = std::to_string(from);
      mapping.map(op.getY(), SliceOp::create(b, op.getLoc(), tensorOf(sizes, elementOf(product)), product, b.getStrArrayAttr({"0", StringRef(start)}), ArrayRef<int64_t>{1, 1}).getY());
    }
  }
};

}  // namespace
}  // namespace jinx::passes

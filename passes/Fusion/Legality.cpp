#include "passes/Fusion/Legality.h"

#include "codegen/schedules/AttentionForm.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/Schedules.h"
#include "ir/Graph/StackedConstants.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

bool isFree(Operation *op) {
  auto constant = dyn_cast<ConstantOp>(op);
  return constant && constant.getValue().isSplat() && schedules::isEmittable(op);
}
bool isProduct(Operation *op) { return isa<PackedMatmulOp, PackedConvOp, PackedGroupedMatmulOp, DequantMatmulOp, ScaledMatmulOp>(op); }
bool isRecurrent(Operation *op) { return isa<LstmOp, GruOp>(op); }
bool isAlone(Operation *op) { return !schedules::ownSchedule(op).empty(); }
bool isCombining(Operation *op) { return isa<ReduceOp, CumsumOp>(op) || isAlone(op); }
bool readsBuffers(Operation *op) { return isProduct(op) || isAlone(op); }
bool isFusible(Operation *op) {
  if (readsBuffers(op)) return true;
  return schedules::isEmittable(op) && !isa<ReshapeOp, ConstantOp>(op) && !isStackedConstant(op);
}
bool isMovement(Operation *op) {
  return isa<TransposeOp, BroadcastOp, SliceOp, ConcatOp, PadOp, GatherOp, GatherElementsOp, GatherNdOp, PoolOp, DepthwiseConvOp, ResizeOp, PackOp, ReshapeOp>(op);
}
bool isTransparent(Operation *op) {
  auto reshape = dyn_cast<ReshapeOp>(op);
  if (!reshape || !schedules::isEmittable(op)) return false;
  Sizes in = sizesOf(reshape.getX().getType()), out = sizesOf(reshape.getY().getType());
  return !in.empty() && !out.empty() && in.back() == out.back() && !in.back().isConstant(1);
}

namespace {

// More pointers than this leave a kernel no registers for its work. Groups of one operator may have more.
constexpr size_t kMaxBuffers = 24;
constexpr size_t kMaxMembers = 64;

class Checker {
 public:
  Checker(Shapes &shapes, ArrayRef<Operation *> members, ArrayRef<Value> results, bool explain)
      : shapes_(shapes), members_(members), results_(results), explain_(explain), set_(members.begin(), members.end()) {}

  Verdict check() {
    for (Operation *op : members_) {
      if (auto write = dyn_cast<WritePagesOp>(op); write && members_.size() > 1) {
        if (writes_) return no("two writes of pages: each has a kernel of its own");
        writes_ = write;
        continue;
      }
      if (isAlone(op)) return members_.size() == 1 ? Verdict{schedules::ownSchedule(op), ""} : no([&] { return kindOf(op) + " has a kernel of its own"; });
      if (isProduct(op)) products_.push_back(op);
      if (auto reduce = dyn_cast<ReduceOp>(op)) reduces_.push_back(reduce);
      if (auto scan = dyn_cast<CumsumOp>(op)) scans_.push_back(scan);
    }
    if (members_.size() == 1) return {!products_.empty() ? scheduleOf(products_[0]) : !scans_.empty() ? "scan" : "rows", ""};
    if (members_.size() > kMaxMembers) return no([&] { return "more than " + std::to_string(kMaxMembers) + " operators"; });
    if (results_.empty()) return no("nothing reads the results");
    if (size_t count = buffers(); count > kMaxBuffers)
      return no([&] { return "the kernel would have " + std::to_string(count) + " buffers, at most " + std::to_string(kMaxBuffers) + " are allowed"; });
    if (products_.size() == 2 && isa<PackedMatmulOp>(products_[1]))
      if (auto form = schedules::matchAttention(cast<PackedMatmulOp>(products_[1]))) return attention(*form);
    if (writes_) return pages();
    if (!products_.empty()) return matmul();
    if (!scans_.empty()) return scan();
    return reduces_.empty() ? map() : reduction();
  }

 private:
  template <typename Why>
  Verdict no(Why why) {
    if constexpr (std::is_invocable_v<Why>) {
      return {"", explain_ ? why() : std::string()};
    } else {
      return {"", explain_ ? std::string(why) : std::string()};
    }
  }
  static std::string text(Value v) { return describe(sizesOf(v.getType())); }
  bool inside(Value v) const { return v.getDefiningOp() && set_.contains(v.getDefiningOp()); }

  size_t buffers() {
    llvm::SmallPtrSet<Value, 16> inputs;
    for (Operation *op : members_)
      for (Value v : op->getOperands())
        if (!inside(v) && !(v.getDefiningOp() && isFree(v.getDefiningOp()))) inputs.insert(v);
    return inputs.size() + results_.size();
  }

  Verdict matmul() {
    if (products_.size() > 1) return no("two products: each has a kernel of its own");
    if (crossesQuantized()) return no("bytes of another product are read as floats: they end its kernel");
    Operation *product = products_[0];
    Value whole = product->getResult(0);
    for (Value v : product->getOperands())
      if (inside(v)) return no("a product reads its operands from memory");
    for (Operation *op : members_) {
      if (op == product) continue;
      if (!schedules::isElementwiseSupported(op)) return no([&] { return kindOf(op) + " is not elementwise: an epilogue holds nothing else"; });
      if (!shapes_.same(op->getResult(0), whole))
        return no([&] { return kindOf(op) + " has shape " + text(op->getResult(0)) + ", the product " + text(whole); });
      for (Value v : op->getOperands())
        if (inside(v) && !shapes_.same(v, whole)) return no([&] { return kindOf(op) + " broadcasts a value of the group"; });
    }
    return {scheduleOf(product), ""};
  }
  static StringRef scheduleOf(Operation *product) {
    return isa<PackedGroupedMatmulOp>(product) ? "grouped" : isa<DequantMatmulOp>(product) ? "dequant_matmul" : "matmul";
  }

  Verdict attention(const schedules::AttentionForm &form) {
    for (Operation *op : form.operators)
      if (!set_.contains(op)) return no([&] { return kindOf(op) + " of the attention is not in the group"; });
    for (Operation *product : products_)
      if (inside(product->getOperand(1))) return no("a product reads its packed operand from memory");
    llvm::SmallPtrSet<Operation *, 16> core(form.operators.begin(), form.operators.end()), after = {form.context};
    auto isOfRows = [&](Value v) { return v == Value(form.max->getResult(0)) || v == Value(form.sum->getResult(0)); };
    for (Operation *op : members_) {
      if (core.contains(op)) continue;
      if (llvm::any_of(op->getOperands(), isOfRows)) return no([&] { return kindOf(op) + " reads numbers of rows, which are there when all keys have been seen"; });
      if (llvm::any_of(op->getOperands(), [&](Value v) { return v.getDefiningOp() && after.contains(v.getDefiningOp()); })) {
        after.insert(op);
        if (Verdict verdict = followsContext(op, after); !verdict) return verdict;
        continue;
      }
      if (isa<ReduceOp, PackOp>(op)) return no([&] { return kindOf(op) + " beside an attention needs a kernel of its own"; });
      if (isa<ReshapeOp>(op) && !isTransparent(op)) return no("a reshape changes the innermost extent");
    }
    for (Value v : results_)
      if (!after.contains(v.getDefiningOp()) && !isOfRows(v)) return no([&] { return kindOf(v.getDefiningOp()) + " is a result, but is computed in parts"; });
    return {"attention", ""};
  }
  /// An operator that reads the context, or what was made of it.
  Verdict followsContext(Operation *op, const llvm::SmallPtrSetImpl<Operation *> &after) {
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      int64_t last = int64_t(transpose.getPerm().size()) - 1;
      return transpose.getPerm()[last] == last ? Verdict{"attention", ""} : no("transpose moves the columns of the context");
    }
    if (!schedules::isElementwiseSupported(op)) return no([&] { return kindOf(op) + " after an attention is not elementwise"; });
    for (Value v : op->getOperands())
      if (v.getDefiningOp() && after.contains(v.getDefiningOp()) && !shapes_.same(v, op->getResult(0)))
        return no([&] { return kindOf(op) + " broadcasts a value of the group"; });
    return {"attention", ""};
  }

  /// Bytes that a kernel makes of a product outside, and reads again as floats: they are to be that product's result, of a quarter of the bytes.
  bool crossesQuantized() const {
    for (Operation *op : members_) {
      auto widened = dyn_cast<CastOp>(op);
      auto narrowed = widened && inside(widened.getX()) ? widened.getX().getDefiningOp<CastOp>() : CastOp();
      if (!narrowed || !isByte(narrowed.getY()) || isByte(narrowed.getX())) continue;
      Value v = narrowed.getX();
      while (inside(v) && !isProduct(v.getDefiningOp()) && v.getDefiningOp()->getNumOperands() > 0) v = v.getDefiningOp()->getOperand(0);
      if (inside(v)) continue;
      if (v.getDefiningOp() && isProduct(v.getDefiningOp())) return true;
    }
    return false;
  }
  static bool isByte(Value v) { return cast<RankedTensorType>(v.getType()).getElementType().isInteger(8); }

  Verdict map() {
    if (crossesQuantized()) return no("bytes of a product are read as floats: they end its kernel");
    for (Value v : results_)
      if (!shapes_.same(v, results_[0])) return no([&] { return "results of shapes " + text(results_[0]) + " and " + text(v); });
    for (Operation *op : members_) {
      if (isa<ReshapeOp>(op) && !isTransparent(op)) return no("a reshape changes the innermost extent");
      // Its columns are lanes: only as the last operator are they.
      if (isa<PackOp>(op) && !llvm::is_contained(results_, op->getResult(0))) return no("packing writes panels that a product reads from memory");
    }
    return {"rows", ""};
  }

  /// What makes the rows that are written, each computed where it is. Everything else is read from memory.
  Verdict pages() {
    if (!products_.empty() || !reduces_.empty() || !scans_.empty()) return no("pages are written from what products and reductions leave in memory");
    for (Value v : results_)
      if (v.getDefiningOp() != writes_) return no([&] { return kindOf(v.getDefiningOp()) + " is a result beside the pages that are written"; });
    for (Value v : writes_->getOperands())
      if (v != writes_.getRows() && inside(v)) return no("a write of pages reads all but its rows from memory");
    for (Operation *op : members_)
      if (isa<ReshapeOp, PackOp>(op)) return no([&] { return kindOf(op) + " does not go with a write of pages"; });
    return {"write_pages", ""};
  }

  /// A size, or what is made of sizes: the divisor of a mean whose length is known at run time. Read in the group alone: results have the
  /// rank of what is reduced.
  bool isOneValue(Operation *op) const {
    if (cast<RankedTensorType>(op->getResult(0).getType()).getRank() != 0 || llvm::is_contained(results_, op->getResult(0))) return false;
    return isa<SizesOp>(op) || (schedules::isElementwiseSupported(op) && !isa<ReduceOp>(op));
  }

  Verdict reduction() {
    if (crossesQuantized()) return no("bytes of a product are read as floats: they end its kernel");
    Value full = reduces_[0].getX(), reduced = reduces_[0].getY();
    for (ReduceOp reduce : reduces_) {
      if (!shapes_.same(reduce.getX(), full)) return no([&] { return "reductions of shapes " + text(full) + " and " + text(reduce.getX()); });
      if (reduce.getAxes() != reduces_[0].getAxes()) return no("reductions over different axes");
    }
    for (Operation *op : members_) {
      if (isa<ReduceOp>(op)) continue;
      Value y = op->getResult(0);
      if (isOneValue(op)) continue;
      if (schedules::isElementwiseSupported(op)) {
        if (!shapes_.same(y, full) && !shapes_.same(y, reduced))
          return no([&] { return kindOf(op) + " has shape " + text(y) + ", beside a reduction of " + text(full) + " to " + text(reduced); });
        continue;
      }
      if (isa<ReshapeOp, PackOp>(op)) return no([&] { return kindOf(op) + " does not go with a reduction"; });
      if (!shapes_.same(y, full)) return no([&] { return kindOf(op) + " beside a reduction must give its operand's shape " + text(full); });
      for (Value v : op->getOperands())
        if (inside(v)) return no([&] { return kindOf(op) + " beside a reduction must read from outside of the group"; });
    }
    return {"rows", ""};
  }

  Verdict scan() {
    if (scans_.size() > 1) return no("two running sums: each has a kernel of its own");
    Value full = scans_[0].getY();
    for (Operation *op : members_) {
      Value y = op->getResult(0);
      if (isa<ReduceOp, ReshapeOp, PackOp>(op)) return no([&] { return kindOf(op) + " does not go with a running sum"; });
      if (!shapes_.same(y, full)) return no([&] { return kindOf(op) + " has shape " + text(y) + ", beside a running sum of " + text(full); });
      if (op == scans_[0] || schedules::isElementwiseSupported(op)) continue;
      for (Value v : op->getOperands())
        if (inside(v)) return no([&] { return kindOf(op) + " beside a running sum must read from outside of the group"; });
    }
    return {"scan", ""};
  }

  Shapes &shapes_;
  ArrayRef<Operation *> members_;
  ArrayRef<Value> results_;
  bool explain_;
  llvm::SmallPtrSet<Operation *, 16> set_;
  SmallVector<Operation *> products_;
  SmallVector<ReduceOp> reduces_;
  SmallVector<CumsumOp> scans_;
  WritePagesOp writes_;
};

}  // namespace

Verdict canShareKernel(Shapes &shapes, ArrayRef<Operation *> members, ArrayRef<Value> results, bool explain) {
  return Checker(shapes, members, results, explain).check();
}

}  // namespace jinx::passes

// Where does a model compute attention? Two products with a softmax between become the start of one group:
//
//   %s = jinx.packed_matmul %q, %k                 %y = jinx.group "attention"(%q, %k, %mask, %v) {
//   %x = jinx.add %s, %mask                          … the same operators …
//   %m = jinx.reduce max, %x axes [3]                jinx.yield %y
//   … exp(x - m) / its sum                         }
//   %y = jinx.packed_matmul %p, %v          ->
//
// ONNX's Attention sets the weights of rows that are masked whole to 0 between softmax and product. What is 0 for a whole row of weights is 0
// for that row of the result (if v is finite), so this moves past the product first.
//
// Pairwise fusion does not get there: a product and half of a softmax have no kernel together. So this pass says which operators belong
// together, and jinx-fuse, which comes next, judges whether one kernel is worth it and what else joins it.
#include "codegen/schedules/AttentionForm.h"
#include "codegen/schedules/Schedules.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/GroupAttention.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FORMATTENTION
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-form-attention";

struct FormAttentionPass : impl::FormAttentionBase<FormAttentionPass> {
  using FormAttentionBase::FormAttentionBase;

  void runOnOperation() override {
    SmallVector<PackedMatmulOp> products;
    getOperation().walk([&](PackedMatmulOp op) {
      if (!isa<GroupOp>(op->getParentOp())) products.push_back(op);
    });
    llvm::SmallPtrSet<Operation *, 32> erased;
    for (PackedMatmulOp product : products) {
      if (erased.contains(product)) continue;
      if (!cuda) product = moveRowSelect(product);
      std::string why;
      auto form = schedules::matchAttention(product, &why);
      if (!form && why.empty()) continue;  // a product like any other
      if (!form) {
        ++numKept;
        say(missed(product, kArgument, "Kept"), [&] { return "softmax and packed_matmul are no attention: " + why; });
        continue;
      }
      if (cuda) {
        const bool copyEngine = schedules::gpuOf(getOperation()).hasCopyEngine();
        if (!copyEngine) why = "their kernel needs a copy engine, which GPUs have from sm_90 on";
        auto whole = copyEngine ? schedules::matchCudaAttention(*form, &why) : std::nullopt;
        if (!whole) {
          ++numKept;
          say(missed(product, kArgument, "Kept"), [&] { return "softmax and packed_matmul stay apart: " + why; });
          continue;
        }
        ++numFormed;
        say(passed(product, kArgument, "Formed"), [&] {
          return std::to_string(whole->operators.size()) + " operators are an attention of shape " + describe(sizesOf(form->logits.getType()));
        });
        for (Operation *op : outline(whole->operators, {whole->o.data}, {whole->q.data, whole->k.data, whole->v.data})) erased.insert(op);
        continue;
      }
      SmallVector<Value> results = {form->context.getY()};
      if (form->isMaxRead) results.push_back(form->max.getY());
      if (form->isSumRead) results.push_back(form->sum.getY());
      if (isReadBefore(*form)) {
        ++numKept;
        say(missed(product, kArgument, "Kept"), [&] { return std::string("softmax and packed_matmul stay apart: numbers of rows are read in front of the product"); });
        continue;
      }
      ++numFormed;
      say(passed(product, kArgument, "Formed"), [&] {
        return std::to_string(form->operators.size()) + " operators are an attention of shape " + describe(sizesOf(form->logits.getType())) +
               (results.size() > 1 ? ", which also gives numbers of its rows" : "");
      });
      erased.insert(form->operators.begin(), form->operators.end());
      outline(form->operators, results);
    }
  }

  /// packed_matmul(select(c, 0, p), v) with a condition for each row becomes select(c, 0, packed_matmul(p, v)), when p is a quotient that
  /// nothing else reads. Gives the product that there is then.
  static PackedMatmulOp moveRowSelect(PackedMatmulOp product) {
    auto select = product.getA().getDefiningOp<SelectOp>();
    if (!select || !select->hasOneUse()) return product;
    auto isZero = [](Value v) {
      auto constant = v.getDefiningOp<ConstantOp>();
      return constant && constant.getY().getType().getNumElements() == 1 && matchPattern(v, m_AnyZeroFloat());
    };
    bool zeroFirst = isZero(select.getA());
    Value weights = zeroFirst ? select.getB() : select.getA(), zero = zeroFirst ? select.getA() : select.getB();
    Sizes condition = sizesOf(select.getCondition().getType());
    if (!isZero(zero) || !weights.getDefiningOp<DivOp>() || !weights.hasOneUse() || weights.getType() != select.getY().getType() ||
        condition.empty() || !condition.back().isConstant(1))
      return product;
    OpBuilder b(product);
    auto type = product.getY().getType();
    auto moved = PackedMatmulOp::create(b, product.getLoc(), type, weights, product.getB());
    Value first = zeroFirst ? zero : Value(moved.getY()), second = zeroFirst ? Value(moved.getY()) : zero;
    product.getY().replaceAllUsesWith(SelectOp::create(b, select.getLoc(), type, select.getCondition(), first, second));
    product.erase();
    select.erase();
    say(passed(moved, kArgument, "Moved"), [&] { return "select of whole rows follows the product of a softmax"; });
    return moved;
  }

  /// Whether someone outside of the attention reads its m or l before the last of it.
  static bool isReadBefore(const schedules::AttentionForm &form) {
    auto isBefore = [&](Operation *user) {
      Operation *outer = form.context->getBlock()->findAncestorOpInBlock(*user);
      return !llvm::is_contained(form.operators, user) && (!outer || outer->isBeforeInBlock(form.context));
    };
    return llvm::any_of(form.max->getUsers(), isBefore) || llvm::any_of(form.sum->getUsers(), isBefore);
  }

  /// Puts copies of the operators into a group whose results take the place of `results`, the last operator's first. Erases those that nothing
  /// else reads, and gives them.
  /// \param inMemory  what stays an input, constant or not
  SmallVector<Operation *> outline(ArrayRef<Operation *> operators, ArrayRef<Value> results, ArrayRef<Value> inMemory = {}) {
    llvm::SmallPtrSet<Operation *, 16> members(operators.begin(), operators.end());
    llvm::SetVector<Value> inputs;
    llvm::SetVector<Operation *> constants;  // that the CUDA schedule must know
    SmallVector<Location> locations;
    for (Operation *op : operators) {
      locations.push_back(op->getLoc());
      for (Value v : op->getOperands()) {
        if (members.contains(v.getDefiningOp())) continue;
        auto constant = v.getDefiningOp<ConstantOp>();
        if (cuda && constant && !llvm::is_contained(inMemory, v) && constant.getValue().isSplat() && schedules::isEmittable(constant)) {
          constants.insert(constant);
        } else {
          inputs.insert(v);
        }
      }
    }
    OpBuilder b(results.front().getDefiningOp());
    auto group = GroupOp::create(b, FusedLoc::get(b.getContext(), locations), TypeRange(ValueRange(results)), inputs.getArrayRef(), "attention");
    Block *body = b.createBlock(&group.getBody());
    IRMapping mapping;
    for (Value v : inputs) mapping.map(v, body->addArgument(v.getType(), v.getLoc()));
    b.setInsertionPointToStart(body);
    for (Operation *op : constants) b.clone(*op, mapping);
    for (Operation *op : operators) b.clone(*op, mapping);
    YieldOp::create(b, group.getLoc(), llvm::map_to_vector(results, [&](Value result) { return mapping.lookup(result); }));
    for (auto [result, own] : llvm::zip_equal(results, group.getResults()))
      Value(result).replaceUsesWithIf(own, [&](OpOperand &use) { return !members.contains(use.getOwner()); });
    SmallVector<Operation *> erased;
    for (Operation *op : llvm::reverse(operators)) {
      if (!op->use_empty()) continue;
      erased.push_back(op);
      op->erase();
    }
    return erased;
  }
};

}  // namespace
}  // namespace jinx::passes

#include "passes/Graph/ReshapeBlocks.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

EqualSizes::EqualSizes(ModuleOp module) {
  auto checks = module ? module->getAttrOfType<ArrayAttr>("jinx.size_checks") : ArrayAttr();
  if (!checks) return;
  for (auto check : checks.getAsRange<DictionaryAttr>()) {
    auto left = check.getAs<StringAttr>("lhs"), right = check.getAs<StringAttr>("rhs");
    if (!left || !right) continue;
    std::string a = root(left.str()), b = root(right.str());
    if (a != b) parent_[a] = b;
  }
}

std::string EqualSizes::root(std::string text) const {
  for (auto it = parent_.find(text); it != parent_.end(); it = parent_.find(text)) text = it->second;
  return text;
}

std::optional<SmallVector<ReshapeBlock>> reshapeBlocks(ArrayRef<SizeExpr> from, ArrayRef<SizeExpr> to, const EqualSizes &equal) {
  SmallVector<ReshapeBlock> blocks;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    ReshapeBlock block{int64_t(i), 0, int64_t(j), 0};
    SizeExpr left = from[i++], right = to[j++];
    while (!equal(left, right)) {
      if (i < from.size() && right.exactDivide(left)) {
        left = left * from[i++];
      } else if (j < to.size() && left.exactDivide(right)) {
        right = right * to[j++];
      } else {
        return std::nullopt;
      }
    }
    block.fromEnd = i;
    block.toEnd = j;
    blocks.push_back(block);
  }
  // What is left over are extents of 1.
  auto isOne = [](const SizeExpr &s) { return s.isConstant(1); };
  if (!llvm::all_of(from.drop_front(i), isOne) || !llvm::all_of(to.drop_front(j), isOne)) return std::nullopt;
  if (blocks.empty()) blocks.push_back({0, 0, 0, 0});
  blocks.back().fromEnd = from.size();
  blocks.back().toEnd = to.size();
  return blocks;
}

}  // namespace jinx::passes

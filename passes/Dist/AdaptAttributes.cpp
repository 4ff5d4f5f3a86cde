#include "passes/Dist/AdaptAttributes.h"

#include "passes/Dist/ReshardPath.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {

namespace {

/// The attribute is as many times smaller as there are parts of the factor; not where an operand has the factor, too, that counts groups then.
struct Repeated {
  StringLiteral op, attribute, factor, counts = "";
};

constexpr Repeated kRepeated[] = {
    {"jinx.conv", "group", "g"},
    {"jinx.packed_conv", "group", "g"},
    {"jinx.quantize", "block", "i"},
    {"jinx.dequantize", "block", "i"},
    {"jinx.dequant_matmul", "group", "k", "scales"},  // one group of all k
};

bool has(const graph::FactorRule &rule, StringRef operand, int64_t factor) {
  return llvm::any_of(rule.operands, [&](const graph::FactoredValue &value) {
    return value.name == operand && llvm::any_of(value.dims, [&](const graph::Loops &loops) { return llvm::is_contained(loops, factor); });
  });
}

}  // namespace

void adaptAttributes(Operation *op, const graph::FactorRule &rule, const FactorAxes &axes, MeshOp mesh) {
  for (const Repeated &row : kRepeated) {
    if (row.op != op->getName().getStringRef()) continue;
    for (auto [f, factor] : llvm::enumerate(rule.factors)) {
      auto size = op->getAttrOfType<IntegerAttr>(row.attribute);
      if (factor.name != row.factor || axes[f].empty() || !size || has(rule, row.counts, int64_t(f))) continue;
      op->setAttr(row.attribute, IntegerAttr::get(size.getType(), llvm::divideCeil(size.getInt(), ranksOf(axes[f], mesh))));
    }
  }
}

}  // namespace jinx::passes

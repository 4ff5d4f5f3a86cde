// Prints the factor rule of each operator of the graph dialect, a line each, in the order of the module (ir/Graph/Factors.h).
//
//   %y = jinx.matmul %a, %b : …          matmul: a[m, k] b[k, n] -> y[m, n]; k sums; partial: a (sum), b (sum)
//   %y = jinx.host_call "" "NonZero" …   host_call: no rule: runs an ONNX operator that only the runtime knows: …
#include "ir/Graph/Factors.h"
#include "llvm/Support/raw_ostream.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_PRINTFACTORS
#include "passes/Passes.h.inc"

namespace {

struct PrintFactorsPass : impl::PrintFactorsBase<PrintFactorsPass> {
  using PrintFactorsBase::PrintFactorsBase;

  void runOnOperation() override {
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isa_and_nonnull<GraphDialect>(op->getDialect())) return;
      auto rule = factorRule(op);
      rule ? ++numRules : ++numWithout;
      llvm::outs() << kindOf(op) << ": " << (rule ? describe(*rule, sizes) : "no rule: " + whyNoFactorRule(op->getName().getStringRef()).str()) << "\n";
    });
    markAllAnalysesPreserved();
  }
};

}  // namespace
}  // namespace jinx::passes

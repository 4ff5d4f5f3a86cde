// Verifiers of what holds regions or stands for a step: groups, launches, host calls, control flow. Numbers of values must agree; what
// the values' types may become is the importer's business (frontends/onnx/Control.cpp).
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

/// The operands of the region's yield; null, with an error, when it ends otherwise.
YieldOp yieldOf(Operation *op, Region &region) {
  auto yield = dyn_cast<YieldOp>(region.front().back());
  if (!yield) op->emitOpError("has a region that ends with '") << region.front().back().getName() << "', expected 'jinx.yield'";
  return yield;
}

LogicalResult verifyCount(Operation *op, StringRef what, size_t got, size_t expected, StringRef because) {
  if (got == expected) return success();
  return op->emitOpError() << what << " " << got << " values, expected " << expected << " (" << because << ")";
}

LogicalResult verifyTypes(Operation *op, StringRef what, TypeRange got, TypeRange expected) {
  for (auto [i, pair] : llvm::enumerate(llvm::zip(got, expected)))
    if (auto [g, e] = pair; g != e) return op->emitOpError() << what << " " << i << " is " << g << ", expected " << e;
  return success();
}

} // namespace

LogicalResult GroupOp::verify() {
  Block &body = getBody().front();
  YieldOp yield = yieldOf(*this, getBody());
  if (!yield || failed(verifyCount(*this, "the body takes", body.getNumArguments(), getInputs().size(), "operands")) ||
      failed(verifyTypes(*this, "body argument", body.getArgumentTypes(), getInputs().getTypes())) ||
      failed(verifyCount(*this, "the body yields", yield.getValues().size(), getNumResults(), "results")))
    return failure();
  return verifyTypes(*this, "yielded value", yield.getValues().getTypes(), getResultTypes());
}

LogicalResult LaunchOp::verify() {
  SmallVector<Attribute> formulas(getSizes().getValue());
  formulas.append({getProgramsAttr(), getScratchAttr(), getWorkAttr()});
  for (StringAttr figure : {getFlopsAttr(), getBytesAttr()})
    if (figure) formulas.push_back(figure);
  if (failed(verifyFormulas(*this, formulas))) return failure();
  if (!getInPlace()) return success();
  if (failed(verifyCount(*this, "in_place has", getInPlace()->size(), getNumResults(), "one for each result"))) return failure();
  for (auto [result, input] : llvm::zip(getResults(), *getInPlace())) {
    if (input < -1 || input >= int64_t(getInputs().size())) return emitOpError("in_place names operand ") << input << ", expected -1 to " << int64_t(getInputs().size()) - 1;
    if (input >= 0 && getInputs()[input].getType() != result.getType())
      return emitOpError("has a result ") << result.getType() << " in place of an operand " << getInputs()[input].getType() << ", expected equal types";
  }
  return success();
}

LogicalResult HostCallOp::verify() {
  if (getOp().empty()) return emitOpError("names operator '', expected a name");
  int64_t opset = getOpset();
  return opset >= 1 ? success() : emitOpError("opset is ") << opset << ", expected at least 1";
}

LogicalResult IfOp::verify() {
  auto condition = cast<RankedTensorType>(getCondition().getType());
  if (!condition.getElementType().isInteger(1) || surelyDifferent(volume(sizesOf(condition)), 1))
    return emitOpError("condition is ") << condition << ", expected one bool";
  for (Region *region : {&getThenRegion(), &getElseRegion()}) {
    YieldOp yield = yieldOf(*this, *region);
    if (!yield || failed(verifyCount(*this, "a region takes", region->getNumArguments(), 0, "it sees what is outside")) ||
        failed(verifyCount(*this, "a region yields", yield.getValues().size(), getNumResults(), "results")))
      return failure();
  }
  return success();
}

LogicalResult LoopOp::verify() {
  if (getOperands().size() < 2) return emitOpError("has ") << getOperands().size() << " operands, expected a trip count, a condition and carried values";
  size_t carried = getOperands().size() - 2;
  YieldOp yield = yieldOf(*this, getBody());
  if (!yield || failed(verifyCount(*this, "the body takes", getBody().getNumArguments(), 2 + carried, "iteration, condition, carried values")))
    return failure();
  if (getNumResults() < carried) return emitOpError("has ") << getNumResults() << " results, expected at least " << carried << " (carried values)";
  return verifyCount(*this, "the body yields", yield.getValues().size(), 1 + getNumResults(), "condition, results");
}

LogicalResult ScanOp::verify() {
  size_t lengths = int64_t(getOpset()) < 9 ? 1 : 0;  // opset 8 has sequence_lens in front
  if (getOperands().size() < lengths + 1) return emitOpError("has ") << getOperands().size() << " operands, expected at least " << lengths + 1;
  YieldOp yield = yieldOf(*this, getBody());
  if (!yield || failed(verifyCount(*this, "the body takes", getBody().getNumArguments(), getOperands().size() - lengths, "states, scanned tensors")))
    return failure();
  return verifyCount(*this, "the body yields", yield.getValues().size(), getNumResults(), "results");
}

LogicalResult SequenceMapOp::verify() {
  if (getOperands().empty() || !isa<graph::SequenceType>(getOperand(0).getType()))
    return emitOpError("has no sequence as first operand, expected '!jinx.sequence'");
  YieldOp yield = yieldOf(*this, getBody());
  if (!yield || failed(verifyCount(*this, "the body takes", getBody().getNumArguments(), getOperands().size(), "operands"))) return failure();
  if (failed(verifyCount(*this, "the body yields", yield.getValues().size(), getNumResults(), "results"))) return failure();
  for (Type type : getResultTypes())
    if (!isa<graph::SequenceType>(type)) return emitOpError("has a result of type ") << type << ", expected '!jinx.sequence'";
  return success();
}

// Verifier of the gradients of attention.
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

static constexpr int64_t kRowBlock = 128;  // rows of q that a kernel takes at most: lse and delta may be filled up to it

LogicalResult AttentionGradOp::verify() {
  Sizes q = sizesOf(getQ().getType()), k = sizesOf(getK().getType());
  if (q.size() != 4 || k.size() != 4) return emitOpError("q and k have ranks ") << q.size() << " and " << k.size() << ", expected 4";
  // attention_grad C1
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type element = elementOf(getQ());
  for (Value v : {getQ(), getK(), getV(), getDy()})
    if (elementOf(v) != element || !isa<FloatType>(element))
      return emitOpError("has an operand of ") << elementOf(v) << " beside q of " << element << ", expected one float type";
  for (Value v : {getLse(), getDelta()})
    if (!elementOf(v).isF32()) return emitOpError("lse and delta are of ") << elementOf(v) << ", expected f32";
  // attention_grad C2
  auto heads = q[1].constant(), shared = k[1].constant();
  if (heads && shared && (*shared == 0 || *heads % *shared))
    return emitOpError("q has ") << *heads << " heads, expected a multiple of the " << *shared << " of k";
  if (failed(verifyShape(*this, "k", getK(), {q[0], k[1], k[2], q[3]})) || failed(verifyShape(*this, "v", getV(), k)) ||
      failed(verifyShape(*this, "dy", getDy(), q)))
    return failure();
  for (auto [name, v] : {std::pair("lse", getLse()), std::pair("delta", getDelta())}) {
    Sizes rows = sizesOf(v.getType());
    if (rows.size() == 3 && !surelyDifferent(rows[2], ceilDiv(q[2], kRowBlock) * kRowBlock)) rows[2] = q[2];
    if (rows.size() != 3 || surelyDifferent(rows[0], q[0]) || surelyDifferent(rows[1], q[1]) || surelyDifferent(rows[2], q[2]))
      return verifyShape(*this, name, v, {q[0], q[1], q[2]});
  }
  // attention_grad C3
  const std::tuple<const char *, Value, Value> results[] = {{"dq", getDq(), getQ()}, {"dk", getDk(), getK()}, {"dv", getDv(), getV()}};
  for (auto [name, result, operand] : results) {
    if (failed(verifyShape(*this, name, result, sizesOf(operand.getType())))) return failure();
    if (elementOf(result) != element) return emitOpError() << name << " is of " << elementOf(result) << ", expected " << element;
  }
  return success();
}

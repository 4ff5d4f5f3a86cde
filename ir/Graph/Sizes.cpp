#include "ir/Graph/Sizes.h"

#include "ir/Graph/Graph.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::graph {

SizeExpr parseSize(StringRef text) {
  auto expr = SizeExpr::parse(text);
  return expr ? *expr : floorDiv(SizeExpr(1), SizeExpr(0));
}

Sizes sizesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  auto sized = dyn_cast_or_null<SizedEncoding>(tensor.getEncoding());
  ArrayRef<StringAttr> formulas = sized ? sized.getSizeFormulas() : ArrayRef<StringAttr>();
  Sizes sizes;
  for (int64_t i = 0; i < tensor.getRank(); ++i) {
    if (!tensor.isDynamicDim(i)) {
      sizes.push_back(tensor.getDimSize(i));
      continue;
    }
    bool known = int64_t(formulas.size()) == tensor.getRank();
    sizes.push_back(parseSize(known ? formulas[i].getValue() : ""));
  }
  return sizes;
}

RankedTensorType tensorOf(ArrayRef<SizeExpr> sizes, Type elementType) {
  SmallVector<int64_t> shape;
  bool dynamic = false;
  for (const SizeExpr &size : sizes) {
    auto constant = size.constant();
    shape.push_back(constant ? *constant : ShapedType::kDynamic);
    dynamic |= !constant;
  }
  if (!dynamic) return RankedTensorType::get(shape, elementType);
  SmallVector<StringAttr> exprs;
  for (const SizeExpr &size : sizes) exprs.push_back(StringAttr::get(elementType.getContext(), size.str()));
  return RankedTensorType::get(shape, elementType, DimsAttr::get(elementType.getContext(), exprs));
}

RankedTensorType withElementType(RankedTensorType type, Type elementType) {
  return RankedTensorType::get(type.getShape(), elementType, type.getEncoding());
}

SizeExpr volume(ArrayRef<SizeExpr> sizes) {
  SizeExpr product = 1;
  for (const SizeExpr &size : sizes) product = product * size;
  return product;
}

std::optional<Sizes> broadcastSizes(ArrayRef<SizeExpr> a, ArrayRef<SizeExpr> b) {
  if (a.size() < b.size()) std::swap(a, b);
  Sizes result(a.begin(), a.end());
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    SizeExpr &x = result[offset + i];
    if (x == b[i] || b[i].isConstant(1)) continue;
    if (!x.isConstant(1)) return std::nullopt;
    x = b[i];
  }
  return result;
}

bool surelyDifferent(const SizeExpr &a, const SizeExpr &b) {
  if (a.isInvalid() || b.isInvalid()) return false;
  SizeExpr more = a - b;
  return !more.isInvalid() && (more.isAtLeast(1) || (SizeExpr(0) - more).isAtLeast(1));
}

bool areCompatible(TypeRange a, TypeRange b) {
  if (a.size() != b.size()) return false;
  for (auto [x, y] : llvm::zip(a, b)) {
    if (x == y) continue;
    auto tx = dyn_cast<RankedTensorType>(x), ty = dyn_cast<RankedTensorType>(y);
    if (!tx || !ty || tx.getElementType() != ty.getElementType() || failed(mlir::verifyCompatibleShape(tx, ty))) return false;
    for (auto [l, r] : llvm::zip_equal(sizesOf(tx), sizesOf(ty)))
      if (surelyDifferent(l, r)) return false;
  }
  return true;
}

std::string describe(ArrayRef<SizeExpr> sizes) {
  if (sizes.empty()) return "scalar";
  std::string text;
  for (const SizeExpr &size : sizes) {
    bool plain = size.constant() || size.isSymbol();
    text += (text.empty() ? "" : "x") + (plain ? size.str() : "(" + size.str() + ")");
  }
  return text;
}

}  // namespace jinx::graph

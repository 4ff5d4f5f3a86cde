// Matrix products: MatMul, Gemm, Einsum.
#include <cctype>

#include "frontends/onnx/Contraction.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

/// numpy's matmul: vectors become a row and a column, whose dimension of 1 leaves the result.
Value matmulAnyRank(Node &n, Value a, Value b) {
  if (!a || !b) return {};
  int64_t rankA = n.rank(a), rankB = n.rank(b);
  if (rankA == 0 || rankB == 0) return n.fail("an operand is a scalar");
  if (rankA == 1) a = n.reshape(a, {SizeExpr(1), n.size(a, 0)});
  if (rankB == 1) b = n.reshape(b, {n.size(b, 0), SizeExpr(1)});
  Value y = n.matmul(a, b);
  if (!y || (rankA > 1 && rankB > 1)) return y;
  Sizes sizes = n.sizes(y);
  if (rankB == 1) sizes.pop_back();
  if (rankA == 1) sizes.erase(sizes.end() - (rankB == 1 ? 1 : 2));
  return n.reshape(y, sizes);
}

namespace {

bool hasProduct(Node &n) {
  for (Value operand : n.operands)
    if (operand && !n.isFloat(operand) && !n.element(operand).isInteger(32)) return n.decline("kernels multiply no matrices of that type");
  return true;
}

bool matmul(Node &n) { return hasProduct(n) && n.give(matmulAnyRank(n, n.in(0), n.in(1))); }

bool gemm(Node &n) {
  Value a = n.in(0), b = n.in(1), c = n.in(2);
  if (!hasProduct(n) || !a || !b || n.rank(a) != 2 || n.rank(b) != 2) return n.decline("expected two matrices");
  double alpha = n.attrFloat("alpha", 1), beta = n.attrFloat("beta", 1);
  if (!n.isFloat(a) && (alpha != 1 || beta != 1)) return n.decline("integers cannot be scaled by floats");
  if (n.attrInt("transA", 0)) a = n.transpose(a, {1, 0});
  Value y = n.mul(n.matmul(a, b, n.attrInt("transB", 0) != 0), alpha);
  return n.give(c && beta != 0 ? n.add(y, n.mul(c, beta)) : y);
}

// ---- Einsum -----------------------------------------------------------------------------------------------------------------

/// One operand and the letter of each of its dimensions.
struct Labelled {
  Value value;
  std::string labels;
  bool has(char c) const { return labels.find(c) != std::string::npos; }
};

/// The equation's letters per operand and of the result, "..." spelled out in digits and uppercase beyond the letters used.
struct Equation {
  SmallVector<std::string> operands;
  std::string result;
};

/// nullopt when the text is no equation for operands of these ranks.
std::optional<Equation> parseEquation(const std::string &text, ArrayRef<int64_t> ranks) {
  std::string clean;
  for (char c : text)
    if (!std::isspace(static_cast<unsigned char>(c))) clean += c;
  size_t arrow = clean.find("->");
  Equation equation;
  SmallVector<StringRef> terms;
  StringRef(clean).substr(0, arrow).split(terms, ',');
  if (terms.size() != ranks.size()) return std::nullopt;
  size_t widest = 0;
  auto spellOut = [&](StringRef term, size_t ellipsis) {
    auto [before, after] = term.split("...");
    std::string digits;
    for (size_t i = 0; i < ellipsis; ++i) digits += char('0' + (widest - ellipsis + i)); // aligned to the right
    return before.str() + digits + after.str();
  };
  SmallVector<size_t> widths;
  for (auto [term, rank] : llvm::zip(terms, ranks)) {
    bool hasEllipsis = term.contains("...");
    int64_t letters = int64_t(term.size()) - (hasEllipsis ? 3 : 0), width = rank - letters;
    if (width < 0 || (!hasEllipsis && width != 0)) return std::nullopt;
    widths.push_back(size_t(width));
    widest = std::max(widest, size_t(width));
  }
  if (widest > 9) return std::nullopt;
  std::map<char, int> counts;
  for (auto [term, width] : llvm::zip(terms, widths)) {
    equation.operands.push_back(term.contains("...") ? spellOut(term, width) : term.str());
    for (char c : equation.operands.back()) ++counts[c];
  }
  if (arrow != std::string::npos) {
    StringRef term = StringRef(clean).substr(arrow + 2);
    equation.result = term.contains("...") ? spellOut(term, widest) : term.str();
  } else { // letters that occur once, in alphabetical order, after the ellipsis
    for (size_t i = 0; i < widest; ++i) equation.result += char('0' + i);
    for (auto [c, count] : counts)
      if (count == 1 && !std::isdigit(static_cast<unsigned char>(c))) equation.result += c;
  }
  auto isLabel = [](char c) { return std::isalnum(static_cast<unsigned char>(c)); };
  for (const std::string &labels : equation.operands)
    if (!llvm::all_of(labels, isLabel)) return std::nullopt;
  for (char c : equation.result)
    if (!counts.count(c) || llvm::count(equation.result, c) > 1) return std::nullopt;
  return equation;
}

bool hasRepetition(const std::string &labels) {
  return llvm::any_of(labels, [&](char c) { return llvm::count(labels, c) > 1; });
}

/// Sums over the dimensions whose letter is not in `kept`.
Labelled sumAway(Node &n, const Labelled &x, const std::string &kept) {
  SmallVector<int64_t> axes;
  Sizes sizes;
  Labelled y;
  for (auto [d, c] : llvm::enumerate(x.labels)) {
    if (kept.find(c) == std::string::npos) {
      axes.push_back(int64_t(d));
      continue;
    }
    sizes.push_back(n.size(x.value, int64_t(d)));
    y.labels += c;
  }
  y.value = axes.empty() ? x.value : n.reshape(n.sum(x.value, axes), sizes);
  return y;
}

Value reorder(Node &n, const Labelled &x, const std::string &labels) {
  SmallVector<int64_t> perm;
  for (char c : labels) perm.push_back(int64_t(x.labels.find(c)));
  return n.transpose(x.value, perm);
}

/// a and b → [batch…, free of a…, free of b…], contracted over the letters that only the two of them have.
Labelled contract(Node &n, Labelled a, Labelled b, const std::string &kept) {
  a = sumAway(n, a, b.labels + kept);
  b = sumAway(n, b, a.labels + kept);
  if (!a.value || !b.value) return {};
  std::string batch, freeA, freeB, shared;
  SizeExpr extents[4] = {1, 1, 1, 1};
  Sizes batchSizes, sizesA, sizesB;
  for (auto [d, c] : llvm::enumerate(a.labels)) {
    SizeExpr size = n.size(a.value, int64_t(d));
    bool both = b.has(c);
    if (both) { // a letter has one extent, or 1 (ellipsis): only the former is a matrix product
      SizeExpr other = n.size(b.value, int64_t(b.labels.find(c)));
      if (!(other == size)) return {n.fail("extents " + size.str() + " and " + other.str() + " have one letter"), ""};
    }
    if (both && kept.find(c) != std::string::npos) {
      batch += c;
      batchSizes.push_back(size);
      extents[0] = extents[0] * size;
    } else if (both) {
      shared += c;
      extents[1] = extents[1] * size;
    } else {
      freeA += c;
      sizesA.push_back(size);
      extents[2] = extents[2] * size;
    }
  }
  for (auto [d, c] : llvm::enumerate(b.labels)) {
    if (a.has(c)) continue;
    freeB += c;
    sizesB.push_back(n.size(b.value, int64_t(d)));
    extents[3] = extents[3] * sizesB.back();
  }
  Sizes leftSizes = {extents[0], extents[2], extents[1]}, rightSizes = {extents[0], extents[1], extents[3]};
  if (batch.empty()) {
    leftSizes.erase(leftSizes.begin());
    rightSizes.erase(rightSizes.begin());
  }
  Value left = n.reshape(reorder(n, a, batch + freeA + shared), leftSizes);
  Value right = n.reshape(reorder(n, b, batch + shared + freeB), rightSizes);
  Sizes out = batchSizes;
  llvm::append_range(out, sizesA);
  llvm::append_range(out, sizesB);
  return {n.reshape(n.matmul(left, right), out), batch + freeA + freeB};
}

bool einsum(Node &n) {
  SmallVector<int64_t> ranks;
  for (Value operand : n.operands) ranks.push_back(operand ? n.rank(operand) : 0);
  auto equation = parseEquation(n.attrString("equation", ""), ranks);
  if (!hasProduct(n) || !equation || ranks.empty()) return n.decline("the equation is not of a known form");
  for (const std::string &labels : equation->operands)
    if (hasRepetition(labels)) return n.decline("a letter occurs twice in one operand");
  Labelled y{n.in(0), equation->operands[0]};
  for (size_t i = 1; i < n.numInputs(); ++i) {
    std::string kept = equation->result; // and what later operands still need
    for (size_t j = i + 1; j < n.numInputs(); ++j) kept += equation->operands[j];
    y = contract(n, y, {n.in(i), equation->operands[i]}, kept);
    if (!y.value) return n.decline("operands do not contract");
  }
  y = sumAway(n, y, equation->result);
  return y.value && n.give(reorder(n, y, equation->result));
}

constexpr HandlerRow kRows[] = {
    {"", "MatMul", 1, kAnyOpset, matmul},
    {"", "Gemm", 1, kAnyOpset, gemm},
    {"", "Einsum", 12, kAnyOpset, einsum},
};

} // namespace

std::span<const HandlerRow> contractionHandlers() { return kRows; }

} // namespace jinx::frontends

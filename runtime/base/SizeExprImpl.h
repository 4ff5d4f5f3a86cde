// The inside of a SizeExpr, shared by SizeExpr.cpp (normal form), SizeExprParse.cpp (text) and SizeProgram.cpp
// (evaluation).
#pragma once

#include "runtime/base/SizeExpr.h"

namespace jinx {

/// What cannot be split into a sum or product: a symbol, or an operation on two whole expressions.
struct SizeExpr::Atom {
  enum class Kind : uint8_t { kSymbol, kFloorDiv, kMod, kMax, kMin };
  Kind kind;
  SizeExpr lhs, rhs; ///< operands; unused by a symbol
  std::string text;  ///< the symbol's name or the operation, without outer parentheses; also the sort key
  int depth;         ///< 0 for a symbol
};

/// Everything that reaches inside: the factory of normal forms and the readers of them.
struct SizeExprBuilder {
  using Atom = SizeExpr::Atom;
  using AtomRef = std::shared_ptr<const Atom>;
  using Atoms = std::vector<AtomRef>; ///< sorted by text; a power is a repetition

  struct Term {
    int64_t coefficient;
    Atoms atoms;     ///< empty for the constant term
    std::string key; ///< texts of the atoms joined by '*'
  };
  using Terms = std::vector<Term>; ///< sorted by key, the constant last; coefficients are not zero

  static constexpr int kMaxDepth = 48;        ///< operations nested in operations
  static constexpr size_t kMaxText = 1 << 16; ///< bytes
  static constexpr size_t kMaxTerms = 4096;

  static const Terms& terms(const SizeExpr& e);
  static SizeExpr invalid();
  /// Sorts, merges, drops zeros, prints.
  static SizeExpr make(Terms terms);
  static SizeExpr fromAtom(Atom::Kind kind, const SizeExpr& lhs, const SizeExpr& rhs);
  static Term makeTerm(int64_t coefficient, Atoms atoms);

  static SizeExpr addScaled(const SizeExpr& a, const SizeExpr& b, int64_t scale);
  static SizeExpr multiply(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr divide(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr divideByConstant(const SizeExpr& a, int64_t d);
  static SizeExpr modulo(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr moduloConstant(const SizeExpr& a, int64_t d);
  static SizeExpr extremum(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b);
  static SizeExpr apply(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b);

  /// The value of one operation on integers; nullopt on a zero divisor or overflow.
  static std::optional<int64_t> evaluate(Atom::Kind kind, int64_t a, int64_t b);

  /// Postfix code of SizeProgram; false when a symbol is unknown (named in `*unknown`).
  static bool emit(const SizeExpr& e, const std::function<int(std::string_view)>& symbolIndex, SizeProgram& program,
                   std::string* unknown);
};

struct SizeExpr::Impl {
  SizeExprBuilder::Terms terms;
  std::string text;
  int depth = 0;
  bool invalid = false;
};

/// Division and remainder towards minus infinity; `b` is not zero and the quotient fits.
inline int64_t floorDivInt(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }
inline int64_t floorModInt(int64_t a, int64_t b) {
  int64_t r = b == -1 ? 0 : a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

} // namespace jinx

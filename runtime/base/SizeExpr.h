// Sizes that are known only when a plan is called: integer expressions over named symbols.
//
// A dynamic dimension has a name (`batch`, `seq`), and what is computed from it has a formula: a convolution's output
// height is `(h + 2*1 - 3) floordiv 2 + 1`. Shape inference builds such formulas, types print them, plans carry them as
// text, and the runtime evaluates them once per set of input sizes.
//
// Every expression is kept in a normal form, so that equal formulas compare equal: a sum of terms, each an integer
// times a product of atoms; an atom is a symbol, `(e floordiv e)`, `(e mod e)`, `max(e, e)` or `min(e, e)`. Terms are
// sorted, constants folded:
//
//   2*h + h                   ->  3*h
//   (n*s*384) floordiv 384    ->  n*s                      exact: every term is divisible
//   (4*h + 3) floordiv 2      ->  2*h + 1                  divisible terms leave the division
//   (h + 1) floordiv 2        ->  (h - 1) floordiv 2 + 1   the constant of a numerator lies in (-divisor, 0]
//   a ceildiv b               ->  (a - 1) floordiv b + 1   b > 0
//
// All symbols are integers >= 0. Division rounds towards minus infinity; a zero divisor is a failure at evaluation.
// Cancelling (`n*s floordiv n -> s`) takes every divisor to be non-zero.
//
// What cannot be held (a coefficient beyond int64, a division by the constant 0, a formula beyond 64 KiB of text or 48
// levels) becomes the one expression `1 floordiv 0`: it absorbs whatever it meets, and no evaluation accepts it. So
// hostile sizes in a model cannot crash or stall shape inference; `isInvalid` tells.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx {

class SizeExpr {
 public:
  SizeExpr() : SizeExpr(0) {}
  SizeExpr(int64_t constant); // NOLINT: a number is an expression
  /// `name` must satisfy `isSymbolName`.
  static SizeExpr symbol(std::string_view name);
  /// [A-Za-z_][A-Za-z0-9_.$]*
  static bool isSymbolName(std::string_view name);
  /// Reads what `str` prints: + - * floordiv ceildiv mod max(,) min(,) parentheses, identifiers
  /// [A-Za-z_][A-Za-z0-9_.$]*, integers.
  static Expected<SizeExpr> parse(std::string_view text);

  /// Canonical text: two equal expressions print the same. "n*s", "3", "(h - 1) floordiv 2 + 1".
  const std::string& str() const;
  std::optional<int64_t> constant() const;
  bool isConstant(int64_t v) const { return constant() == v; }
  bool isSymbol() const;
  /// True for `1 floordiv 0`, see above.
  bool isInvalid() const;
  /// Names of the symbols in it, sorted, each once.
  std::vector<std::string> symbols() const;

  /// nullopt when a symbol is unknown, on division by zero or on overflow of int64.
  using Lookup = std::function<std::optional<int64_t>(std::string_view)>;
  std::optional<int64_t> evaluate(const Lookup& lookup) const;
  /// Replaces symbols; names for which `lookup` gives nothing stay.
  SizeExpr substitute(const std::function<std::optional<SizeExpr>(std::string_view)>& lookup) const;

  /// The quotient when `divisor` divides exactly (a constant, a product, or a sum: (n*s + n) / (s + 1) is n); otherwise
  /// nullopt.
  std::optional<SizeExpr> exactDivide(const SizeExpr& divisor) const;
  /// A constant that surely divides the value (gcd over the terms; 0 for the expression 0).
  int64_t knownDivisor() const;
  /// True when the expression is surely >= `v`, given that every symbol is >= `symbolMin` (default 0: ONNX dims may be
  /// empty).
  bool isAtLeast(int64_t v, int64_t symbolMin = 0) const;

  friend SizeExpr operator+(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr operator-(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr operator*(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr floorDiv(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr ceilDiv(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr mod(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr max(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr min(const SizeExpr& a, const SizeExpr& b);
  friend bool operator==(const SizeExpr& a, const SizeExpr& b) { return a.str() == b.str(); }
  friend bool operator<(const SizeExpr& a, const SizeExpr& b) { return a.str() < b.str(); }

 private:
  struct Impl;
  struct Atom;
  std::shared_ptr<const Impl> impl_; // immutable, never null
  explicit SizeExpr(std::shared_ptr<const Impl> impl);
  friend struct SizeExprBuilder;
};

/// A formula compiled to postfix code over a symbol table: evaluates without allocation, for the runtime's hot path.
class SizeProgram {
 public:
  SizeProgram() = default;
  /// `symbolIndex` gives the slot of each symbol; kInvalidArgument for an unknown one.
  static Expected<SizeProgram> compile(const SizeExpr& expr, const std::function<int(std::string_view)>& symbolIndex);
  /// Slots read by the program, sorted, each once.
  const std::vector<int>& slots() const { return slots_; }
  /// `symbols[slot]` are the values. Division by zero gives 0 and sets `*ok` to false; so does overflow. `*ok` is never
  /// set to true.
  int64_t run(const int64_t* symbols, bool* ok) const;

 private:
  struct Op {
    uint8_t kind;
    int64_t value;
  };
  std::vector<Op> ops_;
  std::vector<int> slots_;
  friend struct SizeExprBuilder;
};

} // namespace jinx

// Sizes that a model takes to be equal although formulas do not show it.
//
// A concatenation of [n, 3] and [m, 5] along axis 1 is valid only if n = m. An addition of [h/16 rounded up] and
// [2 * (h/32 rounded up)] is valid only if they agree (or one is 1, for tiny h: that is given up), and with [s] and [min(512, s)]
// only if s <= 512. The import goes on as if they were equal and writes the condition down; the runtime checks each as soon as it
// knows all symbols in it (`jinx.size_checks`, or the bounds in `jinx.symbols`). Nothing that is generated reads out of bounds.
//
// Nothing is assumed of conditions that only a branch or a loop body makes, unless a symbol of the body is in it: the body may
// never run.
#pragma once

#include "frontends/onnx/OnnxTypes.h"

namespace jinx::frontends {

class SizeFacts {
public:
  explicit SizeFacts(Symbols &symbols) : symbols_(symbols) {}

  /// The better of the two formulas when they are equal, surely or by a condition that is written down; otherwise nullopt.
  ///
  /// \param strict  the operator allows nothing else. Otherwise (broadcasting) either may be 1: then only formulas over the
  ///                same symbols are taken to be equal
  std::optional<SizeExpr> unify(const SizeExpr &a, const SizeExpr &b, bool strict, mlir::Location where);

  /// Conditions written down after the mark are forgotten: the node that needed them runs on the host.
  size_t mark() const { return facts_.size(); }
  void rollBack(size_t mark) { facts_.resize(mark); }

  /// While a region is imported: symbols declared before it began.
  struct RegionGuard {
    explicit RegionGuard(SizeFacts &facts) : facts(facts), outer(facts.region_) {
      facts.region_ = facts.symbols_.mark();
    }
    ~RegionGuard() { facts.region_ = outer; }
    SizeFacts &facts;
    std::optional<size_t> outer;
  };

  /// While a branch is imported that runs only if `a` equals `b`.
  struct AssumptionGuard {
    AssumptionGuard(SizeFacts &facts, const SizeExpr &a, const SizeExpr &b) : facts(facts) { facts.zeros_.push_back(a - b); }
    ~AssumptionGuard() { facts.zeros_.pop_back(); }
    SizeFacts &facts;
  };

  /// Puts bounds into the symbols. \returns `jinx.size_checks`: dictionaries {lhs, rhs, node}
  mlir::ArrayAttr finish(mlir::MLIRContext *context, const std::set<std::string> &live);

private:
  struct Fact {
    SizeExpr a, b;
    std::string node;
  };
  Symbols &symbols_;
  std::vector<Fact> facts_;
  std::optional<size_t> region_; ///< set inside regions: the innermost one
  std::vector<SizeExpr> zeros_;  ///< what is 0 where the import is
};

} // namespace jinx::frontends

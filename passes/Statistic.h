// How often did a pass do what it is for?
//
// `Passes.td` declares a pass's statistics; each becomes a member that the pass increments:
//
//   let statistics = [Statistic<"numFused", "num-fused", "Operators that joined a group">];     ++numFused;
//
// MLIR's own Statistic forgets its value and its name where LLVM is built without statistics, as Debian's is. This one is an MLIR
// statistic too (so that the pass knows it: `Pass::getStatistics`), and keeps both. passes/CMakeLists.txt puts it in MLIR's place.
#pragma once

#include <atomic>

#include "mlir/Pass/Pass.h"

namespace jinx::passes {

/// Thread-safe, as MLIR's.
class Statistic : public mlir::Pass::Statistic {
 public:
  Statistic(mlir::Pass *owner, const char *name, const char *description)
      : mlir::Pass::Statistic(owner, name, description), name_(name), description_(description) {}

  Statistic &operator+=(uint64_t n) {
    count_.fetch_add(n, std::memory_order_relaxed);
    return *this;
  }
  Statistic &operator++() { return *this += 1; }

  const char *name() const { return name_; }
  const char *description() const { return description_; }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  /// The statistics of one of our passes: every statistic that its declaration has is of this class.
  static const Statistic &of(const mlir::Pass::Statistic &statistic) { return static_cast<const Statistic &>(statistic); }

 private:
  const char *name_, *description_;
  std::atomic<uint64_t> count_{0};
};

}  // namespace jinx::passes

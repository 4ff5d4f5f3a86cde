// Which groups merge, and in which order? A heap of producers, keyed by the microseconds that fusing each saves (CostModel.h).
//
// At first every operator with a kernel is a group, and so is every seed: operators that only make sense together, such as an attention,
// when that is legal and saves time. For each group, as a producer, the best of these is its key:
//
//   join    with one group that reads it; what others read of it stays a result
//   clone   into every group that reads it, when it then needs no kernel: cheap producers (slices, gathers, broadcasts, masks)
//
// Joins in place (elementwise operators of one shape, and the product that they follow) come before all others: they compute nothing
// twice, whereas a reduction or a window that took a part of such a chain would keep the rest from its product. Clones come last: what can
// join needs none. Within each the best producer of all is fused, its neighbours are asked again, until none saves anything. A fusion must
// be legal (Legality.h), save more than nothing, and leave the groups an order: no path from the producer to its reader through a third.
// What has effects, a collective, stands in an order with others of its kind: each counts as a reader of the one before.
// At the end a cast that widens what a group has computed moves to the groups that read it, so that the narrow value is what is stored.
//
//   conv ── bias ── relu ──┬── add        relu joins bias (or bias conv): each saves a write and a read of the whole tensor;
//                          └── conv       add cannot: conv between them reads the group that it would be in
//
// Deterministic: ties go to the producer that stands first.
#pragma once

#include <memory>
#include <queue>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include "passes/Fusion/CostModel.h"

namespace jinx::passes {

struct FusionGroup {
  llvm::SmallVector<mlir::Operation *> members;  ///< in program order
  double us = 0;                                 ///< estimated
};

/// One fusion that was done or not, for remarks and statistics.
struct Decision {
  enum class Kind { kJoined, kCloned, kIllegal, kNotWorthwhile } kind;
  mlir::Operation *producer, *consumer;  ///< an operator of each group, the one that makes and the one that reads the value
  double savedUs;
  std::string why;  ///< when not
};

class FusionHeap {
 public:
  /// \param seeds  operators that start as one group where that is worth it, each in program order
  FusionHeap(mlir::Block &block, const Machine &machine, bool enable, llvm::ArrayRef<llvm::SmallVector<mlir::Operation *>> seeds);

  void run();
  /// Groups in program order of their first members; none is empty.
  std::vector<FusionGroup *> groups() const;
  /// Values of the group that are read outside of it.
  llvm::SmallVector<mlir::Value> results(const FusionGroup &group) const;
  std::vector<Decision> decisions;

 private:
  using Members = llvm::SmallVector<mlir::Operation *>;
  struct Plan {
    bool clone = false;
    llvm::SmallVector<FusionGroup *> into;             ///< one for join, all readers for clone
    llvm::SmallVector<mlir::Operation *> through;      ///< views between
    double savedUs = 0;
    mlir::Operation *reader = nullptr;
    bool inPlace = false;
    std::pair<int, double> key() const { return {inPlace ? 2 : clone ? 0 : 1, savedUs}; }
  };
  struct Entry {
    std::pair<int, double> key;
    int64_t position;  ///< of the producer's first member: the tie-break
    FusionGroup *producer;
    int version;
    bool operator<(const Entry &other) const {
      if (key != other.key) return key < other.key;
      return position > other.position;
    }
  };

  void plant(llvm::ArrayRef<mlir::Operation *> seed);
  mlir::Operation *topLevel(mlir::Operation *op) const;
  llvm::ArrayRef<mlir::Operation *> readers(mlir::Operation *op) const;
  bool isHome(mlir::Operation *op, const FusionGroup *group) const;
  llvm::SmallVector<mlir::Value> resultsOf(llvm::ArrayRef<mlir::Operation *> members, llvm::ArrayRef<const FusionGroup *> standFor) const;
  Members merged(llvm::ArrayRef<mlir::Operation *> a, llvm::ArrayRef<mlir::Operation *> b, llvm::ArrayRef<mlir::Operation *> c) const;
  mlir::Operation *leftForReduction(llvm::ArrayRef<mlir::Operation *> members, llvm::ArrayRef<mlir::Value> results) const;
  bool hasDetour(const FusionGroup *producer, const FusionGroup *consumer, llvm::ArrayRef<mlir::Operation *> through) const;

  Plan bestPlan(FusionGroup *producer, std::vector<Decision> *refusals) const;
  std::optional<Plan> joinPlan(FusionGroup *producer, FusionGroup *consumer, llvm::ArrayRef<mlir::Operation *> through, mlir::Operation *reader,
                               std::vector<Decision> *refusals) const;
  std::optional<Plan> clonePlan(FusionGroup *producer, llvm::ArrayRef<FusionGroup *> consumers) const;
  void apply(FusionGroup *producer, const Plan &plan);
  void handDownCasts(FusionGroup *group);
  void push(FusionGroup *producer);
  void pushProducersOf(const FusionGroup &group);
  double costOf(llvm::ArrayRef<mlir::Operation *> members, llvm::ArrayRef<mlir::Value> results) const { return estimate(shapes_, machine_, members, results).us(); }

  mlir::Block &block_;
  const Machine machine_;
  const bool enable_;
  mutable Shapes shapes_;  // a cache
  llvm::DenseMap<mlir::Operation *, int64_t> position_;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Operation *, 2>> readers_;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<FusionGroup *, 1>> homes_;
  std::vector<std::unique_ptr<FusionGroup>> groups_;
  llvm::DenseMap<FusionGroup *, int> version_;
  std::priority_queue<Entry> heap_;
};

}  // namespace jinx::passes

#include "passes/Fusion/FusionHeap.h"

#include "ir/Dist/Dist.h"
#include "passes/Fusion/Legality.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

constexpr double kWorthwhileUs = 0.01;  // less is noise of the model

/// Every member is evaluated once at each position of one shape.
bool isInPlace(Shapes &shapes, ArrayRef<Operation *> members) {
  return llvm::all_of(members, [&](Operation *op) {
    return !isMovement(op) && !isCombining(op) && shapes.same(op->getResult(0), members.front()->getResult(0));
  });
}

bool isWidening(CastOp cast) {
  auto from = dyn_cast<FloatType>(getElementTypeOrSelf(cast.getX().getType())), to = dyn_cast<FloatType>(getElementTypeOrSelf(cast.getY().getType()));
  return from && to && from.getWidth() < to.getWidth();
}

/// Products that a started collective runs beside, what is made of them there, and the first wait behind each: as if the wait read them, so that none goes into the kernel of somebody behind it.
/// It would run beside nothing, and what it reads would stay in memory until then: in a ring, the results of all steps until the last.
llvm::DenseMap<Operation *, Operation *> firstWaits(Block &block) {
  llvm::DenseMap<Operation *, Operation *> hides;
  llvm::DenseMap<Operation *, llvm::SetVector<Operation *>> since;  // by start: products behind it, and what is made of them
  for (Operation &op : block) {
    if (auto wait = dyn_cast<dist::WaitOp>(op)) {
      Operation *start = wait.getPending().getDefiningOp();
      for (Operation *op : since[start]) hides.try_emplace(op, wait);
      since.erase(start);
    } else if (isa<dist::Collective>(op) && isa<dist::PendingType>(op.getResult(0).getType())) {
      since[&op];
    } else if (isFusible(&op)) {
      for (auto &[start, ops] : since)
        if (isProduct(&op) || llvm::any_of(op.getOperands(), [&](Value v) { return v.getDefiningOp() && ops.contains(v.getDefiningOp()); })) ops.insert(&op);
    }
  }
  return hides;
}

}  // namespace

FusionHeap::FusionHeap(Block &block, const Machine &machine, bool enable, ArrayRef<SmallVector<Operation *>> seeds)
    : block_(block), machine_(machine), enable_(enable) {
  int64_t position = 0;
  for (Operation &op : block) position_[&op] = position++;
  const llvm::DenseMap<Operation *, Operation *> hides = firstWaits(block);
  Operation *onWire = nullptr;
  for (Operation &op : llvm::reverse(block)) {
    llvm::SetVector<Operation *> all;
    for (Operation *user : op.getUsers()) all.insert(topLevel(user));
    if (Operation *wait = hides.lookup(&op)) all.insert(wait);
    if (dist::isOnWire(&op)) {
      if (onWire) all.insert(onWire);
      onWire = &op;
    }
    auto &sorted = readers_[&op];
    sorted.assign(all.begin(), all.end());
    llvm::sort(sorted, [&](Operation *a, Operation *b) { return position_.lookup(a) < position_.lookup(b); });
  }
  for (Operation &op : block) {
    if (isFree(&op) || !isFusible(&op)) continue;
    groups_.push_back(std::make_unique<FusionGroup>());
    groups_.back()->members = {&op};
    homes_[&op] = {groups_.back().get()};
  }
  for (auto &group : groups_)
    if (SmallVector<Value> values = results(*group); !values.empty()) group->us = costOf(group->members, values);
  if (enable)
    for (ArrayRef<Operation *> seed : seeds) plant(seed);
}

/// One group of the seed's operators, if that is legal and saves time.
void FusionHeap::plant(ArrayRef<Operation *> seed) {
  SmallVector<const FusionGroup *> parts;
  double apart = 0;
  for (Operation *op : seed)
    for (FusionGroup *group : homes_.lookup(op)) {
      parts.push_back(group);
      apart += group->us;
    }
  SmallVector<Value> values = resultsOf(seed, parts);
  if (parts.size() < 2 || values.empty()) return;
  Decision decision{Decision::Kind::kJoined, seed.front(), seed.back(), 0, ""};
  if (Verdict verdict = canShareKernel(shapes_, seed, values, /*explain=*/true); !verdict) {
    decision.kind = Decision::Kind::kIllegal;
    decision.why = verdict.why;
  } else if (decision.savedUs = apart - costOf(seed, values); decision.savedUs <= kWorthwhileUs) {
    decision.kind = Decision::Kind::kNotWorthwhile;
    decision.why = "one kernel for both would take longer";
  }
  decisions.push_back(decision);
  if (decision.kind != Decision::Kind::kJoined) return;
  FusionGroup *whole = homes_.lookup(seed.back()).front();
  for (Operation *op : seed) {
    for (FusionGroup *group : homes_.lookup(op)) group->members.clear();
    homes_[op] = {whole};
  }
  whole->members.assign(seed.begin(), seed.end());
  whole->us = apart - decision.savedUs;
}

std::vector<FusionGroup *> FusionHeap::groups() const {
  std::vector<FusionGroup *> all;
  for (auto &group : groups_)
    if (!group->members.empty()) all.push_back(group.get());
  llvm::sort(all, [&](FusionGroup *a, FusionGroup *b) {
    auto key = [&](FusionGroup *g) { return std::pair(position_.lookup(g->members.front()), position_.lookup(g->members.back())); };
    return key(a) < key(b);
  });
  return all;
}

// ---- the graph between groups -----------------------------------------------------------------------------------------------------

Operation *FusionHeap::topLevel(Operation *op) const {
  while (op && op->getBlock() != &block_) op = op->getParentOp();
  return op;
}
/// Operators of the block that read `op`, each once, in program order.
ArrayRef<Operation *> FusionHeap::readers(Operation *op) const {
  auto it = readers_.find(op);
  return it == readers_.end() ? ArrayRef<Operation *>() : ArrayRef<Operation *>(it->second);
}
bool FusionHeap::isHome(Operation *op, const FusionGroup *group) const {
  auto it = homes_.find(op);
  return it != homes_.end() && llvm::is_contained(it->second, group);
}

SmallVector<Value> FusionHeap::results(const FusionGroup &group) const { return resultsOf(group.members, {&group}); }

/// Values of `members` that are read outside of them, `members` being what the groups of `standFor` become. What is cloned is nobody's
/// result: each reader has its own.
SmallVector<Value> FusionHeap::resultsOf(ArrayRef<Operation *> members, ArrayRef<const FusionGroup *> standFor) const {
  llvm::SmallPtrSet<Operation *, 16> set(members.begin(), members.end());
  SmallVector<Value> values;
  for (Operation *op : members) {
    auto homes = homes_.find(op);
    if (homes != homes_.end() && llvm::any_of(homes->second, [&](FusionGroup *g) { return !llvm::is_contained(standFor, g); })) continue;
    auto isRead = [&](Operation *user) {
      Operation *reader = topLevel(user);
      if (!set.contains(reader)) return true;
      // A reader that is cloned elsewhere too reads there.
      auto it = homes_.find(reader);
      return it != homes_.end() && llvm::any_of(it->second, [&](FusionGroup *g) { return !llvm::is_contained(standFor, g); });
    };
    for (Value v : op->getResults())
      if (llvm::any_of(v.getUsers(), isRead)) values.push_back(v);
  }
  return values;
}

FusionHeap::Members FusionHeap::merged(ArrayRef<Operation *> a, ArrayRef<Operation *> b, ArrayRef<Operation *> c) const {
  Members all;
  for (ArrayRef<Operation *> part : {a, b, c})
    for (Operation *op : part)
      if (!llvm::is_contained(all, op)) all.push_back(op);
  llvm::sort(all, [&](Operation *x, Operation *y) { return position_.lookup(x) < position_.lookup(y); });
  return all;
}

/// Whether a third operator or group reads `producer`, directly or not, and is read by `consumer`.
bool FusionHeap::hasDetour(const FusionGroup *producer, const FusionGroup *consumer, ArrayRef<Operation *> through) const {
  llvm::SmallPtrSet<const void *, 32> seen;
  SmallVector<Operation *> work;
  bool found = false;
  auto follow = [&](Operation *op, const FusionGroup *from) {
    for (Operation *reader : readers(op)) {
      if (llvm::is_contained(through, reader)) continue;
      auto homes = homes_.find(reader);
      if (homes == homes_.end()) {
        if (seen.insert(reader).second) work.push_back(reader);
        continue;
      }
      for (FusionGroup *g : homes->second) {
        if (g == from || g == producer) continue;
        if (g == consumer) {
          found |= from != producer;
          continue;
        }
        // A group runs as one: whoever reads any member waits for all.
        if (seen.insert(g).second) llvm::append_range(work, g->members);
      }
    }
  };
  for (Operation *op : producer->members) follow(op, producer);
  while (!work.empty() && !found) {
    Operation *op = work.pop_back_val();
    follow(op, nullptr);
  }
  return found;
}

// ---- what fusing a producer would bring -------------------------------------------------------------------------------------------

/// Of a product's group: what only reductions read, which no product's group can hold, and is made of what is in memory anyway (the squares of a norm). Null:
/// there is nothing such.
Operation *FusionHeap::leftForReduction(ArrayRef<Operation *> members, ArrayRef<Value> results) const {
  if (!llvm::any_of(members, isProduct) || llvm::any_of(members, llvm::IsaPred<ReduceOp>)) return nullptr;
  auto found = llvm::find_if(members, [&](Operation *op) {
    return !isProduct(op) && !readers(op).empty() && llvm::all_of(readers(op), llvm::IsaPred<ReduceOp>) &&
           llvm::all_of(op->getOperands(), [&](Value v) { return llvm::is_contained(results, v) || !llvm::is_contained(members, v.getDefiningOp()); });
  });
  return found == members.end() ? nullptr : *found;
}

std::optional<FusionHeap::Plan> FusionHeap::joinPlan(FusionGroup *producer, FusionGroup *consumer, ArrayRef<Operation *> through,
                                                     Operation *reader, std::vector<Decision> *refusals) const {
  auto refuse = [&](Decision::Kind kind, double saved, std::string why) -> std::optional<Plan> {
    if (refusals) refusals->push_back({kind, producer->members.back(), reader, saved, std::move(why)});
    return std::nullopt;
  };
  Members all = merged(producer->members, consumer->members, through);
  SmallVector<Value> values = resultsOf(all, {producer, consumer});
  if (Verdict verdict = canShareKernel(shapes_, all, values, refusals != nullptr); !verdict) return refuse(Decision::Kind::kIllegal, 0, verdict.why);
  if (Operation *summand = leftForReduction(all, values))
    return refuse(Decision::Kind::kNotWorthwhile, 0, "only reductions read " + kindOf(summand) + ": beside them it is never in memory");
  double saved = producer->us + consumer->us - costOf(all, values);
  if (saved <= kWorthwhileUs) return refuse(Decision::Kind::kNotWorthwhile, saved, "one kernel for both would take longer");
  if (hasDetour(producer, consumer, through))
    return refuse(Decision::Kind::kIllegal, 0, "another step between them reads the one and is read by the other");
  Plan plan;
  plan.into = {consumer};
  plan.through.assign(through.begin(), through.end());
  plan.savedUs = saved;
  plan.reader = reader;
  plan.inPlace = isInPlace(shapes_, all);
  return plan;
}

std::optional<FusionHeap::Plan> FusionHeap::clonePlan(FusionGroup *producer, ArrayRef<FusionGroup *> consumers) const {
  if (consumers.size() < 2) return std::nullopt;
  for (Operation *op : producer->members)
    if (isProduct(op) || isCombining(op)) return std::nullopt;
  double before = producer->us, after = 0;
  SmallVector<const FusionGroup *> standFor(consumers.begin(), consumers.end());
  standFor.push_back(producer);
  for (FusionGroup *consumer : consumers) {
    Members all = merged(producer->members, consumer->members, {});
    // The producer's values are results of none; the consumer's stay what they are.
    SmallVector<Value> values = results(*consumer);
    if (!canShareKernel(shapes_, all, values)) return std::nullopt;
    before += consumer->us;
    after += costOf(all, values);
  }
  if (before - after <= kWorthwhileUs) return std::nullopt;
  Plan plan;
  plan.clone = true;
  plan.into.assign(consumers.begin(), consumers.end());
  plan.savedUs = before - after;
  return plan;
}

FusionHeap::Plan FusionHeap::bestPlan(FusionGroup *producer, std::vector<Decision> *refusals) const {
  Plan best;
  llvm::SetVector<FusionGroup *> consumers;
  bool onlyGroups = true;  // nothing but groups reads it: no view, host call or output
  auto consider = [&](FusionGroup *consumer, ArrayRef<Operation *> through, Operation *reader) {
    auto plan = joinPlan(producer, consumer, through, reader, refusals);
    if (plan && (best.into.empty() || plan->key() > best.key())) best = std::move(*plan);
  };
  for (Operation *op : producer->members) {
    if (homes_.lookup(op).size() > 1) continue;  // a clone: each reader has its own
    for (Operation *reader : readers(op)) {
      auto homes = homes_.find(reader);
      if (homes != homes_.end()) {
        for (FusionGroup *consumer : homes->second) {
          if (consumer == producer || !consumers.insert(consumer)) continue;
          if (homes->second.size() == 1) consider(consumer, {}, reader);
        }
        continue;
      }
      onlyGroups = false;
      if (!isTransparent(reader)) continue;
      // Through a view, when one group alone reads it.
      llvm::SetVector<FusionGroup *> behind;
      bool alone = true;
      for (Operation *next : readers(reader)) {
        auto there = homes_.find(next);
        if (there == homes_.end() || there->second.size() != 1) {
          alone = false;
          continue;
        }
        behind.insert(there->second[0]);
      }
      if (alone && behind.size() == 1 && behind[0] != producer && !consumers.contains(behind[0]))
        consider(behind[0], {reader}, readers(reader).front());
    }
  }
  if (onlyGroups) {
    auto plan = clonePlan(producer, consumers.getArrayRef());
    // Instead of a join that leaves the value a result, when that saves more.
    if (plan && !best.inPlace && plan->savedUs > best.savedUs) best = std::move(*plan);
  }
  return best;
}

// ---- the heap ---------------------------------------------------------------------------------------------------------------------

void FusionHeap::push(FusionGroup *producer) {
  if (producer->members.empty()) return;
  Plan plan = bestPlan(producer, nullptr);
  int version = ++version_[producer];
  if (plan.into.empty()) return;
  heap_.push({plan.key(), position_.lookup(producer->members.front()), producer, version});
}

void FusionHeap::pushProducersOf(const FusionGroup &group) {
  llvm::SetVector<FusionGroup *> producers;
  for (Operation *op : group.members)
    for (Value v : op->getOperands()) {
      Operation *def = v.getDefiningOp();
      if (def && isTransparent(def)) def = def->getOperand(0).getDefiningOp();
      if (!def) continue;
      if (auto it = homes_.find(def); it != homes_.end())
        for (FusionGroup *g : it->second)
          if (g != &group) producers.insert(g);
    }
  for (FusionGroup *g : producers) push(g);
}

void FusionHeap::run() {
  if (!enable_) return;
  for (auto &group : groups_) push(group.get());
  while (!heap_.empty()) {
    Entry entry = heap_.top();
    heap_.pop();
    if (version_[entry.producer] != entry.version || entry.producer->members.empty()) continue;
    // Fusions elsewhere may have closed the way or changed the price: asked again before it is done.
    Plan plan = bestPlan(entry.producer, nullptr);
    if (plan.into.empty()) continue;
    if (plan.key() < entry.key) {
      heap_.push({plan.key(), entry.position, entry.producer, entry.version});
      continue;
    }
    apply(entry.producer, plan);
  }
  for (FusionGroup *group : groups()) handDownCasts(group);
  // Whoever still reads another group's value does so for a reason.
  for (FusionGroup *group : groups())
    bestPlan(group, &decisions);
}

/// A float is stored before it is widened, not after: the cast goes to the groups that read it. Always worth it, as far as it is legal:
/// a cast is an instruction, and half of the bytes are neither written nor read.
void FusionHeap::handDownCasts(FusionGroup *group) {
  for (Value wide : results(*group)) {
    auto cast = wide.getDefiningOp<CastOp>();
    if (!cast || !isWidening(cast) || group->members.size() < 2) continue;
    llvm::SetVector<FusionGroup *> into;
    bool onlyGroups = llvm::all_of(readers(cast), [&](Operation *reader) {
      auto homes = homes_.find(reader);
      if (homes == homes_.end()) return false;
      into.insert_range(homes->second);
      return true;
    });
    if (!onlyGroups || into.contains(group)) continue;
    Members rest = group->members;
    llvm::erase(rest, cast.getOperation());
    auto withCast = [&](FusionGroup *reader) { return merged(cast.getOperation(), reader->members, {}); };
    bool isLegal = canShareKernel(shapes_, rest, resultsOf(rest, {group})) &&
                   llvm::all_of(into, [&](FusionGroup *reader) { return bool(canShareKernel(shapes_, withCast(reader), results(*reader))); });
    if (!isLegal) continue;
    const ShapeInfo &before = shapes_.of(wide), &after = shapes_.of(cast.getX());
    double savedUs = 2 * (before.elements * before.elementBytes - after.elements * after.elementBytes) / machine_.levels.back().bytesPerUs;
    homes_[cast].clear();
    group->members = rest;
    group->us = costOf(rest, results(*group));
    for (FusionGroup *reader : into) {
      decisions.push_back({Decision::Kind::kCloned, cast, reader->members.front(), savedUs, ""});
      reader->members = withCast(reader);
      homes_[cast].push_back(reader);
      reader->us = costOf(reader->members, results(*reader));
    }
  }
}

void FusionHeap::apply(FusionGroup *producer, const Plan &plan) {
  Members from = std::move(producer->members);
  producer->members.clear();
  ++version_[producer];
  for (Operation *op : from) llvm::erase(homes_[op], producer);
  for (FusionGroup *group : plan.into) {
    Operation *reader = plan.reader ? plan.reader : group->members.front();
    decisions.push_back({plan.clone ? Decision::Kind::kCloned : Decision::Kind::kJoined, from.back(), reader, plan.savedUs, ""});
    group->members = merged(from, group->members, plan.through);
    for (Operation *op : from)
      if (!isHome(op, group)) homes_[op].push_back(group);
    for (Operation *op : plan.through) homes_[op] = {group};
  }
  for (FusionGroup *group : plan.into)
    if (SmallVector<Value> values = results(*group); !values.empty()) group->us = costOf(group->members, values);
  for (FusionGroup *group : plan.into) {
    push(group);
    pushProducersOf(*group);
  }
}

}  // namespace jinx::passes

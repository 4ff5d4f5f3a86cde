#include "runtime/device/emulated/Knowledge.h"

#include <algorithm>

namespace jinx::emulated {

namespace {

void raise(Clocks &to, const ClocksRef &from) {
  if (!from) return;
  if (to.size() < from->size()) to.resize(from->size());
  for (size_t i = 0; i < from->size(); ++i) to[i] = std::max(to[i], (*from)[i]);
}
void raise(Clocks &to, uint32_t actor, Clock when) {
  if (to.size() <= actor) to.resize(actor + 1);
  to[actor] = std::max(to[actor], when);
}

}  // namespace

ClocksRef Joins::join(const ClocksRef &a, const ClocksRef &b) {
  if (!b || a == b) return a;
  if (!a) return b;
  for (const Answer &answer : last_)
    if (answer.a == a && answer.b == b) return answer.result;
  auto result = std::make_shared<Clocks>(*a);
  raise(*result, b);
  last_[next_++ % std::size(last_)] = {a, b, result};
  return result;
}

void Gathered::add(const Knowledge &from) {
  raise(seen, from.seen);
  raise(seen, from.self, from.now);
  raise(fenced, from.fenced);
  raise(fenced, from.self, from.fencedNow);
}

void Gathered::set(uint32_t actor, Clock when) { raise(seen, actor, when); }

void meetAll(const std::vector<Knowledge *> &all) {
  auto seen = std::make_shared<Clocks>(), fenced = std::make_shared<Clocks>();
  ClocksRef lastSeen, lastFenced;
  for (const Knowledge *k : all) {
    if (k->seen != lastSeen) raise(*seen, lastSeen = k->seen);
    if (k->fenced != lastFenced) raise(*fenced, lastFenced = k->fenced);
  }
  for (const Knowledge *k : all) {
    raise(*seen, k->self, k->now);
    raise(*fenced, k->self, k->fencedNow);
  }
  for (Knowledge *k : all) {
    k->seen = seen;
    k->fenced = fenced;
    ++k->now;
  }
}

}  // namespace jinx::emulated

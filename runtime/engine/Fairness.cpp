#include "runtime/engine/Fairness.h"

#include <algorithm>

namespace jinx::engine {

double Fairness::floor() const {
  bool isAny = false;
  double lowest = lastFloor_;
  for (const auto& [tenant, account] : accounts_) {
    if (account.requests == 0) continue;
    lowest = isAny ? std::min(lowest, account.served) : account.served;
    isAny = true;
  }
  return lowest;
}

TenantAccount& Fairness::join(uint64_t tenant) {
  const double lowest = floor();
  TenantAccount& account = accounts_[tenant];
  if (account.requests++ == 0) {
    const auto weight = weights_.find(tenant);
    account.weight = weight == weights_.end() ? 1 : weight->second;
    account.served = std::max(account.served, lowest);
  }
  return account;
}

void Fairness::leave(uint64_t tenant) {
  TenantAccount& account = accounts_[tenant];
  if (account.requests == 1) lastFloor_ = std::max(lastFloor_, floor());
  --account.requests;
  // Who left with no more than everybody has would come back to the same counter.
  const double lowest = floor();
  std::erase_if(accounts_, [&](const auto& entry) { return entry.second.requests == 0 && entry.second.served <= lowest; });
}

} // namespace jinx::engine

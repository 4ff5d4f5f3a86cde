// Whose request is next?
//
// Each tenant has a counter of the tokens that were computed for it, prompt and output, divided by its weight. Among requests of equal priority
// the tenant with the lowest counter is served: over any time in which two tenants always have work, their shares differ by a bounded number of tokens.
// A tenant that comes back begins at the lowest counter of those that are active: time without work is not saved up.
// Sheng et al., "Fairness in serving large language models" (2024).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace jinx::engine {

struct TenantAccount {
  double served = 0; ///< tokens by weight
  double weight = 1;
  int32_t requests = 0; ///< waiting or running
};

class Fairness {
 public:
  /// The tenant's account for one more request; stays where it is until `leave`.
  TenantAccount& join(uint64_t tenant);
  /// A request of the tenant has ended.
  void leave(uint64_t tenant);
  void charge(TenantAccount& account, int32_t tokens) { account.served += tokens / account.weight; }
  /// \param weight  above 0: the share beside others; 1 where nothing is said
  void setWeight(uint64_t tenant, double weight) { weights_[tenant] = weight; }
  /// Requests of the tenant that wait or run.
  int32_t requests(uint64_t tenant) const {
    const auto account = accounts_.find(tenant);
    return account == accounts_.end() ? 0 : account->second.requests;
  }
  /// Accounts that are kept: of active tenants, and of those that had more than the others when they left.
  size_t size() const { return accounts_.size(); }

 private:
  double floor() const;

  std::unordered_map<uint64_t, TenantAccount> accounts_;
  std::unordered_map<uint64_t, double> weights_;
  double lastFloor_ = 0; ///< when nobody is active
};

} // namespace jinx::engine

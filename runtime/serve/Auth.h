// Who asks? Keys, each of a tenant with a share.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/engine/SipHash.h"

namespace jinx::serve {

using TenantId = uint64_t; ///< 0 where there are no keys; else the line's number among keys, from 1

class Auth {
 public:
  /// Nobody needs a key.
  Auth() = default;
  /// \param text  lines of KEY, or KEY NAME, or KEY NAME WEIGHT; "#" begins a comment. The same name is the same tenant.
  /// \returns kInvalidArgument, with the line, for a key of less than 8 characters, one that is there twice, or a weight that is none; kResource without random numbers
  static Expected<Auth> parse(std::string_view text);

  bool isOpen() const { return keys_.empty(); }
  /// The tenant of an Authorization header ("Bearer KEY"). Compares with every key, in a time that does not depend on where they differ.
  std::optional<TenantId> tenantOf(std::string_view authorization) const;
  const std::map<TenantId, double>& weights() const { return weights_; }
  std::string nameOf(TenantId tenant) const;

 private:
  struct Key {
    engine::Hash128 digest;
    TenantId tenant;
  };
  engine::Hash128 digestOf(std::string_view key) const;

  engine::HashKey secret_;
  std::vector<Key> keys_;
  std::map<TenantId, double> weights_;
  std::map<TenantId, std::string> names_;
};

} // namespace jinx::serve

#include "runtime/serve/Auth.h"

#include <locale>
#include <span>
#include <sstream>

namespace jinx::serve {
namespace {

constexpr size_t kShortestKey = 8;
constexpr double kMostWeight = 1e6;

std::optional<double> weightOf(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double weight = 0;
  if (!(stream >> weight) || !stream.eof() || !(weight > 0) || weight > kMostWeight) return std::nullopt;
  return weight;
}

/// Looks at all bytes, whatever they are.
bool isEqual(engine::Hash128 a, engine::Hash128 b) { return ((a.low ^ b.low) | (a.high ^ b.high)) == 0; }

} // namespace

Expected<Auth> Auth::parse(std::string_view text) {
  Auth auth;
  JINX_TRY_ASSIGN(auth.secret_, engine::randomHashKey());
  std::map<std::string, TenantId> tenants;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string key, name, weight, more;
    if (!(words >> key)) continue;
    words >> name >> weight >> more;
    const std::string place = "line " + std::to_string(number) + " of the keys: ";
    if (key.size() < kShortestKey) return invalidArgument(place + "the key has " + std::to_string(key.size()) + " characters, expected at least " + std::to_string(kShortestKey));
    if (!more.empty()) return invalidArgument(place + "expected KEY NAME WEIGHT");
    const std::optional<double> share = weight.empty() ? 1 : weightOf(weight);
    if (!share) return invalidArgument(place + "the weight is " + weight + ", expected a number above 0");
    if (name.empty()) name = "key" + std::to_string(auth.keys_.size() + 1);
    const TenantId tenant = tenants.try_emplace(name, tenants.size() + 1).first->second;
    const engine::Hash128 digest = auth.digestOf(key);
    for (const Key& other : auth.keys_)
      if (isEqual(other.digest, digest)) return invalidArgument(place + "the key is there twice");
    auth.keys_.push_back({digest, tenant});
    auth.weights_[tenant] = *share;
    auth.names_[tenant] = name;
  }
  if (auth.keys_.empty()) return invalidArgument("there are no keys, expected lines of KEY NAME WEIGHT");
  return auth;
}

engine::Hash128 Auth::digestOf(std::string_view key) const { return engine::sipHash128(secret_, std::as_bytes(std::span(key.data(), key.size()))); }

std::optional<TenantId> Auth::tenantOf(std::string_view authorization) const {
  if (isOpen()) return TenantId{0};
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return std::nullopt;
  const engine::Hash128 digest = digestOf(authorization.substr(kScheme.size()));
  TenantId tenant = 0;
  for (const Key& key : keys_)
    tenant |= key.tenant & (TenantId{0} - static_cast<TenantId>(isEqual(key.digest, digest)));
  return tenant == 0 ? std::nullopt : std::optional(tenant);
}

std::string Auth::nameOf(TenantId tenant) const {
  const auto found = names_.find(tenant);
  return found == names_.end() ? "" : found->second;
}

} // namespace jinx::serve

// The attributes of a host op: a name to a typed value, with getters that give the default when the name is absent.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/Tensor.h"

namespace jinx {

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string>, Tensor>;

class Attributes {
 public:
  void set(std::string name, Attribute value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  bool has(const std::string &name) const { return map_.count(name) != 0; }

  int64_t getInt(const std::string &name, int64_t fallback) const { return get<int64_t>(name, fallback); }
  double getFloat(const std::string &name, double fallback) const { return get<double>(name, fallback); }
  std::string getString(const std::string &name, std::string fallback) const { return get<std::string>(name, std::move(fallback)); }
  std::vector<int64_t> getInts(const std::string &name, std::vector<int64_t> fallback = {}) const { return get(name, std::move(fallback)); }
  std::vector<double> getFloats(const std::string &name, std::vector<double> fallback = {}) const { return get(name, std::move(fallback)); }
  std::vector<std::string> getStrings(const std::string &name, std::vector<std::string> fallback = {}) const { return get(name, std::move(fallback)); }
  Tensor getTensor(const std::string &name) const { return get(name, Tensor()); }

  const std::map<std::string, Attribute> &entries() const { return map_; }

 private:
  template <typename T>
  T get(const std::string &name, T fallback) const {
    auto it = map_.find(name);
    if (it == map_.end()) return fallback;
    const T *value = std::get_if<T>(&it->second);
    return value ? *value : fallback;
  }
  std::map<std::string, Attribute> map_;  // ordered: plans and messages are deterministic
};

}  // namespace jinx

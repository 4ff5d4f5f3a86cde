// Fields of a config.json as a model's numbers: in range, or an error that names the field.
#pragma once

#include <string>
#include <vector>

#include "runtime/text/Json.h"

namespace jinx::frontends::huggingface {

class Fields {
public:
  /// \param object  outlives this
  explicit Fields(const text::Json& object) : object_(object) {}

  const text::Json& object() const { return object_; }
  bool has(const char* name) const { return text::findField(object_, name) != nullptr; } ///< and it is not null
  /// 1 to llm::kMostOfAnything.
  Expected<int64_t> count(const char* name) const;
  Expected<int64_t> count(const char* name, int64_t otherwise) const;
  Expected<double> positive(const char* name) const;
  Expected<double> positive(const char* name, double otherwise) const;
  Expected<bool> flag(const char* name, bool otherwise) const;
  Expected<std::string> text(const char* name, const char* otherwise) const;
  /// A number, or several; none where the field is missing.
  Expected<std::vector<int64_t>> integers(const char* name) const;

private:
  const text::Json& object_;
};

} // namespace jinx::frontends::huggingface

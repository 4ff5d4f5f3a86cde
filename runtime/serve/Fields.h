// The fields of a request's JSON object, one after the other. The first that is wrong is kept as the error, and names itself.
//
//   Fields fields(json);
//   options.maxTokens = fields.integer("max_tokens", 16, {1, 4096});
//   fields.refuseOthers({"user"});                       // what was not asked for above
//   if (fields.error()) return *fields.error();
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "runtime/serve/ApiError.h"

namespace jinx::serve {

struct IntegerRange {
  int64_t least, most;
};
struct NumberRange {
  double least, most;
};

class Fields {
 public:
  /// \param object  an object; else this is the error
  explicit Fields(const Json& object);

  /// The field as it is; null when it is missing, or null.
  const Json* find(const char* name);
  // Each: the field; `otherwise` when it is missing; an error when it is of another kind or out of range.
  bool boolean(const char* name, bool otherwise);
  int64_t integer(const char* name, int64_t otherwise, IntegerRange range);
  double number(const char* name, double otherwise, NumberRange range);
  std::string text(const char* name, std::string_view otherwise);
  /// A text or an array of texts, none of them empty.
  std::vector<std::string> texts(const char* name, size_t most, size_t mostBytes);

  void fail(std::string name, std::string message);
  /// Fields that no call above has asked for are an error, but for those that do not change an answer.
  void refuseOthers(std::span<const std::string_view> harmless);
  const std::optional<ApiError>& error() const { return error_; }

 private:
  const Json& object_;
  std::set<std::string, std::less<>> known_;
  std::optional<ApiError> error_;
};

} // namespace jinx::serve

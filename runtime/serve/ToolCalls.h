// Calls of tools in the text of an answer, found as it comes.
//
//   Hermes, Qwen     text <tool_call>{"name": "f", "arguments": {…}}</tool_call> more text
//   Llama 3          {"name": "f", "parameters": {…}} and nothing else
//
// What looks like a call and is none, because it is no JSON or names no tool that there is, is text.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace jinx::serve {

struct ToolCall {
  std::string id, name;
  std::string arguments; ///< JSON
};

class ToolCallReader {
 public:
  struct Found {
    std::string text;
    std::vector<ToolCall> calls;
  };

  /// \param names  of the tools; empty: everything is text
  explicit ToolCallReader(std::set<std::string> names) : names_(std::move(names)) {}

  /// What is certain after this text. What may belong to a call is held back.
  Found push(std::string_view text);
  /// What was held back.
  Found finish();

 private:
  void pushTagged(Found& found);
  bool takeCall(std::string_view json, Found& found) const;

  const std::set<std::string> names_;
  std::string held_;
  bool isInside_ = false; ///< behind <tool_call>
  bool isBegun_ = false;  ///< something but space has come
  bool isPlain_ = false;  ///< it began as an object: a call from first to last, or none
};

} // namespace jinx::serve

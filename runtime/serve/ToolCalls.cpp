#include "runtime/serve/ToolCalls.h"

#include <algorithm>

#include "runtime/serve/Generation.h"

namespace jinx::serve {
namespace {

constexpr std::string_view kBegin = "<tool_call>", kEnd = "</tool_call>", kSpace = " \t\r\n";

/// How long the end of `text` is that begins `tag`.
size_t beginsAtEnd(std::string_view text, std::string_view tag) {
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length)
    if (text.ends_with(tag.substr(0, length))) return length;
  return 0;
}

} // namespace

ToolCallReader::Found ToolCallReader::push(std::string_view text) {
  Found found;
  if (names_.empty()) return {std::string(text), {}};
  held_ += text;
  if (!isBegun_) {
    const size_t first = held_.find_first_not_of(kSpace);
    if (first == std::string::npos) return found;
    isBegun_ = true;
    isPlain_ = held_[first] == '{';
  }
  if (!isPlain_) pushTagged(found);
  return found;
}

void ToolCallReader::pushTagged(Found& found) {
  while (true) {
    const std::string_view tag = isInside_ ? kEnd : kBegin;
    const size_t at = held_.find(tag);
    if (at == std::string::npos) break;
    const std::string before = held_.substr(0, at);
    if (!isInside_) found.text += before;
    else if (!takeCall(before, found)) found.text += std::string(kBegin) + before + std::string(kEnd);
    held_.erase(0, at + tag.size());
    isInside_ = !isInside_;
  }
  if (isInside_) return;
  const size_t sure = held_.size() - beginsAtEnd(held_, kBegin);
  found.text += held_.substr(0, sure);
  held_.erase(0, sure);
}

ToolCallReader::Found ToolCallReader::finish() {
  Found found;
  const bool mayBeCall = isPlain_ || isInside_;
  if (!mayBeCall || !takeCall(held_, found)) found.text = (isInside_ ? std::string(kBegin) : "") + held_;
  held_.clear();
  isInside_ = false;
  return found;
}

bool ToolCallReader::takeCall(std::string_view json, Found& found) const {
  const Expected<Json> call = parseJson(json);
  if (!call || !call->is_object()) return false;
  const auto name = call->find("name");
  auto arguments = call->find("arguments");
  if (arguments == call->end()) arguments = call->find("parameters");
  if (name == call->end() || !name->is_string() || !names_.contains(name->get<std::string>())) return false;
  if (arguments == call->end() || !(arguments->is_object() || arguments->is_string())) return false;
  found.calls.push_back({randomId("call_"), name->get<std::string>(), arguments->is_string() ? arguments->get<std::string>() : dump(*arguments)});
  return true;
}

} // namespace jinx::serve

// UTF-8 text that knows of each byte whether the template wrote it or a user.
//
//   "<|im_start|>" + role + "\n"      runs: [0, 12) template, [12, 16) user, [16, 17) template
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jinx::chat {

class MarkedText {
 public:
  struct Run {
    size_t end; ///< it begins where the one before ends
    bool isTemplate;
  };

  MarkedText() = default;
  MarkedText(std::string bytes, bool isTemplate) : bytes_(std::move(bytes)) {
    if (!bytes_.empty()) runs_.push_back({bytes_.size(), isTemplate});
  }

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  /// Neighbors differ, none is empty.
  const std::vector<Run>& runs() const { return runs_; }
  bool isTemplateAt(size_t byte) const;
  /// True of a text without bytes.
  bool isWhollyTemplate() const { return runs_.empty() || (runs_.size() == 1 && runs_[0].isTemplate); }

  void append(std::string_view bytes, bool isTemplate);
  void append(const MarkedText& other) { append(other, 0, other.size()); }
  /// The bytes [begin, end) of another text, with their marks.
  void append(const MarkedText& other, size_t begin, size_t end);
  MarkedText slice(size_t begin, size_t end) const;

 private:
  size_t runAt(size_t byte) const;
  std::string bytes_;
  std::vector<Run> runs_;
};

} // namespace jinx::chat

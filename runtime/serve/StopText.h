// Text that may go out: up to the first stop string, and none that could still become one.
//
//   stop "END":  push("the E") -> "the "    push("ND of") -> "" and isStopped     push("xit") would have been -> "Exit"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jinx::serve {

class StopText {
 public:
  /// \param stops  none empty
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// \returns what is now certain to come before any stop string. \pre not stopped
  std::string push(std::string_view text);
  /// What was held back, when no more text comes.
  std::string finish();
  bool isStopped() const { return isStopped_; }

 private:
  size_t heldBack() const;

  std::vector<std::string> stops_;
  std::string held_; ///< a beginning of a stop string, or several
  bool isStopped_ = false;
};

} // namespace jinx::serve

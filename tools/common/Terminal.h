// Colour and progress, on a terminal only: in a pipe or a file the programs write plain text.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

namespace jinx::tools {

/// False in a pipe, with NO_COLOR set, and for TERM=dumb.
bool hasColour(std::FILE* stream);
bool isTerminal(std::FILE* stream);

enum class Style { kPlain, kBold, kDim, kGood, kWarning, kError };
/// The text in this style where `stream` shows colours, else unchanged.
std::string paint(std::FILE* stream, Style style, std::string_view text);

/// One line on standard error that says how far something is; nothing at all when that is no terminal. Gone when
/// destroyed.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title, bool enabled = true);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// \param fraction  0 to 1
  void update(double fraction, std::string_view what);
  void clear();

 private:
  std::string title_;
  bool shown_;
  std::chrono::steady_clock::time_point next_{};
};

/// "1.2 MB", "640 B": for people, powers of ten.
std::string formatBytes(double bytes);
/// "12.3 ms", "1.20 s", "45 us".
std::string formatMilliseconds(double ms);
/// `value` in the least digits that keep `digits` significant ones.
std::string formatNumber(double value, int digits = 4);

} // namespace jinx::tools

#include "tools/common/Terminal.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

namespace jinx::tools {
namespace {

size_t terminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

const char* escapeOf(Style style) {
  switch (style) {
  case Style::kPlain:
    return "";
  case Style::kBold:
    return "\033[1m";
  case Style::kDim:
    return "\033[2m";
  case Style::kGood:
    return "\033[32m";
  case Style::kWarning:
    return "\033[33m";
  case Style::kError:
    return "\033[1;31m";
  }
  return "";
}

} // namespace

bool isTerminal(std::FILE* stream) { return isatty(fileno(stream)) != 0; }

bool hasColour(std::FILE* stream) {
  const char* noColour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isTerminal(stream) && !(noColour && *noColour) && term && std::strcmp(term, "dumb") != 0;
}

std::string paint(std::FILE* stream, Style style, std::string_view text) {
  if (style == Style::kPlain || !hasColour(stream)) return std::string(text);
  return escapeOf(style) + std::string(text) + "\033[0m";
}

ProgressBar::ProgressBar(std::string title, bool enabled)
    : title_(std::move(title)), shown_(enabled && hasColour(stderr)) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(double fraction, std::string_view what) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_ && fraction < 1) return;
  next_ = now + std::chrono::milliseconds(40);
  constexpr int kWidth = 24;
  const int full = static_cast<int>(std::lround(std::min(1.0, std::max(0.0, fraction)) * kWidth));
  std::string line = title_ + " [";
  for (int i = 0; i < kWidth; ++i)
    line += i < full ? '=' : ' ';
  line += "] " + std::string(what);
  line = line.substr(0, terminalWidth() - 1);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  if (!shown_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
}

std::string formatNumber(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string formatBytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (std::fabs(bytes) >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000;
    ++unit;
  }
  char text[40];
  std::snprintf(text, sizeof text, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

std::string formatMilliseconds(double ms) {
  char text[40];
  if (ms >= 1000)
    std::snprintf(text, sizeof text, "%.2f s", ms / 1000);
  else if (ms >= 1)
    std::snprintf(text, sizeof text, "%.3g ms", ms);
  else
    std::snprintf(text, sizeof text, "%.3g us", ms * 1000);
  return text;
}

} // namespace jinx::tools

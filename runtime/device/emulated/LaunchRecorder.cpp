#include "runtime/device/emulated/LaunchRecorder.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "runtime/base/File.h"

namespace jinx::emulated {

void LaunchRecorder::begin(const std::vector<void *> &buffers, std::vector<MemoryRange> &ranges) {
  std::vector<MemoryRange> split;
  for (size_t i = 0; i < buffers.size(); ++i) {
    MemoryRange range{buffers[i], 0, true, "buffer " + std::to_string(i)};
    for (const MemoryRange &block : ranges) {
      auto *end = static_cast<const char *>(block.begin) + block.bytes;
      if (buffers[i] >= block.begin && buffers[i] < end) range.bytes = static_cast<size_t>(end - static_cast<char *>(buffers[i]));
    }
    for (void *other : buffers)
      if (other > buffers[i]) range.bytes = std::min(range.bytes, static_cast<size_t>(static_cast<char *>(other) - static_cast<char *>(buffers[i])));
    const bool isKnown = std::any_of(split.begin(), split.end(), [&](const MemoryRange &r) { return r.begin == range.begin; });
    if (!isKnown) split.push_back(range);
  }
  ranges = split;
  before_.clear();
  for (const MemoryRange &range : ranges) before_.emplace_back(range.begin, std::string(static_cast<const char *>(range.begin), range.bytes));
}

Status LaunchRecorder::finish(const std::string &kernel, const std::string &text, const LaunchShape &shape, const std::vector<void *> &buffers,
                              const std::vector<int64_t> &sizes, const LaunchReport &report) {
  auto touched = [&](const void *begin) {
    for (const TouchedRange &range : report.touched)
      if (range.begin == begin) return range;
    return TouchedRange{};
  };
  size_t total = 0;
  for (void *buffer : buffers) total += std::max(touched(buffer).read, touched(buffer).written);
  if (total > kMaxBytes) return Status::ok();
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::string stem = folder_ + "/" + kernel;
  auto write = [&](const std::string &suffix, const char *data, size_t bytes) { std::ofstream(stem + suffix, std::ios::binary).write(data, static_cast<std::streamsize>(bytes)); };
  write(".cu", text.data(), text.size());
  std::string json = "{\"kernel\": \"" + kernel + "\", \"grid\": " + std::to_string(shape.grid) + ", \"threads\": " + std::to_string(shape.threads) +
                     ", \"shared\": " + std::to_string(shape.sharedBytes) + ", \"cluster\": " + std::to_string(shape.cluster) + ", \"maps\": [], \"sizes\": [";
  for (size_t i = 0; i < sizes.size(); ++i) json += (i ? ", " : "") + std::to_string(sizes[i]);
  json += "], \"buffers\": [";
  for (size_t i = 0; i < buffers.size(); ++i) {
    const TouchedRange range = touched(buffers[i]);
    const size_t first = static_cast<size_t>(std::find(buffers.begin(), buffers.end(), buffers[i]) - buffers.begin());
    json += std::string(i ? ", " : "") + "{\"same_as\": " + std::to_string(first) + ", \"read\": " + std::to_string(range.read) + ", \"written\": " +
            std::to_string(range.written) + "}";
    for (const auto &[begin, bytes] : before_)
      if (begin == buffers[i]) write("." + std::to_string(i) + ".in", bytes.data(), std::max(range.read, range.written));
    if (range.written) write("." + std::to_string(i) + ".out", static_cast<const char *>(buffers[i]), range.written);
  }
  json += "]}\n";
  write(".json", json.data(), json.size());
  std::ifstream written(stem + ".json");
  if (!written) return systemError(errno ? errno : EIO, "cannot write to " + folder_);
  kept_.insert(kernel);
  return Status::ok();
}

}  // namespace jinx::emulated

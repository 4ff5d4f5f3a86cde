// Files: mapped for reading, and written so that a reader sees the old file or the new one, never half of one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/Status.h"

namespace jinx {

/// The Status of a failed system call: `what` and the system's reason. A missing file is kNotFound; a full disk,
/// exhausted memory or too many open files are kResource; anything else is the input's fault.
Status systemError(int errorNumber, const std::string& what);

/// A whole file mapped read-only. The bytes stay at their address when the object is moved.
///
/// Whoever truncates a file while it is mapped kills the process that reads it (SIGBUS); writers in Jinx never do,
/// because they write aside and rename.
class MappedFile {
 public:
  /// \param populate  read all pages now rather than at first touch
  static Expected<MappedFile> open(const std::string& path, bool populate = false);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// A file that appears at `path` whole and durable on `commit`, or not at all: written beside its target, synced,
/// renamed. Until then, and when anything fails, what was at `path` stays as it was.
class AtomicFile {
 public:
  static Expected<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept
      : path_(std::move(other.path_)), tempPath_(std::move(other.tempPath_)), fd_(std::exchange(other.fd_, -1)) {}
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile(); ///< removes the temporary file unless committed

  Status write(std::span<const std::byte> bytes);
  Status commit();

 private:
  AtomicFile(std::string path, std::string tempPath, int fd)
      : path_(std::move(path)), tempPath_(std::move(tempPath)), fd_(fd) {}
  std::string path_;
  std::string tempPath_;
  int fd_ = -1;
};

} // namespace jinx

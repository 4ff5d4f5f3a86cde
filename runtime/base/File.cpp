#include "runtime/base/File.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace jinx {

Status systemError(int errorNumber, const std::string& what) {
  std::string message = what + ": " + std::strerror(errorNumber);
  switch (errorNumber) {
  case ENOENT:
    return notFound(std::move(message));
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
  case ENOMEM:
  case EMFILE:
  case ENFILE:
  case EAGAIN:
    return resourceError(std::move(message));
  default:
    return invalidArgument(std::move(message));
  }
}

Expected<MappedFile> MappedFile::open(const std::string& path, bool populate) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return systemError(errno, "cannot open " + path);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    int error = errno;
    bool irregular = !S_ISREG(info.st_mode);
    ::close(fd);
    return irregular ? invalidArgument("cannot map " + path + ": not a regular file")
                     : systemError(error, "cannot read " + path);
  }
  MappedFile file;
  if (info.st_size > 0) {
    void* address =
        mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE | (populate ? MAP_POPULATE : 0), fd, 0);
    if (address == MAP_FAILED) {
      int error = errno;
      ::close(fd);
      return systemError(error, "cannot map " + path);
    }
    file.bytes_ = {static_cast<const std::byte*>(address), static_cast<size_t>(info.st_size)};
  }
  ::close(fd);
  return file;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Expected<AtomicFile> AtomicFile::create(const std::string& path) {
  // A device or a pipe (/dev/null, /dev/stdout) is written to: a rename would put a plain file in its place.
  struct stat there;
  if (::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) {
    int device = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (device < 0) return systemError(errno, "cannot write " + path);
    return AtomicFile(path, "", device);
  }
  std::string tempPath = path + ".tmp.XXXXXX";
  int fd = mkostemp(tempPath.data(), O_CLOEXEC);
  if (fd < 0) return systemError(errno, "cannot create a file beside " + path);
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, 0666 & ~mask) != 0) {
    // A file system without modes: the file stays private, which is no reason to fail.
  }
  return AtomicFile(path, std::move(tempPath), fd);
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd_, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      return systemError(errno, "cannot write " + path_);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Status::ok();
}

Status AtomicFile::commit() {
  if (tempPath_.empty()) return ::close(std::exchange(fd_, -1)) == 0 ? Status::ok() : systemError(errno, "cannot write " + path_);
  if (fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) return systemError(errno, "cannot write " + path_);
  int fd = std::exchange(fd_, -1);
  int error = ::close(fd) != 0 ? errno : 0;
  if (error == 0 && rename(tempPath_.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(tempPath_.c_str());
    return systemError(error, "cannot write " + path_);
  }
  size_t slash = path_.rfind('/');
  int directory =
      ::open(slash == std::string::npos ? "." : path_.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory); // makes the rename durable; where a file system cannot, the file is still whole
    ::close(directory);
  }
  return Status::ok();
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!tempPath_.empty()) unlink(tempPath_.c_str());
}

} // namespace jinx

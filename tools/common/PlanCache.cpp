#include "tools/common/PlanCache.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/base/File.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".jxp";

Expected<std::string> identityOfFile(const fs::path& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return systemError(errno, "cannot open " + path.string());
  return path.filename().string() + " " + std::to_string(file.st_size) + " bytes, inode " + std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino) + ", changed at " +
         std::to_string(file.st_mtim.tv_sec) + "." + std::to_string(file.st_mtim.tv_nsec);
}

} // namespace

std::string planCacheFolder() {
  if (const char* cache = std::getenv("JINX_CACHE")) return std::string(cache) + "/plans";
  if (const char* home = std::getenv("HOME")) return std::string(home) + "/.cache/jinx/plans";
  return "";
}

Expected<std::string> identityOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return identityOfFile(path);
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error))
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  if (error) return systemError(error.value(), "cannot read the folder " + path);
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& file : files) {
    JINX_TRY_ASSIGN(std::string one, identityOfFile(file));
    all += one + "\n";
  }
  return all;
}

std::string PlanCache::pathOf(std::string_view key) const {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  char name[33];
  std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash.high64), static_cast<unsigned long long>(hash.low64));
  return folder_ + "/" + name + kExtension;
}

Status PlanCache::prepare() const {
  std::error_code error;
  fs::create_directories(folder_, error);
  return error ? systemError(error.value(), "cannot make the folder " + folder_) : Status::ok();
}

bool PlanCache::touch(const std::string& path) const {
  std::error_code error;
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);
  return !error;
}

void PlanCache::trim(const std::string& keep) const {
  struct Plan {
    fs::file_time_type used;
    fs::path path;
    uint64_t bytes;
  };
  std::vector<Plan> plans;
  uint64_t bytes = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() != kExtension) continue;
    plans.push_back({entry.last_write_time(error), entry.path(), entry.file_size(error)});
    bytes += plans.back().bytes;
  }
  std::sort(plans.begin(), plans.end(), [](const Plan& a, const Plan& b) { return a.used < b.used; });
  for (const Plan& plan : plans) {
    if (bytes <= mostBytes_) return;
    if (plan.path == fs::path(keep)) continue;
    if (fs::remove(plan.path, error)) bytes -= plan.bytes;
  }
}

} // namespace jinx::tools

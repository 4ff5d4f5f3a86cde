#include "tools/common/OutputFile.h"

#include <filesystem>
#include <iostream>
#include <span>

#include "runtime/base/File.h"

namespace jinx::tools {

namespace fs = std::filesystem;

Status writeText(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::cout << text << std::flush;
    return Status::ok();
  }
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  JINX_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status checkOutputFile(const std::string& path) {
  if (path.empty() || path == "-") return Status::ok();
  std::error_code error;
  if (fs::is_directory(path, error))
    return invalidArgument("cannot write " + path + ": it is a folder, expected a file");
  const fs::path folder = fs::path(path).parent_path();
  if (folder.empty() || fs::is_directory(folder, error)) return Status::ok();
  return notFound("cannot write " + path + ": there is no folder " + folder.string());
}

} // namespace jinx::tools

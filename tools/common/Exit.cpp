#include "tools/common/Exit.h"

#include <cstdio>
#include <exception>
#include <new>

#include "tools/common/Terminal.h"

namespace jinx::tools {

ExitCode exitCodeOf(const Status& status) {
  switch (status.code()) {
  case Code::kOk:
    return kExitSuccess;
  case Code::kInternal:
    return kExitOurs;
  case Code::kInvalidArgument:
  case Code::kNotFound:
  case Code::kUnimplemented:
  case Code::kResource:
    break;
  }
  return kExitInput;
}

ExitCode report(const Status& status) {
  if (status.isOk()) return kExitSuccess;
  std::fflush(stdout);
  std::fprintf(stderr, "%s %s\n", paint(stderr, Style::kError, "error:").c_str(), status.message().c_str());
  if (status.code() == Code::kInternal)
    std::fprintf(stderr, "this is a fault of Jinx, not of the input: please report it with the command line\n");
  return exitCodeOf(status);
}

int guarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return report(resourceError("out of memory"));
  } catch (const std::exception& error) {
    return report(internalError(std::string("uncaught exception: ") + error.what()));
  }
}

} // namespace jinx::tools

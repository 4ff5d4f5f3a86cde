#include "runtime/comm/nccl/Nccl.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

namespace jinx::comm {
namespace {

constexpr int kOldest = 21800;
constexpr int kWithBytesOfFloats = 22400; // the first with 8-bit floats

} // namespace

Expected<Nccl> Nccl::open() {
  std::vector<std::string> names = {"libnccl.so.2"};
  if (const char* path = std::getenv("JINX_NCCL"); path && *path) names = {path};
  void* library = nullptr;
  std::string said;
  for (const std::string& name : names) {
    library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library) break;
    said += (said.empty() ? "" : "; ") + std::string(dlerror());
  }
  if (!library)
    return notFound("cannot open NCCL: " + said +
                    "; install it (libnccl2, or nvidia-nccl-cu13 of PyPI), or set JINX_NCCL to its path");
  Nccl n;
  std::string missing;
  auto get = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  get(n.getVersion, "ncclGetVersion");
  get(n.getUniqueId, "ncclGetUniqueId");
  get(n.commInitRank, "ncclCommInitRank");
  get(n.commDestroy, "ncclCommDestroy");
  get(n.commAbort, "ncclCommAbort");
  get(n.commGetAsyncError, "ncclCommGetAsyncError");
  get(n.getErrorString, "ncclGetErrorString");
  get(n.getLastError, "ncclGetLastError");
  get(n.allReduce, "ncclAllReduce");
  get(n.allGather, "ncclAllGather");
  get(n.reduceScatter, "ncclReduceScatter");
  get(n.broadcast, "ncclBroadcast");
  get(n.send, "ncclSend");
  get(n.recv, "ncclRecv");
  get(n.groupStart, "ncclGroupStart");
  get(n.groupEnd, "ncclGroupEnd");
  if (!missing.empty()) return unimplemented("NCCL is too old, expected 2.18 or later: it has no " + missing);
  JINX_TRY(n.check(n.getVersion(&n.version), "ncclGetVersion"));
  if (n.version < kOldest) return unimplemented("NCCL is " + n.versionText() + ", expected 2.18 or later");
  return n;
}

Status Nccl::check(int result, const char* call) const {
  constexpr int kSuccess = 0, kInProgress = 7;
  if (result == kSuccess || result == kInProgress) return Status::ok();
  const char *text = getErrorString(result), *more = getLastError(nullptr);
  return resourceError(std::string(call) + ": " + (text ? text : std::to_string(result)) +
                       (more && *more ? " (" + std::string(more) + ")" : "") + "; NCCL_DEBUG=WARN says more");
}

std::string Nccl::versionText() const {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

int ncclTypeOf(DType dtype, int version) {
  switch (dtype) {
  case DType::kI8:
    return 0;
  case DType::kU8:
    return 1;
  case DType::kI32:
    return 2;
  case DType::kU32:
    return 3;
  case DType::kI64:
    return 4;
  case DType::kU64:
    return 5;
  case DType::kF16:
    return 6;
  case DType::kF32:
    return 7;
  case DType::kF64:
    return 8;
  case DType::kBF16:
    return 9;
  case DType::kF8E4M3FN:
    return version >= kWithBytesOfFloats ? 10 : -1;
  case DType::kF8E5M2:
    return version >= kWithBytesOfFloats ? 11 : -1;
  default:
    return -1;
  }
}

int ncclReductionOf(Reduction reduction) {
  switch (reduction) {
  case Reduction::kSum:
    return 0;
  case Reduction::kProd:
    return 1;
  case Reduction::kMax:
    return 2;
  case Reduction::kMin:
    return 3;
  }
  return 0;
}

} // namespace jinx::comm

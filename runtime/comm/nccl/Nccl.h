// NCCL, opened at run time: one binary for machines with and without it. No header of NCCL is used; functions and
// numbers are as its interface has them (nccl.h of 2.18, stable since).
//
// It is looked for as $JINX_NCCL, then libnccl.so.2.
#pragma once

#include <cstddef>
#include <string>

#include "runtime/base/DType.h"
#include "runtime/base/Status.h"
#include "runtime/comm/Communicator.h"

// Named as in nccl.h: UndefinedBehaviorSanitizer compares the types of what is called.
struct ncclUniqueId {
  char internal[128];
};
struct ncclComm;

namespace jinx::comm {

struct Nccl {
  using Comm = ncclComm*;
  using Stream = void*;

  /// kNotFound, saying what was tried, on a machine without it; kUnimplemented for one before 2.18. It stays open until
  /// the process ends.
  static Expected<Nccl> open();
  /// OK, or kResource with the call's name and what NCCL says of it.
  Status check(int result, const char* call) const;
  std::string versionText() const;

  int version = 0; ///< 22809: 2.28.9

  int (*getVersion)(int*) = nullptr;
  int (*getUniqueId)(ncclUniqueId*) = nullptr;
  int (*commInitRank)(Comm*, int ranks, ncclUniqueId, int rank) = nullptr;
  int (*commDestroy)(Comm) = nullptr;
  int (*commAbort)(Comm) = nullptr;
  int (*commGetAsyncError)(Comm, int*) = nullptr;
  const char* (*getErrorString)(int) = nullptr;
  const char* (*getLastError)(Comm) = nullptr;
  int (*allReduce)(const void*, void*, size_t, int type, int reduction, Comm, Stream) = nullptr;
  int (*allGather)(const void*, void*, size_t, int type, Comm, Stream) = nullptr;
  int (*reduceScatter)(const void*, void*, size_t, int type, int reduction, Comm, Stream) = nullptr;
  int (*broadcast)(const void*, void*, size_t, int type, int root, Comm, Stream) = nullptr;
  int (*send)(const void*, size_t, int type, int peer, Comm, Stream) = nullptr;
  int (*recv)(void*, size_t, int type, int peer, Comm, Stream) = nullptr;
  int (*groupStart)() = nullptr;
  int (*groupEnd)() = nullptr;
};

inline constexpr int kNcclBytes = 1; ///< ncclUint8
/// ncclDataType_t of elements that are added up; -1 where NCCL has none.
int ncclTypeOf(DType dtype, int version);
/// ncclRedOp_t.
int ncclReductionOf(Reduction reduction);

} // namespace jinx::comm

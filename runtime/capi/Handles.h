// What the opaque handles of runtime/jinx.h are, and how a C++ failure becomes a C status.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/SizeExpr.h"
#include "runtime/executor/Executor.h"
#include "runtime/jinx.h"

struct jinx_status {
  jinx_code code;
  std::string message;
};

struct jinx_plan {
  std::shared_ptr<const jinx::PlanFile> file;
  std::vector<std::string> metadataKeys; ///< sorted
};

struct jinx_tensor {
  jinx::Tensor tensor;
};

namespace jinx::capi {

/// The number of an enumerator, or of none: a C caller may pass any, and reading such as the enum is undefined in C++.
inline int numberOf(const jinx_dtype& dtype) {
  static_assert(sizeof(jinx_dtype) == sizeof(int));
  int number;
  std::memcpy(&number, &dtype, sizeof number);
  return number;
}

/// A port with its texts and extents as C arrays.
struct PortArrays {
  std::string name;
  jinx_kind kind = JINX_TENSOR;
  jinx_dtype dtype = JINX_DTYPE_INVALID;
  bool ranked = true;
  std::vector<int64_t> dims;
  std::vector<std::string> texts;
  std::vector<const char*> sizes;       ///< into `texts`
  std::vector<SizeExpr> formulas;       ///< of `texts`
  std::vector<std::string> symbolNames; ///< per extent: the symbol that it is, or ""
};

/// A loaded session with what handles ask of it; shared by its handle, calls and traces.
struct SessionState {
  std::unique_ptr<Session> session;
  std::vector<PortArrays> inputs, outputs;
  std::string device, isa;
};

} // namespace jinx::capi

struct jinx_session {
  std::shared_ptr<jinx::capi::SessionState> state;
};

struct jinx_trace {
  std::shared_ptr<jinx::capi::SessionState> state;
  jinx::Trace trace;
  std::vector<jinx::TraceStep> steps;
  std::vector<jinx::StepTiming> timings; ///< as of the last jinx_trace_num_timings
};

struct jinx_call {
  std::shared_ptr<jinx::capi::SessionState> state;
  std::vector<jinx::Value> inputs, outputs;
  std::vector<bool> preset;                 ///< per output: its memory is the caller's
  mutable std::vector<jinx_tensor> results; ///< what jinx_call_output points to
  bool finished = false;                    ///< the last run succeeded
  std::vector<bool> deviceInputs, deviceOutputs; ///< their memory is the device's
  std::unique_ptr<jinx::Stream> stream;          ///< of the last jinx_call_enqueue …
  void* native = nullptr;                        ///< … and what it wraps
};

namespace jinx::capi {

/// NULL for a success; a failure that cannot even be allocated becomes one that is always there.
jinx_status* toC(const Status& status) noexcept;
/// The status for the exception that is being handled.
jinx_status* currentException() noexcept;

/// Runs `body`, which returns a Status; nothing it throws passes.
template <typename Body>
jinx_status* guarded(Body&& body) noexcept {
  try {
    return toC(body());
  } catch (...) {
    return currentException();
  }
}

inline Status nullArgument(const char* name) {
  return invalidArgument(std::string("argument \"") + name + "\" is NULL");
}
inline Status outOfRange(const char* what, size_t index, size_t count) {
  return invalidArgument(std::string("there is no ") + what + " " + std::to_string(index) + ": expected less than " +
                         std::to_string(count));
}
#define JINX_EXPECT_ARGUMENT(argument)                                                                                 \
  if (!(argument)) return ::jinx::capi::nullArgument(#argument)

/// Copies as much of `from` as the caller of the C function has room for; both begin with `struct_size`.
template <typename Struct>
Status fillStruct(Struct from, Struct* to) {
  if (to->struct_size < sizeof(size_t) || to->struct_size > 4096)
    return invalidArgument("struct_size is " + std::to_string(to->struct_size) + ", expected the size of the struct");
  from.struct_size = to->struct_size;
  std::memcpy(static_cast<void*>(to), &from, std::min(to->struct_size, sizeof from));
  return Status::ok();
}

} // namespace jinx::capi

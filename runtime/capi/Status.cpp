// Statuses, the version and the table of element types.
#include "runtime/base/DType.h"
#include "runtime/capi/Handles.h"

namespace {

/// Given out when a failure cannot be allocated; never destroyed by callers.
jinx_status& outOfMemory() noexcept {
  static jinx_status status{JINX_RESOURCE, "out of memory"}; // short enough for the string's own room
  return status;
}

jinx_code toC(jinx::Code code) {
  switch (code) {
  case jinx::Code::kOk:
    return JINX_OK;
  case jinx::Code::kInvalidArgument:
    return JINX_INVALID_ARGUMENT;
  case jinx::Code::kNotFound:
    return JINX_NOT_FOUND;
  case jinx::Code::kUnimplemented:
    return JINX_UNIMPLEMENTED;
  case jinx::Code::kResource:
    return JINX_RESOURCE;
  case jinx::Code::kInternal:
    break;
  }
  return JINX_INTERNAL;
}

bool isType(const jinx_dtype& dtype) {
  int number = jinx::capi::numberOf(dtype);
  return number > 0 && number < jinx::kNumDTypes;
}

} // namespace

// The numbers of runtime/base/DType.h and of jinx.h are the same; the last and some in between stand for all.
static_assert(JINX_F32 == static_cast<int>(jinx::DType::kF32) && JINX_BOOL == static_cast<int>(jinx::DType::kBool) &&
              JINX_F8E5M2 == static_cast<int>(jinx::DType::kF8E5M2) && JINX_U2 == static_cast<int>(jinx::DType::kU2) &&
              JINX_U2 + 1 == jinx::kNumDTypes);

jinx_status* jinx::capi::toC(const Status& status) noexcept {
  if (status.isOk()) return nullptr;
  try {
    return new jinx_status{::toC(status.code()), status.message()};
  } catch (...) {
    return &outOfMemory();
  }
}

jinx_status* jinx::capi::currentException() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return &outOfMemory();
  } catch (const std::exception& error) {
    return toC(internalError(std::string("unexpected exception: ") + error.what()));
  } catch (...) {
    return toC(internalError("unexpected exception"));
  }
}

jinx_code jinx_status_code(const jinx_status* status) { return status ? status->code : JINX_OK; }

const char* jinx_status_message(const jinx_status* status) { return status ? status->message.c_str() : ""; }

void jinx_status_destroy(jinx_status* status) {
  if (status != &outOfMemory()) delete status;
}

const char* jinx_version(void) { return JINX_VERSION; }

const char* jinx_dtype_name(jinx_dtype dtype) {
  // The names are literals, so their views end in 0.
  return isType(dtype) ? jinx::name(static_cast<jinx::DType>(dtype)).data() : "?";
}

int32_t jinx_dtype_bits(jinx_dtype dtype) {
  return isType(dtype) ? jinx::bitWidth(static_cast<jinx::DType>(dtype)) : 0;
}

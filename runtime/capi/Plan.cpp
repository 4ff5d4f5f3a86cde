// Plans: opening them, and what they say about themselves.
#include <algorithm>

#include "runtime/capi/Handles.h"

using namespace jinx;
using namespace jinx::capi;

namespace {

Status makeHandle(Expected<std::shared_ptr<const PlanFile>> opened, jinx_plan** plan) {
  JINX_TRY_ASSIGN(std::shared_ptr<const PlanFile> file, std::move(opened));
  auto handle = std::make_unique<jinx_plan>();
  for (const auto& [key, value] : file->plan().metadata())
    handle->metadataKeys.push_back(key);
  std::sort(handle->metadataKeys.begin(), handle->metadataKeys.end());
  handle->file = std::move(file);
  *plan = handle.release();
  return Status::ok();
}

} // namespace

jinx_status* jinx_plan_open(const char* path, jinx_plan** plan) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(path);
    JINX_EXPECT_ARGUMENT(plan);
    return makeHandle(PlanFile::open(path), plan);
  });
}

jinx_status* jinx_plan_open_bytes(const void* bytes, size_t size_bytes, jinx_plan** plan) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(bytes);
    JINX_EXPECT_ARGUMENT(plan);
    return makeHandle(PlanFile::fromBytes({static_cast<const std::byte*>(bytes), size_bytes}), plan);
  });
}

void jinx_plan_destroy(jinx_plan* plan) { delete plan; }

const char* jinx_plan_model_name(const jinx_plan* plan) {
  return plan ? plan->file->plan().model_name().c_str() : nullptr;
}

const char* jinx_plan_producer(const jinx_plan* plan) { return plan ? plan->file->plan().producer().c_str() : nullptr; }

const char* jinx_plan_target(const jinx_plan* plan) { return plan ? plan->file->plan().target().c_str() : nullptr; }

size_t jinx_plan_num_metadata(const jinx_plan* plan) { return plan ? plan->metadataKeys.size() : 0; }

const char* jinx_plan_metadata_key(const jinx_plan* plan, size_t index) {
  return plan && index < plan->metadataKeys.size() ? plan->metadataKeys[index].c_str() : nullptr;
}

const char* jinx_plan_metadata(const jinx_plan* plan, const char* key) {
  if (!plan || !key) return nullptr;
  // Compared as C strings: looking up a std::string made here could fail for want of memory.
  for (const auto& [name, value] : plan->file->plan().metadata())
    if (name == key) return value.c_str();
  return nullptr;
}

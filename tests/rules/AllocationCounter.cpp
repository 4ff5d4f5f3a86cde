#include "tests/rules/AllocationCounter.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>

#include <execinfo.h>

// glibc's own, under the names that stay visible when malloc is replaced.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
}

namespace jinx::rules {
namespace {

constexpr int64_t kRoom = 4096;
Allocation entries[kRoom];
std::atomic<int64_t> next{0};
std::atomic<bool> counting{false};
thread_local bool inside = false; // backtrace may itself ask for memory

void note(const char* function, size_t sizeBytes) {
  if (!counting.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  int64_t index = next.fetch_add(1, std::memory_order_relaxed);
  if (index < kRoom) {
    Allocation& entry = entries[index];
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    entry.timeNs = now.tv_sec * int64_t{1000000000} + now.tv_nsec;
    entry.sizeBytes = sizeBytes;
    entry.function = function;
    entry.numFrames = backtrace(entry.frames, static_cast<int>(std::size(entry.frames)));
  }
  inside = false;
}

} // namespace

void startCounting() {
  void* frame;
  backtrace(&frame, 1); // loads the unwinder
  next.store(0);
  counting.store(true);
}

int64_t stopCounting() {
  counting.store(false);
  return next.load();
}

std::span<const Allocation> counted() { return {entries, static_cast<size_t>(std::min(next.load(), kRoom))}; }

} // namespace jinx::rules

using jinx::rules::note;

extern "C" {

void* malloc(size_t size) {
  note("malloc", size);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note("calloc", count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  note("realloc", size);
  return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
  note("memalign", size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  note("aligned_alloc", size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, size_t alignment, size_t size) {
  note("posix_memalign", size);
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}
void free(void* memory) { __libc_free(memory); }

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  note("mmap", length);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
}
void* mmap64(void* address, size_t length, int protection, int flags, int file, off64_t offset) {
  note("mmap", length);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
}

} // extern "C"

#include "runtime/device/emulated/Fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JINX_FIBRE_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define JINX_FIBRE_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define JINX_FIBRE_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define JINX_FIBRE_TSAN 1
#endif
#ifdef JINX_FIBRE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef JINX_FIBRE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// jinx_fibre_switch(void **save, void *load): pushes the callee-saved registers, stores the stack pointer in *save, continues at load.
#if defined(__x86_64__)
asm(R"(
.text
.type jinx_fibre_switch, @function
jinx_fibre_switch:
  .cfi_startproc
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .cfi_endproc
.size jinx_fibre_switch, .-jinx_fibre_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.type jinx_fibre_switch, @function
jinx_fibre_switch:
  .cfi_startproc
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .cfi_endproc
.size jinx_fibre_switch, .-jinx_fibre_switch
)");
#else
#error "the emulator's fibres know x86-64 and aarch64"
#endif
extern "C" void jinx_fibre_switch(void **save, void *load);

namespace jinx::emulated {

// A fresh fibre begins in `fibreTrampoline` with no arguments; whom it belongs to is handed over here. One OS thread drives a machine,
// and several machines may run on several OS threads.
static thread_local Fibre *startingFibre = nullptr;

void fibreMain(Fibre *fibre) {
  fibre->afterSwitchIn();
  if (!fibre->entry_) fibre->end();
  fibre->entry_(fibre->argument_);
  std::abort();  // entry never returns
}
static void fibreTrampoline() { fibreMain(startingFibre); }

std::unique_ptr<Fibre> Fibre::create(size_t stackBytes) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t bytes = (stackBytes + page - 1) / page * page + page;  // the lowest page catches overflow
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  mprotect(memory, page, PROT_NONE);
  std::unique_ptr<Fibre> fibre(new Fibre);
  fibre->memory_ = memory;
  fibre->bytes_ = bytes;
#ifdef JINX_FIBRE_TSAN
  fibre->sanitizerState_ = __tsan_create_fiber(0);
#endif
  return fibre;
}

Fibre::~Fibre() {
#ifdef JINX_FIBRE_ASAN
  if (fakeStack_) {  // only the fibre itself can give it back
    start(nullptr, nullptr);
    resume();
  }
#endif
#ifdef JINX_FIBRE_TSAN
  if (sanitizerState_) __tsan_destroy_fiber(sanitizerState_);
#endif
  if (memory_) munmap(memory_, bytes_);
}

void Fibre::start(Entry entry, void *argument) {
  entry_ = entry;
  argument_ = argument;
  auto top = (reinterpret_cast<uintptr_t>(memory_) + bytes_) & ~uintptr_t{63};
  auto *stack = reinterpret_cast<void **>(top);
#if defined(__x86_64__)
  *--stack = nullptr;  // so that the stack is 16-byte aligned, less a return address, where the trampoline begins
  *--stack = reinterpret_cast<void *>(&fibreTrampoline);
  for (int i = 0; i < 6; ++i) *--stack = nullptr;
#else
  stack -= 20;
  for (int i = 0; i < 20; ++i) stack[i] = nullptr;
  stack[11] = reinterpret_cast<void *>(&fibreTrampoline);  // x30
#endif
  own_ = stack;
}

void Fibre::beforeSwitchIn() {
  startingFibre = this;
#ifdef JINX_FIBRE_TSAN
  callerSanitizerState_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(sanitizerState_, 0);
#endif
}

// A fibre that is started again goes on with the fake stack it has, whose frames nobody will leave: the next call cleans it up.
void Fibre::afterSwitchIn() {
#ifdef JINX_FIBRE_ASAN
  __sanitizer_finish_switch_fiber(fakeStack_, &callerStack_, &callerStackBytes_);
  if (fakeStack_) __asan_handle_no_return();
#endif
}

void Fibre::resume() {
  beforeSwitchIn();
#ifdef JINX_FIBRE_ASAN
  void *fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, memory_, bytes_);
#endif
  jinx_fibre_switch(&caller_, own_);
#ifdef JINX_FIBRE_ASAN
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Fibre::suspend() {
#ifdef JINX_FIBRE_TSAN
  __tsan_switch_to_fiber(callerSanitizerState_, 0);
#endif
#ifdef JINX_FIBRE_ASAN
  __sanitizer_start_switch_fiber(&fakeStack_, callerStack_, callerStackBytes_);
#endif
  jinx_fibre_switch(&own_, caller_);
#ifdef JINX_FIBRE_ASAN
  __sanitizer_finish_switch_fiber(fakeStack_, &callerStack_, &callerStackBytes_);
#endif
}

void Fibre::end() {
#ifdef JINX_FIBRE_ASAN
  __sanitizer_start_switch_fiber(nullptr, callerStack_, callerStackBytes_);
#endif
  jinx_fibre_switch(&own_, caller_);
}

}  // namespace jinx::emulated

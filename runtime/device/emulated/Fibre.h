// A stack and a saved program counter: what one emulated thread runs on.
//
// `resume` continues the fibre where it last called `suspend`; both return when the other side switches back. A switch saves the
// callee-saved registers on the stack being left and swaps stack pointers: some twenty instructions, no system call. One operating
// system thread drives all fibres of a machine, so there is nothing to lock.
#pragma once

#include <cstddef>
#include <memory>

namespace jinx::emulated {

class Fibre {
 public:
  using Entry = void (*)(void *argument);
  /// Null when the memory for a stack cannot be had.
  static std::unique_ptr<Fibre> create(size_t stackBytes);
  ~Fibre();
  Fibre(const Fibre &) = delete;
  Fibre &operator=(const Fibre &) = delete;

  /// Makes the next `resume` call `entry(argument)` on a fresh stack. What the fibre did before is forgotten without unwinding.
  /// `entry` must never return: its last act is `suspend`.
  void start(Entry entry, void *argument);
  /// Runs the fibre until it suspends. Called from outside of it.
  void resume();
  /// Goes back to who resumed. Called on the fibre.
  void suspend();

 private:
  Fibre() = default;
  void beforeSwitchIn();
  void afterSwitchIn();
  void end();  ///< goes back to who resumed, for the last time

  void *memory_ = nullptr;
  size_t bytes_ = 0;
  void *own_ = nullptr;     ///< the fibre's stack pointer while it is suspended
  void *caller_ = nullptr;  ///< the resumer's while the fibre runs
  Entry entry_ = nullptr;
  void *argument_ = nullptr;
  // Sanitizers want to know about stacks.
  [[maybe_unused]] void *fakeStack_ = nullptr;  ///< ASan's, where it keeps frames to find uses after return
  [[maybe_unused]] const void *callerStack_ = nullptr;
  [[maybe_unused]] size_t callerStackBytes_ = 0;
  [[maybe_unused]] void *sanitizerState_ = nullptr;
  [[maybe_unused]] void *callerSanitizerState_ = nullptr;
  friend void fibreMain(Fibre *fibre);
};

}  // namespace jinx::emulated

// The libraries of LLVM and ONNX are not instrumented: without this, containers that they share with us look broken. An allocation
// that cannot be had is a null pointer, as it is elsewhere.
extern "C" const char* __asan_default_options() { return "allow_user_poisoning=0:detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=1"; }
extern "C" const char* __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }

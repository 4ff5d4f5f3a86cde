// What tests ask of the sanitizers; linked into those that ask for more memory than there is. The answer must be ours, not the sanitizer's.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#elif __has_feature(thread_sanitizer)
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#endif
#endif

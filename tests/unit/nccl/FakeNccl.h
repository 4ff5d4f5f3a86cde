// What tests ask of the library that stands in for NCCL, beside NCCL's own functions.
#pragma once

/// Told the name of each call, "ncclAllReduce", by the thread that makes it, when it is in the call and has done nothing
/// yet.
using JinxFakeNcclHook = void (*)(void* context, const char* call);

/// From now on; null: nobody is told.
extern "C" void jinxFakeNcclOnCall(JinxFakeNcclHook hook, void* context);

// The compile gate: what NVRTC says of every golden text. Needs libnvrtc, no GPU; skipped by name without.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "CudaTestSupport.h"
#include "runtime/device/cuda/Nvrtc.h"

namespace jinx::cuda::testing {

CompiledCuda compileThroughGate(const CudaKernel &kernel, int64_t spillBudget) {
  CompileCudaOptions options;
  options.useCache = !std::getenv("JINX_NO_CUBIN_CACHE");
  auto compiled = compileCuda(kernel.source(), kernel.name, options);
  EXPECT_TRUE(compiled.isOk()) << compiled.status().message();
  if (!compiled) return {};
  EXPECT_EQ(compiled->kernels.size(), 1u) << compiled->log;
  EXPECT_LE(compiled->spillBytes(), spillBudget) << compiled->log;
  EXPECT_TRUE(compiled->badAdvisories().empty()) << compiled->log;
  if (!compiled->kernels.empty())
    std::printf("    %s: %d registers, %lld spill bytes, %.0f ms\n", kernel.name.c_str(), compiled->kernels[0].registers,
                static_cast<long long>(compiled->spillBytes()), compiled->milliseconds);
  return std::move(*compiled);
}

TEST(CudaGate, BrokenTextIsAnErrorWithTheLog) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  auto compiled = compileCuda("extern \"C\" __global__ void f(int* p) { *p = nothing; }", "broken");
  ASSERT_FALSE(compiled.isOk());
  EXPECT_NE(compiled.status().message().find("nothing"), std::string::npos) << compiled.status().message();
}

TEST(CudaGate, ACubinTellsWhichKernelsItHolds) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  auto compiled = compileCuda("extern \"C\" __global__ void first(int* p) { *p = 1; }\nextern \"C\" __global__ void second(int* p) { *p = 2; }", "two");
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  const auto functions = functionsOf(compiled->cubin);
  ASSERT_EQ(functions.size(), 2u);
  for (const char* name : {"first", "second"}) {
    ASSERT_TRUE(functions.count(name)) << name;
    EXPECT_GE(functions.at(name), 32u) << "at least two instructions of 16 bytes";
    EXPECT_LE(functions.at(name), compiled->cubin.size());
  }
  // A damaged one tells nothing that is not there.
  for (size_t size = 0; size < compiled->cubin.size(); size += 61)
    functionsOf(std::span(compiled->cubin).first(size));
}

}  // namespace jinx::cuda::testing

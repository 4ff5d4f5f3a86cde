// Which machine code of a plan a GPU loads: what the plan carries, or what NVRTC makes. Needs no GPU; the cubins are no code here, since nobody
// but a driver looks into them. What must be compiled needs NVRTC, and is skipped by name without; `cubins-without-nvrtc` hides it.
#include <gtest/gtest.h>

#include <cstring>

#include "runtime/device/cuda/CubinsOfPlan.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::cuda {
namespace {

using namespace jinx::test;

const GpuIdentity kHopper{"cuda:0", "sm_90a", 90, 232448};
const GpuIdentity kLater{"cuda:0", "sm_100a", 100, 232448};
constexpr const char* kText = "extern \"C\" __global__ void f(int* p) { *p = 1; }\n";
constexpr const char* kOther = "extern \"C\" __global__ void g(int* p) { *p = 2; }\n";

CompileCudaOptions optionsFor(const GpuIdentity& gpu) { return {.arch = gpu.arch, .cacheDir = testing::TempDir() + "/cubins_of_plan"}; }

void addText(TestPlan& t, const char* text, const std::string& isa = "cuda:sm_90a") { t.code(isa, "cuda", std::string(text)); }
/// A cubin that says what it is, of `text` as `options` compile it.
void addCubin(TestPlan& t, const std::string& bytes, const char* text, const CompileCudaOptions& options = {}) {
  t.code("cuda:" + options.arch, "cubin", std::string(bytes));
  t.p.mutable_code(t.p.code_size() - 1)->set_text_key(textKey(text, options));
}
std::string contentOf(const TextCubin& cubin) { return {reinterpret_cast<const char*>(cubin.bytes().data()), cubin.bytes().size()}; }
/// The kernel whose code the cubin is; "" of none.
std::string kernelOf(const TextCubin& cubin) {
  const auto functions = functionsOf(cubin.bytes());
  return functions.size() == 1 ? functions.begin()->first : "";
}

TEST(CubinsOfPlan, TheKeyIsOfTextAndOptions) {
  const std::string key = textKey(kText);
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(key, textKey(kText)) << "nothing else goes into it";
  EXPECT_EQ(key, textKey(kText, {.cacheDir = "/elsewhere", .useCache = false}));
  EXPECT_NE(key, textKey(kOther));
  EXPECT_NE(key, textKey(std::string(kText) + " "));
  EXPECT_NE(key, textKey(kText, {.arch = "sm_90"}));
}

TEST(CubinsOfPlan, WhatFitsIsTakenAsItLies) {
  TestPlan t;
  addText(t, kText);
  addText(t, kOther);
  addCubin(t, "second", kOther); // their order does not matter
  addCubin(t, "first", kText);
  auto plan = t.finish();
  auto cubins = cubinsOfPlan(*plan, kHopper, optionsFor(kHopper));
  ASSERT_TRUE(cubins.isOk()) << cubins.status().message();
  ASSERT_EQ(cubins->size(), 2u);
  EXPECT_EQ(contentOf((*cubins)[0]), "first");
  EXPECT_EQ(contentOf((*cubins)[1]), "second");
  for (const TextCubin& cubin : *cubins)
    EXPECT_TRUE(cubin.isCarried()) << "no byte is copied";
  EXPECT_EQ(static_cast<const void*>((*cubins)[1].bytes().data()), plan->segment(plan->plan().code(2).segment()).data());
}

TEST(CubinsOfPlan, WhatDoesNotFitIsCompiled) {
  TestPlan t;
  addText(t, kText);
  addText(t, kOther);
  addCubin(t, "first", kText);
  addCubin(t, "of a text that was changed since", "extern \"C\" __global__ void g(int* p) { *p = 3; }\n");
  addCubin(t, "of another architecture", kOther, {.arch = "sm_80"});
  auto plan = t.finish();
  auto cubins = cubinsOfPlan(*plan, kHopper, optionsFor(kHopper));
  if (!haveNvrtc()) {
    ASSERT_FALSE(cubins.isOk());
    EXPECT_EQ(cubins.status().code(), Code::kNotFound);
    EXPECT_NE(cubins.status().message().find("cannot open NVRTC (looked for "), std::string::npos) << cubins.status().message();
    GTEST_SKIP() << "no NVRTC on this machine, which was said";
  }
  ASSERT_TRUE(cubins.isOk()) << cubins.status().message();
  EXPECT_EQ(contentOf((*cubins)[0]), "first");
  EXPECT_FALSE((*cubins)[1].isCarried());
  EXPECT_EQ(kernelOf((*cubins)[1]), "g");
}

TEST(CubinsOfPlan, ALaterGpuCompilesTheText) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  TestPlan t;
  addText(t, kText, "cuda:sm_80");
  addCubin(t, "for sm_80", kText, {.arch = "sm_80"});
  auto plan = t.finish();
  auto cubins = cubinsOfPlan(*plan, kHopper, optionsFor(kHopper));
  ASSERT_TRUE(cubins.isOk()) << cubins.status().message();
  EXPECT_EQ(kernelOf(cubins->at(0)), "f") << "compiled for sm_90a";
  cubins = cubinsOfPlan(*plan, {"cuda:0", "sm_80", 80, 166912}, optionsFor({"", "sm_80", 80, 0}));
  ASSERT_TRUE(cubins.isOk()) << cubins.status().message();
  EXPECT_EQ(contentOf(cubins->at(0)), "for sm_80");
}

TEST(CubinsOfPlan, TextForALaterGpuIsNoText) {
  TestPlan t;
  addText(t, kText);
  addCubin(t, "first", kText);
  auto plan = t.finish();
  for (const GpuIdentity& gpu : {GpuIdentity{"cuda:0", "sm_80", 80, 166912}, kLater}) { // sm_90a has what no other has
    auto cubins = cubinsOfPlan(*plan, gpu, optionsFor(gpu));
    ASSERT_FALSE(cubins.isOk());
    EXPECT_EQ(cubins.status().code(), Code::kUnimplemented);
    EXPECT_EQ(cubins.status().message(), "plan carries code for cuda:sm_90a, cuda:0 runs cuda:" + gpu.arch + ": compile the model with --target cuda:" + gpu.arch);
  }
}

TEST(CubinsOfPlan, WhatTheDriverRefusesIsCompiled) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  TestPlan t;
  addText(t, kText);
  addCubin(t, "of a toolkit of the future", kText);
  auto plan = t.finish();
  auto cubins = cubinsOfPlan(*plan, kHopper, optionsFor(kHopper));
  ASSERT_TRUE(cubins.isOk());
  ASSERT_TRUE(compileInstead(*plan, cubins->at(0), optionsFor(kHopper)).isOk());
  EXPECT_FALSE(cubins->at(0).isCarried());
  EXPECT_EQ(kernelOf(cubins->at(0)), "f");
}

TEST(CubinsOfPlan, ABrokenTextSaysThatNoCubinWasOfIt) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  TestPlan t;
  addText(t, "nonsense");
  addCubin(t, "first", kText);
  auto cubins = cubinsOfPlan(*t.finish(), kHopper, optionsFor(kHopper));
  ASSERT_FALSE(cubins.isOk());
  EXPECT_NE(cubins.status().message().find("loading the plan, of whose cubins none is of this text for sm_90a: "), std::string::npos) << cubins.status().message();
}

TEST(CubinsOfPlan, ACubinWithoutAKeyAndADamagedOneAreRefused) {
  TestPlan t;
  addText(t, kText);
  addCubin(t, "0123456789", kText);
  const std::string path = testing::TempDir() + "/cubins_of_plan.jxp";
  ASSERT_TRUE(t.writer.writeFile(path).isOk());
  auto whole = PlanFile::open(path);
  ASSERT_TRUE(whole.isOk()) << whole.status().message();
  auto file = MappedFile::open(path, true);
  ASSERT_TRUE(file.isOk());
  std::vector<std::byte> bytes(file->bytes().begin(), file->bytes().end());
  const plan::Segment& segment = (*whole)->plan().segments(1);
  for (uint64_t at = segment.offset(); at < segment.offset() + segment.size(); ++at) {
    bytes[at] ^= std::byte{4};
    auto damaged = PlanFile::fromBytes(bytes);
    ASSERT_FALSE(damaged.isOk()) << "byte " << at;
    EXPECT_NE(damaged.status().message().find("damaged plan: checksum of segment \"code.cuda:sm_90a\""), std::string::npos) << damaged.status().message();
    bytes[at] ^= std::byte{4};
  }
  EXPECT_TRUE(PlanFile::fromBytes(bytes).isOk());

  t.p.mutable_code(1)->clear_text_key();
  auto plan = std::move(t.writer).toMemory();
  ASSERT_FALSE(plan.isOk());
  EXPECT_NE(plan.status().message().find("cubin for \"cuda:sm_90a\" names no text, expected the key of the one it was compiled from"), std::string::npos)
      << plan.status().message();
}

} // namespace
} // namespace jinx::cuda

// Devices: the registry, ISA levels, ELF code objects made by the system's compiler, launches over threads.
#include "runtime/device/Device.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "runtime/device/CpuDevice.h"
#include "runtime/device/ElfModule.h"
#include "runtime/device/Isa.h"
#include "runtime/executor/Trace.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx {
namespace {

using namespace jinx::test;

TEST(Isa, RanksAndLimits) {
  EXPECT_LT(isaRank("x86-64"), isaRank("x86-64-v3"));
  EXPECT_LT(isaRank("x86-64-v3"), isaRank("x86-64-v3-vnni"));
  EXPECT_LT(isaRank("x86-64-v3-vnni"), isaRank("x86-64-v4"));
  EXPECT_LT(isaRank("x86-64-v4"), isaRank("x86-64-v4-vnni-bf16"));
  for (const char* bad : {"", "x86", "x86-64v3", "x86-64-v5", "x86-64-", "x86-64-vnni-v4", "cuda:sm_90a"})
    EXPECT_EQ(isaRank(bad), -1) << bad;
  EXPECT_TRUE(hostSupportsIsa("x86-64"));
  EXPECT_TRUE(hostSupportsIsa(hostIsa())) << hostIsa();
  EXPECT_FALSE(hostSupportsIsa("nonsense"));
  EXPECT_TRUE(isaWithin("x86-64-v3", "x86-64-v4"));
  EXPECT_FALSE(isaWithin("x86-64-v4", "x86-64-v3"));
  EXPECT_FALSE(isaWithin("x86-64-v4-vnni", "x86-64-v4"));
  EXPECT_TRUE(isaWithin("x86-64-v4-vnni", "x86-64-v4-vnni-bf16"));
  EXPECT_TRUE(isaWithin("x86-64-v4-vnni", ""));
  EXPECT_FALSE(hostProcessorName().empty());
}

TEST(DeviceRegistry, MakesByName) {
  auto cpu = makeDevice("cpu", {.threads = 2});
  ASSERT_TRUE(cpu.isOk());
  EXPECT_EQ((*cpu)->name(), "cpu");
  EXPECT_TRUE((*cpu)->has(capability::kHostMemory));
  EXPECT_FALSE((*cpu)->has(capability::kAsync));
  EXPECT_NE((*cpu)->description().find("2 threads"), std::string::npos);
  Status unknown = makeDevice("tpu").status();
  EXPECT_EQ(unknown.code(), Code::kNotFound);
  EXPECT_NE(unknown.message().find("unknown device \"tpu\", known: cpu"), std::string::npos) << unknown.message();
  EXPECT_EQ(makeDevice("cpu:x").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(makeDevice("cpu", {.threads = -1}).status().code(), Code::kInvalidArgument);
  EXPECT_NE(makeDevice("cpu", {.isa = "z80"}).status().message().find("unknown ISA level \"z80\""), std::string::npos);
  DeviceRegistry registry = DeviceRegistry::standard();
  int ordinal = -1;
  registry.add("other", [&](const DeviceOptions& options) -> Expected<std::unique_ptr<Device>> {
    ordinal = options.ordinal;
    return unimplemented("not here");
  });
  EXPECT_EQ(registry.make("other:3", {}).status().code(), Code::kUnimplemented);
  EXPECT_EQ(ordinal, 3);
}

TEST(CpuDevice, MemoryStreamsEvents) {
  auto device = take(makeDevice("cpu", {.threads = 1}));
  auto stream = take(device->createStream());
  auto a = take(device->createEvent()), b = take(device->createEvent());
  void* block = *device->allocate(16);
  int64_t in[2] = {1, 2}, out[2] = {};
  ASSERT_TRUE(a->record(*stream).isOk());
  ASSERT_TRUE(device->copyToDevice(block, in, 16, *stream).isOk());
  ASSERT_TRUE(device->copyToHost(out, block, 16, *stream).isOk());
  ASSERT_TRUE(b->record(*stream).isOk());
  ASSERT_TRUE(stream->synchronize().isOk());
  EXPECT_EQ(out[1], 2);
  EXPECT_GE(*b->millisecondsSince(*a), 0.0);
  device->release(block, 16);
}

/// Compiles C text into a shared object; empty when this machine has no compiler.
std::vector<std::byte> compileObject(const std::string& text) {
  TempPath source("kernel.c"), object("kernel.so");
  std::ofstream(source.str()) << text;
  std::string command = "cc -shared -fPIC -nostdlib -O1 -o " + object.str() + " " + source.str() + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) return {};
  std::ifstream in(object.str(), std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

std::string scaleKernel(int factor) {
  return "void k_scale(void *const *b, const long *s, long begin, long end, void *scratch) {"
         " for (long i = begin; i < end; ++i) ((float *)b[1])[i] = " +
         std::to_string(factor) + " * ((float *)b[0])[i]; }";
}

TEST(CpuDevice, RunsTheBestCodeObject) {
  std::vector<std::byte> two = compileObject(scaleKernel(2)), three = compileObject(scaleKernel(3));
  if (two.empty()) GTEST_SKIP() << "no C compiler";
  TestPlan t;
  t.kernel("k_scale", 2, 0);
  t.code("x86-64", "elf", two);
  t.code("x86-64-v3", "elf", three);
  t.code("x86-64-v4-unheard", "elf", two);
  auto plan = t.finish();
  auto run = [&](const std::string& limit) {
    auto device = take(makeDevice("cpu", {.threads = 2, .isa = limit}));
    auto module = device->loadModule(plan);
    EXPECT_TRUE(module.isOk()) << module.status().message();
    EXPECT_EQ((*module)->isa(), limit.empty() ? "x86-64-v3" : limit);
    float in[100], out[100];
    for (int i = 0; i < 100; ++i)
      in[i] = static_cast<float>(i);
    void* buffers[] = {in, out};
    Trace trace;
    KernelLaunch launch;
    launch.kernel = *(*module)->kernel(0);
    launch.buffers = buffers;
    launch.programs = 100;
    launch.trace = &trace;
    auto stream = take(device->createStream());
    EXPECT_TRUE(device->prepare(launch).isOk());
    EXPECT_TRUE(device->launch(launch, *stream).isOk());
    EXPECT_EQ(trace.events().size(), 2u);
    return out[99];
  };
  if (hostSupportsIsa("x86-64-v3")) EXPECT_EQ(run(""), 297.0f);
  EXPECT_EQ(run("x86-64"), 198.0f);
  if (hostSupportsIsa("x86-64-v3"))
    EXPECT_EQ(run("x86-64-v3"), 297.0f) << "a library loaded later is not mistaken for an earlier one";
}

TEST(CpuDevice, SaysWhyItCannotLoad) {
  TestPlan t;
  t.kernel("k_missing", 1, 0);
  t.code("cuda:sm_90a", "cuda", std::string("text"));
  auto plan = t.finish();
  auto device = take(makeDevice("cpu", {.threads = 1, .isa = "x86-64"}));
  Status status = device->loadModule(plan).status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.message().find("plan carries code for cuda:sm_90a, this processor runs x86-64"), std::string::npos)
      << status.message();
}

TEST(ElfModule, RefusesDamage) {
  std::vector<std::byte> object = compileObject(scaleKernel(2));
  if (object.empty()) GTEST_SKIP() << "no C compiler";
  auto good = ElfModule::load(object, "good");
  ASSERT_TRUE(good.isOk()) << good.status().message();
  EXPECT_NE((*good)->symbol("k_scale"), nullptr);
  EXPECT_EQ((*good)->symbol("k_other"), nullptr);
  for (size_t cut : {size_t{0}, size_t{10}, size_t{63}, size_t{64}, size_t{200}, object.size() / 2}) {
    auto bad = ElfModule::load(std::span(object).first(cut), "bad");
    EXPECT_FALSE(bad.isOk()) << cut;
  }
  std::string text(500, 'x');
  EXPECT_EQ(ElfModule::load(std::as_bytes(std::span(text)), "text").status().message(), "code object is no ELF file");
}

} // namespace
} // namespace jinx

// Plans that hang together well enough to be opened, with one fault each that only shows when sizes are known: none may reach a
// kernel, and each error names the value.
#include <gtest/gtest.h>

#include "tests/unit/runtime/TestSession.h"

namespace jinx {
namespace {

using namespace jinx::test;

/// No fault may get as far as this.
void kernelThatMustNotRun(void* const*, const int64_t*, int64_t, int64_t, void*) { ADD_FAILURE() << "a kernel runs"; }

struct Parts {
  TestPlan t;
  uint32_t x, whole, y;
};

/// x [n, 4] goes through `whole` [2*n, 4] in the arena to y [n, 4].
Parts makeParts() {
  Parts p;
  p.t.symbol("n");
  p.x = p.t.input("x", {"n", "4"});
  p.whole = p.t.arena("whole", {"2*n", "4"});
  p.y = p.t.output("y", {"n", "4"});
  return p;
}

/// The message with which running the plan on x [2, 4] fails, or is refused to begin with.
std::string failure(TestPlan& t) {
  auto plan = std::move(t.writer).toMemory();
  if (!plan) return plan.status().message();
  auto session = Session::create(*plan, take(makeDevice("cpu", {.threads = 1, .kernels = {{"k_write", kernelThatMustNotRun}}})), testOptions());
  if (!session) return session.status().message();
  Status status = (*session)->run({{"x", floats({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})}}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  return status.message();
}

void expectFailure(TestPlan& t, const std::string& part) {
  std::string message = failure(t);
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

/// A launch that writes an alias of the arena value with this offset and shape, on top of what else lies there.
std::string failureOfAlias(const std::string& offset, const Dims& dims) {
  Parts p = makeParts();
  uint32_t alias = p.t.alias("part", p.whole, dims, DType::kF32, offset);
  p.t.launch(p.t.kernel("k_write", 2, 1), {p.x}, {alias}, {"4"}, "n").set_scratch_bytes("16");
  p.t.hostCall("test.First", {p.x}, {p.y});
  return failure(p.t);
}

TEST(PlantedFaults, AnAliasStaysInsideItsValue) {
  EXPECT_EQ(failureOfAlias("8*n", {"n", "4"}), "value \"part\": needs 32 bytes at offset 64 of \"whole\", which has 64");
  EXPECT_EQ(failureOfAlias("4*n + 1", {"n", "4"}), "value \"part\": needs 32 bytes at offset 36 of \"whole\", which has 64");
  EXPECT_EQ(failureOfAlias("", {"3*n", "4"}), "value \"part\": needs 96 bytes at offset 0 of \"whole\", which has 64");
  EXPECT_NE(failureOfAlias("-1", {"n", "4"}).find("value \"part\""), std::string::npos) << failureOfAlias("-1", {"n", "4"});
  EXPECT_NE(failureOfAlias("n - 4", {"n", "4"}).find("value \"part\""), std::string::npos) << failureOfAlias("n - 4", {"n", "4"});
  EXPECT_NE(failureOfAlias("4611686018427387904*n", {"n", "4"}).find("value \"part\""), std::string::npos);
}

TEST(PlantedFaults, AnAliasOfAnAliasStaysInsideBoth) {
  Parts p = makeParts();
  uint32_t half = p.t.alias("half", p.whole, {"n", "4"}, DType::kF32, "4*n");
  uint32_t beyond = p.t.alias("beyond", half, {"n", "4"}, DType::kF32, "4");
  p.t.launch(p.t.kernel("k_write", 2, 1), {p.x}, {beyond}, {"4"}, "n").set_scratch_bytes("16");
  p.t.hostCall("test.First", {p.x}, {p.y});
  expectFailure(p.t, "value \"beyond\": needs 32 bytes at offset 16 of \"half\", which has 32");
}

TEST(PlantedFaults, WrongRanks) {
  Parts input = makeParts();
  input.t.p.mutable_values(static_cast<int>(input.x))->add_dims("2");
  input.t.hostCall("test.First", {input.x}, {input.y});
  expectFailure(input.t, "input \"x\": has shape 2x4, expected nx4x2");

  Parts output = makeParts();
  output.t.p.mutable_values(static_cast<int>(output.y))->mutable_dims()->RemoveLast();
  output.t.hostCall("test.First", {output.x}, {output.y});
  expectFailure(output.t, "value \"y\" is f32[2x4], expected n");

  Parts host = makeParts();
  uint32_t kept = host.t.host("kept", {"n", "4", "1"});
  host.t.hostCall("test.First", {host.x}, {kept});
  host.t.hostCall("test.First", {kept}, {host.y});
  expectFailure(host.t, "value \"kept\" is f32[2x4], expected nx4x1");

  Parts constant = makeParts();
  uint32_t w = constant.t.constant("w", floats({2, 2}, {1, 2, 3, 4}));
  constant.t.p.mutable_values(static_cast<int>(w))->add_dims("2");
  constant.t.hostCall("test.First", {constant.x}, {constant.y});
  expectFailure(constant.t, "value \"w\": constant has 16 bytes, its dimensions need 32");
}

TEST(PlantedFaults, SizesThatCannotBe) {
  for (const char* extent : {"n - 5", "n floordiv (n - 2)", "9223372036854775807*n", "2305843009213693952*n"}) {
    Parts p = makeParts();
    p.t.p.mutable_values(static_cast<int>(p.whole))->set_dims(0, extent);
    p.t.launch(p.t.kernel("k_write", 2, 1), {p.x}, {p.whole}, {"4"}, "n").set_scratch_bytes("16");
    p.t.hostCall("test.First", {p.x}, {p.y});
    expectFailure(p.t, "value \"whole\"");
  }
}

TEST(PlantedFaults, KernelsThatAreNotThere) {
  Parts index = makeParts();
  index.t.launch(1, {index.x}, {index.y}, {"4"}, "n");
  index.t.kernel("k_write", 2, 1);
  expectFailure(index.t, "launches no kernel");

  Parts symbol = makeParts();
  symbol.t.launch(symbol.t.kernel("k_unheard", 2, 1), {symbol.x}, {symbol.y}, {"4"}, "n");
  expectFailure(symbol.t, "plan carries code for nothing");
}

} // namespace
} // namespace jinx

// Exit statuses of the programs: whose fault it was. What users can provoke is in tests/lit/driver; our own faults are
// here.
#include "tools/common/Exit.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace jinx::tools {
namespace {

TEST(Exit, TellsTheInputsFaultsFromOurs) {
  EXPECT_EQ(exitCodeOf(Status::ok()), 0);
  EXPECT_EQ(exitCodeOf(invalidArgument("x")), 1);
  EXPECT_EQ(exitCodeOf(notFound("x")), 1);
  EXPECT_EQ(exitCodeOf(unimplemented("x")), 1);
  EXPECT_EQ(exitCodeOf(resourceError("x")), 1);
  EXPECT_EQ(exitCodeOf(internalError("x")), 3);
  EXPECT_EQ(exitCodeOf(internalError("x").withContext("running")), 3);
}

TEST(Exit, OurFaultsAskForAReport) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(report(internalError("a step without a kernel")), 3);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("error: a step without a kernel\n"), std::string::npos) << text;
  EXPECT_NE(text.find("fault of Jinx"), std::string::npos) << text;

  testing::internal::CaptureStderr();
  EXPECT_EQ(report(invalidArgument("no such input")), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "error: no such input\n");
}

TEST(Exit, ExceptionsEndThePrograms) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(guarded([]() -> int { throw std::runtime_error("surprise"); }), 3);
  EXPECT_EQ(guarded([]() -> int { throw std::bad_alloc(); }), 1);
  EXPECT_EQ(guarded([] { return 2; }), 2);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("surprise"), std::string::npos) << text;
  EXPECT_NE(text.find("out of memory"), std::string::npos) << text;
}

} // namespace
} // namespace jinx::tools

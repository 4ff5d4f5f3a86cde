// Names of communicators that open nothing; signals that ask a program to end.
#include "runtime/comm/OpenCommunicator.h"

#include <signal.h>

#include "runtime/comm/StopOnSignals.h"
#include "gtest/gtest.h"

namespace jinx::comm::test {
namespace {

void expectRefusal(const std::string& name, const OpenOptions& options, Code code, const char* said) {
  const Status status = openCommunicator(name, options).status();
  EXPECT_EQ(status.code(), code) << name;
  EXPECT_NE(status.message().find(said), std::string::npos) << status.message();
}

TEST(OpenCommunicator, NamesThatOpenNothing) {
  expectRefusal("virtual", {}, Code::kInvalidArgument, "make it with VirtualWorld::create");
  expectRefusal("fake", {}, Code::kInvalidArgument, "make it with fakeCommunicator");
  expectRefusal("smoke", {}, Code::kInvalidArgument, "got the communicator smoke, expected mpi");
}

TEST(OpenCommunicator, ModulesThatAreNone) {
  expectRefusal("mpi", {.module = "/nowhere/libjinx_mpi.so"}, Code::kNotFound, "cannot open /nowhere/libjinx_mpi.so: ");
  expectRefusal("mpi", {.module = "libm.so.6"}, Code::kInvalidArgument, "the module of mpi is none of Jinx, expected jinx communicator");
}

TEST(StopOnSignals, FirstSignalStays) {
  const std::atomic<int>& stop = stopOnSignals();
  EXPECT_EQ(stop, 0);
  raise(SIGTERM);
  raise(SIGINT);
  EXPECT_EQ(stop, SIGTERM);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
}

} // namespace
} // namespace jinx::comm::test

// One rank as a process, for mpi.py: the cases of every world, and what happens when a rank does not do what the others do. What it says goes to the
// error output, a line "rank 2: …"; it ends with 1 when a call has failed.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

#include "runtime/comm/OpenCommunicator.h"
#include "runtime/comm/Schedule.h"
#include "runtime/comm/StopOnSignals.h"
#include "tests/unit/comm/Cases.h"

namespace jinx::comm::test {
namespace {

float in[1 << 10], out[1 << 10];

std::string said(const Status& status) { return status.isOk() ? "" : status.message(); }
bool isLast(const Communicator& comm) { return comm.rank() == comm.size() - 1; }
std::string sumOf(Communicator& comm, int64_t count, int64_t sequence, const char* name, int group = 0) {
  return said(comm.run({.op = Op::kAllReduce, .count = count, .group = group, .sequence = sequence, .name = name}, in, out));
}
/// Kernels that take long.
void compute() { std::this_thread::sleep_for(std::chrono::minutes(10)); }

std::string runCases(Communicator& comm) {
  std::string wrong;
  for (const Case& each : cases())
    if (std::string text = each.run(comm); !text.empty()) wrong += std::string(each.name) + ": " + text + "\n";
  const Status large = comm.start({.dtype = DType::kU8, .count = int64_t{1} << 31}, in, in).status();
  if (large.message().find("make it two calls") == std::string::npos) wrong += "more elements than MPI counts: " + large.message() + "\n";
  return wrong;
}

/// Ten sums of 4 MiB: what the network carries. Each rank gives and takes 2(n-1)/n of 40 MiB.
std::string large(Communicator& comm) {
  std::vector<float> data(1 << 20, static_cast<float>(comm.rank() + 1));
  for (int i = 0; i < 10; ++i) {
    std::vector<float> sums(data.size());
    if (Status status = comm.run({.op = Op::kAllReduce, .count = 1 << 20, .sequence = i}, data.data(), sums.data()); !status.isOk()) return status.message();
    const float expected = static_cast<float>(comm.size() * (comm.size() + 1) / 2);
    for (float sum : sums)
      if (sum != expected) return "got a sum of " + std::to_string(sum) + ", expected " + std::to_string(expected);
  }
  std::fprintf(stderr, "rank %d: took %lld bytes\n", comm.rank(), static_cast<long long>(comm.traffic().receivedBytes));
  return "";
}

std::string agreeing(Communicator& comm, bool differ) {
  Schedule schedule{.rank = comm.rank()};
  std::vector<int> world(static_cast<size_t>(comm.size()));
  for (int rank = 0; rank < comm.size(); ++rank)
    world[static_cast<size_t>(rank)] = rank;
  for (int i = 0; i < 3; ++i)
    schedule.calls.push_back({.op = Op::kAllReduce, .count = differ && i == 1 && isLast(comm) ? 5 : 4, .ranks = world, .name = "/n" + std::to_string(i)});
  return said(agree(comm, schedule));
}

std::string count(Communicator& comm) {
  std::string before = sumOf(comm, 4, 0, "/before");
  return before.empty() ? sumOf(comm, isLast(comm) ? 5 : 4, isLast(comm) ? 7 : 1, isLast(comm) ? "/other" : "/usual") : before;
}

std::string root(Communicator& comm) {
  return said(comm.run({.op = Op::kBroadcast, .count = 4, .root = isLast(comm) ? 1 : 0, .sequence = 3, .name = "/b"}, in, out));
}

std::string partSizes(Communicator& comm) {
  const auto n = static_cast<size_t>(comm.size());
  std::vector<int64_t> sends(n, 2), receives(n, 2);
  if (isLast(comm)) sends[0] = 3;
  return said(comm.run({.op = Op::kAllToAllV, .sends = sends, .receives = receives, .sequence = 4, .name = "/moe"}, in, out));
}

std::string ends(Communicator& comm) {
  if (comm.rank() == 0) return said(comm.run({.op = Op::kSend, .count = 4, .root = 1, .name = "/out"}, in, nullptr)) + sumOf(comm, 1, 1, "/after");
  if (comm.rank() == 1) return said(comm.run({.op = Op::kRecv, .count = 5, .root = 0, .name = "/in"}, nullptr, out));
  return sumOf(comm, 1, 1, "/after");
}

/// The last rank never comes; it computes.
std::string missing(Communicator& comm) {
  std::string before = sumOf(comm, 4, 11, "/up");
  if (!before.empty()) return before;
  if (isLast(comm)) compute();
  return sumOf(comm, 8, 12, "/down");
}

std::string stoppedProcess(Communicator& comm) {
  std::string before = sumOf(comm, 4, 11, "/up");
  if (!before.empty()) return before;
  if (isLast(comm)) raise(SIGSTOP);
  return sumOf(comm, 8, 12, "/down");
}

std::string killed(Communicator& comm) {
  std::string before = sumOf(comm, 4, 11, "/up");
  if (!before.empty()) return before;
  if (isLast(comm)) raise(SIGKILL);
  return sumOf(comm, 8, 12, "/down");
}

std::string gone(Communicator& comm) {
  std::string before = sumOf(comm, 4, 11, "/up");
  return !before.empty() || isLast(comm) ? before : sumOf(comm, 8, 12, "/down");
}

std::string leaves(Communicator& comm) {
  if (!isLast(comm)) return sumOf(comm, 4, 1, "/x") + sumOf(comm, 4, 2, "/y");
  return said(comm.start({.op = Op::kAllReduce, .count = 4, .sequence = 1, .name = "/x"}, in, out).status());
}

std::string aborts(Communicator& comm) {
  // Until all have opened the world: who hears of it earlier has no rank to say.
  if (std::string wrong = sumOf(comm, 4, 1, "/before"); !wrong.empty()) return wrong;
  if (!isLast(comm)) return sumOf(comm, 4, 1, "/x");
  comm.abort(resourceError("no memory for 12 GiB"));
  return sumOf(comm, 4, 1, "/x");
}

std::string group(Communicator& comm) {
  if (isLast(comm)) compute();
  return said(comm.makeGroup(std::vector{comm.size() - 1, 0}).status());
}

std::string groupGone(Communicator& comm) {
  return isLast(comm) ? "" : said(comm.makeGroup(std::vector{comm.size() - 1, comm.rank()}).status());
}

const std::map<std::string, std::string (*)(Communicator&)> kModes = {
    {"cases", runCases},
    {"large", large},
    {"agree", +[](Communicator& comm) { return agreeing(comm, false); }},
    {"disagree", +[](Communicator& comm) { return agreeing(comm, true); }},
    {"count", count},
    {"root", root},
    {"part-sizes", partSizes},
    {"ends", ends},
    {"missing", missing},
    {"stopped", stoppedProcess},
    {"killed", killed},
    {"gone", gone},
    {"leaves", leaves},
    {"aborts", aborts},
    {"group", group},
    {"group-gone", groupGone},
};

int main(int argc, char** argv) {
  if (argc != 4 || !kModes.contains(argv[2])) return std::fprintf(stderr, "usage: %s MODULE MODE TIMEOUT_MS\n", argv[0]), 2;
  auto comm = openCommunicator("mpi", {.timeout = std::chrono::milliseconds(std::atoll(argv[3])), .module = argv[1], .stop = &stopOnSignals()});
  if (!comm) return std::fprintf(stderr, "%s\n", comm.status().message().c_str()), 1;
  const int rank = (*comm)->rank();
  const std::string wrong = kModes.at(argv[2])(**comm);
  if (!wrong.empty()) std::fprintf(stderr, "rank %d: %s\n", rank, wrong.c_str());
  comm->reset();
  return wrong.empty() ? 0 : 1;
}

} // namespace
} // namespace jinx::comm::test

int main(int argc, char** argv) { return jinx::comm::test::main(argc, argv); }

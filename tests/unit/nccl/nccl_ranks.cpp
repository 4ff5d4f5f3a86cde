// Ranks with a device each, as a program: for machines with several GPUs and NCCL, and for this one with what stands in
// for both.
//
//   nccl_ranks threads:2 cuda cases 60000                     two threads, GPUs 0 and 1
//   mpirun -np 2 nccl_ranks mpi:libjinx_mpi.so cuda killed 5000
//   nccl_ranks threads:2 cuda cases 60000 0                   nothing over peers' memory
//
// Modes: cases (every case of every world), missing (the last rank stops in front of a call of 4 MiB; missing-few: of
// 4 KiB), killed, killed-few (it ends by SIGKILL). A line "rank 1: …" for each rank that has something to say; ends
// with 1 when a call has failed.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

#include "runtime/comm/OpenCommunicator.h"
#include "runtime/comm/StopOnSignals.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/comm/nccl/NcclCommunicator.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "tests/unit/comm/Cases.h"
#include "tests/unit/nccl/DeviceAsHost.h"

namespace jinx::comm::test {
namespace {

using Name = std::string;

Expected<std::shared_ptr<Device>> deviceOf(const Name& name, int rank) {
  auto device = name == "emulated" ? emulated::makeEmulatedDevice({.threads = 1}) : makeDevice(name, {.ordinal = rank});
  if (!device) return device.status();
  return std::shared_ptr<Device>(std::move(*device));
}

bool isLast(const Communicator& comm) { return comm.rank() == comm.size() - 1; }

std::string runCases(std::shared_ptr<Communicator> comm, std::shared_ptr<Device> device) {
  auto host = DeviceAsHost::create(comm, std::move(device));
  if (!host) return host.status().message();
  for (const Case& each : cases())
    if (std::string wrong = each.run(**host); !wrong.empty()) return std::string(each.name) + ": " + wrong;
  std::fprintf(
      stderr,
      "rank %d: %zu cases are right, %lld calls; %lld on types that devices do not add up went through the host; "
      "%s\n",
      comm->rank(), cases().size(), static_cast<long long>(comm->traffic().calls),
      static_cast<long long>((*host)->refused()), comm->onDevice()->carriersOf(0).c_str());
  return "";
}

/// Enqueued, and the stream waited for.
Status sum(Communicator& comm, Device& device, int64_t count, int64_t sequence, const char* name) {
  const auto bytes = static_cast<size_t>(count) * 4;
  JINX_TRY_ASSIGN(void* data, device.allocate(bytes));
  JINX_TRY_ASSIGN(auto stream, device.createStream());
  JINX_TRY(device.clear(data, bytes, *stream));
  Status status = comm.onDevice()->open(0);
  if (status.isOk())
    status = comm.onDevice()->enqueue({.count = count, .sequence = sequence, .name = name}, data, data, *stream);
  if (Status ended = stream->synchronize(); status.isOk()) status = ended;
  if (status.isOk()) status = comm.onDevice()->status();
  device.release(data, bytes);
  return status;
}

std::string sumsBut(std::shared_ptr<Communicator> comm, std::shared_ptr<Device> device, int64_t count,
                    void (*lastOne)(Communicator&)) {
  if (Status status = sum(*comm, *device, count, 11, "/up"); !status.isOk()) return status.message();
  if (isLast(*comm)) lastOne(*comm);
  return sum(*comm, *device, count, 12, "/down").message();
}

std::string run(const Name& mode, std::shared_ptr<Communicator> comm, std::shared_ptr<Device> device) {
  if (mode == "cases") return runCases(std::move(comm), std::move(device));
  const int64_t count = mode.ends_with("-few") ? 1 << 10 : 1 << 20;
  if (mode.starts_with("killed"))
    return sumsBut(std::move(comm), std::move(device), count, [](Communicator&) { raise(SIGKILL); });
  return sumsBut(std::move(comm), std::move(device), count, [](Communicator& own) {
    while (own.status().isOk())
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
}

bool says(const Name& mode, const Name& device, Expected<std::shared_ptr<Communicator>> world, int local,
          const NcclOptions& options) {
  auto said = [&](const std::string& text) {
    return std::fprintf(stderr, "rank %d: %s\n", local, text.c_str()), false;
  };
  if (!world) return said(world.status().message());
  auto own = deviceOf(device, local);
  if (!own) return said(own.status().message());
  auto comm = openNccl(*world, *own, options);
  if (!comm) return said(comm.status().message());
  const std::shared_ptr<Communicator> kept(
      std::move(*comm)); // it says what it has to before it ends: mpirun may be about to kill it
  const std::string wrong = run(mode, kept, *own);
  return wrong.empty() || said(wrong);
}

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6)
    return std::fprintf(stderr, "usage: %s threads:N|mpi:MODULE DEVICE MODE TIMEOUT_MS [PEER_BYTES]\n", argv[0]), 2;
  const Name world = argv[1], device = argv[2], mode = argv[3];
  const std::chrono::milliseconds timeout(std::atoll(argv[4]));
  const NcclOptions options{.timeout = timeout,
                            .stop = &stopOnSignals(),
                            .peerBytes = argc > 5 ? std::atoll(argv[5]) : NcclOptions::kUsualPeerBytes};
  if (world.starts_with("mpi:")) {
    auto comm = openCommunicator("mpi", {.timeout = timeout, .module = world.substr(4), .stop = &stopOnSignals()});
    if (!comm) return std::fprintf(stderr, "%s\n", comm.status().message().c_str()), 1;
    const int rank = (*comm)->rank();
    return says(mode, device, std::shared_ptr<Communicator>(std::move(*comm)), rank, options) ? 0 : 1;
  }
  const int size = std::atoi(world.c_str() + world.find(':') + 1);
  auto threads = VirtualWorld::create(size, {.timeout = timeout});
  if (!threads) return std::fprintf(stderr, "%s\n", threads.status().message().c_str()), 2;
  std::atomic<bool> isRight{true};
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.emplace_back([&, rank] {
      auto comm = (*threads)->communicator(rank);
      if (!says(mode, device, std::shared_ptr<Communicator>(std::move(*comm)), rank, options)) isRight = false;
    });
  for (std::thread& rank : ranks)
    rank.join();
  return isRight ? 0 : 1;
}

} // namespace
} // namespace jinx::comm::test

int main(int argc, char** argv) { return jinx::comm::test::main(argc, argv); }

// A communicator by its name, as a flag of a program has it.
//
//   const OpenOptions options{.timeout = std::chrono::minutes(2), .stop = &stopOnSignals()};
//   JINX_TRY_ASSIGN(auto comm, openCommunicator("mpi", options), "opening the world");
//
// `mpi`: libjinx_mpi.so is opened, from the path that is given, beside the program (also in ../lib), or where the
// loader looks. Rank and size are those of mpirun or srun. The program itself links nothing of MPI.
//
// `virtual` has many ranks in one process, which a name cannot open: VirtualWorld.h. `fake` needs a rank and a size:
// FakeWorld.h.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

struct OpenOptions {
  std::chrono::milliseconds timeout = std::chrono::minutes(5); ///< of a wait for members that have not come
  std::string module;                                          ///< path of the module; empty: looked for
  const std::atomic<int>* stop =
      nullptr;               ///< not 0: a signal asks the program to end, and waits end with an error (StopOnSignals.h)
  bool comparesCalls = true; ///< each call first exchanges 16 bytes a rank, so that calls that differ are an error on
                             ///< all ranks and never wrong numbers
};

/// kNotFound for a module that is not there, kInvalidArgument for a name that is none. One world a process.
Expected<std::unique_ptr<Communicator>> openCommunicator(const std::string& name, const OpenOptions& options = {});

/// What a module offers: `jinxCommunicatorModule`, whose text is that of this header, and `jinxOpenCommunicator`.
inline constexpr char kModuleVersion[] = "jinx communicator 2";
using VersionFunction = const char* (*)();
using OpenFunction = Communicator* (*)(const OpenOptions& options, Status& status);

} // namespace jinx::comm

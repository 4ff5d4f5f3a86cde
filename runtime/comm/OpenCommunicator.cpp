#include "runtime/comm/OpenCommunicator.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace jinx::comm {
namespace {

/// Where a module may be, in the order in which it is looked for.
std::vector<std::string> placesOf(const std::string& file) {
  std::vector<std::string> places;
  char program[4096];
  if (const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1); length > 0) {
    program[length] = 0;
    const std::string folder(program, static_cast<size_t>(std::strrchr(program, '/') - program));
    places = {folder + "/" + file, folder + "/../lib/" + file};
  }
  places.push_back(file);
  return places;
}

/// The module stays open as long as the process: what it links is not made to be closed.
Expected<void*> openModule(const std::string& file, const std::string& path) {
  std::string said;
  for (const std::string& place : path.empty() ? placesOf(file) : std::vector<std::string>{path}) {
    if (void* module = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return module;
    if (said.empty() || access(place.c_str(), F_OK) == 0) said = dlerror(); // of a file that is there, rather
  }
  return notFound("cannot open " + (path.empty() ? file : path) + ": " + said +
                  "; build it with MPI's headers installed (Debian: libopenmpi-dev), or give its path");
}

} // namespace

Expected<std::unique_ptr<Communicator>> openCommunicator(const std::string& name, const OpenOptions& options) {
  if (name == "virtual")
    return invalidArgument("a virtual world has all its ranks in one process; make it with VirtualWorld::create, or start processes with mpirun and take mpi");
  if (name == "fake") return invalidArgument("a fake world needs a rank and a size; make it with fakeCommunicator");
  if (name != "mpi") return invalidArgument("got the communicator " + name + ", expected mpi");
  JINX_TRY_ASSIGN(void* module, openModule("libjinx_mpi.so", options.module));
  const auto versionOf = reinterpret_cast<VersionFunction>(dlsym(module, "jinxCommunicatorModule"));
  const char* version = versionOf ? versionOf() : nullptr;
  const auto open = reinterpret_cast<OpenFunction>(dlsym(module, "jinxOpenCommunicator"));
  if (!version || !open || std::strcmp(version, kModuleVersion) != 0)
    return invalidArgument("the module of " + name + " is " + (version ? version : "none of Jinx") + ", expected " + kModuleVersion +
                           "; build both from one source");
  Status status;
  std::unique_ptr<Communicator> comm(open(options, status));
  if (!comm) return status;
  return comm;
}

} // namespace jinx::comm

// Drives a fuzz target without libFuzzer, the same way every time: every seed as it is, then changed ones, in rounds.
//
//   fuzz_plan_short --mutations 2000 --seconds 10 SEED-FILE-OR-FOLDER…
//
// Inputs run in a child process, which is replaced when it dies; all failures are listed, and each input that failed is written to
// failed-<n>.bin in the current folder, which `fuzz_plan_short --input FILE` runs alone. Input <n> depends on nothing but <n> and
// the seeds, so that a shorter run is the beginning of a longer one.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/FuzzTarget.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;

struct Options {
  long mutations = 2000; ///< in all
  long first = 0;        ///< input to begin with
  long acceptAtLeast = 1;
  double seconds = 1e9;
  unsigned secondsEach = 30; ///< one that takes longer hangs
  long megabytes = 4096;     ///< of address space; 0: no limit
  std::vector<fs::path> seeds;
  fs::path input;
};

// What LLVMFuzzerMutate needs: it has no argument for it.
std::mt19937_64 randomness;
const std::vector<Bytes>* corpus = nullptr;

size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(randomness() % n); }

Bytes readFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::vector<Bytes> readSeeds(const std::vector<fs::path>& paths) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    if (!fs::is_directory(path)) files.push_back(path);
    if (fs::is_directory(path))
      for (const fs::directory_entry& entry : fs::directory_iterator(path))
        files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> seeds;
  for (const fs::path& file : files)
    seeds.push_back(readFile(file));
  return seeds;
}

/// The n-th input: the seeds first, then changed ones in turn.
Bytes makeInput(const std::vector<Bytes>& seeds, long n) {
  const Bytes& seed = seeds[static_cast<size_t>(n) % seeds.size()];
  if (static_cast<size_t>(n) < seeds.size()) return seed;
  randomness.seed(static_cast<uint64_t>(n));
  Bytes bytes = seed;
  size_t size = bytes.size();
  bytes.resize(size * 2 + 4096);
  for (size_t i = 0, count = 1 + below(3); i < count; ++i)
    size = LLVMFuzzerCustomMutator(bytes.data(), size, bytes.size(), static_cast<unsigned>(randomness()));
  bytes.resize(size);
  bytes.shrink_to_fit(); // so that a sanitizer sees reads behind the end
  return bytes;
}

/// Shared with the child.
struct Progress {
  std::atomic<long> at;       ///< the input being run
  std::atomic<long> accepted; ///< of those before it
};

/// Runs inputs from `progress.at` on.
void runInputs(const std::vector<Bytes>& seeds, long end, Clock::time_point deadline, unsigned secondsEach, Progress& progress) {
  for (; progress.at < end && Clock::now() < deadline; ++progress.at) {
    Bytes input = makeInput(seeds, progress.at);
    alarm(secondsEach);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    alarm(0);
  }
}

std::string describe(int status) {
  if (!WIFSIGNALED(status)) return "exits with " + std::to_string(WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGALRM) return "hangs";
  return "dies of signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")";
}

void limitMemory(long megabytes) {
  rlimit limit = {static_cast<rlim_t>(megabytes) << 20, static_cast<rlim_t>(megabytes) << 20};
  if (megabytes > 0) setrlimit(RLIMIT_AS, &limit);
  rlimit noCore = {0, 0};
  setrlimit(RLIMIT_CORE, &noCore);
}

void saveFailure(const Bytes& input, long n, int status) {
  std::string file = "failed-" + std::to_string(n) + ".bin";
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
  std::printf("input %ld %s: %s\n", n, describe(status).c_str(), file.c_str());
  std::fflush(stdout);
}

int runAll(const Options& options, const std::vector<Bytes>& seeds) {
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return std::perror("mmap"), 2;
  Progress& progress = *new (shared) Progress{{options.first}, {0}};
  jinx::fuzz::accepted = &progress.accepted;
  const long numSeeds = static_cast<long>(seeds.size()), end = numSeeds + options.mutations;
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  int failures = 0;
  while (progress.at < end && Clock::now() < deadline) {
    pid_t child = fork();
    if (child < 0) return std::perror("fork"), 2;
    if (child == 0) {
      limitMemory(options.megabytes);
      runInputs(seeds, end, deadline, options.secondsEach, progress);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    saveFailure(makeInput(seeds, progress.at), progress.at, status);
    ++failures;
    ++progress.at;
  }
  long run = progress.at - options.first;
  std::printf("%ld of %ld inputs from %ld seeds, %ld accepted, %d failed\n", run, end - options.first, numSeeds, progress.accepted.load(), failures);
  bool enough = progress.at >= numSeeds && progress.accepted >= options.acceptAtLeast;
  if (!enough) std::printf("not enough: all seeds run once, and at least %ld inputs are accepted\n", options.acceptAtLeast);
  return failures == 0 && enough ? 0 : 1;
}

bool parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.rfind("--", 0) != 0) {
      options->seeds.push_back(arg);
      continue;
    }
    if (++i == argc) return false;
    if (arg == "--mutations") options->mutations = std::atol(argv[i]);
    else if (arg == "--first") options->first = std::atol(argv[i]);
    else if (arg == "--accept-at-least") options->acceptAtLeast = std::atol(argv[i]);
    else if (arg == "--seconds") options->seconds = std::atof(argv[i]);
    else if (arg == "--seconds-each") options->secondsEach = static_cast<unsigned>(std::atoi(argv[i]));
    else if (arg == "--megabytes") options->megabytes = std::atol(argv[i]);
    else if (arg == "--input") options->input = argv[i];
    else return false;
  }
  return !options->seeds.empty() || !options->input.empty();
}

} // namespace

/// Plain changes, as libFuzzer makes them: bits, bytes, cuts, copies within the input and from other seeds.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t maxSize) {
  size_t at = below(size), count = 1 + below(16);
  switch (below(6)) {
  case 0: // a bit
    if (size) data[at] ^= static_cast<uint8_t>(1 << below(8));
    return size;
  case 1: // some bytes
    for (size_t i = at; i < std::min(size, at + count); ++i)
      data[i] = static_cast<uint8_t>(below(2) ? below(256) : 0xFF * below(2));
    return size;
  case 2: // the end cut off
    return at;
  case 3: // bytes left out
    count = std::min(count, size - at);
    std::memmove(data + at, data + at + count, size - at - count);
    return size - count;
  case 4: // bytes doubled
    count = std::min({count * 4, size - at, maxSize - size});
    std::memmove(data + at + count, data + at, size - at);
    return size + count;
  default: { // a piece of another seed
    const Bytes& other = (*corpus)[below(corpus->size())];
    size_t from = below(other.size());
    count = std::min({count * 8, other.size() - from, maxSize - at});
    std::copy_n(other.begin() + static_cast<ptrdiff_t>(from), count, data + at);
    return std::max(size, at + count);
  }
  }
}

extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned) {
  return LLVMFuzzerMutate(data, size, maxSize);
}

extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int*, char***) { return 0; }

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  Options options;
  if (!parse(argc, argv, &options)) {
    std::fprintf(stderr, 
                 "usage: %s [--mutations N] [--first N] [--accept-at-least N] [--seconds S] [--seconds-each S] [--megabytes N] SEED…\n"
                 "       %s --input FILE\n",
                 argv[0], argv[0]);
    return 2;
  }
  if (!options.input.empty()) {
    Bytes input = readFile(options.input);
    return LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::vector<Bytes> seeds = readSeeds(options.seeds);
  if (seeds.empty()) return std::fprintf(stderr, "no seeds\n"), 2;
  corpus = &seeds;
  return runAll(options, seeds);
}

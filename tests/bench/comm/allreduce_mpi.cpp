// How long does MPI_Allreduce itself take, by whichever algorithm it was told to use?
//
//     mpirun -np 4 jinx_bench_comm_allreduce_mpi --bytes 1024 1536 2048 [--seconds 0.03]
//
// Our communicator adds up in an order of its own and never calls MPI_Allreduce, so what forces Open MPI's algorithms
// (OMPI_MCA_coll_tuned_allreduce_algorithm, crossover.py) does nothing to it. This program is what is forced: sums of
// f32, each size checked once, then timed in rounds. A round is a barrier and then calls one behind the other, as many
// as fill about 200 us; its time is the slowest rank's, for one call. Rank 0 prints a line of JSON: for each size the
// seconds of the median round, and of the one that a tenth of all are faster than.
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace {

struct Options {
  std::vector<int64_t> bytes;
  double seconds = 0.03; // of rounds, for each size
};

constexpr double kRoundSeconds = 200e-6;
constexpr int kLeastRounds = 7, kMostRounds = 2000, kMostCalls = 20;

/// Small whole numbers, whose sums are exact in any order.
float valueOf(int rank, size_t i) {
  return static_cast<float>((i * 2654435761u + static_cast<size_t>(rank) * 40503u) >> 7 & 15);
}

bool isRight(const std::vector<float>& out, int ranks) {
  for (size_t i = 0; i < out.size(); ++i) {
    float sum = 0;
    for (int rank = 0; rank < ranks; ++rank)
      sum += valueOf(rank, i);
    if (out[i] != sum) return false;
  }
  return true;
}

/// Seconds of a call, of the slowest rank.
double roundOf(const std::vector<float>& in, std::vector<float>& out, int calls) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin = MPI_Wtime();
  for (int call = 0; call < calls; ++call)
    MPI_Allreduce(in.data(), out.data(), static_cast<int>(in.size()), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  double own = (MPI_Wtime() - begin) / calls, slowest = 0;
  MPI_Reduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
  MPI_Bcast(&slowest, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return slowest;
}

/// The rounds in order of their times; none where a sum is wrong.
std::vector<double> measure(int64_t bytes, double seconds, int rank, int ranks) {
  std::vector<float> in(static_cast<size_t>(bytes) / sizeof(float)), out(in.size(), -1);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = valueOf(rank, i);
  double first = roundOf(in, out, 1);
  int wrong = isRight(out, ranks) ? 0 : 1, anyWrong = 0;
  MPI_Allreduce(&wrong, &anyWrong, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (anyWrong != 0) return {};
  first = std::min(first, roundOf(in, out, 3)); // all ranks have the same number
  const int calls = std::clamp(static_cast<int>(kRoundSeconds / first), 1, kMostCalls);
  const int rounds = std::clamp(static_cast<int>(seconds / (first * calls)), kLeastRounds, kMostRounds);
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round)
    times.push_back(roundOf(in, out, calls));
  std::sort(times.begin(), times.end());
  return times;
}

} // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Time MPI_Allreduce");
  app.add_option("--bytes", options.bytes, "Sizes of buffers")->required()->check(CLI::Range(4, 1 << 30));
  app.add_option("--seconds", options.seconds, "Of rounds, for each size")->check(CLI::Range(0.0, 60.0));
  CLI11_PARSE(app, argc, argv);
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  nlohmann::json result = nlohmann::json::array();
  for (const int64_t bytes : options.bytes) {
    const std::vector<double> times = measure(bytes, options.seconds, rank, ranks);
    if (times.empty()) {
      if (rank == 0) std::fprintf(stderr, "error: the sum of %lld bytes is wrong\n", static_cast<long long>(bytes));
      MPI_Abort(MPI_COMM_WORLD, 1);
      return 1;
    }
    result.push_back({{"bytes", bytes}, {"median", times[times.size() / 2]}, {"tenth", times[times.size() / 10]}});
  }
  if (rank == 0) std::printf("%s\n", result.dump().c_str());
  MPI_Finalize();
  return 0;
}

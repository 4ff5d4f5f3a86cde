// What does it take to tell all ranks of a step? Models that do nothing, so that what is left is the leader's message
// and the followers' hearing of it.
//
//   jinx_bench_llm_ranks --ranks 2 --sequences 1 --pages 16                   threads of this process
//   mpirun -np 2 jinx_bench_llm_ranks --communicator mpi --sequences 64       processes
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include <CLI/CLI.hpp>

#include "runtime/comm/OpenCommunicator.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/llm/LeadModel.h"

namespace {

using namespace jinx;

class Nothing final : public llm::EnqueuedModel {
 public:
  int32_t vocabulary() const override { return 1; }
  int32_t pages() const override { return 1; }
  bool picksTokens() const override { return true; }
  Status run(const engine::StepInput&, engine::StepRows) override { return Status::ok(); }
  Status copyPage(int32_t, int32_t) override { return Status::ok(); }
  bool isEnqueued() const override { return true; }
  Status enqueue(const engine::StepInput&, llm::StepFlight&) override { return Status::ok(); }
  Expected<engine::StepRows> wait(llm::StepFlight&) override { return engine::StepRows{}; }
  Expected<std::span<const float>> logitsOf(llm::StepFlight&, size_t) override { return std::span<const float>(); }
};

struct Options {
  int ranks = 2, steps = 20000;
  int32_t sequences = 1, pages = 16;
  std::string communicator;
};

/// Microseconds of each step, sorted.
Expected<std::vector<double>> lead(const Options& options, std::shared_ptr<comm::Communicator> world) {
  const auto n = static_cast<size_t>(options.sequences);
  const std::vector<int32_t> numbers(n, 1), table(n * static_cast<size_t>(options.pages), 1);
  const std::vector<engine::RowDraw> draws(n);
  const engine::StepInput input{numbers,           numbers,       numbers, numbers, table,
                                options.sequences, options.pages, numbers, false,   draws};
  Nothing own;
  llm::LeadModel model(own, std::move(world));
  llm::StepFlight flight;
  std::vector<double> times;
  for (int i = 0; i < options.steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    JINX_TRY(model.enqueue(input, flight));
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(times);
  return times;
}

Status run(const Options& options) {
  std::shared_ptr<comm::Communicator> world;
  std::vector<std::thread> followers;
  Nothing model;
  if (options.communicator.empty()) {
    JINX_TRY_ASSIGN(auto threads, comm::VirtualWorld::create(options.ranks));
    JINX_TRY_ASSIGN(world, threads->communicator(0));
    for (int rank = 1; rank < options.ranks; ++rank) {
      JINX_TRY_ASSIGN(std::shared_ptr<comm::Communicator> own, threads->communicator(rank));
      followers.emplace_back([own = std::move(own), &model] { (void)follow(model, *own); });
    }
  } else {
    JINX_TRY_ASSIGN(world, comm::openCommunicator(options.communicator));
    if (world->rank() != 0) return follow(model, *world);
  }
  const int ranks = world->size();
  const auto times = lead(options, std::move(world));
  for (std::thread& follower : followers)
    follower.join();
  if (!times) return times.status();
  const auto at = [&](double part) {
    return (*times)[static_cast<size_t>(part * static_cast<double>(times->size() - 1))];
  };
  std::printf("%d ranks, %d sequences of %d pages: median %.1f us a step, 90 %% below %.1f us, least %.1f us\n", ranks,
              options.sequences, options.pages, at(0.5), at(0.9), at(0));
  return Status::ok();
}

} // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Time the messages of a model over ranks");
  app.add_option("--ranks", options.ranks, "Threads")->check(CLI::Range(1, 256));
  app.add_option("--communicator", options.communicator, "mpi: processes of mpirun");
  app.add_option("--sequences", options.sequences, "Of a step, each with one token and a draw")
      ->check(CLI::Range(1, 4096));
  app.add_option("--pages", options.pages, "Of each sequence")->check(CLI::Range(1, 4096));
  app.add_option("--steps", options.steps, "Steps that are timed")->check(CLI::Range(1, 1 << 24));
  CLI11_PARSE(app, argc, argv);
  const Status status = run(options);
  if (!status.isOk()) std::fprintf(stderr, "error: %s\n", status.message().c_str());
  return status.isOk() ? 0 : 1;
}

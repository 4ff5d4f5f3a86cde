// Sessions: a plan computes what its steps say, whatever lies where, for any sizes in any order, on any number of threads.
#include <thread>

#include "tests/property/runtime/RandomPlan.h"

namespace jinx::test {
namespace {

std::unique_ptr<Session> drawSession(std::shared_ptr<const PlanFile> plan) {
  auto device = must(makeDevice("cpu", {.threads = *rc::gen::inRange(1, 5), .kernels = randomPlanKernels()}), "device");
  SessionOptions options = testOptions();
  options.bindingCacheSize = *rc::gen::inRange(1, 4);
  options.parallelWork = *rc::gen::element(1, 500);
  return must(Session::create(std::move(plan), std::move(device), options), "session");
}

std::vector<Tensor> drawInputs(const RandomPlan& r, int64_t n, uint64_t seed) {
  std::vector<Tensor> inputs;
  for (int i = 0; i < r.inputs; ++i)
    inputs.push_back(smallIntegers(DType::kF32, {n, r.columns}, seed + static_cast<uint64_t>(i)));
  return inputs;
}

/// What differs, or "".
std::string runOnce(const RandomPlan& r, Session& session, int64_t n, uint64_t seed, bool inPlace) {
  std::vector<Tensor> given = drawInputs(r, n, seed), want = r.expected(given);
  std::vector<Value> in(given.begin(), given.end()), out(want.size());
  std::vector<Tensor> mine;
  for (size_t k = 0; inPlace && k < want.size(); ++k) {
    mine.push_back(randomBits(DType::kF32, want[k].shape(), seed));
    out[k] = mine[k];
  }
  if (Status status = session.run(in, out); !status.isOk()) return status.message();
  for (size_t k = 0; k < want.size(); ++k) {
    const Tensor* got = std::get_if<Tensor>(&out[k]);
    if (!got || got->shape() != want[k].shape()) return "output " + std::to_string(k) + " has another shape";
    if (inPlace && got->data() != mine[k].data()) return "output " + std::to_string(k) + " was not written in place";
    for (int64_t i = 0; i < want[k].size(); ++i)
      if (got->as<float>()[i] != want[k].as<float>()[i])
        return "n=" + std::to_string(n) + ": output " + std::to_string(k) + "[" + std::to_string(i) + "] is " +
               std::to_string(got->as<float>()[i]) + ", expected " + std::to_string(want[k].as<float>()[i]);
  }
  return "";
}

JINX_PROPERTY(SessionLaws, APlanComputesWhatItsStepsSay, 300) {
  RandomPlan r = drawPlan(12);
  std::shared_ptr<const PlanFile> plan = must(std::move(r.plan.writer).toMemory(), "plan");
  auto session = drawSession(plan);
  int calls = *rc::gen::inRange(1, 8);
  for (int call = 0; call < calls; ++call) {
    std::string problem = runOnce(r, *session, *extents(), *seeds(), *rc::gen::arbitrary<bool>());
    if (!problem.empty()) RC_FAIL(problem + "\n" + plan->plan().ShortDebugString());
  }
  // No layout is smaller than what is alive at once.
  SessionStatistics s = session->statistics();
  RC_ASSERT(s.plannedBytes >= s.largestLiveBytes);
  RC_ASSERT(s.plannedBytes <= s.activationBytes);
}

JINX_PROPERTY(SessionLaws, CallersOfOneSessionTakeTurnsAndSessionsShareAPlan, 40) {
  RandomPlan r = drawPlan(6);
  std::shared_ptr<const PlanFile> plan = must(std::move(r.plan.writer).toMemory(), "plan");
  auto one = drawSession(plan), two = drawSession(plan);
  constexpr int kCallers = 3;
  std::vector<int64_t> sizes;
  for (int c = 0; c < kCallers; ++c)
    sizes.push_back(*extents());
  std::vector<std::string> problems(kCallers);
  std::vector<std::thread> threads;
  for (int c = 0; c < kCallers; ++c)
    threads.emplace_back([&, c] {
      size_t at = static_cast<size_t>(c);
      for (int call = 0; call < 6 && problems[at].empty(); ++call)
        problems[at] = runOnce(r, call % 2 ? *one : *two, sizes[(at + static_cast<size_t>(call)) % kCallers], 7, call % 3 == 0);
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const std::string& problem : problems)
    if (!problem.empty()) RC_FAIL(problem + "\n" + plan->plan().ShortDebugString());
}

JINX_PROPERTY(SessionLaws, TheArenaHoldsValuesApartThatAreAliveTogether, 150) {
  RandomPlan r = drawPlan(12);
  auto session = drawSession(must(std::move(r.plan.writer).toMemory(), "plan"));
  std::string problem = runOnce(r, *session, *extents(), 3, false);
  if (!problem.empty()) RC_FAIL(problem);
  std::vector<ArenaEntry> entries = session->arenaEntries();
  for (size_t i = 0; i < entries.size(); ++i) {
    RC_ASSERT(entries[i].offsetBytes + entries[i].sizeBytes <= session->statistics().plannedBytes);
    for (size_t j = 0; j < i; ++j) {
      const ArenaEntry &a = entries[i], &b = entries[j];
      bool together = a.firstUse <= b.lastUse && b.firstUse <= a.lastUse && a.sizeBytes && b.sizeBytes;
      if (!together) continue;
      bool apart = a.offsetBytes + a.sizeBytes <= b.offsetBytes || b.offsetBytes + b.sizeBytes <= a.offsetBytes;
      if (!apart) RC_FAIL(a.name + " and " + b.name + " are alive together and overlap");
    }
  }
}

} // namespace
} // namespace jinx::test

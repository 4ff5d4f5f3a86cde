// Compiled graphs: fused, unfused, on the lowest and on the highest instruction set, on one thread and on several, all compute what the
// reference operators say.
#include <fstream>

#include "runtime/device/CpuDevice.h"
#include "runtime/executor/Executor.h"
#include "tests/property/graph/RandomGraph.h"
#include "tools/driver/Compiler.h"

#include <unistd.h>

#include <cmath>
#include <cstring>

namespace jinx::test {
namespace {

/// A module in a file of this process's own.
class ModelFile {
 public:
  explicit ModelFile(const std::string& text) : path_(testing::TempDir() + "jinx_" + std::to_string(getpid()) + "_graph.mlir") {
    std::ofstream(path_) << text;
  }
  ~ModelFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Variant {
  const char* name;
  bool fusion;
  const char* isa; ///< the highest that may be used; "" is the processor's
  int threads;
};
constexpr Variant kVariants[] = {
    {"fused", true, "", 1}, {"fused, three threads", true, "", 3}, {"fused, baseline", true, "x86-64", 1}, {"unfused", false, "", 1}};

struct Loaded {
  std::shared_ptr<void> constants;
  std::unique_ptr<Session> session;
};

std::shared_ptr<const PlanFile> compile(const RandomGraph& graph, bool fusion, std::shared_ptr<void>* keepAlive) {
  ModelFile file(graph.text());
  driver::CompileOptions options;
  options.fusion = fusion;
  options.threads = 1;
  Expected<driver::Compiled> compiled = driver::compileModel(file.path(), options);
  if (!compiled.isOk()) RC_FAIL("does not compile: " + compiled.status().message() + "\n" + graph.text());
  *keepAlive = compiled->keepAlive;
  return must(std::move(*compiled->plan).toMemory(), "plan");
}

/// What is wrong with an output, or "".
std::string judge(const Tensor& got, const Answer& want, DType type) {
  if (got.shape() != want.value.shape() || got.dtype() != type) return got.describe() + ", expected the shape of " + want.value.describe();
  double least = type == DType::kF32 ? std::exp2(-149) : 0;
  for (int64_t i = 0; i < got.size(); ++i) {
    if (isInteger(type)) {
      if (got.getInt(i) != want.value.getInt(i)) return "element " + std::to_string(i) + " is " + std::to_string(got.getInt(i)) + ", expected " + std::to_string(want.value.getInt(i));
      continue;
    }
    double g = got.getDouble(i), w = want.value.getDouble(i);
    if (std::isnan(g) && std::isnan(w)) continue;
    if (g == w || std::fabs(g - w) <= want.error + least) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(g) + ", expected " + std::to_string(w) + " within " + std::to_string(want.error);
  }
  return "";
}

JINX_PROPERTY(GraphLaws, EveryWayToCompileAGraphComputesWhatItSays, 150) {
  RandomGraph graph = RandomGraph::draw(8);
  std::shared_ptr<void> keep[2];
  std::shared_ptr<const PlanFile> plans[2] = {compile(graph, false, &keep[0]), compile(graph, true, &keep[1])};
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Variant& v : kVariants) {
    auto device = must(makeDevice("cpu", {.threads = v.threads, .isa = v.isa}), "device");
    sessions.push_back(must(Session::create(plans[v.fusion], std::move(device), {.parallelWork = v.threads > 1 ? 1 : 32768}), v.name));
  }
  for (int64_t n : {*extents(0, 9), int64_t{1}, int64_t{0}}) {
    uint64_t seed = *seeds();
    std::vector<Tensor> inputs = graph.drawInputs(n, seed);
    std::vector<Answer> want = graph.answers(n, inputs);
    std::vector<Value> given = {Tensor::make(DType::kBool, {n})};
    given.insert(given.end(), inputs.begin(), inputs.end());
    std::vector<Value> first;
    for (size_t s = 0; s < sessions.size(); ++s) {
      std::vector<Value> out(want.size());
      std::string where = std::string(kVariants[s].name) + ", n=" + std::to_string(n) + ", data " + std::to_string(seed);
      if (Status status = sessions[s]->run(given, out); !status.isOk()) RC_FAIL(where + ": " + status.message() + "\n" + graph.text());
      for (size_t k = 0; k < out.size(); ++k) {
        std::string problem = judge(std::get<Tensor>(out[k]), want[k], graph.type());
        if (!problem.empty()) RC_FAIL(where + ": y" + std::to_string(k) + ": " + problem + "\n" + graph.text());
        // How launches are shared between threads changes nothing, not one bit.
        if (s == 1 && !sameBytes(std::get<Tensor>(out[k]), std::get<Tensor>(first[k])))
          RC_FAIL(where + ": y" + std::to_string(k) + " differs from one thread's\n" + graph.text());
      }
      if (s == 0) first = out;
    }
  }
}

} // namespace
} // namespace jinx::test

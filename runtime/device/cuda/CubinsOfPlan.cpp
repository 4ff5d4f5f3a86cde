#include "runtime/device/cuda/CubinsOfPlan.h"

#include <unordered_map>

#include "runtime/base/GpuArchitecture.h"
#include "runtime/base/Parallel.h"

namespace jinx::cuda {
namespace {

std::string_view textOf(const PlanFile& plan, uint32_t text) {
  auto bytes = plan.segment(plan.plan().code(static_cast<int>(text)).segment());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Text for an architecture before this one, of what every later one has too: sm_80's, not sm_90a's.
bool isEarlier(const std::string& isa, const GpuIdentity& gpu) {
  const GpuArchitecture* known = isa.rfind("cuda:", 0) == 0 ? gpuArchitecture(std::string_view(isa).substr(5)) : nullptr;
  return known && !known->hasCopyEngine() && known->capability <= gpu.capability && known->sharedBytes <= gpu.sharedBytes;
}

Expected<std::vector<TextCubin>> textsFor(const PlanFile& plan, const GpuIdentity& gpu) {
  std::vector<TextCubin> texts;
  std::string carried;
  const std::string isa = "cuda:" + gpu.arch;
  for (int i = 0; i < plan.plan().code_size(); ++i) {
    const plan::CodeObject& code = plan.plan().code(i);
    if (carried.find(code.isa()) == std::string::npos) carried += (carried.empty() ? "" : ", ") + code.isa();
    if (code.format() == "cuda" && (code.isa() == isa || isEarlier(code.isa(), gpu))) texts.push_back({static_cast<uint32_t>(i), {}, {}});
  }
  if (texts.empty())
    return unimplemented("plan carries code for " + (carried.empty() ? "nothing" : carried) + ", " + gpu.name + " runs " + isa +
                         ": compile the model with --target " + isa);
  return texts;
}

/// Key of a text to the plan's cubin.
std::unordered_map<std::string_view, std::span<const uint8_t>> cubinsByKey(const PlanFile& plan) {
  std::unordered_map<std::string_view, std::span<const uint8_t>> cubins;
  for (const plan::CodeObject& code : plan.plan().code()) {
    auto bytes = plan.segment(code.segment());
    if (code.format() == "cubin") cubins.emplace(code.text_key(), std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  }
  return cubins;
}

} // namespace

Expected<std::vector<TextCubin>> cubinsOfPlan(const PlanFile& plan, const GpuIdentity& gpu, const CompileCudaOptions& options) {
  JINX_TRY_ASSIGN(std::vector<TextCubin> texts, textsFor(plan, gpu));
  const auto byKey = cubinsByKey(plan);
  std::vector<TextCubin*> missing;
  for (TextCubin& text : texts) {
    auto found = byKey.empty() ? byKey.end() : byKey.find(textKey(textOf(plan, text.text), options));
    if (found != byKey.end())
      text.carried = found->second;
    else
      missing.push_back(&text);
  }
  std::vector<Status> results(missing.size());
  inParallel(std::thread::hardware_concurrency(), missing.size(), [&](size_t i) { results[i] = compileInstead(plan, *missing[i], options); });
  for (Status& result : results)
    JINX_TRY(std::move(result), byKey.empty() ? "loading the plan" : "loading the plan, of whose cubins none is of this text for " + options.arch);
  return texts;
}

Status compileInstead(const PlanFile& plan, TextCubin& cubin, const CompileCudaOptions& options) {
  const plan::CodeObject& code = plan.plan().code(static_cast<int>(cubin.text));
  JINX_TRY_ASSIGN(CompiledCuda compiled, compileCuda(std::string(textOf(plan, cubin.text)),
                                                     plan.plan().segments(static_cast<int>(code.segment())).name(), options));
  cubin.carried = {};
  cubin.compiled = std::move(compiled.cubin);
  return Status::ok();
}

} // namespace jinx::cuda

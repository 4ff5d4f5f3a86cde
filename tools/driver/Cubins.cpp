#include "tools/driver/Cubins.h"

#include "runtime/base/Parallel.h"
#include "runtime/device/cuda/Nvrtc.h"

namespace jinx::driver {
namespace {

constexpr std::string_view kTextPrefix = "cuda."; ///< of a text's segment; the rest is the kernel's name

struct Unit {
  std::string kernel, text;
  Expected<cuda::CompiledCuda> compiled = cuda::CompiledCuda();
};

std::vector<Unit> textsOf(PlanWriter& writer) {
  std::vector<Unit> units;
  for (const plan::CodeObject& code : writer.plan().code()) {
    if (code.format() != "cuda") continue;
    const auto bytes = writer.segment(code.segment());
    std::string name = writer.plan().segments(static_cast<int>(code.segment())).name();
    if (name.starts_with(kTextPrefix)) name.erase(0, kTextPrefix.size());
    units.push_back({std::move(name), std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  }
  return units;
}

} // namespace

Status addCubins(PlanWriter& writer, const std::string& arch, unsigned threads) {
  JINX_TRY(cuda::checkNvrtc(), "compiling cubins");
  std::vector<Unit> units = textsOf(writer);
  const cuda::CompileCudaOptions options{.arch = arch};
  inParallel(threads, units.size(), [&](size_t i) { units[i].compiled = cuda::compileCuda(units[i].text, units[i].kernel, options); });
  for (Unit& unit : units) {
    JINX_TRY(unit.compiled.status(), "compiling cubins");
    const auto bytes = std::as_bytes(std::span(unit.compiled->cubin));
    plan::CodeObject* object = writer.plan().add_code();
    object->set_isa("cuda:" + arch);
    object->set_segment(writer.addSegment("cubin." + unit.kernel, std::vector<std::byte>(bytes.begin(), bytes.end())));
    object->set_format("cubin");
    object->set_text_key(cuda::textKey(unit.text, options));
  }
  return Status::ok();
}

} // namespace jinx::driver

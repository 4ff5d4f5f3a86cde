#include "tools/common/PlanSource.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <sched.h>

#include "runtime/base/SizeExpr.h"
#include "runtime/device/Isa.h"
#include "runtime/device/emulated/EmulatedDevice.h"

namespace jinx::tools {

int DeviceChoice::threadCount() const {
  if (threads > 0) return threads;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

double Timer::ms() const { return static_cast<double>(Trace::now() - startNs_) / 1e6; }

bool startsAsPlan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[sizeof kPlanMagic] = {};
  file.read(magic, sizeof magic);
  return file && std::memcmp(magic, kPlanMagic, sizeof magic) == 0;
}

Expected<LoadedPlan> openPlan(const PlanRequest& request) {
  Timer timer;
  if (std::ifstream file(request.path, std::ios::binary); !file)
    return systemError(errno, "cannot open " + request.path);
  if (std::error_code error; std::filesystem::is_directory(request.path, error))
    return invalidArgument(request.path + " is a directory, expected a plan");
  if (!startsAsPlan(request.path))
    return invalidArgument(request.path + " is no plan; `jinx compile` makes one of a model");
  LoadedPlan plan;
  JINX_TRY_ASSIGN(plan.file, PlanFile::open(request.path, {.opensExternal = request.opensExternal}), "loading " + request.path);
  plan.loadMs = timer.ms();
  return plan;
}

Expected<std::unique_ptr<Device>> openDevice(const DeviceChoice& choice) {
  if (!choice.isa.empty() && isaRank(choice.isa) < 0)
    return invalidArgument("'" + choice.isa + "' is no instruction-set level; this processor has " + hostIsa());
  if (!choice.record.empty() && choice.device != "emulated")
    return invalidArgument("--record-launches is about --device emulated, got " + choice.device);
  DeviceOptions options;
  if (!choice.record.empty()) options.extra["record"] = choice.record;
  options.threads = choice.threadCount();
  options.isa = choice.isa;
  options.pinThreads = choice.pin;
  DeviceRegistry devices = DeviceRegistry::standard();
  devices.add("emulated", emulated::makeEmulatedDevice);
  return devices.make(choice.device, options);
}

Expected<LoadedSession> makeSession(LoadedPlan plan, const DeviceChoice& choice) {
  JINX_TRY_ASSIGN(std::unique_ptr<Device> device, openDevice(choice));
  LoadedSession loaded;
  Timer timer;
  JINX_TRY_ASSIGN(loaded.session, Session::create(plan.file, std::move(device), {.parallelWork = choice.parallelWork}));
  loaded.loadMs = plan.loadMs + timer.ms();
  loaded.plan = std::move(plan);
  return loaded;
}

bool isReusable(const plan::Plan& plan, int output) {
  const plan::Value& value = plan.values(static_cast<int>(plan.outputs(output)));
  if (value.kind() != plan::Value::TENSOR || value.unranked() || value.where() != plan::Value::OUTPUT) return false;
  for (const std::string& text : value.dims()) {
    auto size = SizeExpr::parse(text);
    if (!size) return false;
    for (const std::string& name : size->symbols())
      for (const plan::Symbol& symbol : plan.symbols())
        if (symbol.name() == name && symbol.defined_by_step()) return false;
  }
  return true;
}

} // namespace jinx::tools

// Sessions: loading a plan on a device, its ports and its statistics.
#include "runtime/capi/Handles.h"
#ifdef JINX_CAPI_EMULATED
#include "runtime/device/emulated/EmulatedDevice.h"
#endif

using namespace jinx;
using namespace jinx::capi;

namespace {

Expected<PortArrays> makePort(const Port& port) {
  PortArrays arrays;
  arrays.name = port.name;
  arrays.kind = static_cast<jinx_kind>(port.kind);
  arrays.dtype = static_cast<jinx_dtype>(port.dtype);
  arrays.ranked = port.ranked;
  arrays.texts = port.dims;
  for (const std::string& text : port.dims) {
    JINX_TRY_ASSIGN(SizeExpr formula, SizeExpr::parse(text), "sizes of \"" + port.name + "\"");
    arrays.dims.push_back(formula.constant().value_or(-1));
    arrays.symbolNames.push_back(formula.isSymbol() ? formula.symbols()[0] : "");
    arrays.formulas.push_back(std::move(formula));
  }
  for (const std::string& text : arrays.texts)
    arrays.sizes.push_back(text.c_str());
  return arrays;
}

Status makePorts(std::span<const Port> ports, std::vector<PortArrays>& made) {
  made.reserve(
      ports.size()); // PortArrays points into itself and must not be copied later; moves keep its strings' vector
  for (const Port& port : ports) {
    JINX_TRY_ASSIGN(PortArrays arrays, makePort(port));
    made.push_back(std::move(arrays));
  }
  return Status::ok();
}

/// The library of tests knows the emulated device too.
Expected<std::unique_ptr<Device>> deviceNamed(const std::string& name, const DeviceOptions& options) {
  DeviceRegistry devices = DeviceRegistry::standard();
#ifdef JINX_CAPI_EMULATED
  devices.add("emulated", emulated::makeEmulatedDevice);
#endif
  return devices.make(name, options);
}

Status createSession(const jinx_plan& plan, const jinx_session_options& options, jinx_session** session) {
  if (options.threads < 0)
    return invalidArgument("threads is " + std::to_string(options.threads) + ", expected at least 0");
  DeviceOptions deviceOptions;
  deviceOptions.threads = options.threads;
  deviceOptions.pinThreads = options.pin_threads != 0;
  deviceOptions.isa = options.isa ? options.isa : "";
  JINX_TRY_ASSIGN(std::shared_ptr<Device> device, deviceNamed(options.device ? options.device : "cpu", deviceOptions));
  auto state = std::make_shared<SessionState>();
  state->device = device->description();
  JINX_TRY_ASSIGN(state->session, Session::create(plan.file, std::move(device)));
  state->isa = state->session->isa();
  JINX_TRY(makePorts(state->session->inputs(), state->inputs));
  JINX_TRY(makePorts(state->session->outputs(), state->outputs));
  *session = new jinx_session{std::move(state)};
  return Status::ok();
}

Status describePort(const std::vector<PortArrays>& ports, const char* what, size_t index, jinx_port* port) {
  if (index >= ports.size()) return outOfRange(what, index, ports.size());
  const PortArrays& p = ports[index];
  int32_t rank = p.ranked ? static_cast<int32_t>(p.dims.size()) : -1;
  return fillStruct({0, p.name.c_str(), p.kind, p.dtype, rank, p.dims.data(), p.sizes.data()}, port);
}

int64_t findPort(const std::vector<PortArrays>& ports, const char* name) {
  for (size_t k = 0; k < ports.size(); ++k)
    if (ports[k].name == name) return static_cast<int64_t>(k);
  return -1;
}

} // namespace

jinx_status* jinx_session_create(const jinx_plan* plan, const jinx_session_options* options, jinx_session** session) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(plan);
    JINX_EXPECT_ARGUMENT(session);
    jinx_session_options known{};
    if (options) {
      if (options->struct_size < sizeof(size_t) || options->struct_size > 4096)
        return invalidArgument("struct_size is " + std::to_string(options->struct_size) +
                               ", expected the size of the struct");
      std::memcpy(&known, options, std::min(options->struct_size, sizeof known));
    }
    return createSession(*plan, known, session);
  });
}

void jinx_session_destroy(jinx_session* session) { delete session; }

const char* jinx_session_device(const jinx_session* session) {
  return session ? session->state->device.c_str() : nullptr;
}

const char* jinx_session_isa(const jinx_session* session) { return session ? session->state->isa.c_str() : nullptr; }

size_t jinx_session_num_inputs(const jinx_session* session) { return session ? session->state->inputs.size() : 0; }

size_t jinx_session_num_outputs(const jinx_session* session) { return session ? session->state->outputs.size() : 0; }

jinx_status* jinx_session_input(const jinx_session* session, size_t index, jinx_port* port) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(session);
    JINX_EXPECT_ARGUMENT(port);
    return describePort(session->state->inputs, "input", index, port);
  });
}

jinx_status* jinx_session_output(const jinx_session* session, size_t index, jinx_port* port) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(session);
    JINX_EXPECT_ARGUMENT(port);
    return describePort(session->state->outputs, "output", index, port);
  });
}

int64_t jinx_session_find_input(const jinx_session* session, const char* name) {
  return session && name ? findPort(session->state->inputs, name) : -1;
}

int64_t jinx_session_find_output(const jinx_session* session, const char* name) {
  return session && name ? findPort(session->state->outputs, name) : -1;
}

jinx_status* jinx_session_statistics(const jinx_session* session, jinx_statistics* statistics) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(session);
    JINX_EXPECT_ARGUMENT(statistics);
    SessionStatistics s = session->state->session->statistics();
    jinx_statistics filled{};
    filled.constant_bytes = s.constantBytes;
    filled.arena_bytes = s.arenaBytes;
    filled.largest_live_bytes = s.largestLiveBytes;
    filled.planned_bytes = s.plannedBytes;
    filled.activation_bytes = s.activationBytes;
    filled.scratch_bytes = s.scratchBytes;
    filled.dynamic_peak_bytes = s.dynamicPeakBytes;
    filled.dynamic_allocations = s.dynamicAllocations;
    filled.bindings_made = s.bindingsMade;
    return fillStruct(filled, statistics);
  });
}

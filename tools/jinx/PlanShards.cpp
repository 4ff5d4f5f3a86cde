// `plan-shards`: which split of a model over N ranks fits and is the fastest, as a table; the best one as a file of rules.
#include "tools/driver/PlanShards.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "runtime/base/GpuArchitecture.h"
#include "runtime/comm/model/NetworkFile.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Roofline.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"
#include "tools/jinx/Commands.h"

namespace jinx::tools {
namespace {

struct PlanShardsCommand {
  std::string model, network = "h100-8", mesh, memory, output, jsonFile;
  driver::CompileOptions compiler;
  driver::PlanShardsOptions options;
  bool timing = false;
};

/// A name, or a file.
Expected<comm::model::Network> readNetwork(const std::string& name) {
  auto named = comm::model::networkNamed(name);
  std::ifstream file(name);
  if (named || !file) return named;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  JINX_TRY_ASSIGN(auto network, comm::model::networkFromJson(text), name);
  return network;
}

/// "80GB", "512 MB", "8e9".
Expected<double> readBytes(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit(end + std::strspn(end, " "));
  const std::pair<const char*, double> units[] = {{"", 1},     {"B", 1},     {"kB", 1e3},           {"MB", 1e6},
                                                  {"GB", 1e9}, {"TB", 1e12}, {"GiB", 1073741824.0}, {"MiB", 1048576.0}};
  for (const auto& [name, factor] : units)
    if (end != text.c_str() && unit == name && number > 0) return number * factor;
  return invalidArgument("--memory is \"" + text + "\", expected bytes like 80GB");
}

/// Why a split is where it is in the table.
std::string whyOf(const driver::ShardCandidate& c, const driver::ShardPlans& plans, const comm::model::Peaks& device) {
  if (!c.problem.empty()) return c.problem.substr(0, c.problem.find('\n'));
  if (!c.fits) return "needs " + formatBytes(c.memoryBytes()) + ", a device has " + formatBytes(device.usableBytes()) + " for it";
  const driver::ShardCandidate& best = plans.candidates.front();
  if (&c == &best) return "the fastest that fits";
  const std::pair<double, const char*> parts[] = {{c.computeSeconds - best.computeSeconds, "computes"},
                                                  {c.waitSeconds - best.waitSeconds, "waits for collectives"},
                                                  {c.bubbleSeconds - best.bubbleSeconds, "waits for other stages"}};
  const auto& most = *std::max_element(std::begin(parts), std::end(parts));
  return formatNumber(c.seconds / best.seconds, 3) + "x: " + most.second + " " + formatMilliseconds(most.first * 1e3) + " longer";
}

std::string tableOf(const driver::ShardPlans& plans, const comm::model::Peaks& device) {
  TextTable table({"split", "fits", "a call", "computes", "waits", "a rank's memory", "weights", "inputs", "activations", "flops", "on the wire", "why"});
  for (const driver::ShardCandidate& c : plans.candidates) {
    if (!c.problem.empty()) {
      table.add({c.name(), "-", "", "", "", "", "", "", "", "", "", whyOf(c, plans, device)});
      continue;
    }
    table.add({c.name(), c.fits ? "yes" : "no", formatMilliseconds(c.seconds * 1e3), formatMilliseconds(c.computeSeconds * 1e3),
               formatMilliseconds((c.waitSeconds + c.bubbleSeconds) * 1e3), formatBytes(c.memoryBytes()), formatBytes(c.weightBytes), formatBytes(c.inputBytes),
               formatBytes(c.activationBytes), formatFlops(int64_t(c.flops)), formatBytes(c.wireBytes), whyOf(c, plans, device)});
  }
  return table.str();
}

/// Stages of the splits that were counted by stage.
std::string stageTables(const driver::ShardPlans& plans) {
  std::string text;
  for (const driver::ShardCandidate& c : plans.candidates) {
    if (c.stages.empty()) continue;
    TextTable table({"stage of " + c.name(), "a microbatch", "computes", "waits", "a rank's memory", "weights", "inputs", "activations", "flops", "on the wire"});
    for (size_t s = 0; s < c.stages.size(); ++s) {
      const driver::StageFigure& f = c.stages[s];
      table.add({std::to_string(s), formatMilliseconds(f.seconds * 1e3), formatMilliseconds(f.computeSeconds * 1e3), formatMilliseconds(f.waitSeconds * 1e3), formatBytes(f.memoryBytes()),
                 formatBytes(f.weightBytes), formatBytes(f.inputBytes), formatBytes(f.activationBytes), formatFlops(int64_t(f.flops)), formatBytes(f.wireBytes)});
    }
    text += table.str() + "  " + std::to_string(c.microbatches) + " microbatches: stages stand still for " + formatNumber(100 * c.bubbleSeconds / std::max(c.seconds, 1e-30), 3) + " % of a call\n";
  }
  return text;
}

std::string jsonOf(const driver::ShardPlans& plans, const driver::PlanShardsOptions& options) {
  nlohmann::ordered_json json;
  json["ranks"] = options.ranks;
  json["network"] = options.network.name;
  json["device"] = {{"name", options.device.device},
                    {"flops", options.device.flops},
                    {"half_flops", options.device.halfFlops},
                    {"bytes_per_second", options.device.bytesPerSecond},
                    {"memory_bytes", options.device.memoryBytes}};
  json["candidates"] = nlohmann::ordered_json::array();
  for (const driver::ShardCandidate& c : plans.candidates) {
    nlohmann::ordered_json entry;
    entry["mesh"] = nlohmann::ordered_json::array();
    for (const passes::MeshAxis& axis : c.mesh)
      entry["mesh"].push_back({axis.name, axis.ranks});
    entry["sequence_parallel"] = c.isSequenceParallel;
    entry["gathers_keys"] = c.gathersKeys;
    entry["why"] = whyOf(c, plans, options.device);
    if (!c.notes.empty()) entry["notes"] = c.notes;
    if (c.problem.empty()) {
      entry["fits"] = c.fits;
      entry["seconds"] = {{"call", c.seconds}, {"compute", c.computeSeconds}, {"collectives", c.waitSeconds}, {"stages", c.bubbleSeconds}};
      entry["bytes"] = {{"memory", c.memoryBytes()},        {"weights", c.weightBytes}, {"inputs", c.inputBytes},
                        {"activations", c.activationBytes}, {"outputs", c.outputBytes}, {"wire", c.wireBytes}};
      entry["flops"] = c.flops;
      for (const driver::StageFigure& stage : c.stages)
        entry["stages"].push_back({{"seconds", stage.seconds},
                                   {"compute", stage.computeSeconds},
                                   {"collectives", stage.waitSeconds},
                                   {"memory", stage.memoryBytes()},
                                   {"weights", stage.weightBytes},
                                   {"flops", stage.flops},
                                   {"wire", stage.wireBytes}});
    }
    json["candidates"].push_back(std::move(entry));
  }
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// The rules of the first split that has some.
Status writeBest(const PlanShardsCommand& command, const driver::ShardPlans& plans) {
  for (const driver::ShardCandidate& c : plans.candidates) {
    if (!c.problem.empty() || c.rules.mesh.empty()) continue;
    JINX_TRY(writeText(command.output, driver::formatShardFile(c.rules)), "writing the rules");
    if (command.output != "-" && command.jsonFile != "-") std::printf("%s: rules for %s\n", command.output.c_str(), c.name().c_str());
    return Status::ok();
  }
  return invalidArgument("no split has rules to write to " + command.output + ": stages (pp) have no file");
}

Status planShards(PlanShardsCommand& command) {
  for (const std::string& file : {command.output, command.jsonFile})
    JINX_TRY(checkOutputFile(file));
  JINX_TRY_ASSIGN(command.options.network, readNetwork(command.network), "--network");
  command.options.device = comm::model::peaksOf(command.network);
  if (!command.memory.empty()) {
    JINX_TRY_ASSIGN(command.options.device.memoryBytes, readBytes(command.memory));
  }
  if (!command.mesh.empty()) {
    JINX_TRY_ASSIGN(command.options.mesh, passes::parseMesh(command.mesh), "--mesh");
    command.options.ranks = 1;
    for (const passes::MeshAxis& axis : command.options.mesh)
      if (axis.name != passes::kMicrobatchAxis) command.options.ranks *= axis.ranks;
  }
  for (const frontends::DimOverride& dim : command.compiler.import.dims)
    if (dim.isConstant() && !dim.name.empty()) command.options.sizes[dim.name] = dim.min;
  Timer timer;
  ProgressBar progress("planning");
  command.options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  if (command.network != "host") command.compiler.target = "cuda:" + std::string(GpuArchitecture().name);
  JINX_TRY_ASSIGN(auto model, driver::importModel(command.model, command.compiler));
  const double importMs = timer.ms();
  JINX_TRY_ASSIGN(driver::ShardPlans plans, driver::planShards(std::move(model), command.options));
  progress.clear();
  if (command.timing) {
    std::fprintf(stderr, "%10.1f ms  import\n", importMs);
    for (const auto& [stage, ms] : plans.times)
      std::fprintf(stderr, "%10.1f ms  %s\n", ms, stage.c_str());
    std::fprintf(stderr, "%10.1f ms  all\n", timer.ms());
  }
  if (!command.jsonFile.empty()) JINX_TRY(writeText(command.jsonFile, jsonOf(plans, command.options)));
  if (command.jsonFile != "-") {
    std::printf("%s on %lld ranks of %s, joined as %s; predicted at peaks, best first\n%s", command.model.c_str(),
                static_cast<long long>(command.options.ranks), command.options.device.device.c_str(), command.options.network.name.c_str(),
                (tableOf(plans, command.options.device) + stageTables(plans)).c_str());
    for (const std::string& name : plans.assumed)
      std::printf("  size %s is taken to be 1; --dim %s=VALUE gives it another\n", name.c_str(), name.c_str());
  }
  return command.output.empty() ? Status::ok() : writeBest(command, plans);
}

} // namespace

void addPlanShards(CLI::App& app, Action& action) {
  auto options = std::make_shared<PlanShardsCommand>();
  driver::PlanShardsOptions& plan = options->options;
  CLI::App* command = app.add_subcommand("plan-shards", "Find how to split a model over ranks, without compiling it");
  command->add_option("MODEL", options->model, "ONNX model, language model (.gguf, or a folder with config.json and safetensors), or native IR")->required();
  CLI::Option* ranks =
      command->add_option("--ranks", plan.ranks, "How many (default 8): all splits into dp, pp and tp are looked at")->check(CLI::Range(1, 1 << 20));
  command->add_option("--mesh", options->mesh, "Only this split, like dp=2,tp=4; micro=8 are microbatches that go through the stages of pp")->excludes(ranks);
  command->add_option("--network", options->network, "What joins them, and with it the device: h100-8 (default), h200-8, a100-8, host, or a file of a network")
      ->type_name("NAME|FILE");
  command->add_option("--memory", options->memory, "Of a device (default: that of the network's), like 80GB; nine tenths of it are used");
  command->add_option("--batch", plan.batch, "Sequences of all replicas together (default 8); of other models the first size of the first input")
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("--tokens", plan.tokens, "Language models: tokens of each sequence in a call (default 1)")->check(CLI::Range(1, 1 << 24));
  command->add_option("--context", plan.context, "Language models: tokens of each sequence in pages (default 4096)")->check(CLI::Range(1, 1 << 24));
  addDimOption(*command, options->compiler.import.dims, "The value of a size, for one replica: NAME=VALUE");
  command->add_option("--activations", options->compiler.import.activationType, "Language models: f32, f16 or bf16 (default bf16; on host f32)")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  command->add_option("--json", options->jsonFile, "Write the table as JSON (- is standard output)")->type_name("FILE");
  command->add_option("-o,--output", options->output, "Write the best split as a file for compile --shard")->type_name("FILE");
  command->add_flag("--timing", options->timing, "Print the time of every stage");
  command->callback([options, &action] { action = [options] { return report(planShards(*options)); }; });
}

} // namespace jinx::tools

// `compile`: a model to a plan, or to the text of one of the forms on the way.
#include "runtime/base/GpuArchitecture.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Terminal.h"
#include "tools/common/TuningDatabase.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/CompileReport.h"
#include "tools/jinx/ModelSource.h"
#include "tools/jinx/QuantizeArguments.h"
#include "tools/jinx/ShardSummary.h"

namespace jinx::tools {
namespace {

struct CompileCommand {
  std::string model, output, remarksFile, reportFile, tuningFile, tuningDevice, shard;
  driver::CompileOptions options;
  driver::QuantizeOptions quantize; ///< no scheme: the model stays as it is
  std::vector<frontends::DimOverride> reportDims;
  bool noFusion = false, noOverlap = false, timing = false, keepsWeights = false;
  int threads = 0;
};

/// Stages, and below "optimize" its passes: time, operators before and after, what was counted.
void printTiming(const driver::Compiled& compiled) {
  for (const auto& [stage, ms] : compiled.times) {
    std::fprintf(stderr, "%10.1f ms  %s\n", ms, stage.c_str());
    if (stage != "optimize") continue;
    for (const driver::PassRecord& pass : compiled.passes) {
      std::fprintf(stderr, "%10.1f ms    %-20s %5lld -> %-5lld", pass.ms, pass.pass.c_str(),
                   static_cast<long long>(pass.operatorsBefore), static_cast<long long>(pass.operatorsAfter));
      for (const auto& statistic : pass.statistics)
        if (statistic.value != 0)
          std::fprintf(stderr, "  %s=%llu", statistic.name.c_str(), static_cast<unsigned long long>(statistic.value));
      std::fprintf(stderr, "\n");
    }
  }
}

void printSummary(const std::string& output, const plan::Plan& plan, double ms) {
  int host = 0;
  for (const plan::Block& block : plan.blocks())
    for (const plan::Step& step : block.steps())
      host += step.has_host();
  int steps = 0;
  for (const plan::Block& block : plan.blocks())
    steps += block.steps_size();
  std::printf("%s: %d steps (%d on the host), %d kernels, compiled in %s\n", output.c_str(), steps, host,
              plan.kernels_size(), formatMilliseconds(ms).c_str());
}

/// A database that has nothing for the target is no error: the compiler's own choices stay.
Status readTuning(CompileCommand& command) {
  if (command.tuningFile.empty()) return Status::ok();
  JINX_TRY_ASSIGN(TuningDatabase database, TuningDatabase::read(command.tuningFile));
  auto selection = database.select(command.options.target, command.tuningDevice);
  if (!selection && selection.status().code() == Code::kNotFound) {
    std::fprintf(stderr, "%s %s %s; sizes are estimated\n", paint(stderr, Style::kWarning, "warning:").c_str(), command.tuningFile.c_str(),
                 selection.status().message().c_str());
    return Status::ok();
  }
  if (!selection) return selection.status().withContext(command.tuningFile);
  command.options.measured = std::move(selection->choices);
  command.options.measuredOn = selection->device;
  return Status::ok();
}

/// Remarks as jinx-quantize gives them, of layers as they are in the end.
std::vector<driver::Remark> remarksOf(const QuantizeReport& report) {
  std::vector<driver::Remark> remarks;
  for (const QuantizedLayer& layer : report.layers)
    remarks.push_back(layer.keep.empty() ? driver::Remark{"passed", "jinx-quantize", "Quantized", layer.node, layer.kind + " is " + layer.scheme}
                                         : driver::Remark{"missed", "jinx-quantize", "Kept", layer.node, layer.kind + " stays float: " + layer.keep});
  return remarks;
}

Expected<driver::Compiled> compileModel(CompileCommand& command) {
  if (command.quantize.scheme.empty()) return driver::compileModel(command.model, command.options);
  command.quantize.progress = command.options.progress;
  JINX_TRY_ASSIGN(driver::Quantized quantized, driver::quantizeModel(command.model, command.quantize, command.options));
  command.options.quantized = command.quantize.scheme;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModule(quantized.module, command.options));
  std::vector<driver::Remark> remarks = remarksOf(quantized.report);
  if (command.options.remarks) compiled.remarks.insert(compiled.remarks.begin(), remarks.begin(), remarks.end());
  if (command.options.emit == "plan") std::printf("%s", summaryText(quantized.report).c_str());
  return compiled;
}

/// Of a plan for some ranks: which, and what it has.
std::string programLine(const driver::ShardedModel& sharded, size_t program, const driver::Compiled& compiled) {
  std::string ranks;
  int64_t others = 0;
  for (size_t rank = 0; rank < sharded.programOf.size(); ++rank) {
    if (sharded.programOf[rank] != program) continue;
    if (ranks.empty()) ranks = "rank " + std::to_string(rank);
    else ++others;
  }
  int steps = 0, collectives = 0;
  for (const plan::Block& block : compiled.plan->plan().blocks()) {
    steps += block.steps_size();
    for (const plan::Step& step : block.steps()) collectives += step.has_collective();
  }
  if (others) ranks += " and " + std::to_string(others) + " more";
  return "  " + ranks + ": " + std::to_string(steps) + " steps, " + std::to_string(collectives) + " of them collectives, " + std::to_string(compiled.plan->plan().kernels_size()) + " kernels\n";
}

Expected<std::shared_ptr<driver::ModelModule>> importForShards(CompileCommand& command) {
  if (command.quantize.scheme.empty()) return driver::importModel(command.model, command.options);
  command.quantize.progress = command.options.progress;
  JINX_TRY_ASSIGN(driver::Quantized quantized, driver::quantizeModel(command.model, command.quantize, command.options));
  command.options.quantized = command.quantize.scheme;
  return quantized.module;
}

/// `--shard`: a folder of plans, or the text of a rank's own program.
Status compileShards(CompileCommand& command) {
  driver::CompileOptions& options = command.options;
  JINX_TRY_ASSIGN(driver::ShardRequest request, driver::readShardRequest(command.shard), "--shard");
  Timer timer;
  ProgressBar progress("compiling");
  options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  JINX_TRY_ASSIGN(auto model, importForShards(command));
  JINX_TRY_ASSIGN(driver::ShardedModel sharded, driver::shardModel(std::move(model), request,
                                                                     {.remarks = options.remarks, .network = options.target == "cpu" ? "host" : "h100-8", .overlaps = !command.noOverlap}));
  if (!command.remarksFile.empty())
    JINX_TRY(writeText(command.remarksFile, driver::formatRemarks(sharded.remarks, driver::remarkFormatOf(command.remarksFile))), "writing remarks");
  if (options.emit == "graph") {
    progress.clear();
    return writeText(command.output.empty() ? "-" : command.output, driver::printOwn(sharded));
  }
  std::map<std::string, int64_t> sizes;
  for (const frontends::DimOverride& dim : options.import.dims)
    if (dim.isConstant() && !dim.name.empty()) sizes[dim.name] = dim.min;
  JINX_TRY_ASSIGN(const std::vector<driver::RankFigures> figures, driver::stageFigures(sharded, sizes));
  std::string lines;
  JINX_TRY(driver::writeRanks(sharded, command.output, options, [&](size_t program, const driver::Compiled& compiled) {
    if (program < 8) lines += programLine(sharded, program, compiled);
    if (program == 8) lines += "  …\n";
  }));
  progress.clear();
  if (command.timing)
    for (const auto& [stage, ms] : sharded.times) std::fprintf(stderr, "%10.1f ms  %s\n", ms, stage.c_str());
  std::printf("%s: %zu ranks (%s), %zu plans, compiled in %s\n%s%s%s", command.output.c_str(), sharded.programOf.size(), passes::describe(sharded.rules.mesh).c_str(), sharded.firstRanks.size(),
              formatMilliseconds(timer.ms()).c_str(), lines.c_str(), notesText(sharded.notes).c_str(), rankTables(figures, sharded.microbatches).c_str());
  return Status::ok();
}

/// In which the plan is, or the folder of plans.
std::string folderAbove(std::string output) {
  while (output.size() > 1 && output.back() == '/')
    output.pop_back();
  return std::filesystem::absolute(output).parent_path();
}

Status compile(CompileCommand& command) {
  driver::CompileOptions& options = command.options;
  options.fusion = !command.noFusion;
  options.threads = static_cast<unsigned>(DeviceChoice{.threads = command.threads}.threadCount());
  options.remarks = !command.remarksFile.empty() || !command.reportFile.empty();
  options.view = !command.reportFile.empty();
  const bool isFolder = !command.shard.empty() && options.emit == "plan";
  for (const std::string& file : {isFolder ? "" : command.output, command.remarksFile, command.reportFile})
    JINX_TRY(checkOutputFile(file));
  if (command.keepsWeights) options.externalFolder = folderAbove(command.output);
  if (startsAsPlan(command.model)) return invalidArgument(command.model + " is a plan already, expected a model");

  JINX_TRY(readTuning(command));
  if (!command.shard.empty()) return compileShards(command);
  Timer timer;
  ProgressBar progress("compiling");
  options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  auto compiled = compileModel(command);
  progress.clear();
  if (!compiled) return compiled.status();
  const double ms = timer.ms();

  if (command.timing) printTiming(*compiled);
  if (!command.remarksFile.empty())
    JINX_TRY(writeText(command.remarksFile,
                       driver::formatRemarks(compiled->remarks, driver::remarkFormatOf(command.remarksFile))),
             "writing remarks");
  if (options.emit != "plan") return writeText(command.output.empty() ? "-" : command.output, compiled->text);
  JINX_TRY(compiled->plan->writeFile(command.output), "writing " + command.output);
  printSummary(command.output, compiled->plan->plan(), ms);
  if (command.reportFile.empty()) return Status::ok();
  JINX_TRY_ASSIGN(auto file, PlanFile::open(command.output), "reading " + command.output + " back");
  JINX_TRY_ASSIGN(PlanReport report, makePlanReport(file, command.reportDims), "the report on " + command.output);
  addCompileReport(report, *compiled);
  return writeText(command.reportFile, toHtml(report)).withContext("writing the report");
}

} // namespace

void addCompile(CLI::App& app, Action& action) {
  auto options = std::make_shared<CompileCommand>();
  driver::CompileOptions& compiler = options->options;
  CLI::App* command = app.add_subcommand("compile", "Compile a model to a plan");
  command->add_option("MODEL", options->model, "ONNX model, language model (.gguf, or a folder with config.json and safetensors), or native IR (.mlir, .mlirbc)")->required();
  command->add_option("--activations", compiler.import.activationType, "Language models: what goes from one operator to the next: f32 (default), f16 or bf16")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  command->add_flag("--draws", compiler.import.picksTokens, "Language models: the plan draws tokens, beside giving logits (on CUDA it always does)");
  command->add_flag("--external-weights", options->keepsWeights, "Weights of a Hugging Face folder stay in its files where they lie as the plan wants them; the plan must be in the folder, or above it");
  command->add_option("--kv", compiler.import.keyValueType, "Language models: how pages hold keys and values: f32 (default), f16, bf16, i8 or f8 (with scales)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "i8", "f8"}));
  command
      ->add_option("-o,--output", options->output, "The plan to write; with --emit the text (default: standard output)")
      ->type_name("FILE");
  command->add_option("--target", compiler.target, "cpu (default), " + gpuTargets())
      ->check(CLI::Validator(checkTarget, "TARGET"));
  command->add_option("--shard", options->shard, "Split the model over ranks: a file of rules, or a mesh for built-in ones, like tp=4 or dp=2,tp=4. Axes: tp (products; ,sp: rows, too), ep (experts), cp (tokens; keys pass round a ring; ,gather: are gathered), dp (nothing: replicas), pp (stages of layers), micro (microbatches, no ranks). -o is a folder then")
      ->type_name("FILE|MESH");
  command->add_flag("--no-overlap", options->noOverlap, "Of --shard: each collective by itself, and waited for at once");
  addDimOption(*command, compiler.import.dims,
               "Fix a dynamic size, or bound it: NAME=VALUE, NAME=LO..HI, INPUT:AXIS=VALUE");
  addRepeated(
      *command, "--isa", compiler.isas,
      "Instruction-set level to carry code for, repeated or separated by commas (default: this processor's and x86-64)")
      ->delimiter(',');
  command->add_option("--threads", options->threads, "Threads to compile with (default: all cores)")
      ->check(CLI::Range(1, 4096));
  command->add_flag("--no-fusion", options->noFusion, "One kernel per operator");
  addRepeated(*command, "--disable-pass", compiler.disabledPasses, "Leave a pass out, by its name in --timing")
      ->type_name("PASS")
      ->check(CLI::Validator(driver::checkPassName, "", "pass"));
  command->add_option("--tuning", options->tuningFile, "Take sizes of kernels from a database of `tune`")->type_name("FILE.json");
  command->add_option("--tuning-device", options->tuningDevice, "The device it is about, by its name or a part of it (default: the only one)");
  CLI::Option* quantize = command->add_option("--quantize", options->quantize.scheme, "Quantize first, as `quantize` does: int8, int8-dynamic, int4, int8-weights, nf4, fp8 or fp8-block")->type_name("SCHEME");
  addQuantizeOptions(*command, options->quantize, quantize);
  command->add_flag("--cubins", compiler.cubins, "CUDA: carry machine code beside the texts, for machines without NVRTC (this one needs it)");
  command->add_flag("!--no-early-launch", compiler.earlyLaunch, "CUDA: let no launch begin before the one in front has ended");
  command->add_option("--f32-products", compiler.f32Products,
                      "CUDA: products of f32 as three of TF32, which are about as exact (split, default), as one (tf32), or scalar")
      ->check(CLI::IsMember({"split", "tf32", "scalar"}));
  addActivationBitsOption(*command, compiler.activationBits);
  command->add_option("--emit", compiler.emit, "What to write: graph, tile, cuda, llvm or plan (default)")
      ->check(CLI::IsMember({"graph", "tile", "cuda", "llvm", "plan"}));
  command->add_option("--dump-dir", compiler.dumpDir, "Write the module after every pass")->type_name("DIR");
  command->add_flag("--timing", options->timing, "Print the time of every stage and pass");
  command->add_option("--remarks", options->remarksFile, "Write what was done or not, and why: text, LLVM's YAML (.yaml) or JSON lines (.json, .jsonl); - is "
                                 "standard output")
      ->type_name("FILE");
  command->add_option("--report", options->reportFile, "Write a page about the plan and its compilation")
      ->type_name("FILE.html");
  addDimOption(*command, options->reportDims, "A dynamic size that the report shows (default: the least that works)",
               "--report-dim");
  command->callback([options, &action] {
    if (options->options.emit != "plan" && !options->reportFile.empty())
      throw CLI::ValidationError("--report", "is about a plan, not about --emit " + options->options.emit);
    if (options->options.emit != "plan" && options->options.cubins)
      throw CLI::ValidationError("--cubins", "is about a plan, not about --emit " + options->options.emit);
    if (!options->shard.empty() && options->options.emit != "plan" && options->options.emit != "graph")
      throw CLI::ValidationError("--shard", "is about plans or, with --emit graph, a rank's program, not about --emit " + options->options.emit);
    for (const auto& [name, isSet] : {std::pair("--report", !options->reportFile.empty()), std::pair("--dump-dir", !options->options.dumpDir.empty())})
      if (!options->shard.empty() && isSet) throw CLI::ValidationError(name, "is about one plan, and --shard makes one for each rank");
    if (options->noOverlap && options->shard.empty()) throw CLI::ValidationError("--no-overlap", "is about the collectives of --shard, which is not there");
    if (!options->reportDims.empty() && options->reportFile.empty())
      throw CLI::ValidationError("--report-dim", "is about the page of --report, which is not asked for");
    if (options->options.emit == "plan" && options->output.empty()) throw CLI::RequiredError("-o PLAN");
    action = [options] { return report(compile(*options)); };
  });
}

} // namespace jinx::tools

// `quantize`: a float model to a quantized one, native IR or a plan, and what that did to it.
#include <filesystem>

#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Terminal.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/ModelSource.h"
#include "tools/jinx/QuantizeArguments.h"
#include "tools/jinx/QuantizeTime.h"

namespace jinx::tools {
namespace {

struct QuantizeCommand {
  std::string model, output, reportFile;
  driver::QuantizeOptions options;
  driver::CompileOptions compile;
  int threads = 0;
  bool isTimed = false;
};

std::string endingOf(const std::string& path) { return std::filesystem::path(path).extension().string(); }

std::string checkOutput(const std::string& path) {
  const std::string ending = endingOf(path);
  return ending == ".mlir" || ending == ".mlirbc" || ending == ".jxp" ? "" : "got " + path + ", expected a name that ends in .mlir, .mlirbc (native IR) or .jxp (a plan)";
}

std::string checkReport(const std::string& path) {
  const std::string ending = endingOf(path);
  return path == "-" || ending == ".html" || ending == ".json" ? "" : "got " + path + ", expected a name that ends in .html or .json";
}

Status write(QuantizeCommand& command, driver::Quantized& quantized) {
  if (command.output.empty()) return Status::ok();
  if (endingOf(command.output) != ".jxp") return driver::writeModule(*quantized.module, command.output).withContext("writing " + command.output);
  command.compile.quantized = command.options.scheme;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModule(quantized.module, command.compile));
  return compiled.plan->writeFile(command.output).withContext("writing " + command.output);
}

Status quantize(QuantizeCommand& command) {
  command.compile.threads = static_cast<unsigned>(DeviceChoice{.threads = command.threads}.threadCount());
  for (const std::string& file : {command.output, command.reportFile})
    JINX_TRY(checkOutputFile(file));
  if (startsAsPlan(command.model)) return invalidArgument(command.model + " is a plan, expected a model");
  Timer timer;
  ProgressBar progress("quantizing");
  command.options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  auto quantized = driver::quantizeModel(command.model, command.options, command.compile);
  progress.clear();
  if (!quantized) return quantized.status();
  const double ms = timer.ms();
  if (command.isTimed) JINX_TRY(measureBoth(*quantized, command.compile), "timing both models");
  JINX_TRY(write(command, *quantized));
  if (command.reportFile != "-") std::printf("%s", toText(quantized->report).c_str());
  if (!command.output.empty()) std::printf("%s: quantized in %s\n", command.output.c_str(), formatMilliseconds(ms).c_str());
  return command.reportFile.empty() ? Status::ok() : writeQuantizeReport(quantized->report, command.reportFile);
}

} // namespace

void addQuantize(CLI::App& app, Action& action) {
  auto options = std::make_shared<QuantizeCommand>();
  CLI::App* command = app.add_subcommand("quantize", "Give a model's weights and activations codes of few bits");
  command->add_option("MODEL", options->model, "ONNX model, or native IR (.mlir, .mlirbc)")->required();
  command->add_option("--scheme", options->options.scheme, "int8, int8-dynamic, int4, int8-weights, nf4, fp8 or fp8-block")->required();
  command->add_option("-o,--output", options->output, "What to write: native IR (.mlir, .mlirbc) or a plan (.jxp); default: only the report")
      ->type_name("FILE")
      ->check(CLI::Validator(checkOutput, ""));
  addQuantizeOptions(*command, options->options, nullptr);
  command->add_option("--report", options->reportFile, "Write the report as a page or as JSON, - is standard output")->type_name("FILE.html|FILE.json")->check(CLI::Validator(checkReport, ""));
  command->add_flag("--time", options->isTimed, "Measure the steps of both plans, for the report");
  command->add_option("--target", options->compile.target, "Of a plan: cpu (default), or cuda:sm_90a")->check(CLI::Validator(checkTarget, "TARGET"));
  addActivationBitsOption(*command, options->compile.activationBits);
  addDimOption(*command, options->compile.import.dims, "Fix a dynamic size, or bound it, as of `compile`");
  command->add_option("--threads", options->threads, "Threads to use (default: all cores)")->check(CLI::Range(1, 4096));
  command->callback([options, &action] { action = [options] { return report(quantize(*options)); }; });
}

} // namespace jinx::tools

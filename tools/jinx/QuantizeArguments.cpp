#include "tools/jinx/QuantizeArguments.h"

#include <cmath>

#include "tools/common/OutputFile.h"

namespace jinx::tools {
namespace {

/// A number from `least` to `most`; the command line's text is all of it.
CLI::Validator numberBetween(double least, double most, const std::string& expected) {
  return CLI::Validator(
      [=](const std::string& text) {
        char* end = nullptr;
        const double number = std::strtod(text.c_str(), &end);
        const bool good = end == text.c_str() + text.size() && !text.empty() && number >= least && number <= most;
        return good ? "" : "got " + text + ", expected " + expected;
      },
      "");
}

} // namespace

void addQuantizeOptions(CLI::App& command, driver::QuantizeOptions& options, CLI::Option* needs) {
  std::vector<CLI::Option*> added;
  auto add = [&](CLI::Option* option) { added.push_back(option); };
  add(command.add_option("--calibrate", options.dataset, "Samples: an array for each input, by name, samples along its first axis; a folder of .npy files, too")->type_name("DATA.npz"));
  add(command.add_option("--method", options.method, "Ranges of activations: min-max (default), percentile, entropy, mse")->check(CLI::IsMember({"min-max", "percentile", "entropy", "mse"})));
  add(command.add_option("--group", options.group, "Weights along k that share a scale (int4, nf4: 32, int8-weights: all)")->check(CLI::Range(int64_t(1), int64_t(1) << 30)));
  add(command.add_flag("--asymmetric", options.asymmetric, "int4: groups have an offset, too: their lowest weight"));
  add(command.add_flag("--double-quantize", options.doubleQuantize, "nf4, int4: scales are 8-bit codes, too, with a scale for each 256 of them"));
  add(addRepeated(command, "--keep", options.keep, "Layers that stay float, by a pattern of their names, as '/encoder/*'")->type_name("PATTERN"));
  add(command.add_option("--bits", options.bits, "int4, nf4: mean bits of a weight, scales counted (default 5.25): layers that 4 bits harm most have 8")
          ->type_name("BITS")
          ->check(numberBetween(4, 8, "a number from 4 to 8")));
  add(addRepeated(command, "--wide", options.wide, "int4, nf4: layers that have 8 bits, by a pattern of their names")->type_name("PATTERN"));
  add(command.add_option("--min-weights", options.minWeights, "Layers with fewer weights stay float (default 256)")->check(CLI::NonNegativeNumber));
  add(command.add_option("--budget", options.budgetDb, "Signal to noise that the outputs must reach on the samples: the most damaging layers stay float until they do")
          ->type_name("DB")
          ->check(numberBetween(-1000, 1000, "decibels")));
  add(command.add_option("--smooth", options.smooth, "SmoothQuant: move what is hard to quantize from activations (0) to weights (1); 0.5 is usual")
          ->type_name("ALPHA")
          ->check(numberBetween(0, 1, "a number from 0 to 1")));
  add(command.add_flag("--gptq", options.gptq, "Round weights so that errors of one make up for those of others (GPTQ)"));
  if (needs)
    for (CLI::Option* option : added)
      option->needs(needs);
}

Status writeQuantizeReport(const QuantizeReport& report, const std::string& path) {
  const bool isPage = path.size() > 5 && path.compare(path.size() - 5, 5, ".html") == 0;
  return writeText(path, isPage ? toHtml(report) : toJson(report).dump(2) + "\n").withContext("writing the report");
}

} // namespace jinx::tools

#include "tools/common/Arguments.h"

#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <optional>

#include "runtime/base/GpuArchitecture.h"
#include "tools/common/Exit.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

std::string checkDevice(const std::string& text) {
  const std::string base = text.substr(0, text.find(':'));
  if (base == "cuda" || text == "cpu" || text == "emulated") return "";
  return "'" + text + "' is no device, expected cpu, cuda, cuda:N or emulated";
}

/// The number that the whole of `text` is.
std::optional<double> numberOf(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::string checkSeed(const std::string& text) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good ? "" : "'" + text + "' is no seed, expected a whole number from 0 on";
}

/// What is wrong with a command line; where the command should be, what is there is named, with the commands there are.
std::string problemOf(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (!app.get_subcommands().empty()) return error.what();
  std::string commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    commands += (commands.empty() ? "" : ", ") + command->get_name();
  if (argc < 2) return "expected a command: " + commands;
  return std::string("there is no ") + (argv[1][0] == '-' ? "option" : "command") + " '" + argv[1] +
         "', expected a command: " + commands;
}

} // namespace

CLI::Validator aboveZero() {
  return CLI::Validator(
      [](const std::string& text) {
        const auto number = numberOf(text);
        return number && *number > 0 && std::isfinite(*number) ? "" : "got " + text + ", expected a number above 0";
      },
      "NUMBER");
}

CLI::Validator zeroOrMore() {
  return CLI::Validator(
      [](const std::string& text) {
        const auto number = numberOf(text);
        return number && *number >= 0 && std::isfinite(*number) ? "" : "got " + text + ", expected a number from 0 on";
      },
      "NUMBER");
}

std::string checkTarget(const std::string& text) {
  if (text == "cpu" || text.rfind("cuda:sm_", 0) == 0) return "";
  return "'" + text + "' is no target, expected cpu or one of " + gpuTargets();
}

CLI::Option* addRepeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                         const std::string& help) {
  return command.add_option(name, values, help)->take_all()->allow_extra_args(false);
}

void addDeviceOptions(CLI::App& command, DeviceChoice& choice) {
  command.add_option("--device", choice.device, "What runs it: cpu (default), cuda or cuda:N (a GPU), or emulated (CUDA plans, without a GPU)")
      ->check(CLI::Validator(checkDevice, "DEVICE"));
  command.add_option("--threads", choice.threads, "Threads to run on (default: all cores)")->check(CLI::Range(1, 4096));
  command.add_option("--isa", choice.isa,
                     "Highest instruction-set level to use, as x86-64-v3 (default: the processor's)");
  command.add_flag("--pin", choice.pin, "Pin worker threads to their CPUs");
  command
      .add_option("--parallel-work", choice.parallelWork,
                  "Launches of less work (scalar operations) stay on one thread (default 32768, of language models 4096)")
      ->check(CLI::NonNegativeNumber);
}

void addActivationBitsOption(CLI::App& command, int64_t& bits) {
  command.add_option("--activation-bits", bits,
                     "CPU with AVX512-VNNI: products with weights of few bits round activations to so many bits in each group: 8, 16, 24 (as exact as f32), or 32: floats "
                     "(default: 8 of language models, else 24, beside tables of levels 16)")
      ->check(CLI::IsMember({8, 16, 24, 32}));
}

void addDimOption(CLI::App& command, std::vector<frontends::DimOverride>& dims, const std::string& help,
                  const std::string& name) {
  command
      .add_option_function<std::vector<std::string>>(
          name,
          [&dims, name](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              auto dim = frontends::parseDimOverride(text);
              if (!dim) throw CLI::ValidationError(name, dim.status().message());
              dims.push_back(*dim);
            }
          },
          help)
      ->type_name("NAME=SIZE")
      ->take_all()
      ->allow_extra_args(false);
}

void addInputOptions(CLI::App& command, InputOptions& options) {
  addRepeated(command, "--input", options.files, "An input from a file")->type_name("NAME=FILE.npy");
  command
      .add_option_function<uint64_t>(
          "--random-inputs", [&options](const uint64_t& seed) { options.seed = seed; },
          "Random values for the other inputs: floats standard normal, integers 0 or 1")
      ->type_name("SEED")
      ->check(CLI::Validator(checkSeed, ""));
  addDimOption(command, options.dims,
               "A dynamic size, by name or as INPUT:AXIS=SIZE (default 1); a model is compiled for it");
}

int runProgram(int argc, char** argv, const std::string& name, const std::string& description,
               const std::function<void(CLI::App&, Action&)>& setUp) {
  std::signal(SIGXFSZ, SIG_IGN); // a file that grows beyond its limit is an error like a full disk
  return guarded([&]() -> int {
    CLI::App app(description, name);
    Action action;
    app.require_subcommand(1);
    app.set_version_flag("--version", name + " 0.1.0");
    app.failure_message(CLI::FailureMessage::simple);
    setUp(app, action);
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& success) {
      app.exit(success);
      return kExitSuccess;
    } catch (const CLI::ParseError& error) {
      std::fprintf(stderr, "%s %s\n", paint(stderr, Style::kError, "usage:").c_str(),
                   problemOf(app, error, argc, argv).c_str());
      std::string command = name;
      for (auto chosen = app.get_subcommands(); !chosen.empty(); chosen = chosen.front()->get_subcommands())
        command += " " + chosen.front()->get_name();
      std::fprintf(stderr, "`%s --help` lists what it takes\n", command.c_str());
      return kExitUsage;
    }
    int code = action();
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    return code != kExitSuccess ? code : report(resourceError("cannot write standard output"));
  });
}

} // namespace jinx::tools

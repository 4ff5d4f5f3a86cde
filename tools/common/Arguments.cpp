#include "tools/common/Arguments.h"

#include <csignal>
#include <cstdio>

#include "tools/common/Exit.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

std::string checkDevice(const std::string& text) {
  const std::string base = text.substr(0, text.find(':'));
  if (base == "cpu" || base == "cuda" || base == "emulated") return "";
  return "'" + text + "' is no device, expected cpu, cuda, cuda:N or emulated";
}

} // namespace

std::string checkTarget(const std::string& text) {
  if (text == "cpu" || text.rfind("cuda:sm_", 0) == 0) return "";
  return "'" + text + "' is no target, expected cpu or cuda:sm_90a";
}

CLI::Option* addRepeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                         const std::string& help) {
  return command.add_option(name, values, help)->take_all()->allow_extra_args(false);
}

void addDeviceOptions(CLI::App& command, DeviceChoice& choice) {
  command.add_option("--device", choice.device, "What runs it: cpu (default), cuda, emulated")
      ->check(CLI::Validator(checkDevice, "DEVICE"));
  command.add_option("--threads", choice.threads, "Threads to run on (default: all cores)")->check(CLI::Range(1, 4096));
  command.add_option("--isa", choice.isa,
                     "Highest instruction-set level to use, as x86-64-v3 (default: the processor's)");
  command.add_flag("--pin", choice.pin, "Pin worker threads to their CPUs");
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
      ->type_name("SEED");
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
      std::fprintf(stderr, "%s %s\n", paint(stderr, Style::kError, "usage:").c_str(), error.what());
      const auto chosen = app.get_subcommands();
      const std::string command = name + (chosen.empty() ? "" : " " + chosen.front()->get_name());
      std::fprintf(stderr, "`%s --help` lists what it takes\n", command.c_str());
      return kExitUsage;
    }
    int code = action();
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    return code != kExitSuccess ? code : report(resourceError("cannot write standard output"));
  });
}

} // namespace jinx::tools

// The command line: what the subcommands have in common, over CLI11.
//
// A subcommand registers its options and, when it is the one that was named, leaves what is to be done in `Action`:
//
//   void addRun(CLI::App& app, Action& action, PlanSource source) {
//     auto options = std::make_shared<RunOptions>();
//     CLI::App* command = app.add_subcommand("run", "…");
//     addDeviceOptions(*command, options->device);
//     command->callback([=, &action] { action = [=] { return run(*options); }; });
//   }
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/common/InputValues.h"
#include "tools/common/PlanSource.h"

namespace jinx::tools {

using Action = std::function<int()>;

/// An option that may be repeated and takes exactly one value each time.
CLI::Option* addRepeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                         const std::string& help);

/// --device, --threads, --isa, --pin, --parallel-work
void addDeviceOptions(CLI::App& command, DeviceChoice& choice);
/// --dim, or another name for such sizes
void addDimOption(CLI::App& command, std::vector<frontends::DimOverride>& dims, const std::string& help,
                  const std::string& name = "--dim");
/// --activation-bits
void addActivationBitsOption(CLI::App& command, int64_t& bits);
/// --input, --random-inputs, --dim
void addInputOptions(CLI::App& command, InputOptions& options);

/// A validator for --target.
std::string checkTarget(const std::string& text);
/// Validators for numbers that need not be whole.
CLI::Validator aboveZero();
CLI::Validator zeroOrMore();

/// Parses and runs: `setUp` adds subcommands. Help and version are a success, a wrong command line is kExitUsage.
int runProgram(int argc, char** argv, const std::string& name, const std::string& description,
               const std::function<void(CLI::App&, Action&)>& setUp);

} // namespace jinx::tools

// Which of several choices of kernels' sizes is the fastest? Measured on plans of one model that differ in nothing else.
//
// Plan 0 is what the compiler makes by its estimates. In plan r every kernel that had a choice has its r-th candidate, as far as there is one. All
// run on the same inputs, in turns; each step's time counts for its problem and choice. So a model is measured whole, each kernel where it stands:
// with the caches as those before it leave them. A candidate wins by more than kLeastGain; within it the estimate stays.
//
// Plans can be made where the compiler is (`jinx tune --emit DIR`) and measured where the device is (`jinx-rt tune DIR`): index.json lists them.
#pragma once

#include "tools/common/Arguments.h"
#include "tools/common/TuningDatabase.h"

namespace jinx::tools {

struct TuneOptions {
  InputOptions inputs;
  DeviceChoice device;
  std::string database;
  double seconds = 3; ///< for all plans together
};
/// --db, --seconds, device and inputs.
void addTuneOptions(CLI::App& command, TuneOptions& options);

/// A folder's index.
constexpr const char* kTuneIndex = "index.json";
Status writeTuneIndex(const std::string& dir, const std::vector<std::string>& plans);

/// Runs the plans, says what was found, and adds it to the database.
Status tune(std::vector<LoadedPlan> plans, const TuneOptions& options);

/// `jinx-rt tune DIR`.
void addTuneFolder(CLI::App& app, Action& action);

} // namespace jinx::tools

// What was measured about sizes of kernels, as a file: which choice is fastest for a problem, on which device.
//
//   {"format": "jinx tuning database", "version": 1, "entries": [
//    {"target": "cuda:sm_90a", "device": "NVIDIA H200, sm_90a, 132 multiprocessors",
//     "problem": "wgmma f16 x f16 -> f16, m=4096 n=4096 k=4096 matrices=1 epilogue=0 operands=2",
//     "choice": "tile=256x128 stages=4 cluster=1x2 consumers=2 band=8m", "us": 178.2,
//     "estimate": "tile=128x256 stages=4 cluster=2x1 consumers=2 band=8m", "estimate_us": 181.0,
//     "candidates": 4, "runs": 50, "when": "2026-11-28T14:02:11Z", "producer": "jinx 0.1.0"}]}
//
// Problems and choices are the compiler's words (codegen/schedules/Choice.h): the file can be read, and edited, and mailed. Entries are sorted by
// target, device and problem, one each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::tools {

struct TunedChoice {
  std::string target, device, problem;
  std::string choice;
  double us = 0; ///< median time of a launch
  std::string estimate; ///< what the compiler takes without a measurement
  double estimateUs = 0;
  int candidates = 0, runs = 0; ///< measured; samples of each
  std::string when, producer;
};

class TuningDatabase {
 public:
  /// kNotFound where there is no file; kInvalidArgument, saying where, for one that is damaged, of another version, or none at all.
  static Expected<TuningDatabase> read(const std::string& path);
  /// Replaces the entry of the same target, device and problem.
  void put(TunedChoice entry);
  Status write(const std::string& path) const;

  /// What is known of a target.
  struct Selection {
    std::string device;
    std::map<std::string, std::string> choices; ///< by problem
  };
  /// \param device  its name or a part of it; "": the only one there is
  /// \returns kNotFound for a target or a device that it has nothing for, kInvalidArgument where several devices fit
  Expected<Selection> select(const std::string& target, const std::string& device) const;

 private:
  struct Key {
    std::string target, device, problem;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, TunedChoice> entries_;
};

} // namespace jinx::tools

// A folder of the plans of all ranks, with `ranks.json`, which says whose each is:
//
//   {"mesh": [["dp", 2], ["tp", 4]], "plans": ["rank-0000.jxp", "rank-0001.jxp", …]}       one for each of the 8 ranks
//
// Ranks whose programs are equal have one file, which is there under one name.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/plan/PlanFile.h"

namespace jinx::tools {

struct RankFolder {
  std::string path;
  std::vector<std::pair<std::string, int64_t>> mesh; ///< axes and their sizes
  std::vector<std::string> plans;                    ///< of each rank: a file in the folder

  int size() const { return static_cast<int>(plans.size()); }
  Expected<std::shared_ptr<const PlanFile>> openPlan(int rank) const;
  /// Each file once.
  Expected<std::vector<std::shared_ptr<const PlanFile>>> openAll() const;
};

/// True for a folder with a ranks.json.
bool isRankFolder(const std::string& path);
/// kInvalidArgument for what is no such list, or does not name one plan in the folder for each rank of the mesh.
Expected<RankFolder> readRankFolder(const std::string& path);

} // namespace jinx::tools

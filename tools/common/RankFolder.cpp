#include "tools/common/RankFolder.h"

#include <filesystem>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "runtime/plan/CollectiveCheck.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kList = "ranks.json";

/// \returns how many ranks the mesh has
Expected<int64_t> addAxes(const nlohmann::json& json, RankFolder& folder) {
  if (!json.contains("mesh") || !json["mesh"].is_array()) return invalidArgument("has no \"mesh\", expected a list of [name, size]");
  int64_t ranks = 1;
  for (const auto& axis : json["mesh"]) {
    const bool isAxis = axis.is_array() && axis.size() == 2 && axis[0].is_string() && axis[1].is_number_integer() && axis[1] >= 1 && axis[1] <= kMaxRanks;
    if (!isAxis) return invalidArgument("an axis of \"mesh\" is " + axis.dump() + ", expected [name, size]");
    folder.mesh.emplace_back(axis[0], axis[1]);
    if ((ranks *= folder.mesh.back().second) > kMaxRanks) return invalidArgument("\"mesh\" has more than " + std::to_string(kMaxRanks) + " ranks");
  }
  return ranks;
}

Status addPlans(const nlohmann::json& json, int64_t ranks, RankFolder& folder) {
  if (!json.contains("plans") || !json["plans"].is_array()) return invalidArgument("has no \"plans\", expected a list of files");
  for (const auto& plan : json["plans"]) {
    const std::string name = plan.is_string() ? plan.get<std::string>() : "";
    if (name.empty() || name != fs::path(name).filename() || name == "." || name == "..")
      return invalidArgument("a plan is " + plan.dump() + ", expected the name of a file in the folder");
    folder.plans.push_back(name);
  }
  if (ranks == folder.size()) return Status::ok();
  return invalidArgument("names " + std::to_string(folder.plans.size()) + " plans, expected one for each of the mesh's " + std::to_string(ranks) + " ranks");
}

} // namespace

Expected<std::shared_ptr<const PlanFile>> RankFolder::openPlan(int rank) const {
  const std::string file = (fs::path(path) / plans[static_cast<size_t>(rank)]).string();
  JINX_TRY_ASSIGN(auto plan, PlanFile::open(file), "loading " + file);
  return plan;
}

Expected<std::vector<std::shared_ptr<const PlanFile>>> RankFolder::openAll() const {
  std::map<std::string, std::shared_ptr<const PlanFile>> known;
  std::vector<std::shared_ptr<const PlanFile>> all;
  for (int rank = 0; rank < size(); ++rank) {
    auto& plan = known[plans[static_cast<size_t>(rank)]];
    if (!plan) {
      JINX_TRY_ASSIGN(plan, openPlan(rank));
    }
    all.push_back(plan);
  }
  return all;
}

bool isRankFolder(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(fs::path(path) / kList, error);
}

Expected<RankFolder> readRankFolder(const std::string& path) {
  const std::string list = (fs::path(path) / kList).string();
  std::ifstream file(list);
  if (!file) return notFound(path + " has no " + kList + ", expected a folder with the plans of all ranks");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return invalidArgument(list + " is no JSON object, expected {\"mesh\": [[\"tp\", 4]], \"plans\": [\"rank-0000.jxp\", …]}");
  RankFolder folder{.path = path, .mesh = {}, .plans = {}};
  JINX_TRY_ASSIGN(const int64_t ranks, addAxes(json, folder), list);
  JINX_TRY(addPlans(json, ranks, folder), list);
  return folder;
}

} // namespace jinx::tools

// Ranks of a mesh: coordinates, places, groups.
//
//   mesh dp = 2, tp = 4
//   coordinatesOf(mesh, 6)       {1, 2}
//   groupOf(mesh, {1}, 6)        4, 5, 6, 7: those that differ from rank 6 in tp only, in the order of their coordinates
//   placeIn(mesh, {1}, 6)        2
//   groupOf(mesh, {1, 0}, 6)     0, 4, 1, 5, 2, 6, 3, 7: tp is the major axis here
//   describeRank(mesh, 6)        "rank 6 of 8 (dp = 1, tp = 2)"
//
// Axes are indices of the mesh's, the major one first. Meshes are those of checked plans (PlanCheck.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

/// 1 for a mesh without axes: a plan that is nobody's part.
int64_t numRanks(const plan::Mesh& mesh);
std::vector<int64_t> coordinatesOf(const plan::Mesh& mesh, int64_t rank);
int64_t groupSize(const plan::Mesh& mesh, std::span<const uint32_t> axes);
int64_t placeIn(const plan::Mesh& mesh, std::span<const uint32_t> axes, int64_t rank);
std::vector<int> groupOf(const plan::Mesh& mesh, std::span<const uint32_t> axes, int64_t rank);

/// "dp = 2, tp = 4".
std::string describeMesh(const plan::Mesh& mesh);
std::string describeRank(const plan::Mesh& mesh, int64_t rank);

/// kInvalidArgument where the plan is for other ranks, or the world has another size than the mesh.
Status checkRank(const plan::Mesh& mesh, int64_t rank, int64_t worldSize);

template <typename Repeated> std::span<const uint32_t> axesOf(const Repeated& source) {
  return {source.axes().data(), static_cast<size_t>(source.axes_size())};
}

} // namespace jinx

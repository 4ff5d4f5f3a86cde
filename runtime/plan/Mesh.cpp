#include "runtime/plan/Mesh.h"

namespace jinx {

int64_t numRanks(const plan::Mesh& mesh) {
  int64_t ranks = 1;
  for (const plan::MeshAxis& axis : mesh.axes())
    ranks *= axis.size();
  return ranks;
}

std::vector<int64_t> coordinatesOf(const plan::Mesh& mesh, int64_t rank) {
  std::vector<int64_t> coordinates(static_cast<size_t>(mesh.axes_size()));
  for (int a = mesh.axes_size() - 1; a >= 0; --a) {
    coordinates[static_cast<size_t>(a)] = rank % mesh.axes(a).size();
    rank /= mesh.axes(a).size();
  }
  return coordinates;
}

int64_t groupSize(const plan::Mesh& mesh, std::span<const uint32_t> axes) {
  int64_t ranks = 1;
  for (uint32_t axis : axes)
    ranks *= mesh.axes(static_cast<int>(axis)).size();
  return ranks;
}

int64_t placeIn(const plan::Mesh& mesh, std::span<const uint32_t> axes, int64_t rank) {
  const std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  int64_t place = 0;
  for (uint32_t axis : axes)
    place = place * mesh.axes(static_cast<int>(axis)).size() + coordinates[axis];
  return place;
}

std::vector<int> groupOf(const plan::Mesh& mesh, std::span<const uint32_t> axes, int64_t rank) {
  std::vector<int64_t> strides(static_cast<size_t>(mesh.axes_size()), 1);
  for (int a = mesh.axes_size() - 2; a >= 0; --a)
    strides[static_cast<size_t>(a)] = strides[static_cast<size_t>(a) + 1] * mesh.axes(a + 1).size();
  const std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  std::vector<int64_t> ranks = {rank};
  for (uint32_t axis : axes)
    ranks[0] -= coordinates[axis] * strides[axis];
  for (uint32_t axis : axes) {
    std::vector<int64_t> longer;
    for (int64_t first : ranks)
      for (int64_t at = 0; at < mesh.axes(static_cast<int>(axis)).size(); ++at)
        longer.push_back(first + at * strides[axis]);
    ranks = std::move(longer);
  }
  return {ranks.begin(), ranks.end()};
}

std::string describeMesh(const plan::Mesh& mesh) {
  std::string text;
  for (const plan::MeshAxis& axis : mesh.axes())
    text += (text.empty() ? "" : ", ") + axis.name() + " = " + std::to_string(axis.size());
  return text;
}

std::string describeRank(const plan::Mesh& mesh, int64_t rank) {
  const std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  std::string text;
  for (int a = 0; a < mesh.axes_size(); ++a)
    text += (a ? ", " : "") + mesh.axes(a).name() + " = " + std::to_string(coordinates[static_cast<size_t>(a)]);
  return "rank " + std::to_string(rank) + " of " + std::to_string(numRanks(mesh)) + " (" + text + ")";
}

Status checkRank(const plan::Mesh& mesh, int64_t rank, int64_t worldSize) {
  const int64_t ranks = numRanks(mesh);
  if (worldSize != ranks)
    return invalidArgument("the plan is for " + std::to_string(ranks) + " ranks (" + describeMesh(mesh) + "), the world has " +
                           std::to_string(worldSize) + ": start as many ranks as the mesh has, or compile for another mesh");
  const std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  for (const plan::MeshCoordinate& wanted : mesh.coordinates()) {
    if (coordinates[wanted.axis()] == wanted.at()) continue;
    const plan::MeshAxis& axis = mesh.axes(static_cast<int>(wanted.axis()));
    return invalidArgument("the plan is for " + axis.name() + " = " + std::to_string(wanted.at()) + " of " + std::to_string(axis.size()) +
                           ", this is " + describeRank(mesh, rank) + ": give each rank its own plan");
  }
  return Status::ok();
}

} // namespace jinx

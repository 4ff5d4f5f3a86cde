#include "runtime/plan/CollectiveCheck.h"

#include <algorithm>
#include <set>
#include <string>

#include "runtime/base/SizeExpr.h"
#include "runtime/plan/Mesh.h"

namespace jinx {
namespace {

template <typename Axes> Status checkAxes(const plan::Mesh& mesh, const Axes& axes, std::set<uint32_t>& seen) {
  for (uint32_t axis : axes) {
    if (axis >= static_cast<uint32_t>(mesh.axes_size()))
      return invalidArgument("axis " + std::to_string(axis) + " is none of the mesh, which has " + std::to_string(mesh.axes_size()));
    if (!seen.insert(axis).second) return invalidArgument("axis " + mesh.axes(static_cast<int>(axis)).name() + " is there twice");
  }
  return Status::ok();
}

Status checkOperands(const plan::Step& step, int inputs, int outputs) {
  if (step.inputs_size() == inputs && step.outputs_size() == outputs) return Status::ok();
  return invalidArgument("has " + std::to_string(step.inputs_size()) + " operands and " + std::to_string(step.outputs_size()) +
                         " results, expected " + std::to_string(inputs) + " and " + std::to_string(outputs));
}

} // namespace

Status checkMesh(const plan::Mesh& mesh) {
  std::set<std::string> names;
  int64_t ranks = 1;
  for (const plan::MeshAxis& axis : mesh.axes()) {
    if (!SizeExpr::isSymbolName(axis.name())) return invalidArgument("an axis of the mesh has no name");
    if (!names.insert(axis.name()).second) return invalidArgument("axis " + axis.name() + " of the mesh is there twice");
    if (axis.size() < 1 || axis.size() > kMaxRanks || (ranks *= axis.size()) > kMaxRanks)
      return invalidArgument("axis " + axis.name() + " of the mesh has " + std::to_string(axis.size()) + " ranks, expected 1 to " +
                             std::to_string(kMaxRanks) + " in all");
  }
  std::set<uint32_t> seen;
  for (const plan::MeshCoordinate& coordinate : mesh.coordinates()) {
    const std::initializer_list<uint32_t> axis = {coordinate.axis()};
    JINX_TRY(checkAxes(mesh, axis, seen), "coordinates");
    if (const int64_t size = mesh.axes(static_cast<int>(coordinate.axis())).size(); coordinate.at() < 0 || coordinate.at() >= size)
      return invalidArgument("coordinate " + std::to_string(coordinate.at()) + " of an axis of " + std::to_string(size) + " ranks");
  }
  return Status::ok();
}

Status checkPart(const plan::Mesh& mesh, const plan::Value& value) {
  if (value.only_size() && (value.where() != plan::Value::INPUT || value.dims_size() != 2 || value.dims(1) != "0"))
    return invalidArgument("is there for its size, expected an input of shape [n, 0]");
  if (!value.has_whole()) return Status::ok();
  if (value.kind() != plan::Value::TENSOR || value.unranked()) return invalidArgument("is a part, and no ranked tensor");
  if (value.whole().dims_size() != value.dims_size())
    return invalidArgument("has " + std::to_string(value.dims_size()) + " dimensions, its whole " + std::to_string(value.whole().dims_size()));
  std::set<uint32_t> seen;
  for (const plan::WholeDim& dim : value.whole().dims())
    JINX_TRY(checkAxes(mesh, dim.axes(), seen), "whole");
  return Status::ok();
}

Status checkCollectiveFields(const plan::Mesh& mesh, const plan::Step& step) {
  const plan::Collective& c = step.collective();
  if (!plan::Collective::Op_IsValid(c.op()) || !plan::Collective::Reduction_IsValid(c.reduction())) return invalidArgument("unknown collective");
  const bool sends = c.op() == plan::Collective::SEND, receives = c.op() == plan::Collective::RECV;
  const bool counts = c.op() == plan::Collective::ALL_TO_ALL_V;
  JINX_TRY(checkOperands(step, receives ? 0 : counts ? 3 : 1, sends ? 0 : 1));
  if (counts && c.starts()) return invalidArgument("starts an all_to_all_v, expected one that ends: the host reads its counts");
  std::set<uint32_t> seen;
  JINX_TRY(checkAxes(mesh, c.axes(), seen));
  const int64_t ranks = groupSize(mesh, axesOf(c));
  if (c.root() < 0 || c.root() >= ranks) return invalidArgument("root " + std::to_string(c.root()) + " is no place in a group of " + std::to_string(ranks));
  if (c.sources_size() != (c.op() == plan::Collective::PERMUTE ? ranks : 0))
    return invalidArgument("has " + std::to_string(c.sources_size()) + " sources, expected one for each of the " + std::to_string(ranks) +
                           " ranks of a permute, and none elsewhere");
  for (int source : c.sources())
    if (source < -1 || source >= ranks) return invalidArgument("source " + std::to_string(source) + " is no place in a group of " + std::to_string(ranks));
  return Status::ok();
}

} // namespace jinx

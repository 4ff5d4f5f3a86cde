#include "codegen/plan/RankedForm.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx {
namespace {

plan::Collective::Reduction reductionOf(graph::ReduceKind kind) {
  switch (kind) {
    case graph::ReduceKind::sum: return plan::Collective::SUM;
    case graph::ReduceKind::prod: return plan::Collective::PROD;
    case graph::ReduceKind::max: return plan::Collective::MAX;
    case graph::ReduceKind::min: return plan::Collective::MIN;
  }
  return plan::Collective::SUM;
}

SizeExpr elementsOf(mlir::Type type) { return graph::volume(graph::sizesOf(startedType(type))); }

Status isLowered(mlir::Operation *op, int64_t dim) {
  if (dim == 0) return Status::ok();
  return internalError(op->getName().getStringRef().str() + " is over dimension " + std::to_string(dim) + ", expected 0: jinx-lower-collectives has not run");
}

/// The group's axes and the count that both ends know.
void setGroup(ArrayAttr axes, const SizeExpr &count, MeshOp mesh, plan::Collective &out) {
  for (StringRef axis : axes.getAsValueRange<StringAttr>()) out.add_axes(uint32_t(mesh.placeOf(axis)));
  out.set_count(count.str());
}

}  // namespace

void setMesh(MeshOp mesh, func::FuncOp function, plan::Mesh &out) {
  for (auto [name, size] : llvm::zip_equal(mesh.getAxes().getAsValueRange<StringAttr>(), mesh.getSizes())) {
    plan::MeshAxis *axis = out.add_axes();
    axis->set_name(name.str());
    axis->set_size(size);
  }
  auto coordinates = function->getAttrOfType<DictionaryAttr>(kCoordinates);
  if (!coordinates) return;
  for (NamedAttribute entry : coordinates) {
    plan::MeshCoordinate *coordinate = out.add_coordinates();
    coordinate->set_axis(uint32_t(mesh.placeOf(entry.getName())));
    coordinate->set_at(cast<IntegerAttr>(entry.getValue()).getInt());
  }
}

Status setWhole(mlir::Attribute wholeType, MeshOp mesh, plan::Whole &out) {
  auto type = cast<RankedTensorType>(cast<TypeAttr>(wholeType).getValue());
  for (const AxisState &state : statesOf(type))
    if (state.kind == StateKind::partial)
      return unimplemented("ranks along \"" + state.axis.str() + "\" have parts of a sum of it, expected a shard or all of it: put a dist.reshard in front of the return");
  for (auto [d, size] : llvm::enumerate(graph::sizesOf(type))) {
    plan::WholeDim *dim = out.add_dims();
    dim->set_size(size.str());
    for (StringAttr axis : axesOf(type, int64_t(d))) dim->add_axes(uint32_t(mesh.placeOf(axis)));
  }
  return Status::ok();
}

Status setCollective(mlir::Operation *op, MeshOp mesh, plan::Collective &out) {
  return llvm::TypeSwitch<mlir::Operation *, Status>(op)
      .Case([&](AllReduceOp o) {
        out.set_op(plan::Collective::ALL_REDUCE);
        out.set_reduction(reductionOf(o.getKind()));
        setGroup(o.getAxes(), elementsOf(o.getX().getType()), mesh, out);
        return Status::ok();
      })
      .Case([&](AllGatherOp o) {
        out.set_op(plan::Collective::ALL_GATHER);
        setGroup(o.getAxes(), elementsOf(o.getX().getType()), mesh, out);
        return isLowered(o, o.getDim());
      })
      .Case([&](ReduceScatterOp o) {
        out.set_op(plan::Collective::REDUCE_SCATTER);
        out.set_reduction(reductionOf(o.getKind()));
        setGroup(o.getAxes(), elementsOf(o.getY().getType()), mesh, out);
        return isLowered(o, o.getDim());
      })
      .Case([&](AllToAllOp o) {
        out.set_op(plan::Collective::ALL_TO_ALL);
        const SizeExpr all = elementsOf(o.getX().getType());
        const int64_t ranks = *groupSize(o, o.getAxes(), mesh);
        const auto part = all.exactDivide(ranks);
        setGroup(o.getAxes(), part ? *part : floorDiv(all, ranks), mesh, out);
        JINX_TRY(isLowered(o, o.getSplit()));
        return isLowered(o, o.getConcat());
      })
      .Case([&](AllToAllVOp o) {
        out.set_op(plan::Collective::ALL_TO_ALL_V);
        const graph::Sizes sizes = graph::sizesOf(o.getX().getType());
        setGroup(o.getAxes(), graph::volume(ArrayRef(sizes).drop_front()), mesh, out);
        return Status::ok();
      })
      .Case([&](BroadcastOp o) {
        out.set_op(plan::Collective::BROADCAST);
        out.set_root(o.getRoot());
        setGroup(o.getAxes(), elementsOf(o.getX().getType()), mesh, out);
        return Status::ok();
      })
      .Case([&](PermuteOp o) {
        out.set_op(plan::Collective::PERMUTE);
        for (int64_t source : o.getSources()) out.add_sources(int32_t(source));
        setGroup(o.getAxes(), elementsOf(o.getX().getType()), mesh, out);
        return Status::ok();
      })
      .Case([&](SendOp o) {
        out.set_op(plan::Collective::SEND);
        out.set_root(o.getTo());
        setGroup(o.getAxes(), elementsOf(o.getX().getType()), mesh, out);
        return Status::ok();
      })
      .Case([&](RecvOp o) {
        out.set_op(plan::Collective::RECV);
        out.set_root(o.getFrom());
        setGroup(o.getAxes(), elementsOf(o.getY().getType()), mesh, out);
        return Status::ok();
      })
      .Default([&](mlir::Operation *o) { return internalError(o->getName().getStringRef().str() + " is no collective"); });
}

}  // namespace jinx

// Microbatches: an axis of the mesh that is laid out in time.
//
// Partitioning treats the axis "micro" like any other: wishes put it on the batch, types say what varies along it,
// shapes are those of one piece. Here it becomes time. What varies is there once for each coordinate, one piece behind
// the other; the rest is there once, for all:
//
//   dist.mesh @mesh <"pp" = 2, "micro" = 2>                       dist.mesh @mesh <"pp" = 2>
//   %x: tensor<2x8xf32, #dist.on<"micro" = varying>>              %x: tensor<4x8xf32>
//   %s = exp(%c)                                                  %s = exp(%c)
//   %y = mul(%x, %s)                                        ->    %x0 = dist.rows %x from "0"
//   return %y                                                     %y0 = mul(%x0, %s)
//                                                                 %x1 = dist.rows %x from "2"
//                                                                 %y1 = mul(%x1, %s)
//                                                                 return dist.join_rows %y0, %y1
//
// With stages (StageProgram), that order is the pipeline: a stage has its part of piece 0, then of piece 1, …, and
// while it computes piece i + 1 the next stage computes piece i. All ranks unroll the one program, so all pass pieces
// on in one order.
//
// A batch that the pieces do not divide is filled up with zeros to pieces of equal sizes, as parts of space axes are,
// and their masks are those of Partition; joined results are cut to the batch. An axis behind another one on a
// dimension ("dp micro") must divide what a rank of that one has: filling up is at the end of the whole batch, not of
// each rank's part of it.
#include "mlir/IR/IRMapping.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/OwnValues.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_UNROLLMICROBATCHES
#include "passes/Dist/DistPasses.h.inc"

namespace {

/// `type` as it is without the axis.
Type withoutAxis(Type type, StringAttr axis) {
  if (auto pending = dyn_cast<PendingType>(type))
    return PendingType::get(type.getContext(), cast<RankedTensorType>(withoutAxis(pending.getValue(), axis)));
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return type;
  States states;
  for (const AxisState& state : statesOf(tensor))
    if (state.axis != axis) states.push_back(state);
  return withStates(tensor, states);
}

/// Its parts along `dim` are rows, which lie one behind the other at whole bytes.
bool hasRows(RankedTensorType type, int64_t dim) {
  Type element = type.getElementType();
  return dim == 0 && element.isIntOrFloat() && (element.getIntOrFloatBitWidth() % 8 == 0 || element.isInteger(1));
}

class Unroller {
 public:
  Unroller(func::FuncOp function, MeshOp mesh, StringAttr axis)
      : function_(function), body_(function.getBody().front()), mesh_(mesh), axis_(axis), pieces_(mesh.sizeOf(axis)),
        builder_(function), own_(builder_, mesh) {}

  LogicalResult run() {
    SmallVector<Operation*> varying;
    for (Operation& op : body_.without_terminator()) {
      if (failed(check(&op))) return failure();
      varies(&op) || pieces_ == 1 ? varying.push_back(&op) : void(++numCommon);
    }
    numVarying = int64_t(varying.size());
    if (failed(widenArguments())) return failure();
    builder_.setInsertionPoint(body_.getTerminator());
    std::vector<IRMapping> pieces(static_cast<size_t>(pieces_));
    for (int64_t i = 0; i < pieces_; ++i)
      addPiece(i, varying, pieces[size_t(i)]);
    if (failed(joinResults(pieces))) return failure();
    for (Operation* op : llvm::reverse(varying))
      op->erase();
    function_.setType(
        FunctionType::get(function_.getContext(), body_.getArgumentTypes(), body_.getTerminator()->getOperandTypes()));
    return success();
  }

  int64_t numVarying = 0, numCommon = 0;

 private:
  bool variesHere(Type type) const {
    if (auto pending = dyn_cast<PendingType>(type)) type = pending.getValue();
    return stateOf(type, axis_).kind == StateKind::varying;
  }
  bool varies(Operation* op) {
    bool found = false;
    op->walk([&](Operation* inner) {
      found |= readsCoordinate(inner, axis_) ||
               llvm::any_of(inner->getOperandTypes(), [&](Type type) { return variesHere(type); }) ||
               llvm::any_of(inner->getResultTypes(), [&](Type type) { return variesHere(type); });
    });
    return found;
  }

  /// What nothing but a collective along the axis could make whole again; of one microbatch all is there.
  LogicalResult check(Operation* op) {
    if (pieces_ == 1) return success();
    if (auto collective = dyn_cast<Collective>(op); collective && llvm::is_contained(collective.getAxes(), axis_))
      return op->emitOpError("is over ") << axis_ << ", which counts microbatches: nothing is passed on between them";
    for (Type type : op->getResultTypes())
      if (stateOf(type, axis_).kind == StateKind::partial)
        return op->emitOpError("makes a part of a sum over ")
               << axis_ << ", which counts microbatches: nothing is passed on between them";
    return success();
  }

  // ---- arguments ----

  /// The dimension that the axis cuts; an error where it is not the last axis there.
  FailureOr<int64_t> dimOf(RankedTensorType placed, const Twine& what) {
    const int64_t dim = stateOf(placed, axis_).dim;
    if (SmallVector<StringAttr> axes = axesOf(placed, dim); axes.back() != axis_)
      return function_.emitError() << what << ": " << axis_ << " is in front of " << axes.back() << " on dimension "
                                   << dim << ", expected it behind: microbatches are parts of what a rank has";
    return dim;
  }
  /// All rows of what a rank has; filled up where the pieces do not divide them.
  FailureOr<SizeExpr> filledRows(RankedTensorType placed, int64_t dim, const SizeExpr& piece, const Twine& what) {
    SizeExpr rows = graph::sizesOf(own_.ownType(cast<RankedTensorType>(withoutAxis(placed, axis_))))[dim],
             filled = piece * SizeExpr(pieces_);
    if (rows == filled || axesOf(placed, dim).size() == 1) return filled;
    return function_.emitError() << what << ": " << pieces_ << " microbatches must divide the " << rows.str()
                                 << " rows that a rank has of dimension " << dim << " (of "
                                 << graph::sizesOf(placed)[dim].str() << "), expected a batch that all axes divide";
  }

  /// Arguments become what a rank has of them in all pieces.
  LogicalResult widenArguments() {
    for (BlockArgument argument : body_.getArguments()) {
      if (!variesHere(argument.getType())) continue;
      const unsigned i = argument.getArgNumber();
      auto whole = function_.getArgAttrOfType<TypeAttr>(i, kWholeType);
      if (!whole)
        return function_.emitError("argument ")
               << i << " varies on " << axis_ << " and has no dist.whole, expected one";
      auto placed = cast<RankedTensorType>(whole.getValue());
      const std::string what = "argument " + std::to_string(i);
      auto type = cast<RankedTensorType>(argument.getType());
      FailureOr<int64_t> dim = dimOf(placed, what);
      if (failed(dim)) return failure();
      FailureOr<SizeExpr> filled = filledRows(placed, *dim, graph::sizesOf(type)[*dim], what);
      if (failed(filled)) return failure();
      auto rest = cast<RankedTensorType>(withoutAxis(placed, axis_));
      statesOf(rest).empty() ? void(function_.removeArgAttr(i, kWholeType))
                             : function_.setArgAttr(i, kWholeType, TypeAttr::get(rest));
      argument.setType(own_.ownType(rest));
      cuts_.push_back({argument, *dim, *filled, cast<RankedTensorType>(withoutAxis(type, axis_))});
    }
    return success();
  }

  // ---- pieces ----

  struct Cut {
    BlockArgument argument;
    int64_t dim;
    SizeExpr filled;       ///< rows of all pieces
    RankedTensorType type; ///< of one
    Value whole;           ///< filled up, when there is a first piece
  };

  void addPiece(int64_t piece, ArrayRef<Operation*> varying, IRMapping& mapping) {
    for (Cut& cut : cuts_) {
      if (!cut.whole) cut.whole = own_.padTo(cut.argument.getLoc(), cut.argument, cut.dim, cut.filled);
      SizeExpr rows = graph::sizesOf(cut.type)[cut.dim];
      mapping.map(cut.argument, rowsOf(cut.argument.getLoc(), cut.whole, cut.dim, rows * SizeExpr(piece), cut.type));
    }
    for (Operation* op : varying) {
      Operation* copy = builder_.clone(*op, mapping);
      copy->walk([&](Operation* inner) {
        writeCoordinates(inner, {{coordinateSymbol(axis_), piece}});
        for (Value result : inner->getResults())
          result.setType(withoutAxis(result.getType(), axis_));
        for (Region& region : inner->getRegions())
          for (Block& block : region)
            for (BlockArgument argument : block.getArguments())
              argument.setType(withoutAxis(argument.getType(), axis_));
      });
      copy->setAttr(kPiece, builder_.getI64IntegerAttr(piece));
      dropAxis(op, copy, mapping);
    }
  }
  /// Over the axis of a single microbatch, a collective is one over its other axes, or none.
  void dropAxis(Operation* op, Operation* copy, IRMapping& mapping) {
    auto collective = dyn_cast<Collective>(copy);
    if (!collective || !llvm::is_contained(collective.getAxes(), axis_)) return;
    SmallVector<Attribute> others;
    llvm::copy_if(collective.getAxes(), std::back_inserter(others), [&](Attribute other) { return other != axis_; });
    copy->setAttr("axes", builder_.getArrayAttr(others));
    if (!others.empty()) return;
    mapping.map(op->getResult(0), copy->getOperand(0));
    copy->erase();
  }
  Value rowsOf(Location loc, Value x, int64_t dim, const SizeExpr& from, RankedTensorType type) {
    if (x.getType() == type) return x;
    if (hasRows(type, dim)) return RowsOp::create(builder_, loc, type, x, builder_.getStringAttr(from.str()));
    return own_.slice(loc, x, dim, from, graph::sizesOf(type)[dim], {});
  }

  // ---- results ----

  LogicalResult joinResults(ArrayRef<IRMapping> pieces) {
    for (OpOperand& operand : body_.getTerminator()->getOpOperands()) {
      Value value = operand.get();
      const unsigned i = operand.getOperandNumber();
      auto whole = function_.getResultAttrOfType<TypeAttr>(i, kWholeType);
      auto placed = whole ? cast<RankedTensorType>(whole.getValue()) : RankedTensorType();
      if (!placed || stateOf(placed, axis_).kind != StateKind::shard) {
        operand.set(pieces[0].lookupOrDefault(value)); // all pieces have it
        continue;
      }
      const std::string what = "result " + std::to_string(i);
      SmallVector<Value> parts;
      for (const IRMapping& piece : pieces)
        parts.push_back(piece.lookupOrDefault(value));
      auto part = cast<RankedTensorType>(parts[0].getType());
      FailureOr<int64_t> dim = dimOf(placed, what);
      if (failed(dim)) return failure();
      FailureOr<SizeExpr> filled = filledRows(placed, *dim, graph::sizesOf(part)[*dim], what);
      if (failed(filled)) return failure();
      auto rest = cast<RankedTensorType>(withoutAxis(placed, axis_));
      statesOf(rest).empty() ? void(function_.removeResultAttr(i, builder_.getStringAttr(kWholeType)))
                             : function_.setResultAttr(i, kWholeType, TypeAttr::get(rest));
      Value joined = join(value.getLoc(), parts, *dim, resized(part, *dim, *filled));
      operand.set(
          rowsOf(value.getLoc(), joined, *dim, 0, resized(part, *dim, graph::sizesOf(own_.ownType(rest))[*dim])));
    }
    return success();
  }
  Value join(Location loc, ArrayRef<Value> parts, int64_t dim, RankedTensorType type) {
    if (hasRows(type, dim)) return JoinRowsOp::create(builder_, loc, type, parts);
    return graph::ConcatOp::create(builder_, loc, type, parts, dim);
  }

  func::FuncOp function_;
  Block& body_;
  MeshOp mesh_;
  StringAttr axis_;
  int64_t pieces_;
  OpBuilder builder_;
  OwnBuilder own_;
  SmallVector<Cut> cuts_;
};

struct UnrollMicrobatches : impl::UnrollMicrobatchesBase<UnrollMicrobatches> {
  using UnrollMicrobatchesBase::UnrollMicrobatchesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (MeshOp mesh : llvm::to_vector(module.getOps<MeshOp>())) {
      if (mesh.placeOf(axis) < 0) continue;
      for (func::FuncOp function : module.getOps<func::FuncOp>()) {
        if (meshOf(function) != mesh) continue;
        if (meshOf(function, kOwn) != mesh) {
          function.emitError("has microbatches (axis \"")
              << axis << "\" of @" << mesh.getSymName()
              << ") and is not dist.own, expected that jinx-partition has run";
          return signalPassFailure();
        }
        if (function.isExternal()) continue;
        Unroller unroller(function, mesh, StringAttr::get(module.getContext(), axis));
        if (failed(unroller.run())) return signalPassFailure();
        numVarying += unroller.numVarying;
        numCommon += unroller.numCommon;
      }
      dropAxis(mesh);
    }
  }

  void dropAxis(MeshOp mesh) {
    Builder b(mesh.getContext());
    SmallVector<Attribute> axes;
    SmallVector<int64_t> sizes;
    for (auto [name, size] : llvm::zip_equal(mesh.getAxes().getAsRange<StringAttr>(), mesh.getSizes()))
      if (name.getValue() != axis) axes.push_back(name), sizes.push_back(size);
    mesh.setAxesAttr(b.getArrayAttr(axes));
    mesh.setSizes(sizes);
  }
};

} // namespace
} // namespace jinx::passes

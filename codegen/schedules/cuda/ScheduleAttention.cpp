// The kernels of an attention group: the operands of the builder (CudaAttention.h) from what was matched (GroupAttention.h), a second kernel where
// keys come in parts, and the hole between scores and softmax.
#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/CudaAttention.h"
#include "codegen/schedules/cuda/FewQueries.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kMultiprocessors = 132;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

std::optional<CudaAttentionForm> findAttention(GroupOp group, std::string &why) {
  for (Operation &op : group.getBody().front()) {
    auto product = dyn_cast<PackedMatmulOp>(op);
    if (!product) continue;
    if (auto form = matchAttention(product, &why))
      if (auto found = matchCudaAttention(*form, &why)) return found;
  }
  return std::nullopt;
}

class GroupAttention {
 public:
  GroupAttention(GroupOp group, StringRef name, const Target &target, OpBuilder &builder, const CudaAttentionForm &form)
      : group_(group), target_(target), found_(form), few_(arrangeFewQueries(form, kMultiprocessors)), results_(resultTypes()),
        kb_(builder, group.getLoc(), name, group, group.getInputs().getTypes(), results_) {}

  FailureOr<Scheduled> run() {
    if (group_.getNumResults() != 1 || group_.getBody().front().getTerminator()->getOperand(0) != found_.o.data)
      return group_.emitOpError("results of an attention group on CUDA are the context");
    for (Value v : {found_.q.data, found_.k.data, found_.v.data})
      if (!isa<BlockArgument>(v)) return group_.emitOpError("queries, keys and values must be inputs of the group");
    WgmmaAttention p;
    p.q = place(kb_, packed(found_.q), kb_.input(cast<BlockArgument>(found_.q.data)));
    p.k = place(kb_, found_.k, kb_.input(cast<BlockArgument>(found_.k.data)));
    p.v = place(kb_, found_.v, kb_.input(cast<BlockArgument>(found_.v.data)));
    p.batch = size(kb_, found_.batch);
    p.heads = size(kb_, few_.heads);
    p.queries = size(kb_, few_.rows);
    p.keys = size(kb_, found_.keys);
    p.headDim = found_.headDim;
    p.group = isPacked() ? 1 : found_.group;
    p.causal = found_.causal && !found_.queries.isConstant(1);  // one row sees all
    p.rowsOfHead = isPacked() ? found_.queries.constant().value_or(0) : 0;
    p.readsOnce = few_.readsOnce;
    p.scale = found_.scale;
    p.sms = kMultiprocessors;
    if (isSplit()) {
      p.parts = parts(kb_, kb_.output(0), kb_.output(1));
    } else {
      p.o = place(kb_, packed(found_.o), kb_.output(0));
    }
    std::optional<Question> question;
    WgmmaAttentionTile tile = chooseTile(question);
    ScoreHole hole;
    if (found_.hasHole) hole = [this](OpBuilder &, Location, Value scores, const ScorePlace &at) { return logits(scores, at); };
    emitWgmmaAttention(kb_.b(), kb_.kernel(), p, tile, hole);
    SizeExpr tiles = found_.batch * few_.heads * ceilDiv(few_.rows, tile.rows) * few_.parts;
    Scheduled scheduled = kb_.finish(min(tiles, SizeExpr(p.sms)), 0, found_.batch * found_.heads * found_.queries * found_.keys * SizeExpr(p.headDim));
    scheduled.question = std::move(question);
    if (isSplit()) scheduled.parts = results_, scheduled.then = std::make_shared<Scheduled>(merge());
    return scheduled;
  }

 private:
  WgmmaAttentionTile chooseTile(std::optional<Question> &question) {
    Choice<WgmmaAttentionTile> choice;
    double place = 0;
    for (const WgmmaAttentionTile &tile : wgmmaAttentionCandidates(found_.headDim, few_.rows.constant().value_or(0), few_.partKeys))
      choice.add(tile, textOf(tile), place++);
    std::string problem = "attention ";
    llvm::raw_string_ostream out(problem);
    out << elementOf(found_.q.data) << ", batch=" << textOf(found_.batch) << " heads=" << textOf(found_.heads) << " queries=" << textOf(found_.queries)
        << " keys=" << textOf(found_.keys) << " depth=" << found_.headDim << " group=" << found_.group;
    if (found_.causal) out << " causal";
    if (found_.hasHole) out << " logits=" << found_.operators.size();
    if (isSplit()) out << " parts=" << few_.partKeys;
    return choice.take(problem, target_.measured, question);
  }
  bool isPacked() const { return few_.packed > 1; }
  bool isSplit() const { return few_.partKeys > 0; }
  static AttentionSize size(KernelBuilder &kb, const SizeExpr &expr) { return {kb.size(expr), kb.formula(expr)}; }
  static AttentionTensor place(KernelBuilder &kb, const StridedHeads &at, Value buffer) {
    return {buffer, size(kb, at.batchStride), size(kb, at.headStride), size(kb, at.rowStride)};
  }
  /// Heads that are rows of a tile: one row each, or as many rows as lie between them.
  StridedHeads packed(StridedHeads at) const {
    if (!isPacked()) return at;
    if (found_.queries.isConstant(1)) at.rowStride = at.headStride;
    at.headStride = at.headStride * SizeExpr(few_.packed);
    return at;
  }

  // ---- keys in parts: [batch, heads, rows, parts] results of their own, and a kernel that merges them -----------------------------
  SmallVector<Type> resultTypes() {
    if (!isSplit()) return SmallVector<Type>(group_.getResultTypes());
    Sizes places = {found_.batch, few_.heads, few_.rows, few_.parts}, elements = places;
    elements.push_back(found_.headDim);
    Type f32 = Float32Type::get(group_.getContext());
    return {tensorOf(elements, f32), tensorOf(places, f32)};
  }
  AttentionParts parts(KernelBuilder &kb, Value out, Value logSumExp) const {
    SizeExpr row = few_.parts, head = row * few_.rows;
    return {few_.partKeys, out, logSumExp, size(kb, few_.parts), size(kb, head * few_.heads), size(kb, head), size(kb, row)};
  }
  /// By heads as the result has them: row r of a packed tile is row r of its first head, and so on, in the same order.
  Scheduled merge() {
    OpBuilder &b = kb_.b();
    b.setInsertionPointAfter(kb_.kernel());
    KernelBuilder kb(b, group_.getLoc(), (kb_.kernel().getSymName() + "_merge").str(), group_, results_, group_.getResultTypes());
    AttentionMerge p;
    p.parts = parts(kb, kb.kernel().buffer(0), kb.kernel().buffer(1));
    SizeExpr row = few_.parts, head = row * found_.queries;
    p.parts.rowStride = size(kb, row), p.parts.headStride = size(kb, head), p.parts.batchStride = size(kb, head * found_.heads);
    p.o = place(kb, found_.o, kb.output(0));
    p.batch = size(kb, found_.batch), p.heads = size(kb, found_.heads), p.queries = size(kb, found_.queries);
    p.headDim = found_.headDim;
    emitAttentionMerge(b, kb.kernel(), p);
    SizeExpr rows = found_.batch * found_.heads * found_.queries;
    Scheduled scheduled = kb.finish(rows, 0, rows * few_.parts * SizeExpr(p.headDim));
    sayMultiples(kb.kernel(), scheduled.sizes);
    return scheduled;
  }

  // ---- the hole: operators between the scores and the softmax, on tiles -----------------------------------------------------------
  Value logits(Value scores, const ScorePlace &at) {
    OpBuilder &b = kb_.b();
    shape_ = cast<VectorType>(scores.getType());
    at_ = at;
    tiles_.clear();
    tiles_[found_.form.scores.getY()] = converted(scores, registerType(elementOf(found_.form.scores.getY())));
    for (Operation *op : found_.form.operators) {
      if (op == found_.form.scores) continue;
      if (tiles_.contains(found_.hole)) break;
      evaluate(op);
    }
    return converted(tiles_.lookup(found_.hole), b.getF32Type());
  }
  Value converted(Value tile, Type element) {
    Type from = cast<VectorType>(tile.getType()).getElementType();
    if (from == element) return tile;
    if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth()) return arith::ExtFOp::create(kb_.b(), kb_.loc(), shape_.clone(element), tile);
    return arith::TruncFOp::create(kb_.b(), kb_.loc(), shape_.clone(element), tile);
  }
  void evaluate(Operation *op) {
    if (isa<ReshapeOp>(op)) {  // of the batch: the tile is the same
      tiles_[op->getResult(0)] = tiles_.lookup(op->getOperand(0));
      return;
    }
    Sizes sizes = sizesOf(op->getResult(0).getType());
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) operands.push_back(operand(v, sizes));
    tiles_[op->getResult(0)] = buildElementwise(kb_.b(), kb_.loc(), op, operands);
  }
  Value operand(Value v, const Sizes &sizes) {
    if (Value tile = tiles_.lookup(v)) return tile;
    if (auto diagonal = matchDiagonal(v)) return seen(*diagonal);
    if (auto constant = v.getDefiningOp<ConstantOp>()) return kb_.splatTile(constant, shape_);
    return load(cast<BlockArgument>(v), sizes);
  }
  Value seen(const DiagonalCompare &diagonal) {
    OpBuilder &b = kb_.b();
    VectorType type = shape_.clone(b.getI32Type());
    auto number = [&](int64_t axis, Value first) -> Value {
      Value narrow = arith::IndexCastOp::create(b, kb_.loc(), b.getI32Type(), first);
      return arith::AddIOp::create(b, kb_.loc(), tile::IotaOp::create(b, kb_.loc(), type, axis), vector::BroadcastOp::create(b, kb_.loc(), type, narrow));
    };
    Value column = number(1, at_.column), row;
    if (isPacked()) {  // each row is the first of its head
      row = arith::ConstantOp::create(b, kb_.loc(), DenseElementsAttr::get(type, b.getI32IntegerAttr(int32_t(diagonal.offset)).getValue()));
    } else {
      row = number(0, kb_.add(at_.row, kb_.constant(diagonal.offset)));
    }
    return arith::CmpIOp::create(b, kb_.loc(), diagonal.isOpposite ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::sle, column, row);
  }
  /// An operand that is aligned on the right with a value of `sizes`, as a tile.
  Value load(BlockArgument arg, const Sizes &sizes) {
    Sizes own = sizesOf(arg.getType());
    auto strides = kb_.strides(own);
    ArrayRef<SizeExpr> batch = ArrayRef(sizes).drop_back(2);
    SmallVector<Value> place;
    Value head = kb_.mul(at_.head, kb_.constant(few_.packed));
    if (batch.size() == 2 && batch[0] == found_.batch && batch[1] == found_.heads) {
      place = {at_.batch, head};
    } else {
      place = kb_.delinearize(kb_.add(kb_.mul(at_.batch, kb_.size(found_.heads)), head), batch);
    }
    place.append({isPacked() ? kb_.constant(0) : at_.row, at_.column});
    Value offset = kb_.constant(0), rowStride = kb_.constant(0), columnStride = kb_.constant(0);
    for (size_t d = 0; d < own.size(); ++d) {
      size_t o = d + sizes.size() - own.size();
      if (own[d].isConstant(1)) continue;
      Value stride = kb_.size(strides[d]);
      offset = kb_.add(offset, kb_.mul(place[o], stride));
      if (o + (isPacked() ? 3 : 2) == sizes.size()) rowStride = stride;
      if (o + 1 == sizes.size()) columnStride = stride;
    }
    Value rows = kb_.sub(kb_.size(few_.rows), at_.row), columns = kb_.sub(kb_.size(found_.keys), at_.column);
    return kb_.loadTile(arg, shape_, offset, ValueRange{rowStride, columnStride}, ValueRange{rows, columns});
  }

  GroupOp group_;
  const Target &target_;
  CudaAttentionForm found_;
  FewQueries few_;
  SmallVector<Type> results_;
  KernelBuilder kb_;
  VectorType shape_;
  ScorePlace at_;
  llvm::DenseMap<Value, Value> tiles_;
};

}  // namespace

FailureOr<Scheduled> scheduleCudaAttention(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  std::string why;
  auto form = findAttention(group, why);
  if (!form) return group.emitOpError("has no attention that the CUDA schedule takes: ") << why;
  return GroupAttention(group, name, target, builder, *form).run();
}

}  // namespace jinx::schedules

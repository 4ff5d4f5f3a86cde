// The schedule of products with weights that stay codes (jinx.dequant_matmul): y[rows, n] = epilogue(sum_k a[rows, k] * w(k, n)), with
// w(k, n) = level(code[k, n]) * scale[k / group, n] + offset[k / group, n], and 16 columns in a panel.
//
// A program owns a block of columns for all rows: it reads its codes once. How, depends on the number of rows:
//
//   few rows     codes are read from memory once and for all, and that is what takes the time. Each group of k has sums of its own, of levels:
//                  part[m, n] = sum over the group of a[m, k] * level(code[k, n])
//                  sum[m, n] += scale[n] * part[m, n] + offset[n] * (sum over the group of a[m, k])
//                so that a weight costs a decode and a product. One row takes more panels at a time, and two sums a panel, to have enough
//                products in flight.
//   many rows    two panels of weights are written to scratch as floats, and multiplied from there by tiles of rows (tile.dot).
//
// With a number of rows known at run time only, a kernel has both forms and asks.
#include "codegen/schedules/DequantMatmul.h"

#include "codegen/schedules/Expression.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 16, kCodesOfWord = 8;
constexpr int64_t kFewRows = 8;      // more are multiplied from scratch
constexpr int64_t kRowsAtOnce = 4;   // of few rows
constexpr int64_t kBlockPanels = 4;  // of a program

class DequantMatmulSchedule {
 public:
  DequantMatmulSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<DequantMatmulOp>(op)) product_ = o;
    if (!product_) return group_.emitOpError("has no product with codes to schedule");
    if (!llvm::all_of(product_->getOperands(), llvm::IsaPred<BlockArgument>)) return group_.emitOpError("operands of the product must be inputs of the group");
    out_ = sizesOf(product_.getY().getType());
    depth_ = sizesOf(product_.getA().getType()).back(), columns_ = out_.back(), rows_ = volume(ArrayRef(out_).drop_back(1));
    panels_ = ceilDiv(columns_, kPanel), groups_ = ceilDiv(depth_, product_.getGroup());
    tileRows_ = target_.registers >= 32 ? 14 : target_.vectorBytes >= 32 ? 6 : 2;
    if (!depth_.constant()) tileRows_ = std::min<int64_t>(tileRows_, 8);  // every row needs an address register
    if (auto rows = rows_.constant(); rows && *rows > 0) tileRows_ = llvm::divideCeil(*rows, llvm::divideCeil(*rows, tileRows_));
    emitProgram();
    const bool hasScratch = !surelyFew();
    const SizeExpr tile = SizeExpr(tileRows_ * 2 * kPanel * 4);
    return kb_.finish(ceilDiv(panels_, kBlockPanels), hasScratch ? depth_ * SizeExpr(2 * kPanel * 4) + tile : SizeExpr(0), (rows_ + 4) * panels_ * depth_);
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  Type f32() { return b().getF32Type(); }
  Value input(Value operand) { return kb_.input(cast<BlockArgument>(operand)); }
  bool isWords() { return product_.getLevels().has_value(); }
  bool surelyFew() { return rows_.constant() && *rows_.constant() <= kFewRows; }
  bool surelyMany() { return rows_.constant() && *rows_.constant() > kFewRows; }

  void emitProgram() {
    Value first = kb_.mul(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), c(kBlockPanels));
    Value end = kb_.min(kb_.add(first, c(kBlockPanels)), kb_.size(panels_)), rows = kb_.size(rows_);
    if (surelyFew()) return fewRows(first, end, rows);
    if (surelyMany()) return manyRows(first, end, rows);
    Value isFew = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sle, rows, c(kFewRows));
    auto branch = scf::IfOp::create(b(), loc(), isFew, /*withElse=*/true);
    inBlock(branch.thenBlock(), [&] { fewRows(first, end, rows); });
    inBlock(branch.elseBlock(), [&] { manyRows(first, end, rows); });
  }

  // ---- few rows -----------------------------------------------------------------------------------------------------------------
  /// One row by all panels of the block, several rows by one panel: as many sums as registers hold.
  void fewRows(Value first, Value end, Value rows) {
    if (auto count = rows_.constant()) {
      for (int64_t row = 0; row < *count; row += kRowsAtOnce) someRows(first, end, c(row), std::min(kRowsAtOnce, *count - row));
      return;
    }
    forLoop(c(0), rows, c(kRowsAtOnce), [&](Value row) {
      Value left = kb_.sub(rows, row);
      auto isOne = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, left, c(1));
      auto branch = scf::IfOp::create(b(), loc(), isOne, /*withElse=*/true);
      inBlock(branch.thenBlock(), [&] { someRows(first, end, row, 1); });
      inBlock(branch.elseBlock(), [&] { someRows(first, end, row, kRowsAtOnce, kb_.min(left, c(kRowsAtOnce))); });
    });
  }
  /// \param valid  how many of them there are; null: all. The others repeat the last one, and are not stored.
  void someRows(Value first, Value end, Value row, int64_t count, Value valid = {}) {
    const bool isAlone = count == 1 && target_.vectorBytes >= 64;
    auto step = [&](Value from, int64_t panels) { store(sumsOf(from, panels, row, count, valid), from, row, count, valid); };
    if (!isAlone) return forLoop(first, end, c(1), [&](Value panel) { step(panel, 1); });
    if (panels_.exactDivide(kBlockPanels)) return step(first, kBlockPanels);
    auto isWhole = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, kb_.sub(end, first), c(kBlockPanels));
    auto branch = scf::IfOp::create(b(), loc(), isWhole, /*withElse=*/true);
    inBlock(branch.thenBlock(), [&] { step(first, kBlockPanels); });
    inBlock(branch.elseBlock(), [&] { forLoop(first, end, c(1), [&](Value panel) { step(panel, 1); }); });
  }

  /// Sums of `count` rows and `panels` panels, row by row.
  SmallVector<Value> sumsOf(Value panel, int64_t panels, Value firstRow, int64_t count, Value valid) {
    SmallVector<Value> rowAt;
    for (int64_t m = 0; m < count; ++m) {
      Value row = valid && m > 0 ? kb_.min(c(m), kb_.sub(valid, c(1))) : c(m);
      rowAt.push_back(kb_.mul(kb_.add(firstRow, row), kb_.size(depth_)));
    }
    SmallVector<Value> zeros(count * panels, zero());
    const int64_t group = product_.getGroup();
    const bool isOneGroup = groups_.isConstant(1);
    auto overGroups = [&](Value g, SmallVector<Value> sums) {
      Value from = kb_.mul(g, c(group)), to = depth_.exactDivide(group) ? kb_.add(from, c(group)) : kb_.min(kb_.add(from, c(group)), kb_.size(depth_));
      SmallVector<Value> parts = partsOf(panel, panels, rowAt, from, to);
      for (int64_t p = 0; p < panels; ++p) {
        Value at = parameterAt(kb_.add(panel, c(p)), g), scale = parameter(product_.getScales(), at);
        Value offset = product_.getOffsets() ? parameter(product_.getOffsets(), at) : Value();
        for (int64_t m = 0; m < count; ++m) {
          Value &sum = sums[m * panels + p];
          sum = fma(scale, parts[m * panels + p], sum);
          if (offset) sum = fma(offset, spread(sumOfRow(rowAt[m], from, to)), sum);
        }
      }
      return sums;
    };
    if (isOneGroup) return overGroups(c(0), zeros);
    return forLoop(c(0), kb_.size(groups_), c(1), zeros, overGroups);
  }

  /// Sums of levels over one group.
  SmallVector<Value> partsOf(Value panel, int64_t panels, ArrayRef<Value> rowAt, Value from, Value to) {
    const int64_t count = rowAt.size(), chains = count * panels < 8 ? 2 : 1;
    SmallVector<Value> init(count * panels * chains, zero());
    const int64_t step = isWords() ? kCodesOfWord : 1;
    auto parts = forLoop(from, to, c(step), init, [&](Value k, SmallVector<Value> parts) {
      SmallVector<Value> words;
      for (int64_t p = 0; p < panels; ++p) words.push_back(codes(kb_.add(panel, c(p)), k));
      for (int64_t i = 0; i < step; ++i)
        for (int64_t p = 0; p < panels; ++p) {
          Value w = level(words[p], i);
          for (int64_t m = 0; m < count; ++m) {
            Value &part = parts[(m * panels + p) * chains + i % chains];
            part = fma(activation(kb_.add(kb_.add(rowAt[m], k), c(i))), w, part);
          }
        }
      return parts;
    });
    if (chains == 1) return parts;
    SmallVector<Value> joined;
    for (int64_t i = 0; i < count * panels; ++i) joined.push_back(arith::AddFOp::create(b(), loc(), parts[2 * i], parts[2 * i + 1]));
    return joined;
  }

  // ---- many rows ----------------------------------------------------------------------------------------------------------------
  void manyRows(Value first, Value end, Value rows) {
    Value scratch = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), f32()), c(0));
    const int64_t pair = target_.vectorBytes >= 64 ? 2 : 1;
    forLoop(first, end, c(pair), [&](Value panel) {
      Value count = kb_.min(c(pair), kb_.sub(end, panel));
      forLoop(c(0), count, c(1), [&](Value p) { writeWeights(scratch, p, kb_.add(panel, p)); });
      if (pair == 1) return rowTiles(scratch, panel, rows, 1);
      auto isPair = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, count, c(pair));
      auto branch = scf::IfOp::create(b(), loc(), isPair, /*withElse=*/true);
      inBlock(branch.thenBlock(), [&] { rowTiles(scratch, panel, rows, pair); });
      inBlock(branch.elseBlock(), [&] { rowTiles(scratch, panel, rows, 1); });
    });
  }
  /// Panel number `p` of scratch: weights as floats.
  void writeWeights(Value scratch, Value p, Value panel) {
    Value base = kb_.mul(p, kb_.size(depth_ * kPanel));
    const int64_t group = product_.getGroup(), step = isWords() ? kCodesOfWord : 1;
    forLoop(c(0), kb_.size(groups_), c(1), [&](Value g) {
      Value at = parameterAt(panel, g), scale = parameter(product_.getScales(), at);
      Value offset = product_.getOffsets() ? parameter(product_.getOffsets(), at) : Value();
      Value from = kb_.mul(g, c(group)), to = kb_.min(kb_.add(from, c(group)), kb_.size(depth_));
      forLoop(from, to, c(step), [&](Value k) {
        Value words = codes(panel, k);
        for (int64_t i = 0; i < step; ++i) {
          Value w = arith::MulFOp::create(b(), loc(), level(words, i), scale);
          if (offset) w = arith::AddFOp::create(b(), loc(), w, offset);
          tile::StoreOp::create(b(), loc(), w, scratch, kb_.add(base, kb_.mul(kb_.add(k, c(i)), c(kPanel))), ValueRange{c(1)}, ValueRange());
        }
      });
    });
  }
  void rowTiles(Value scratch, Value panel, Value rows, int64_t panels) {
    forLoop(c(0), rows, c(tileRows_), [&](Value row) {
      Value left = kb_.min(kb_.sub(rows, row), c(tileRows_));
      auto type = VectorType::get({tileRows_, panels * kPanel}, f32());
      Value zeros = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
      Value depth = kb_.size(depth_);
      Value sums = tile::DotOp::create(b(), loc(), type, zeros, input(product_.getA()), kb_.mul(row, depth), depth, left, scratch, c(0), kb_.size(depth_ * kPanel), depth);
      Value kept = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), f32()), kb_.size(depth_ * SizeExpr(2 * kPanel * 4)));
      const int64_t width = panels * kPanel;
      tile::StoreOp::create(b(), loc(), sums, kept, c(0), ValueRange{c(width), c(1)}, ValueRange());
      forLoop(c(0), left, c(1), [&](Value i) {
        storeRow(tile::LoadOp::create(b(), loc(), VectorType::get({width}, f32()), kept, kb_.mul(i, c(width)), ValueRange{c(1)}, ValueRange()), panel, kb_.add(row, i));
      });
    });
  }

  // ---- memory -------------------------------------------------------------------------------------------------------------------
  VectorType tileType(Type element) { return VectorType::get({kPanel}, element); }
  Value zero() { return arith::ConstantOp::create(b(), loc(), tileType(f32()), b().getZeroAttr(tileType(f32()))); }
  Value fma(Value x, Value y, Value sum) { return vector::FMAOp::create(b(), loc(), x, y, sum); }
  Value spread(Value scalar) { return vector::BroadcastOp::create(b(), loc(), tileType(f32()), scalar); }
  Value load(Value from, Type element, Value at) { return tile::LoadOp::create(b(), loc(), tileType(element), input(from), at, ValueRange{c(1)}, ValueRange()); }

  /// Codes of rows k and, of words, the seven after it.
  Value codes(Value panel, Value k) {
    if (!isWords()) return load(product_.getCodes(), b().getI8Type(), kb_.mul(kb_.add(kb_.mul(panel, kb_.size(depth_)), k), c(kPanel)));
    // Eight rows of 16 codes are a row of words: k/8 * 16.
    return load(product_.getCodes(), b().getI32Type(), kb_.add(kb_.mul(panel, kb_.size(depth_ * 2)), kb_.mul(k, c(2))));
  }
  Value level(Value codes, int64_t i) {
    if (isWords()) return tile::DecodeOp::create(b(), loc(), tileType(f32()), codes, i, *product_.getLevels());
    return arith::SIToFPOp::create(b(), loc(), tileType(f32()), codes);
  }
  Value parameterAt(Value panel, Value group) { return kb_.mul(kb_.add(kb_.mul(panel, kb_.size(groups_)), group), c(kPanel)); }
  Value parameter(Value parameters, Value at) {
    Type element = cast<RankedTensorType>(parameters.getType()).getElementType();
    Value v = load(parameters, element, at);
    return element.isF32() ? v : Value(arith::ExtFOp::create(b(), loc(), tileType(f32()), v));
  }
  Value activation(Value at) { return tile::LoadOp::create(b(), loc(), tileType(f32()), input(product_.getA()), at, ValueRange{c(0)}, ValueRange()); }
  /// The sum of a row of a over a group, a scalar: 16 at a time.
  Value sumOfRow(Value rowAt, Value from, Value to) {
    auto sums = forLoop(from, to, c(kPanel), SmallVector<Value>{zero()}, [&](Value k, SmallVector<Value> sums) {
      Value v = tile::LoadOp::create(b(), loc(), tileType(f32()), input(product_.getA()), kb_.add(rowAt, k), ValueRange{c(1)}, ValueRange{kb_.sub(to, k)});
      return SmallVector<Value>{arith::AddFOp::create(b(), loc(), sums[0], v)};
    });
    return tile::ReduceOp::create(b(), loc(), f32(), tile::ReduceKind::sum, sums[0]);
  }

  // ---- results ------------------------------------------------------------------------------------------------------------------
  void store(ArrayRef<Value> sums, Value panel, Value firstRow, int64_t count, Value valid) {
    const int64_t panels = int64_t(sums.size()) / count;
    for (int64_t m = 0; m < count; ++m) {
      OpBuilder::InsertionGuard guard(b());
      if (valid && m > 0) {
        Value isValid = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, c(m), valid);
        b().setInsertionPointToStart(scf::IfOp::create(b(), loc(), isValid, /*withElse=*/false).thenBlock());
      }
      for (int64_t p = 0; p < panels; ++p) storeRow(sums[m * panels + p], kb_.add(panel, c(p)), kb_.add(firstRow, c(m)));
    }
  }
  /// A row's sums from `panel` on, through the epilogue.
  void storeRow(Value sums, Value panel, Value row) {
    const int64_t width = cast<VectorType>(sums.getType()).getDimSize(0);
    ExpressionEmitter emitter(kb_, width);
    Value column = kb_.mul(panel, c(kPanel));
    if (!columns_.exactDivide(width)) emitter.setLimit(kb_.sub(kb_.size(columns_), column));
    emitter.define(product_.getY(), sums);
    Coordinates at;
    for (Value v : kb_.delinearize(row, ArrayRef(out_).drop_back(1))) at.push_back({v, 0, {}});
    at.push_back({column, 1, {}});
    for (auto [r, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter.store(r, emitter.evaluate(v, at), at);
  }

  // ---- loops --------------------------------------------------------------------------------------------------------------------
  void inBlock(Block *block, function_ref<void()> body) {
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(block);
    body();
  }
  void forLoop(Value from, Value to, Value step, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b(), loc(), from, to, step);
    inBlock(loop.getBody(), [&] { body(loop.getInductionVar()); });
  }
  SmallVector<Value> forLoop(Value from, Value to, Value step, ArrayRef<Value> init, function_ref<SmallVector<Value>(Value, SmallVector<Value>)> body) {
    auto loop = scf::ForOp::create(b(), loc(), from, to, step, init);
    inBlock(loop.getBody(), [&] {
      auto carried = loop.getRegionIterArgs();
      SmallVector<Value> next = body(loop.getInductionVar(), SmallVector<Value>(carried.begin(), carried.end()));
      scf::YieldOp::create(b(), loc(), next);
    });
    return SmallVector<Value>(loop.getResults());
  }

  GroupOp group_;
  Target target_;
  KernelBuilder kb_;
  DequantMatmulOp product_;
  Sizes out_;
  SizeExpr depth_, columns_, rows_, panels_, groups_;
  int64_t tileRows_ = 1;
};

}  // namespace

FailureOr<Scheduled> scheduleDequantMatmul(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return DequantMatmulSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules

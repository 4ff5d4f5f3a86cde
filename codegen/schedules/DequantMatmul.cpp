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
// With a number of rows known at run time only, a kernel has both forms and asks. Where the processor adds products of bytes, activations are digits, and
// DigitMatmul.cpp has the program.
#include "codegen/schedules/DequantMatmul.h"

#include "codegen/schedules/CodeProgram.h"
#include "codegen/schedules/DigitMatmul.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kFewRows = 8;      // more are multiplied from scratch
constexpr int64_t kRowsAtOnce = 4;   // of few rows

class DequantMatmulSchedule : CodeProgram {
 public:
  DequantMatmulSchedule(GroupOp group, DequantMatmulOp product, StringRef name, const Target &target, OpBuilder &builder)
      : CodeProgram(group, product, name, builder), target_(target), depth_(sizesOf(product.getA().getType()).back()) {}

  FailureOr<Scheduled> run() {
    tileRows_ = target_.rowsOfTile();
    if (!depth_.constant()) tileRows_ = std::min<int64_t>(tileRows_, 8);  // every row needs an address register
    if (auto rows = rows_.constant(); rows && *rows > 0) tileRows_ = llvm::divideCeil(*rows, llvm::divideCeil(*rows, tileRows_));
    emitProgram();
    const bool hasScratch = !surelyFew();
    const SizeExpr tile = SizeExpr(tileRows_ * 2 * kPanel * 4);
    return kb_.finish(ceilDiv(panels_, kBlockPanels), hasScratch ? depth_ * SizeExpr(2 * kPanel * 4) + tile : SizeExpr(0), (rows_ + 4) * panels_ * depth_);
  }

 private:
  bool isWords() { return product_.getLevels().has_value(); }
  bool surelyFew() { return rows_.constant() && *rows_.constant() <= kFewRows; }
  bool surelyMany() { return rows_.constant() && *rows_.constant() > kFewRows; }

  void emitProgram() {
    Value first = kb_.mul(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), c(kBlockPanels));
    Value end = kb_.min(kb_.add(first, c(kBlockPanels)), kb_.size(panels_)), rows = kb_.size(rows_);
    if (surelyFew()) return fewRows(first, end, rows);
    if (surelyMany()) return manyRows(first, end, rows);
    either(compare(arith::CmpIPredicate::sle, rows, c(kFewRows)), [&] { fewRows(first, end, rows); }, [&] { manyRows(first, end, rows); });
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
      either(compare(arith::CmpIPredicate::eq, left, c(1)), [&] { someRows(first, end, row, 1); },
             [&] { someRows(first, end, row, kRowsAtOnce, kb_.min(left, c(kRowsAtOnce))); });
    });
  }
  /// \param valid  how many of them there are; null: all. The others repeat the last one, and are not stored.
  void someRows(Value first, Value end, Value row, int64_t count, Value valid = {}) {
    const bool isAlone = count == 1 && target_.vectorBytes >= 64;
    forPanels(first, end, isAlone ? kBlockPanels : 1, [&](Value from, int64_t panels) { store(sumsOf(from, panels, row, count, valid), from, row, count, valid); });
  }

  /// Sums of `count` rows and `panels` panels, row by row.
  SmallVector<Value> sumsOf(Value panel, int64_t panels, Value firstRow, int64_t count, Value valid) {
    SmallVector<Value> rowAt;
    for (int64_t m = 0; m < count; ++m) {
      Value row = valid && m > 0 ? kb_.min(c(m), kb_.sub(valid, c(1))) : c(m);
      rowAt.push_back(kb_.mul(kb_.add(firstRow, row), kb_.size(depth_)));
    }
    SmallVector<Value> zeros(count * panels, zero(f32()));
    const int64_t group = product_.getGroup();
    const bool isOneGroup = groups_.isConstant(1);
    auto overGroups = [&](Value g, SmallVector<Value> sums) {
      Value from = kb_.mul(g, c(group)), to = depth_.exactDivide(group) ? kb_.add(from, c(group)) : kb_.min(kb_.add(from, c(group)), kb_.size(depth_));
      SmallVector<Value> parts = partsOf(panel, panels, rowAt, from, to);
      for (int64_t p = 0; p < panels; ++p) {
        Value at = kb_.add(panel, c(p)), scale = parameter(product_.getScales(), at, g);
        Value offset = product_.getOffsets() ? parameter(product_.getOffsets(), at, g) : Value();
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
    SmallVector<Value> init(count * panels * chains, zero(f32()));
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
      either(compare(arith::CmpIPredicate::eq, count, c(pair)), [&] { rowTiles(scratch, panel, rows, pair); }, [&] { rowTiles(scratch, panel, rows, 1); });
    });
  }
  /// Panel number `p` of scratch: weights as floats.
  void writeWeights(Value scratch, Value p, Value panel) {
    Value base = kb_.mul(p, kb_.size(depth_ * kPanel));
    const int64_t group = product_.getGroup(), step = isWords() ? kCodesOfWord : 1;
    forLoop(c(0), kb_.size(groups_), c(1), [&](Value g) {
      Value scale = parameter(product_.getScales(), panel, g), offset = product_.getOffsets() ? parameter(product_.getOffsets(), panel, g) : Value();
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
  Value spread(Value scalar) { return vector::BroadcastOp::create(b(), loc(), tileType(f32()), scalar); }
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
  Value activation(Value at) { return spreadFrom(product_.getA(), f32(), at); }
  /// The sum of a row of a over a group, a scalar: 16 at a time.
  Value sumOfRow(Value rowAt, Value from, Value to) {
    auto sums = forLoop(from, to, c(kPanel), SmallVector<Value>{zero(f32())}, [&](Value k, SmallVector<Value> sums) {
      Value v = tile::LoadOp::create(b(), loc(), tileType(f32()), input(product_.getA()), kb_.add(rowAt, k), ValueRange{c(1)}, ValueRange{kb_.sub(to, k)});
      return SmallVector<Value>{arith::AddFOp::create(b(), loc(), sums[0], v)};
    });
    return tile::ReduceOp::create(b(), loc(), f32(), tile::ReduceKind::sum, sums[0]);
  }

  Target target_;
  SizeExpr depth_;
  int64_t tileRows_ = 1;
};

}  // namespace

FailureOr<Scheduled> scheduleDequantMatmul(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  DequantMatmulOp product = codeProductOf(group);
  if (!product) return group.emitOpError("has no product with codes, whose operands are inputs of the group, to schedule");
  if (product.getFactors()) return scheduleDigitMatmul(group, product, name, builder);
  return DequantMatmulSchedule(group, product, name, target, builder).run();
}

}  // namespace jinx::schedules

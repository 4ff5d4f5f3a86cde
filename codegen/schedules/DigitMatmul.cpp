// The schedule of products of digits (jinx.split_digits) with weights that stay codes: four products of bytes an instruction and lane, and no weight is
// ever a float. ir/Graph/Codes.h says how codes and digits lie; a lane is a column.
//
// Sums of a group are whole numbers. With digits d and, of levels that are no numbers, two digits e of weights, one accumulator has all products of a
// power of 256: acc[d + e] has 256^(last - d - e). So it is for three digits beside codes:
//
//   acc[d] = -zero * (sum of digit d)                              jinx.split_digits has that
//   acc[d] += codes & 0x0f0f0f0f · even[d] + codes >> 4 & 0x0f0f0f0f · odd[d]          for each 8 k of the group
//   sum   += scale * unit * ((acc[0] * 256 + acc[1]) * 256 + acc[2])
//
// A program owns a block of panels for all rows. One row takes four panels at a time, a few rows one or two, many rows a panel and as many rows as
// registers hold: codes are unpacked once for all of them. With a number of rows known at run time only a kernel has three such tiles, and asks.
#include "codegen/schedules/DigitMatmul.h"

#include "codegen/schedules/CodeProgram.h"
#include "ir/Graph/Codes.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kRegisters = 32, kFewRows = 4;
// Words from those that are read to those asked for, of one row beside a table: 3 KiB. Measured, as are codes without a table, which are slower by it:
// decision 0033.
constexpr int64_t kWordsAhead = 768;

class DigitMatmulSchedule : CodeProgram {
 public:
  DigitMatmulSchedule(GroupOp group, DequantMatmulOp product, StringRef name, OpBuilder &builder) : CodeProgram(group, product, name, builder) {
    const bool isWords = product.getLevels().has_value();
    depth_ = sizesOf(product.getCodes().getType())[1] * SizeExpr(isWords ? kCodesOfWord : 4);
    words_ = *sizesOf(product.getA().getType()).back().constant();
    digits_ = digitsOfWords(product.getGroup(), words_);
    if (isWords && !zeroOfLevels(*product.getLevels())) makeTables();
    accumulators_ = digits_ + (tables_.empty() ? 0 : int64_t(tables_.size()) - 1);
    // A sum, its accumulators; beside them two words of codes, their mask or tables, and what a product is made of.
    tileRows_ = (kRegisters - 6) / (accumulators_ + 1);
  }

  FailureOr<Scheduled> run() {
    Value first = kb_.mul(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), c(kBlockPanels));
    Value end = kb_.min(kb_.add(first, c(kBlockPanels)), kb_.size(panels_));
    if (auto count = rows_.constant()) knownRows(first, end, *count);
    else anyRows(first, end);
    return kb_.finish(ceilDiv(panels_, kBlockPanels), SizeExpr(0), ceilDiv(rows_ * panels_ * depth_ * SizeExpr(digits_), 4));
  }

 private:
  /// Levels as multiples of a unit, 16 bits with 2^15 added: the bytes of those, the higher first.
  void makeTables() {
    ArrayRef<float> levels = *product_.getLevels();
    double largest = 0;
    for (float level : levels) largest = std::max(largest, std::abs(double(level)));
    unit_ = largest / double(kLimitOfLevels);
    tables_.assign(2, {});
    for (float level : levels) {
      const int64_t v = int64_t(std::nearbyint(unit_ > 0 ? level / unit_ : 0)) + (kZeroOfBytes << 8);
      tables_[0].push_back(int8_t(v >> 8)), tables_[1].push_back(int8_t(v & 255));
    }
  }

  // ---- rows ---------------------------------------------------------------------------------------------------------------------
  /// Tiles of as nearly the same size as can be.
  void knownRows(Value first, Value end, int64_t count) {
    if (count == 0) return;
    const int64_t rows = llvm::divideCeil(count, llvm::divideCeil(count, tileRows_)), whole = count / rows;
    if (whole == 1) someRows(first, end, c(0), rows);
    else forLoop(c(0), c(whole * rows), c(rows), [&](Value row) { someRows(first, end, row, rows); });
    if (count % rows) someRows(first, end, c(whole * rows), count % rows);
  }
  void anyRows(Value first, Value end) {
    forLoop(c(0), kb_.size(rows_), c(tileRows_), [&](Value row) {
      Value left = kb_.min(kb_.sub(kb_.size(rows_), row), c(tileRows_));
      either(compare(arith::CmpIPredicate::eq, left, c(1)), [&] { someRows(first, end, row, 1); }, [&] {
        if (tileRows_ <= kFewRows) return someRows(first, end, row, tileRows_, left);
        either(compare(arith::CmpIPredicate::sle, left, c(kFewRows)), [&] { someRows(first, end, row, kFewRows, left); }, [&] { someRows(first, end, row, tileRows_, left); });
      });
    });
  }
  /// \param valid  how many of them there are; null: all. The others repeat the last one, and are not stored.
  void someRows(Value first, Value end, Value row, int64_t count, Value valid = {}) {
    // Sums that depend on each other: so many others are between them.
    const int64_t panels = count == 1 ? kBlockPanels : count < kFewRows ? 2 : 1;
    forPanels(first, end, panels, [&](Value from, int64_t n) { store(sumsOf(from, n, row, count, valid), from, row, count, valid); });
  }

  // ---- sums ---------------------------------------------------------------------------------------------------------------------
  Values sumsOf(Value panel, int64_t panels, Value firstRow, int64_t count, Value valid) {
    Values rowAt;  // groups in front of each row
    for (int64_t m = 0; m < count; ++m) {
      Value row = valid && m > 0 ? kb_.min(c(m), kb_.sub(valid, c(1))) : c(m);
      rowAt.push_back(kb_.mul(kb_.add(firstRow, row), kb_.size(groups_)));
    }
    return forLoop(c(0), kb_.size(groups_), c(1), Values(count * panels, zero(f32())), [&](Value g, Values sums) {
      Values groupAt;
      for (Value at : rowAt) groupAt.push_back(kb_.add(at, g));
      Values acc = groupSums(panel, panels, groupAt, g);
      for (int64_t p = 0; p < panels; ++p) {
        Value at = kb_.add(panel, c(p)), scale = parameter(product_.getScales(), at, g), offset = product_.getOffsets() ? parameter(product_.getOffsets(), at, g) : Value();
        if (!tables_.empty()) scale = Value(arith::MulFOp::create(b(), loc(), scale, number(unit_)));
        for (int64_t m = 0; m < count; ++m) {
          Value &sum = sums[m * panels + p];
          sum = fma(arith::MulFOp::create(b(), loc(), scale, factor(groupAt[m], 0)), joined(ArrayRef(acc).slice((m * panels + p) * accumulators_, accumulators_)), sum);
          if (offset) sum = fma(offset, factor(groupAt[m], 1), sum);
        }
      }
      return sums;
    });
  }
  /// The accumulators of a group.
  Values groupSums(Value panel, int64_t panels, ArrayRef<Value> groupAt, Value g) {
    const int64_t eights = product_.getGroup() / kCodesOfWord;
    Values acc;
    for (Value at : groupAt)
      for (int64_t p = 0; p < panels; ++p)
        for (int64_t s = 0; s < accumulators_; ++s)
          acc.push_back(s < digits_ ? spreadFrom(product_.getA(), b().getI32Type(), kb_.add(kb_.mul(at, c(words_)), c(words_ - digits_ + s))) : zero(b().getI32Type()));
    Value from = kb_.mul(g, c(eights));
    Value count = depth_.exactDivide(product_.getGroup()) ? c(eights) : kb_.min(c(eights), kb_.sub(kb_.size(*depth_.exactDivide(kCodesOfWord)), from));
    return forLoop(c(0), count, c(1), acc, [&](Value eight, Values acc) {
      addEight(acc, panel, panels, groupAt, kb_.add(from, eight), eight);
      return acc;
    });
  }
  /// Eight k: `at` of all, `eight` of the group.
  void addEight(Values &acc, Value panel, int64_t panels, ArrayRef<Value> groupAt, Value at, Value eight) {
    for (int64_t p = 0; p < panels; ++p) {
      auto [even, odd] = codes(kb_.add(panel, c(p)), at, groupAt.size() == 1 && !tables_.empty());
      const int64_t weightDigits = tables_.empty() ? 1 : int64_t(tables_.size());
      for (int64_t e = 0; e < weightDigits; ++e) {
        Value left[] = {valueOf(even, e), valueOf(odd, e)};
        for (auto [m, group] : llvm::enumerate(groupAt)) {
          Value words = kb_.add(kb_.mul(group, c(words_)), kb_.mul(eight, c(2 * digits_)));
          for (int64_t d = 0; d < digits_; ++d)
            for (int64_t half = 0; half < 2; ++half) {
              Value &sum = acc[(int64_t(m) * panels + p) * accumulators_ + d + e];
              sum = tile::Dp4aOp::create(b(), loc(), sum.getType(), sum, left[half], spreadFrom(product_.getA(), b().getI32Type(), kb_.add(words, c(2 * d + half))));
            }
        }
      }
    }
  }
  /// Codes of four even and of four odd k, a byte each.
  /// \param isAhead  later ones are asked for, too
  std::pair<Value, Value> codes(Value panel, Value at, bool isAhead) {
    Type i32 = b().getI32Type();
    if (!product_.getLevels()) {
      auto four = [&](int64_t half) -> Value {
        Value row = kb_.add(kb_.add(kb_.mul(panel, kb_.size(*depth_.exactDivide(4))), kb_.mul(at, c(2))), c(half));
        Value bytes = tile::LoadOp::create(b(), loc(), VectorType::get({4 * kPanel}, b().getI8Type()), input(product_.getCodes()), kb_.mul(row, c(4 * kPanel)), ValueRange{c(1)}, ValueRange());
        return vector::BitCastOp::create(b(), loc(), tileType(i32), bytes);
      };
      return {four(0), four(1)};
    }
    Value words = load(product_.getCodes(), i32, kb_.mul(kb_.add(kb_.mul(panel, kb_.size(*depth_.exactDivide(kCodesOfWord))), at), c(kPanel)));
    if (isAhead) words.getDefiningOp()->setAttr("ahead", b().getI64IntegerAttr(kWordsAhead));
    auto low = [&](Value v) -> Value { return arith::AndIOp::create(b(), loc(), v, whole(0x0f0f0f0f)); };
    return {low(words), low(arith::ShRUIOp::create(b(), loc(), words, whole(4)))};
  }
  Value valueOf(Value codes, int64_t e) {
    return tables_.empty() ? codes : Value(tile::LookupOp::create(b(), loc(), codes.getType(), codes, b().getDenseI8ArrayAttr(tables_[e])));
  }
  /// One number of accumulators of descending powers of 256.
  Value joined(ArrayRef<Value> acc) {
    auto toFloat = [&](Value v) -> Value { return arith::SIToFPOp::create(b(), loc(), tileType(f32()), v); };
    Value sum = toFloat(acc[0]);
    for (Value next : acc.drop_front()) sum = fma(sum, number(256), toFloat(next));
    return sum;
  }
  /// Of a group of a row: its unit, or the sum of its numbers.
  Value factor(Value groupAt, int64_t i) { return spreadFrom(product_.getFactors(), f32(), kb_.add(kb_.mul(groupAt, c(2)), c(i))); }
  Value number(double v) { return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(tileType(f32()), float(v))); }
  Value whole(int64_t v) { return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(tileType(b().getI32Type()), int32_t(v))); }

  SizeExpr depth_;
  int64_t words_ = 0, digits_ = 1, accumulators_ = 1, tileRows_ = 1;
  double unit_ = 1;                            // of levels
  SmallVector<SmallVector<int8_t>> tables_;    // digits of levels, the highest first
};

}  // namespace

FailureOr<Scheduled> scheduleDigitMatmul(GroupOp group, DequantMatmulOp product, StringRef name, OpBuilder &builder) {
  return DigitMatmulSchedule(group, product, name, builder).run();
}

}  // namespace jinx::schedules

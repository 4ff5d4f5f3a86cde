#include "codegen/schedules/LaneBreaks.h"

#include <map>
#include <set>

#include "codegen/schedules/ScalarOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr size_t kMaxParts = 12;  // each part is a loop to compile

class Collector {
 public:
  /// \param shift  lane l is the value's coordinate l + shift
  void visit(Value v, int64_t dim, const SizeExpr &shift) {
    Operation *op = v.getDefiningOp();
    if (!op || dim < 0 || !seen_.insert({v.getAsOpaquePointer(), dim, shift.str()}).second) return;
    SizeExpr extent = sizesOf(v.getType())[dim];
    if (auto slice = dyn_cast<SliceOp>(op)) {
      if (slice.getSteps()[dim] == 1) visit(slice.getX(), dim, shift + parseSize(cast<StringAttr>(slice.getStarts()[dim]).getValue()));
    } else if (auto pad = dyn_cast<PadOp>(op)) {
      SizeExpr low = parseSize(cast<StringAttr>(pad.getLow()[dim]).getValue()), in = sizesOf(pad.getX().getType())[dim];
      if (!(low.isConstant(0) && in == extent)) cut({low - shift, low + in - shift});
      visit(pad.getX(), dim, shift - low);
    } else if (auto concat = dyn_cast<ConcatOp>(op)) {
      SmallVector<SizeExpr> ends;
      SizeExpr begin = 0;
      for (Value x : concat.getXs()) {
        bool along = int64_t(concat.getAxis()) == dim;
        visit(x, dim, along ? shift - begin : shift);
        begin = begin + sizesOf(x.getType())[dim];
        if (along) ends.push_back(begin - shift);
      }
      cut(ends);
    } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
      visit(transpose.getX(), transpose.getPerm()[dim], shift);
    } else if (isElementwiseSupported(op)) {
      int64_t rank = cast<RankedTensorType>(v.getType()).getRank();
      for (Value x : op->getOperands()) {
        auto type = dyn_cast<RankedTensorType>(x.getType());
        int64_t d = type ? dim - (rank - type.getRank()) : -1;
        if (d >= 0 && sizesOf(type)[d] == extent) visit(x, d, shift);
      }
    }
  }

  SmallVector<SizeExpr> finish(const SizeExpr &extent) {
    SmallVector<SizeExpr> cuts;
    if (auto length = extent.constant(); length && llvm::all_of(cuts_, [](const SizeExpr &s) { return s.constant().has_value(); })) {
      std::map<int64_t, SizeExpr> ordered;
      for (const SizeExpr &s : cuts_)
        if (*s.constant() > 0 && *s.constant() < *length) ordered.insert({*s.constant(), s});
      for (auto &[at, s] : ordered) cuts.push_back(s);
    } else if (sources_ == 1) {
      // The ends of one concatenation's operands ascend; the last is the extent.
      for (const SizeExpr &s : cuts_)
        if (!(s == extent) && s.isAtLeast(0) && (extent - s).isAtLeast(0)) cuts.push_back(s);
    }
    return cuts.size() < kMaxParts ? cuts : SmallVector<SizeExpr>();
  }

 private:
  void cut(ArrayRef<SizeExpr> at) {
    if (at.empty()) return;
    ++sources_;
    llvm::append_range(cuts_, at);
  }

  std::set<std::tuple<const void *, int64_t, std::string>> seen_;
  SmallVector<SizeExpr> cuts_;
  int64_t sources_ = 0;
};

}  // namespace

SmallVector<SizeExpr> laneBreaks(ValueRange roots, int64_t dim) {
  if (roots.empty() || dim < 0) return {};
  Collector collector;
  for (Value root : roots) collector.visit(root, dim, 0);
  return collector.finish(sizesOf(roots[0].getType())[dim]);
}

}  // namespace jinx::schedules

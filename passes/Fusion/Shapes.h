// Sizes of values, read from their types once. Fusion asks for them a million times on a model of some hundred operators, and a
// dynamic size is a formula in text (ir/Graph/Sizes.h):
//
//   tensor<?x64xf32, #jinx.dims<"n", "64">>     dims {3, 1}, extents {32, 64}: id 3 stands for "n" wherever it occurs
#pragma once

#include <memory>

#include "ir/Graph/Graph.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace jinx::passes {

struct ShapeInfo {
  llvm::SmallVector<int, 5> dims;        ///< equal ids: equal sizes, whatever the inputs
  llvm::SmallVector<double, 5> extents;  ///< nominal where only a run knows
  double elements = 1, elementBytes = 4;
  int rank() const { return int(dims.size()); }
  bool isOne(int d) const { return dims[d] == kOne; }
  static constexpr int kOne = 0;         ///< the id of the constant 1
};

class Shapes {
 public:
  Shapes() { ids_["1"] = ShapeInfo::kOne; }
  /// Of a ranked tensor.
  const ShapeInfo &of(mlir::Value v) { return of(v.getType()); }
  const ShapeInfo &of(mlir::Type type);
  bool same(mlir::Value a, mlir::Value b) { return a.getType() == b.getType() || of(a).dims == of(b).dims; }

 private:
  static constexpr int64_t kNominal = 32;  ///< a size that only a run knows
  llvm::DenseMap<mlir::Type, std::unique_ptr<ShapeInfo>> known_;
  llvm::StringMap<int> ids_;
};

inline const ShapeInfo &Shapes::of(mlir::Type type) {
  std::unique_ptr<ShapeInfo> &slot = known_[type];
  if (slot) return *slot;
  slot = std::make_unique<ShapeInfo>();
  auto tensor = mlir::cast<mlir::RankedTensorType>(type);
  for (const SizeExpr &size : graph::sizesOf(tensor)) {
    slot->dims.push_back(ids_.try_emplace(size.str(), int(ids_.size())).first->second);
    auto value = size.evaluate([](std::string_view) -> std::optional<int64_t> { return kNominal; });
    slot->extents.push_back(std::max<double>(1, double(value.value_or(kNominal))));
    slot->elements *= slot->extents.back();
  }
  mlir::Type e = tensor.getElementType();
  slot->elementBytes = e.isIntOrFloat() ? std::max(1u, e.getIntOrFloatBitWidth() / 8) : 8;
  return *slot;
}

}  // namespace jinx::passes

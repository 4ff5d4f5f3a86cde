#include "ir/Graph/PartAttr.h"

#include "ir/Graph/Constants.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace jinx::graph {
namespace {

// Of a part: what is smaller is copied, and read by passes that look into constants.
constexpr int64_t kLeastBytes = 1024;

bool hasBytes(Type element) { return element.isIntOrFloat() && element.getIntOrFloatBitWidth() % 8 == 0; }

/// A box in memory: dimensions that lie behind each other are one.
struct Box {
  int64_t start, size, extent;
  int64_t inside() const { return std::clamp<int64_t>(extent - start, 0, size); }
};

/// Dimensions of which all is there join the one outside of them.
SmallVector<Box> joined(ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes, ArrayRef<int64_t> extents) {
  SmallVector<Box> boxes;
  for (auto [start, size, extent] : llvm::zip_equal(starts, sizes, extents)) {
    if (boxes.empty() || !(start == 0 && size == extent)) {
      boxes.push_back({start, size, extent});
      continue;
    }
    Box& outer = boxes.back();
    outer = {outer.start * extent, outer.size * extent, outer.extent * extent};
  }
  return boxes;
}

/// The bytes of `boxes`, whose outermost one is the first, from `memory` on.
void cut(ArrayRef<Box> boxes, const std::byte* memory, SmallVectorImpl<StridedBytes>& out) {
  uint64_t below = 1, whole = 1; // elements of a step of the outermost dimension: of the part, and in memory
  for (const Box& box : boxes.drop_front())
    below *= uint64_t(box.size), whole *= uint64_t(box.extent);
  const Box& box = boxes.front();
  const uint64_t inside = uint64_t(box.inside()), missing = uint64_t(box.size) - inside;
  const std::byte* first = inside ? memory + uint64_t(box.start) * whole : nullptr;
  if (boxes.size() == 1) {
    out.push_back({.first = first, .rows = 1, .rowBytes = inside, .stride = 0, .zeros = missing});
    return;
  }
  const Box& inner = boxes[1];
  if (boxes.size() == 2 && inside) {
    const uint64_t there = uint64_t(inner.inside());
    out.push_back({.first = there ? first + inner.start : nullptr,
                   .rows = inside,
                   .rowBytes = there,
                   .stride = whole,
                   .zeros = uint64_t(inner.size) - there});
  } else {
    for (uint64_t i = 0; i < inside; ++i)
      cut(boxes.drop_front(), first + i * whole, out);
  }
  if (missing) out.push_back({.first = nullptr, .rows = 1, .rowBytes = 0, .stride = 0, .zeros = missing * below});
}

} // namespace

LogicalResult PartAttr::verify(function_ref<InFlightDiagnostic()> emitError, ShapedType type,
                               DenseResourceElementsAttr whole, ArrayRef<int64_t> starts) {
  auto of = dyn_cast<RankedTensorType>(whole.getType()), part = dyn_cast<RankedTensorType>(type);
  // part C1
  if (!of || !part || !of.hasStaticShape() || !part.hasStaticShape() || of.getRank() != part.getRank() ||
      of.getRank() == 0 || of.getElementType() != part.getElementType())
    return emitError() << "part is " << type << " of " << whole.getType()
                       << ", expected static shapes of one rank, at least 1, and one element type";
  if (!hasBytes(of.getElementType()))
    return emitError() << "part has elements of " << of.getElementType() << ", expected ones of whole bytes";
  // part C2
  if (starts.size() != size_t(of.getRank()))
    return emitError() << "part has " << starts.size() << " starts, expected " << of.getRank() << " (a dimension each)";
  for (int64_t start : starts)
    if (start < 0) return emitError() << "part starts at " << start << ", expected 0 or more";
  return success();
}

PartAttr partOf(ElementsAttr elements, ArrayRef<int64_t> starts, RankedTensorType type) {
  auto part = dyn_cast<PartAttr>(elements);
  auto whole = part ? part.getWhole() : dyn_cast<DenseResourceElementsAttr>(elements);
  if (!whole || !type.hasStaticShape() || type.getRank() == 0 || type.getRank() != whole.getType().getRank() ||
      !hasBytes(type.getElementType()))
    return {};
  if (type.getNumElements() * int64_t(type.getElementTypeBitWidth() / 8) < kLeastBytes) return {};
  const auto from = cast<RankedTensorType>(elements.getType());
  SmallVector<int64_t> all(starts);
  for (int64_t d = 0; part && d < type.getRank(); ++d) {
    const int64_t end = starts[d] + type.getDimSize(d);
    // Zeros behind the part are the whole one's elements, unless that has ended there.
    if (end > from.getDimSize(d) && part.getStarts()[d] + from.getDimSize(d) < whole.getType().getDimSize(d)) return {};
    all[d] += part.getStarts()[d];
  }
  return PartAttr::get(type.getContext(), RankedTensorType::get(type.getShape(), type.getElementType()), whole, all);
}

SmallVector<StridedBytes> piecesOf(PartAttr part) {
  SmallVector<StridedBytes> pieces;
  const AsmResourceBlob* blob = part.getWhole().getRawHandle().getBlob();
  const ShapedType whole = part.getWhole().getType();
  const int64_t element = whole.getElementTypeBitWidth() / 8;
  if (!blob || int64_t(blob->getData().size()) < whole.getNumElements() * element ||
      part.getType().getNumElements() == 0)
    return pieces;
  // An element is a dimension of its bytes, all of which are there.
  SmallVector<int64_t> starts(part.getStarts()), sizes(part.getType().getShape()), extents(whole.getShape());
  starts.push_back(0), sizes.push_back(element), extents.push_back(element);
  cut(joined(starts, sizes, extents), reinterpret_cast<const std::byte*>(blob->getData().data()), pieces);
  return pieces;
}

} // namespace jinx::graph

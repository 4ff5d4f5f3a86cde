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

/// The bytes of a resource; null where they are fewer than its type needs.
const std::byte* bytesOf(DenseResourceElementsAttr resource) {
  const AsmResourceBlob* blob = resource.getRawHandle().getBlob();
  const int64_t needed = resource.getType().getNumElements() * (resource.getType().getElementTypeBitWidth() / 8);
  return blob && int64_t(blob->getData().size()) >= needed ? reinterpret_cast<const std::byte*>(blob->getData().data())
                                                           : nullptr;
}

/// A box of elements of `whole`. An element is a dimension of its bytes, all of which are there.
SmallVector<Box> boxesOf(ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes, ShapedType whole) {
  SmallVector<int64_t> from(starts), of(sizes), extents(whole.getShape());
  const int64_t element = whole.getElementTypeBitWidth() / 8;
  from.push_back(0), of.push_back(element), extents.push_back(element);
  return joined(from, of, extents);
}

/// Of each entry the box of its elements, and zeros for entries that are not there. \returns whether all entries have their bytes
bool cutStack(ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes, StackAttr stack, SmallVectorImpl<StridedBytes>& out) {
  const ArrayRef<DenseResourceElementsAttr> all = stack.getEntries();
  const Box entries{starts.front(), sizes.front(), int64_t(all.size())};
  const SmallVector<Box> boxes = boxesOf(starts.drop_front(), sizes.drop_front(), all.front().getType());
  for (int64_t i = 0; i < entries.inside(); ++i) {
    const std::byte* memory = bytesOf(all[size_t(entries.start + i)]);
    if (!memory) return false;
    cut(boxes, memory, out);
  }
  uint64_t bytes = uint64_t(entries.size - entries.inside());
  for (const Box& box : boxes)
    bytes *= uint64_t(box.size);
  if (bytes) out.push_back({.first = nullptr, .rows = 1, .rowBytes = 0, .stride = 0, .zeros = bytes});
  return true;
}

RankedTensorType stackedType(int64_t entries, ShapedType entry) {
  SmallVector<int64_t> shape{entries};
  llvm::append_range(shape, entry.getShape());
  return RankedTensorType::get(shape, entry.getElementType());
}

} // namespace

LogicalResult StackAttr::verify(function_ref<InFlightDiagnostic()> emitError, ShapedType type,
                                ArrayRef<DenseResourceElementsAttr> entries) {
  assert(!entries.empty() && "no text has an empty list");
  // stack C1
  auto entry = dyn_cast<RankedTensorType>(entries[0].getType());
  if (!entry || !entry.hasStaticShape() || !hasBytes(entry.getElementType()))
    return emitError() << "stack has entries of " << entries[0].getType()
                       << ", expected a static shape of elements of whole bytes";
  for (DenseResourceElementsAttr other : entries)
    if (other.getType() != entry)
      return emitError() << "stack has entries of " << entry << " and " << other.getType() << ", expected one type";
  // stack C2
  const RankedTensorType expected = stackedType(int64_t(entries.size()), entry);
  if (type != expected) return emitError() << "stack is " << type << ", expected " << expected;
  return success();
}

LogicalResult PartAttr::verify(function_ref<InFlightDiagnostic()> emitError, ShapedType type, ElementsAttr whole,
                               ArrayRef<int64_t> starts) {
  // part C3
  if (!isa<DenseResourceElementsAttr, StackAttr>(whole))
    return emitError() << "part is of " << whole << ", expected a dense_resource or a stack";
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
  const ElementsAttr whole = part ? part.getWhole() : elements;
  if (!isa<DenseResourceElementsAttr, StackAttr>(whole) || !type.hasStaticShape() || type.getRank() == 0 ||
      type.getRank() != whole.getShapedType().getRank() || !hasBytes(type.getElementType()))
    return {};
  if (type.getNumElements() * int64_t(type.getElementTypeBitWidth() / 8) < kLeastBytes) return {};
  const auto from = cast<RankedTensorType>(elements.getType());
  SmallVector<int64_t> all(starts);
  for (int64_t d = 0; part && d < type.getRank(); ++d) {
    const int64_t end = starts[d] + type.getDimSize(d);
    // Zeros behind the part are the whole one's elements, unless that has ended there.
    const int64_t behind = part.getStarts()[d] + from.getDimSize(d);
    if (end > from.getDimSize(d) && behind < whole.getShapedType().getDimSize(d)) return {};
    all[d] += part.getStarts()[d];
  }
  return PartAttr::get(type.getContext(), RankedTensorType::get(type.getShape(), type.getElementType()), whole, all);
}

StackAttr stackOf(ArrayRef<ElementsAttr> entries) {
  SmallVector<DenseResourceElementsAttr> resources;
  for (ElementsAttr entry : entries) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(entry);
    if (!resource || !hasBytes(entry.getElementType())) return {};
    resources.push_back(resource);
  }
  const ShapedType entry = resources.front().getType();
  return StackAttr::get(entry.getContext(), stackedType(int64_t(resources.size()), entry), resources);
}

SmallVector<StridedBytes> piecesOf(ElementsAttr elements) {
  SmallVector<StridedBytes> pieces;
  auto part = dyn_cast<PartAttr>(elements);
  const ElementsAttr whole = part ? part.getWhole() : elements;
  const ShapedType type = elements.getShapedType();
  if ((!part && !isa<StackAttr>(whole)) || type.getNumElements() == 0) return pieces;
  const SmallVector<int64_t> origin(size_t(type.getRank()), 0);
  const ArrayRef<int64_t> starts = part ? part.getStarts() : ArrayRef(origin);
  if (auto stack = dyn_cast<StackAttr>(whole)) {
    if (!cutStack(starts, type.getShape(), stack, pieces)) pieces.clear();
  } else if (const std::byte* memory = bytesOf(cast<DenseResourceElementsAttr>(whole))) {
    cut(boxesOf(starts, type.getShape(), whole.getShapedType()), memory, pieces);
  }
  return pieces;
}

} // namespace jinx::graph

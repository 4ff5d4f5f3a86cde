#include "runtime/hostops/DataMove.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace jinx::datamove {
namespace {

int64_t elementBytes(DType type) { return bitWidth(type) / 8; }

char* at(void* base, int64_t bytes) { return static_cast<char*>(base) + bytes; }
const char* at(const void* base, int64_t bytes) { return static_cast<const char*>(base) + bytes; }

/// Moves one element of a known width: the compiler turns the memcpy into a load and a store.
template <int kBytes>
struct ByteElement {
  static void move(void* dst, int64_t to, const void* src, int64_t from) {
    std::memcpy(at(dst, to * kBytes), at(src, from * kBytes), kBytes);
  }
};
struct StringElement {
  static void move(void* dst, int64_t to, const void* src, int64_t from) {
    static_cast<std::string*>(dst)[to] = static_cast<const std::string*>(src)[from];
  }
};

/// Calls `body` with the element mover for `type`.
template <typename Body>
void withElement(DType type, Body body) {
  if (type == DType::kString) return body(StringElement());
  switch (elementBytes(type)) {
  case 1:
    return body(ByteElement<1>());
  case 2:
    return body(ByteElement<2>());
  case 4:
    return body(ByteElement<4>());
  case 8:
    return body(ByteElement<8>());
  case 16:
    return body(ByteElement<16>());
  default:
    assert(false && "sub-byte tensors are unpacked before they are moved");
  }
}

struct Dim {
  int64_t extent, dst, src; // extent and the two strides
};

/// Drops dimensions of extent 1 and joins neighbours that both sides step through evenly.
std::vector<Dim> coalesce(std::span<const int64_t> extents, std::span<const int64_t> dst,
                          std::span<const int64_t> src) {
  std::vector<Dim> dims;
  for (size_t k = 0; k < extents.size(); ++k) {
    if (extents[k] == 1) continue;
    if (!dims.empty() && dims.back().dst == dst[k] * extents[k] && dims.back().src == src[k] * extents[k]) {
      dims.back() = {dims.back().extent * extents[k], dst[k], src[k]};
    } else {
      dims.push_back({extents[k], dst[k], src[k]});
    }
  }
  return dims;
}

constexpr int64_t kTile = 16; // side of the squares in which a matrix is transposed, so that both sides stay in cache

template <typename Element>
void copyInner(const Dim& row, const Dim& column, void* dst, int64_t to, const void* src, int64_t from) {
  for (int64_t r0 = 0; r0 < row.extent; r0 += kTile)
    for (int64_t c0 = 0; c0 < column.extent; c0 += kTile)
      for (int64_t r = r0; r < std::min(r0 + kTile, row.extent); ++r)
        for (int64_t c = c0; c < std::min(c0 + kTile, column.extent); ++c)
          Element::move(dst, to + r * row.dst + c * column.dst, src, from + r * row.src + c * column.src);
}

/// Copies dims[k..] from the given offsets.
template <typename Element>
void copyDims(DType type, std::span<const Dim> dims, void* dst, int64_t to, const void* src, int64_t from) {
  const Dim& d = dims[0];
  if (dims.size() == 1) {
    if (d.dst == 1 && d.src == 1) return copyRun(type, dst, to, src, from, d.extent);
    if (d.dst == 1 && d.src == 0) return fillRun(type, dst, to, src, from, d.extent);
    for (int64_t i = 0; i < d.extent; ++i)
      Element::move(dst, to + i * d.dst, src, from + i * d.src);
    return;
  }
  if (dims.size() == 2 && d.src == 1 && dims[1].src != 0) return copyInner<Element>(d, dims[1], dst, to, src, from);
  for (int64_t i = 0; i < d.extent; ++i)
    copyDims<Element>(type, dims.subspan(1), dst, to + i * d.dst, src, from + i * d.src);
}

/// Whether `map` reads 0, 1, …, extent-1.
bool isIdentity(const std::vector<int64_t>& map, int64_t extent) {
  if (static_cast<int64_t>(map.size()) != extent) return false;
  for (int64_t i = 0; i < extent; ++i)
    if (map[static_cast<size_t>(i)] != i) return false;
  return true;
}

/// The state of one copyMapped: what is below dimension `maps.size()` is a run of `inner` elements.
struct MappedCopy {
  DType type;
  std::span<const std::vector<int64_t>> maps;
  Shape srcStrides;
  Shape outStrides;
  int64_t inner;
  void* out;
  const void* src;
  const void* fill;

  template <typename Element>
  void run(size_t k, int64_t to, int64_t from) const {
    const std::vector<int64_t>& map = maps[k];
    const int64_t n = static_cast<int64_t>(map.size());
    const int64_t block = outStrides[k]; // output elements below one index of this dimension
    const bool last = k + 1 == maps.size();
    for (int64_t i = 0; i < n;) {
      const int64_t index = map[static_cast<size_t>(i)];
      int64_t count = 1;
      if (index < 0) {
        while (i + count < n && map[static_cast<size_t>(i + count)] < 0)
          ++count;
        fillRun(type, out, to + i * block, fill, 0, count * block);
      } else if (last) {
        while (i + count < n && map[static_cast<size_t>(i + count)] == index + count)
          ++count;
        if (count == 1 && inner == 1) {
          Element::move(out, to + i, src, from + index);
        } else {
          copyRun(type, out, to + i * block, src, from + index * srcStrides[k], count * inner);
        }
      } else if (i > 0 && map[static_cast<size_t>(i - 1)] == index) {
        copyRun(type, out, to + i * block, out, to + (i - 1) * block, block);
      } else {
        run<Element>(k + 1, to + i * block, from + index * srcStrides[k]);
      }
      i += count;
    }
  }
};

} // namespace

Tensor unpacked(const Tensor& x) {
  const int bits = bitWidth(x.dtype());
  if (bits == 0 || bits >= 8) return x;
  Tensor y = Tensor::make(DType::kU8, x.shape());
  const int perByte = 8 / bits;
  const uint8_t mask = static_cast<uint8_t>((1 << bits) - 1);
  const uint8_t* from = x.as<uint8_t>();
  uint8_t* to = y.as<uint8_t>();
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    to[i] = (from[i / perByte] >> (i % perByte * bits)) & mask;
  return y;
}

Tensor packed(const Tensor& x, DType type) {
  const int bits = bitWidth(type);
  if (bits == 0 || bits >= 8) return x;
  Tensor y = Tensor::make(type, x.shape()); // zeroed
  const int perByte = 8 / bits;
  const uint8_t* from = x.as<uint8_t>();
  uint8_t* to = y.as<uint8_t>();
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    to[i / perByte] |= static_cast<uint8_t>(from[i] << (i % perByte * bits));
  return y;
}

void copyRun(DType type, void* dst, int64_t to, const void* src, int64_t from, int64_t count) {
  if (count <= 0) return;
  if (type == DType::kString) {
    std::copy_n(static_cast<const std::string*>(src) + from, count, static_cast<std::string*>(dst) + to);
  } else {
    const int64_t bytes = elementBytes(type);
    std::memcpy(at(dst, to * bytes), at(src, from * bytes), static_cast<size_t>(count * bytes));
  }
}

void fillRun(DType type, void* dst, int64_t to, const void* src, int64_t from, int64_t count) {
  withElement(type, [&](auto element) {
    for (int64_t i = 0; i < count; ++i)
      decltype(element)::move(dst, to + i, src, from);
  });
}

void copyStrided(DType type, std::span<const int64_t> extents, void* dst, const Layout& to, const void* src,
                 const Layout& from) {
  if (numElements(extents) == 0) return;
  const std::vector<Dim> dims = coalesce(extents, to.strides, from.strides);
  if (dims.empty()) return copyRun(type, dst, to.offset, src, from.offset, 1);
  withElement(type, [&](auto element) { copyDims<decltype(element)>(type, dims, dst, to.offset, src, from.offset); });
}

void copyMapped(DType type, std::span<const std::vector<int64_t>> maps, void* out, const void* src,
                const Shape& srcShape, const void* fill) {
  Shape outShape;
  for (const std::vector<int64_t>& map : maps)
    outShape.push_back(static_cast<int64_t>(map.size()));
  if (numElements(outShape) == 0) return;
  size_t mapped = maps.size();
  int64_t inner = 1;
  while (mapped > 0 && isIdentity(maps[mapped - 1], srcShape[mapped - 1]))
    inner *= srcShape[--mapped];
  if (mapped == 0) return copyRun(type, out, 0, src, 0, inner);
  MappedCopy copy{type, maps.first(mapped), rowMajorStrides(srcShape), rowMajorStrides(outShape), inner, out, src,
                  fill};
  withElement(type, [&](auto element) { copy.run<decltype(element)>(0, 0, 0); });
}

AxisView::AxisView(const Shape& shape, int64_t axis)
    : outer(numElements(std::span(shape).first(static_cast<size_t>(axis)))), extent(shape[static_cast<size_t>(axis)]),
      inner(numElements(std::span(shape).subspan(static_cast<size_t>(axis) + 1))) {}

Tensor taken(const Tensor& x, int64_t axis, std::span<const int64_t> indices, std::span<const int64_t> indexShape) {
  const AxisView view(x.shape(), axis);
  Shape shape(x.shape().begin(), x.shape().begin() + axis);
  shape.insert(shape.end(), indexShape.begin(), indexShape.end());
  shape.insert(shape.end(), x.shape().begin() + axis + 1, x.shape().end());
  Tensor y = Tensor::make(x.dtype(), std::move(shape));
  int64_t to = 0;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t index : indices) {
      copyRun(x.dtype(), y.data(), to, x.data(), (o * view.extent + index) * view.inner, view.inner);
      to += view.inner;
    }
  return y;
}

Tensor partOf(const Tensor& x, int64_t axis, int64_t start, int64_t count) {
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = count;
  Tensor y = Tensor::make(x.dtype(), shape);
  const Shape to = rowMajorStrides(shape), from = rowMajorStrides(x.shape());
  copyStrided(x.dtype(), shape, y.data(), {0, to}, x.data(), {start * from[static_cast<size_t>(axis)], from});
  return y;
}

Tensor joined(std::span<const Tensor> parts, int64_t axis) {
  Shape shape = parts[0].shape();
  shape[static_cast<size_t>(axis)] = 0;
  for (const Tensor& part : parts)
    shape[static_cast<size_t>(axis)] += part.dim(axis);
  Tensor y = Tensor::make(parts[0].dtype(), shape);
  const Shape to = rowMajorStrides(shape);
  int64_t offset = 0;
  for (const Tensor& part : parts) {
    const Shape from = rowMajorStrides(part.shape());
    copyStrided(part.dtype(), part.shape(), y.data(), {offset, to}, part.data(), {0, from});
    offset += part.dim(axis) * to[static_cast<size_t>(axis)];
  }
  return y;
}

Tensor transposed(const Tensor& x, std::span<const int64_t> perm) {
  const Shape strides = rowMajorStrides(x.shape());
  Shape extents, from;
  for (int64_t p : perm) {
    extents.push_back(x.dim(p));
    from.push_back(strides[static_cast<size_t>(p)]);
  }
  Tensor y = Tensor::make(x.dtype(), extents);
  const Shape to = rowMajorStrides(extents);
  copyStrided(x.dtype(), extents, y.data(), {0, to}, x.data(), {0, from});
  return y;
}

} // namespace jinx::datamove

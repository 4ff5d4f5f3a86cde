#include "frontends/onnx/OnnxConstants.h"

#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <onnx/checker.h>

#include "frontends/onnx/OnnxTypes.h"
#include "runtime/hostops/OnnxTypes.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

/// The number of elements and their packed bytes; fails on negative or overflowing shapes.
Expected<int64_t> checkedBytes(DType type, const onnx::TensorProto &proto) {
  int64_t count = 1;
  for (int64_t dim : proto.dims())
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > (int64_t(1) << 46))
      return invalidArgument("tensor '" + proto.name() + "' has the impossible size " + std::to_string(dim));
  return packedBytes(type, count);
}

/// The elements of a typed field as packed bytes.
template <typename Stored, typename Field>
std::string pack(const Field &field) {
  std::string bytes(field.size() * sizeof(Stored), '\0');
  for (int i = 0; i < field.size(); ++i) {
    Stored value = static_cast<Stored>(field[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &value, sizeof(Stored));
  }
  return bytes;
}

std::string packTypedField(const onnx::TensorProto &proto, DType type) {
  switch (type) {
  case DType::kF32:
  case DType::kC64: return pack<float>(proto.float_data());
  case DType::kF64:
  case DType::kC128: return pack<double>(proto.double_data());
  case DType::kI64: return pack<int64_t>(proto.int64_data());
  case DType::kU64: return pack<uint64_t>(proto.uint64_data());
  case DType::kU32: return pack<uint32_t>(proto.uint64_data());
  case DType::kI32: return pack<int32_t>(proto.int32_data());
  case DType::kI16:
  case DType::kU16:
  case DType::kF16:
  case DType::kBF16: return pack<uint16_t>(proto.int32_data());
  default: return pack<uint8_t>(proto.int32_data()); // 8 bits and below: one entry a byte
  }
}

bool isSplat(ArrayRef<char> packed, size_t width) {
  // Shifting by one element compares every element with its neighbour.
  return packed.size() > width && std::memcmp(packed.data(), packed.data() + width, packed.size() - width) == 0;
}

/// A tensor over bytes that are alive for now, in memory of its own.
Tensor copyOf(DType dtype, const Shape &shape, ArrayRef<char> packed) {
  Tensor tensor = Tensor::make(dtype, shape);
  if (!packed.empty()) std::memcpy(tensor.data(), packed.data(), packed.size());
  return tensor;
}

} // namespace

ElementsAttr elementsFromPacked(RankedTensorType type, ArrayRef<char> packed) {
  DType dtype = graph::dtypeOf(type.getElementType());
  size_t width = size_t(bitWidth(dtype)) / 8;
  if (dtype == DType::kBool && isSplat(packed, 1)) return DenseElementsAttr::get(type, packed[0] != 0);
  if (width && dtype != DType::kBool && isSplat(packed, width)) return DenseElementsAttr::getFromRawBuffer(type, packed.take_front(width));
  return graph::elementsOf(copyOf(dtype, Shape(type.getShape().begin(), type.getShape().end()), packed), type.getContext());
}

Expected<ElementsAttr> ConstantReader::read(const onnx::TensorProto &proto) {
  DType dtype = dtypeFromOnnx(proto.data_type());
  if (dtype == DType::kInvalid)
    return unimplemented("tensor '" + proto.name() + "' has the unknown element type " + std::to_string(proto.data_type()));
  JINX_TRY_ASSIGN(int64_t bytes, checkedBytes(dtype, proto));
  SmallVector<int64_t> shape(proto.dims().begin(), proto.dims().end());
  auto type = RankedTensorType::get(shape, graph::elementTypeOf(dtype, context_));
  auto wrongSize = [&](int64_t got, const char *unit) {
    return invalidArgument("tensor '" + proto.name() + "' has " + std::to_string(got) + " " + unit + " of data, expected " +
                           std::to_string(dtype == DType::kString ? type.getNumElements() : bytes));
  };
  if (dtype == DType::kString) {
    if (proto.string_data_size() != type.getNumElements()) return wrongSize(proto.string_data_size(), "strings");
    Tensor strings = Tensor::make(dtype, Shape(shape.begin(), shape.end()));
    for (int i = 0; i < proto.string_data_size(); ++i) strings.setString(i, proto.string_data(i));
    return graph::elementsOf(strings, context_);
  }
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) return readExternal(proto, type, bytes);
  if (proto.has_raw_data()) {
    if (int64_t(proto.raw_data().size()) != bytes) return wrongSize(proto.raw_data().size(), "bytes");
    return elementsFromPacked(type, ArrayRef<char>(proto.raw_data().data(), bytes));
  }
  std::string packed = packTypedField(proto, dtype);
  if (int64_t(packed.size()) != bytes) return wrongSize(packed.size(), "bytes");
  return elementsFromPacked(type, ArrayRef<char>(packed.data(), packed.size()));
}

Expected<std::shared_ptr<const std::string_view>> ConstantReader::map(const std::string &location, const std::string &tensor) {
  if (auto it = mapped_.find(location); it != mapped_.end()) return it->second;
  int fd = -1;
  try { // refuses absolute paths, "..", links that lead out of the model's folder
    fd = int(onnx::checker::open_external_data(modelDir_, location, tensor, /*read_only=*/true));
  } catch (const std::exception &error) {
    return invalidArgument("external data of tensor '" + tensor + "': " + error.what());
  }
  struct stat info {};
  void *data = ::fstat(fd, &info) == 0 && info.st_size > 0 ? ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  ::close(fd);
  if (data == MAP_FAILED) return invalidArgument("external data '" + location + "' of tensor '" + tensor + "' cannot be mapped");
  auto unmap = [](const std::string_view *view) {
    ::munmap(const_cast<char *>(view->data()), view->size());
    delete view;
  };
  auto *view = new std::string_view(static_cast<const char *>(data), size_t(info.st_size));
  return mapped_[location] = std::shared_ptr<const std::string_view>(view, unmap);
}

Expected<ElementsAttr> ConstantReader::readExternal(const onnx::TensorProto &proto, RankedTensorType type, int64_t bytes) {
  std::string location;
  int64_t offset = 0, length = bytes;
  for (const auto &entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    bool bad = false;
    if (entry.key() == "offset") bad = StringRef(entry.value()).getAsInteger(10, offset);
    if (entry.key() == "length") bad = StringRef(entry.value()).getAsInteger(10, length);
    if (bad) return invalidArgument("tensor '" + proto.name() + "': external data " + entry.key() + " is '" + entry.value() + "'");
  }
  if (bytes == 0) return elementsFromPacked(type, {});
  if (modelDir_.empty()) return invalidArgument("tensor '" + proto.name() + "' has external data, the model comes from memory");
  JINX_TRY_ASSIGN(auto file, map(location, proto.name()));
  if (length != bytes || offset < 0 || uint64_t(offset) > file->size() || uint64_t(bytes) > file->size() - uint64_t(offset))
    return invalidArgument("tensor '" + proto.name() + "' needs " + std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                           " of '" + location + "' (length " + std::to_string(length) + "), which has " +
                           std::to_string(file->size()));
  ArrayRef<char> data(file->data() + offset, size_t(bytes));
  if (reinterpret_cast<uintptr_t>(data.data()) % 64) return elementsFromPacked(type, data);
  Shape shape(type.getShape().begin(), type.getShape().end());
  DType dtype = graph::dtypeOf(type.getElementType());
  auto keep = std::const_pointer_cast<std::string_view>(file); // the mapping lives as long as a tensor over it
  return graph::elementsOf(Tensor::wrap(dtype, shape, const_cast<char *>(data.data()), keep), context_);
}

Expected<ElementsAttr> ConstantReader::readSparse(const onnx::SparseTensorProto &proto) {
  JINX_TRY_ASSIGN(ElementsAttr values, read(proto.values()));
  JINX_TRY_ASSIGN(ElementsAttr indices, read(proto.indices()));
  auto v = graph::tensorOf(values), at = graph::tensorOf(indices);
  DType dtype = dtypeFromOnnx(proto.values().data_type());
  if (!v || !at || bitWidth(dtype) < 8) return unimplemented("sparse tensor '" + proto.values().name() + "'");
  onnx::TensorProto shape;
  shape.set_name(proto.values().name());
  *shape.mutable_dims() = proto.dims();
  JINX_TRY_ASSIGN(int64_t bytes, checkedBytes(dtype, shape));
  if (bytes > (int64_t(1) << 32)) return unimplemented("sparse tensor '" + shape.name() + "' is dense " + std::to_string(bytes) + " bytes");
  Tensor dense = Tensor::make(dtype, Shape(proto.dims().begin(), proto.dims().end()));
  Shape strides = rowMajorStrides(dense.shape());
  size_t width = size_t(bitWidth(dtype)) / 8;
  if (at->size() != v->size() * (at->rank() == 2 ? dense.rank() : 1))
    return invalidArgument("sparse tensor '" + shape.name() + "' has " + std::to_string(at->size()) + " indices for " +
                           std::to_string(v->size()) + " values");
  for (int64_t i = 0; i < v->size(); ++i) {
    int64_t position = 0;
    if (at->rank() == 2)
      for (int64_t d = 0; d < dense.rank(); ++d) position += at->getInt(i * dense.rank() + d) * strides[d];
    else
      position = at->getInt(i);
    if (position < 0 || position >= dense.size()) return invalidArgument("sparse tensor '" + shape.name() + "': index out of range");
    std::memcpy(dense.as<char>() + position * width, v->as<char>() + i * width, width);
  }
  return graph::elementsOf(dense, context_);
}

} // namespace jinx::frontends

// safetensors files: tensors by name, mapped and checked before anything is used.
//
//   length u64, little end first | header: JSON, so many bytes | data
//
//   {"model.norm.weight": {"dtype": "BF16", "shape": [576], "data_offsets": [0, 1152]}, …, "__metadata__": {"format": "pt"}}
//
// Offsets are from the start of the data. A file is refused when its header is too long, is no such JSON or has a name twice, when a tensor is not as
// long as its shape and type say, lies outside of the data, or on another: what a `SafetensorsFile` holds need not be checked again. Bytes that no
// tensor has are refused as well, as the format's own reader does. Names and tensors point into the file or the object; elements may not be aligned.
//
//   JINX_TRY_ASSIGN(SafetensorsFile file, SafetensorsFile::open("model.safetensors"));
//   const SafetensorsTensor* norm = file.findTensor("model.norm.weight");     // shape {576}, dtype kBF16
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/File.h"
#include "runtime/base/Tensor.h"

namespace jinx {

struct SafetensorsTensor {
  std::string name;
  std::string typeName; ///< as the file calls it: "BF16", "F8_E4M3"
  DType dtype = DType::kInvalid;
  Shape shape; ///< outermost first
  std::span<const std::byte> bytes;
};

class SafetensorsFile {
 public:
  /// \returns kNotFound without a file, kInvalidArgument for a damaged one, kUnimplemented for a type of elements that is not known; each says what
  ///          was got and what was expected
  static Expected<SafetensorsFile> open(const std::string& path);
  /// The same over bytes that stay where they are.
  static Expected<SafetensorsFile> parse(std::span<const std::byte> bytes);

  /// In the order of their names.
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }
  /// The whole file; none of what was parsed.
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  /// Null when there is none of that name.
  const SafetensorsTensor* findTensor(std::string_view name) const;
  /// "__metadata__": texts by name.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  Status read(std::span<const std::byte> bytes);

  MappedFile file_;
  std::vector<SafetensorsTensor> tensors_; ///< by name
  std::map<std::string, std::string> metadata_;
};

} // namespace jinx

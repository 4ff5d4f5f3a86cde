// GGUF files, version 2 and 3: weights of language models with what is known about them, mapped and checked before anything is used.
//
//   header   "GGUF" | version u32 | number of tensors u64 | number of entries u64
//   entries  name | type u32 | value            "llama.block_count" u32 30, "tokenizer.ggml.tokens" array of strings …
//   tensors  name | rank u32 | extents u64, innermost first | type u32 | offset u64 from the start of the data
//   data     begins at a multiple of the alignment (entry "general.alignment", else 32), as does each tensor
//
// Numbers are little end first; a string is its length (u64) and so many bytes. Nothing is copied but the list of what there is: names, strings and
// tensors point into the file. A file is refused when a length, an offset or a type in it cannot be: what a `GgufFile` holds need not be checked again.
//
//   JINX_TRY_ASSIGN(GgufFile file, GgufFile::open("model.gguf"));
//   JINX_TRY_ASSIGN(int64_t layers, file.integer("llama.block_count"));
//   const GgufTensor* table = file.findTensor("token_embd.weight");     // shape {49152, 576}, type "Q8_0", bytes of 49152 * 18 blocks
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "runtime/base/BlockFormat.h"
#include "runtime/base/DType.h"
#include "runtime/base/File.h"
#include "runtime/base/Tensor.h"

namespace jinx {

/// What elements of a tensor are: plain numbers, or blocks of codes.
struct GgufType {
  std::string_view name;               ///< as GGUF calls it: "F32", "Q4_K"
  DType dtype = DType::kInvalid;       ///< of plain numbers
  const BlockFormat* blocks = nullptr; ///< of codes
};

struct GgufTensor {
  std::string_view name;
  Shape shape; ///< outermost first, as everywhere in Jinx: the last extent is that of a row, a whole number of blocks
  GgufType type;
  std::span<const std::byte> bytes;
};

/// Numbers of one type: `count` of them in `bytes`, not aligned.
struct GgufNumbers {
  DType dtype = DType::kInvalid;
  uint64_t count = 0;
  std::span<const std::byte> bytes;
};

/// Unsigned and signed integers keep their kind, f32 is a double.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufNumbers, std::vector<std::string_view>>;

struct GgufEntry {
  std::string_view name;
  GgufValue value;
};

class GgufFile {
 public:
  /// \returns kNotFound without a file, kInvalidArgument for a damaged one, kUnimplemented for a version or a tensor type that we do not read; each
  ///          says what was got and what was expected
  static Expected<GgufFile> open(const std::string& path);
  /// The same over bytes that stay where they are.
  static Expected<GgufFile> parse(std::span<const std::byte> bytes);

  /// In the file's order.
  std::span<const GgufEntry> entries() const { return entries_; }
  std::span<const GgufTensor> tensors() const { return tensors_; }
  /// Null when there is none of that name.
  const GgufValue* findEntry(std::string_view name) const;
  const GgufTensor* findTensor(std::string_view name) const;

  /// The entry of that name, of that kind. kNotFound without it, kInvalidArgument, naming what it is, for another kind.
  Expected<int64_t> integer(std::string_view name) const;
  Expected<double> number(std::string_view name) const; ///< an integer, too
  Expected<bool> boolean(std::string_view name) const;
  Expected<std::string_view> text(std::string_view name) const;
  Expected<std::span<const std::string_view>> texts(std::string_view name) const;
  /// Numbers as integers, or as f32; an element that does not fit is an error.
  Expected<std::vector<int64_t>> integers(std::string_view name) const;
  Expected<std::vector<float>> floats(std::string_view name) const;

 private:
  friend class GgufReader;
  Expected<const GgufValue*> entry(std::string_view name) const;

  MappedFile file_;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> entryIndex_, tensorIndex_;
};

} // namespace jinx

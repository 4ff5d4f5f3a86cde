// What the user may say about a model's sizes when it is imported, and how it is written on the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::frontends {

/// `batch=4`, `input.1:2=480` or `seq=1..512`: a named dimension, or dimension AXIS of INPUT, gets a value or a range.
/// Any declared dimension may be overridden, static ones too: some models declare the sizes they were traced with.
struct DimOverride {
  std::string name;  ///< a dimension's name in the model
  std::string input; ///< or an input's name
  int64_t axis = -1; ///< and its dimension
  int64_t min = 1;
  int64_t max = 1; ///< inclusive; equal to `min`: a constant; kUnbounded: no limit

  static constexpr int64_t kUnbounded = -1;
  bool isConstant() const { return min == max; }
};

/// Reads NAME=VALUE, NAME=LO..HI, INPUT:AXIS=VALUE, INPUT:AXIS=LO..HI (HI may be left out: unbounded).
/// A name that contains ':' and is no INPUT:AXIS of the model is looked up as a dimension's name.
Expected<DimOverride> parseDimOverride(std::string_view text);
/// One name must not get two sizes. (A position may differ from a name: it is more than the name.)
Status checkConsistent(const std::vector<DimOverride> &dims);

struct ImportOptions {
  std::vector<DimOverride> dims;
  bool isForGpu = false;      ///< where the next three say nothing, language models have activations of bf16, pages of their activations' type, and draw tokens
  std::string keyValueType;   ///< of pages of a language model: f32 (also when empty), f16, bf16, i8 or f8
  std::string activationType; ///< of what goes from one operator of a language model to the next: f32 (also when empty), f16 or bf16
  bool picksTokens = false;   ///< a language model draws tokens, beside giving logits
  /// Told of each file of weights that is mapped and that constants share memory with; may be empty.
  std::function<void(const std::string& path, std::span<const std::byte> bytes)> mapped;
  int64_t maxBytes = int64_t(2) << 30; ///< of the model file itself, external data not counted
};

} // namespace jinx::frontends

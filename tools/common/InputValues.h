// The inputs of a run: from .npy files, or random ones, and sizes for what is dynamic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frontends/ImportOptions.h"
#include "runtime/executor/Executor.h"

namespace jinx::tools {

struct InputOptions {
  std::vector<std::string> files;           ///< NAME=FILE.npy
  std::optional<uint64_t> seed;             ///< random values for inputs without a file
  std::vector<frontends::DimOverride> dims; ///< extents of random inputs
  bool dimsWereCompiled = false;            ///< the plan was compiled with `dims`: they may name nothing in it any more
};

/// One value per input of the plan, in its order.
/// \returns kInvalidArgument listing all inputs that have neither file nor seed, or names that the plan does not have;
///          dtype and shape are checked here for files, so that the message names the file
Expected<std::vector<Value>> makeInputs(const plan::Plan& plan, std::span<const Port> ports,
                                        const InputOptions& options);

/// The extents of every input for given sizes: a constant size its value, a range its lower end, any other symbol the
/// least extent not below `least` that its bounds and divisibility allow, or the largest.
/// \returns kInvalidArgument for a size whose name the plan does not have
Expected<std::vector<Shape>> inputShapes(const plan::Plan& plan, std::span<const Port> ports,
                                         std::span<const frontends::DimOverride> dims, bool dimsWereCompiled,
                                         int64_t least = 1);

/// `dims`, and the sizes that given inputs have: random inputs take them, and a --dim that says otherwise is a
/// conflict.
std::vector<frontends::DimOverride> withSizesOf(std::span<const Value> values, std::span<const Port> ports,
                                                std::vector<frontends::DimOverride> dims);

/// The inputs of a plan as ports, without a session.
std::vector<Port> portsOf(const plan::Plan& plan, bool outputs = false);

} // namespace jinx::tools

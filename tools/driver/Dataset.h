// Samples to calibrate with, and what is known of their answers.
//
// A data set is an .npz file, or a folder of .npy files, with an array for each input of the model, under its name. An array's first axis
// counts samples; where it has
//
//   one axis more than the input    array[i] is the input of sample i:                images [100, 1, 3, 224, 224] for [1, 3, 224, 224]
//   as many axes as the input       the first axis is cut: rows i*b … i*b + b - 1 are sample i, b the input's extent there, 1 where
//                                   that is dynamic:                                  images [100, 3, 224, 224] for [n, 3, 224, 224]
//
// All inputs have as many samples. Beside them there may be `labels`, the class of each row of the first output, and `expected_OUTPUT`,
// what output OUTPUT is of each sample, cut like an input.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/executor/Executor.h"

namespace jinx::driver {

struct Dataset {
  std::string path;
  std::map<std::string, Tensor> arrays;
};

Expected<Dataset> readDataset(const std::string& path);

struct Samples {
  std::vector<std::vector<Value>> inputs;                  ///< of each sample, in the model's order
  Tensor labels;                                           ///< invalid where there are none
  std::map<std::string, std::vector<Tensor>> expected;     ///< of outputs, for each sample
};

/// \returns kInvalidArgument, naming the array, for names that the model has not or that are missing, other types, shapes that do not
///          fit, no samples, values that are not finite
Expected<Samples> samplesOf(const Dataset& dataset, const std::vector<Port>& inputs, const std::vector<Port>& outputs);

} // namespace jinx::driver

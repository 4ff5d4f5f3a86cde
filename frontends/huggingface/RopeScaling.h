// Which frequencies the positions of a model have: "rope_theta" and "rope_scaling", or "rope_parameters", of its config.json.
//
//   default    base^(-2i / depth)
//   linear     the same / factor
//   llama3     long waves / factor, short ones as they are, those between are blended (Llama 3.1)
//   yarn       the same by the number of turns in the original context, and what is rotated is multiplied (Peng et al. 2023)
#pragma once

#include "frontends/huggingface/Fields.h"
#include "frontends/llm/Model.h"

namespace jinx::frontends::huggingface {

/// Fills in the shape's rotations; its depth and context are known.
///
/// \param hasTwo  layers with a window have a rotation of their own: of base "rope_local_base_freq", or "rope_parameters" of two kinds of layers
/// \returns kUnimplemented for another kind of scaling, by its name; kInvalidArgument for a field that is missing or cannot be
Status readRope(const Fields& config, bool hasTwo, llm::ModelShape& shape);

} // namespace jinx::frontends::huggingface

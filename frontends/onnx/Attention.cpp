// Attention and what belongs to it: imported through the operators' own function bodies, whose products and softmax are what the
// attention fusion looks for.
#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {
namespace {

constexpr HandlerRow kRows[] = {
    {"", "Attention", 23, kAnyOpset, expandFunction},
    {"", "RotaryEmbedding", 23, kAnyOpset, expandFunction},
    {"ai.onnx.preview", "FlexAttention", 1, kAnyOpset, expandFunction},
    {"", "CenterCropPad", 18, kAnyOpset, expandFunction},
};

} // namespace

std::span<const HandlerRow> attentionHandlers() { return kRows; }

} // namespace jinx::frontends

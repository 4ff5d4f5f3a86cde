// One step of a language model as a function: tokens of some sequences go in, logits come out, keys and values go into pages.
#pragma once

#include "frontends/llm/Tensors.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace jinx::frontends::llm {

/// How pools keep keys and values: "f32", "f16", "bf16", "i8" or "f8" (E4M3); the last two have scales beside them.
struct PoolType {
  mlir::Type element;
  bool hasScales = false;
};
/// \returns kInvalidArgument for another name
Expected<PoolType> poolType(mlir::MLIRContext* context, const std::string& name);

/// What goes from one operator to the next: "f32", "f16" or "bf16". Products and attention are computed on it, with sums in f32; norms, rotations and
/// activations in f32, rounded once at their end.
/// \returns kInvalidArgument for another name
Expected<mlir::Type> activationType(mlir::MLIRContext* context, const std::string& name);

/// Adds @main to the module:
///
///   tokens, slots, sequence, position   i32 [n]        as in jinx.write_pages and jinx.paged_attention
///   table                               i32 [s, e]
///   rows                                i32 [r]        the tokens, by their place in the step, whose logits are wanted
///   keys.L, values.L                    [p, heads, 16, depth] for each layer L, changed in place
///   key_scales.L, value_scales.L        f32 [p, heads, 16], beside pools of 8 bits
///   → logits                            f32 [r, vocabulary]
///
/// and with `picksTokens`, as in DrawInputs (Draw.h):
///
///   shown.rows                          i32 [h]        the rows whose logits are given, in place of all r; all where there are draws
///   draw.rows, draw.choice              i32 [d], i32 [q]
///   draw.inverse_temperature, draw.min_p, draw.u   f32 [d]
///   listed.draw, listed.rows, listed.top_k         i32 [l]
///   listed.inverse_temperature, listed.top_p, listed.min_p, listed.u   f32 [l]
///   → best                              i32 [r]: the id of the largest logit, of equal ones the smallest; the vocabulary's size where a logit is no number
///   → picked                            i32 [q]
///
/// Inputs are in this order: tokens, slots, table, sequence, position, rows, then layer by layer, then those of draws. `Tensors::check` has passed.
void addStep(mlir::ModuleOp module, const ModelShape& shape, const Tensors& weights, const PoolType& pools, mlir::Type activation, bool picksTokens);

} // namespace jinx::frontends::llm

// Whether a plan's header message means something: every index in range, every formula readable, every value set before
// it is read. What passes here the executor may use without looking again.
//
// Beyond ranges, the rules that a plan must keep (a compiler that writes plans reads this list):
//   values   An alias ends, after finitely many steps, at an ARENA, INPUT, CONSTANT or OUTPUT tensor. Strings,
//            sequences, optionals and unranked tensors are HOST, INPUT or OUTPUT (a string tensor may be CONSTANT). A
//            constant's size is that of its (constant) dims and dtype, its offset (in an external
//            file too) a multiple of its element size. Rows of a piece are as many bytes each, do not overlap and
//            are at multiples of the element size, too.
//   symbols  A symbol is a dimension, alone, of some input (or, with `defined_by_step`, of some value that a host or
//            control step or a block's parameters set); a formula uses only declared symbols.
//   blocks   Blocks form a tree under blocks[0]: each other block is the body of exactly one control step. Nesting is
//            at most 64.
//   steps    A step writes ARENA, OUTPUT, HOST or aliases of those, never inputs and constants. What it reads is an
//            input, a constant, a parameter of an enclosing block, or written by an earlier step of this or an
//            enclosing block. A host call has a result. A launch has neither omitted operands nor strings, sequences,
//            optionals or unranked tensors.
//   ranks    Collectives stand in the main block of a plan with a mesh; what they read and write are ranked tensors of numbers of sizes
//            that the inputs tell. Each that is started has one wait behind it, of the same operands; between the two nothing writes
//            what it reads, or touches what it writes.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/Status.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

/// \param segmentSizes  bytes of each segment, in the order of `plan.segments`
/// \returns kInvalidArgument with the first fault found.
Status checkPlan(const plan::Plan& plan, std::span<const uint64_t> segmentSizes);

/// True for a value that is held as a jinx::Value and has no place in an arena: HOST storage, strings, sequences,
/// optionals, unranked tensors.
bool isHostValue(const plan::Value& value);

/// The value at the end of an alias chain (the index itself when it is none). The plan must have passed `checkPlan`.
uint32_t aliasRoot(const plan::Plan& plan, uint32_t valueIndex);

} // namespace jinx

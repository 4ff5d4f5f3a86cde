// What an operator reads besides its data: axes, lists of integers, scalars, element types. Each getter says in its
// failure which operand is at fault, what it got and what it expected.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "runtime/hostops/HostOp.h"

namespace jinx::operands {

/// Sets output `i` when the node has it: trailing outputs may be left out.
void give(HostOpCall& call, size_t i, Tensor value);

/// `axis` in [-rank, rank) brought into [0, rank).
Expected<int64_t> axis(const HostOpCall& call, int64_t axis, int64_t rank, std::string_view what = "axis");
/// Axes brought into [0, rank), each at most once.
Expected<std::vector<int64_t>> axes(const HostOpCall& call, std::vector<int64_t> axes, int64_t rank,
                                    std::string_view what = "axes");

/// Input `i`, of an integer type, as int64 values.
Expected<std::vector<int64_t>> ints(const HostOpCall& call, size_t i, std::string_view what);
/// That 'split' cuts an axis of `extent` into parts of these lengths.
Status checkParts(const HostOpCall& call, const std::vector<int64_t>& lengths, int64_t extent);
/// The same for an input that may be absent: an empty list then.
Expected<std::vector<int64_t>> optionalInts(const HostOpCall& call, size_t i, std::string_view what);
/// Input `i`, of an integer type and with one element.
Expected<int64_t> scalarInt(const HostOpCall& call, size_t i, std::string_view what);
/// Input `i`, of a real type and with one element.
Expected<double> scalarDouble(const HostOpCall& call, size_t i, std::string_view what);
/// The axes a node is given as input `i` (newer opsets) or as attribute `axes` (older ones); nullopt when it has
/// neither.
Expected<std::optional<std::vector<int64_t>>> axesOperand(const HostOpCall& call, size_t i);

/// Whether elements of `type` have a value as a real number: no strings, no complex numbers.
bool isReal(DType type);
/// Fails unless `x` has such elements.
Status realNumbers(const HostOpCall& call, const Tensor& x, std::string_view what);
/// Fails unless `a` and `b` have the same element type.
Status sameType(const HostOpCall& call, const Tensor& a, std::string_view whatA, const Tensor& b,
                std::string_view whatB);

/// Extents that come from the model's data: a negative one or an absurd size is the model's failure, not ours.
Status checkSize(const HostOpCall& call, DType type, const Shape& shape, std::string_view what = "output");
/// A tensor of such a shape.
Expected<Tensor> allocate(const HostOpCall& call, DType type, Shape shape, std::string_view what = "output");

/// The shape two operands have in common under NumPy's broadcasting.
Expected<Shape> broadcast(const HostOpCall& call, const Shape& a, const Shape& b);
/// Element strides with which a tensor of shape `from` is read at the indices of `to`: 0 where it is repeated.
Shape broadcastStrides(const Shape& from, const Shape& to);

/// All elements as doubles, quickly for the common types.
std::vector<double> toDoubles(const Tensor& x);
/// Writes `values` into a new tensor; with `round`, integers are rounded to nearest even and clamped to their range.
enum class IntegerRounding { kTruncate, kRoundAndClamp };
Tensor fromDoubles(const std::vector<double>& values, DType type, Shape shape, IntegerRounding rounding);
/// `value` as an integer type holds it after rounding to nearest even and clamping.
double roundAndClamp(double value, DType type);

/// The view of a complex tensor as real pairs (one more, innermost, dimension of extent 2); other tensors as they are.
Tensor asRealPairs(const Tensor& x);

} // namespace jinx::operands

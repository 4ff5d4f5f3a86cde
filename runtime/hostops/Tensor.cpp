// Operators that move a tensor's elements as a whole: transpose, slice, join, part, pad, repeat. Operators that change
// only the shape, or make a tensor from nothing, are in TensorShape.cpp.
#include <algorithm>
#include <limits>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> tensorShapeHostOps(); // TensorShape.cpp

namespace {

using datamove::copyMapped;
using datamove::copyStrided;
using datamove::packed;
using datamove::unpacked;

/// A tensor of one element of `type` with the value zero, the empty string or false: what padding writes unless told
/// otherwise.
Tensor zeroElement(DType type) { return Tensor::make(type, {1}); }

Status transpose(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  std::vector<int64_t> perm = call.attributes->getInts("perm");
  if (!call.attributes->has("perm"))
    for (int64_t k = data.rank(); k-- > 0;)
      perm.push_back(k);
  if (static_cast<int64_t>(perm.size()) != data.rank())
    return call.error("'perm' has " + std::to_string(perm.size()) + " entries, expected " +
                      std::to_string(data.rank()) + ", the rank of 'data'");
  JINX_TRY_ASSIGN(perm, operands::axes(call, std::move(perm), data.rank(), "perm"));
  call.outputs[0] = packed(datamove::transposed(unpacked(data), perm), data.dtype());
  return Status::ok();
}

Status concat(HostOpCall& call) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    JINX_TRY_ASSIGN(Tensor part, call.tensor(i));
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return call.error("got no inputs, expected at least one");
  const Tensor first = parts[0];
  const int64_t fallback = call.opset < 4 ? 1 : 0;
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", fallback), first.rank()));
  for (size_t i = 0; i < parts.size(); ++i) {
    bool fits = parts[i].dtype() == first.dtype() && parts[i].rank() == first.rank();
    for (int64_t k = 0; fits && k < first.rank(); ++k)
      fits = k == axis || parts[i].dim(k) == first.dim(k);
    if (!fits)
      return call.error("input " + std::to_string(i) + " is " + parts[i].describe() + ", expected one that joins " +
                        first.describe() + " (input 0) on axis " + std::to_string(axis));
    parts[i] = unpacked(parts[i]);
  }
  call.outputs[0] = packed(datamove::joined(parts, axis), first.dtype());
  return Status::ok();
}

/// Lengths of the parts: given, or equal for `parts` outputs. From opset 18 on the last ones may be shorter.
Expected<std::vector<int64_t>> splitLengths(const HostOpCall& call, int64_t extent) {
  std::vector<int64_t> lengths = call.attributes->getInts("split");
  bool given = call.attributes->has("split");
  if (call.has(1)) {
    JINX_TRY_ASSIGN(lengths, operands::ints(call, 1, "split"));
    given = true;
  }
  const int64_t outputs = static_cast<int64_t>(call.outputs.size());
  if (!given) {
    const int64_t parts = call.attributes->getInt("num_outputs", outputs);
    if (parts != outputs)
      return call.error("'num_outputs' is " + std::to_string(parts) + ", expected " + std::to_string(outputs) +
                        ", the number of outputs of the node");
    if (call.opset < 18 && extent % parts != 0)
      return call.error("extent " + std::to_string(extent) + " does not split into " + std::to_string(parts) +
                        " equal parts, expected a multiple, or 'split'");
    const int64_t chunk = (extent + parts - 1) / parts;
    for (int64_t i = 0, left = extent; i < parts; ++i) {
      lengths.push_back(std::min(chunk, left));
      left -= lengths.back();
    }
  }
  if (static_cast<int64_t>(lengths.size()) != outputs)
    return call.error("'split' has " + std::to_string(lengths.size()) + " entries, expected " +
                      std::to_string(outputs) + ", the number of outputs of the node");
  JINX_TRY(operands::checkParts(call, lengths, extent));
  return lengths;
}

Status split(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  if (call.outputs.empty()) return Status::ok();
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), input.rank()));
  JINX_TRY_ASSIGN(std::vector<int64_t> lengths, splitLengths(call, input.dim(axis)));
  const Tensor x = unpacked(input);
  int64_t start = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    call.outputs[i] = packed(datamove::partOf(x, axis, start, lengths[i]), input.dtype());
    start += lengths[i];
  }
  return Status::ok();
}

/// One axis of a Slice, brought into range: `count` elements at start, start + step, …
struct AxisSlice {
  int64_t start = 0, step = 1, count = 0;
};

AxisSlice clampSlice(int64_t start, int64_t end, int64_t step, int64_t extent) {
  if (start < 0) start += extent; // cannot overflow: extent >= 0
  if (end < 0) end += extent;
  AxisSlice s{.start = start, .step = step, .count = 0};
  if (step > 0) {
    s.start = std::clamp<int64_t>(start, 0, extent);
    end = std::clamp<int64_t>(end, 0, extent);
    if (end > s.start) s.count = (end - s.start - 1) / step + 1;
  } else {
    s.start = std::clamp<int64_t>(start, 0, std::max<int64_t>(extent - 1, 0));
    end = std::clamp<int64_t>(end, -1, extent - 1);
    const uint64_t stride = ~static_cast<uint64_t>(step) + 1; // -step, also for the smallest int64
    if (extent > 0 && s.start > end)
      s.count = static_cast<int64_t>(static_cast<uint64_t>(s.start - end - 1) / stride) + 1;
  }
  if (s.count <= 1) s.step = 1; // a lone element needs no step, however large
  return s;
}

Status slice(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  std::vector<int64_t> starts = call.attributes->getInts("starts"), ends = call.attributes->getInts("ends");
  std::vector<int64_t> axes = call.attributes->getInts("axes"), steps;
  if (call.opset >= 10) {
    JINX_TRY_ASSIGN(starts, operands::ints(call, 1, "starts"));
    JINX_TRY_ASSIGN(ends, operands::ints(call, 2, "ends"));
    JINX_TRY_ASSIGN(axes, operands::optionalInts(call, 3, "axes"));
    JINX_TRY_ASSIGN(steps, operands::optionalInts(call, 4, "steps"));
  }
  const bool haveAxes = call.opset >= 10 ? call.has(3) : call.attributes->has("axes");
  if (!haveAxes)
    for (size_t i = 0; i < starts.size(); ++i)
      axes.push_back(static_cast<int64_t>(i));
  if (!call.has(4)) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return call.error("'starts', 'ends', 'axes' and 'steps' have " + std::to_string(starts.size()) + ", " +
                      std::to_string(ends.size()) + ", " + std::to_string(axes.size()) + " and " +
                      std::to_string(steps.size()) + " entries, expected equal lengths");
  JINX_TRY_ASSIGN(axes, operands::axes(call, std::move(axes), data.rank()));

  Shape shape = data.shape();
  const Shape strides = rowMajorStrides(data.shape());
  Shape from = strides;
  int64_t offset = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t k = static_cast<size_t>(axes[i]);
    if (steps[i] == 0)
      return call.error("'steps' holds 0 for axis " + std::to_string(axes[i]) + ", expected another number");
    const AxisSlice s = clampSlice(starts[i], ends[i], steps[i], data.shape()[k]);
    shape[k] = s.count;
    from[k] = strides[k] * s.step;
    offset += strides[k] * s.start;
  }
  const Tensor x = unpacked(data);
  Tensor y = Tensor::make(x.dtype(), shape);
  const Shape to = rowMajorStrides(shape);
  copyStrided(x.dtype(), shape, y.data(), {0, to}, x.data(), {offset, from});
  call.outputs[0] = packed(y, data.dtype());
  return Status::ok();
}

int64_t floorMod(int64_t a, int64_t b) {
  const int64_t r = a % b;
  return r < 0 ? r + b : r;
}

enum class PadMode { kConstant, kReflect, kEdge, kWrap };

/// Which element of an axis each padded position shows; -1 for the constant. `before` and `after` may be negative: they
/// crop, and what is left is what the other side reflects, repeats or wraps.
std::vector<int64_t> padMap(PadMode mode, int64_t extent, int64_t before, int64_t after) {
  const int64_t low = std::min(std::max<int64_t>(0, -before), extent),
                high = std::max<int64_t>(extent - std::max<int64_t>(0, -after), 0);
  const int64_t kept = std::max<int64_t>(high - low, 0);
  std::vector<int64_t> map(static_cast<size_t>(extent + before + after), -1);
  for (size_t i = 0; kept > 0 && i < map.size(); ++i) {
    int64_t at = static_cast<int64_t>(i) - std::max<int64_t>(before, 0); // position relative to `low`
    switch (mode) {
    case PadMode::kConstant:
      break;
    case PadMode::kEdge:
      at = std::clamp<int64_t>(at, 0, kept - 1);
      break;
    case PadMode::kWrap:
      at = floorMod(at, kept);
      break;
    case PadMode::kReflect: {
      const int64_t period = 2 * (kept - 1);
      at = period == 0 ? 0 : floorMod(at, period);
      if (at >= kept) at = period - at;
      break;
    }
    }
    map[i] = at >= 0 && at < kept ? low + at : -1;
  }
  return map;
}

Status pad(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  const Attributes& attributes = *call.attributes;
  const std::string modeName = attributes.getString("mode", "constant");
  PadMode mode = PadMode::kConstant;
  if (modeName == "reflect")
    mode = PadMode::kReflect;
  else if (modeName == "edge")
    mode = PadMode::kEdge;
  else if (modeName == "wrap")
    mode = PadMode::kWrap;
  else if (modeName != "constant")
    return call.error("'mode' is '" + modeName + "', expected 'constant', 'reflect', 'edge' or 'wrap'");

  std::vector<int64_t> pads =
      attributes.getInts(attributes.has("paddings") ? "paddings" : "pads"); // "paddings" in opset 1
  std::vector<int64_t> axes;
  Tensor fill = zeroElement(data.dtype());
  if (call.opset >= 11) {
    JINX_TRY_ASSIGN(pads, operands::ints(call, 1, "pads"));
    JINX_TRY_ASSIGN(axes, operands::optionalInts(call, 3, "axes"));
    if (call.has(2)) {
      JINX_TRY_ASSIGN(fill, call.tensor(2));
      JINX_TRY(operands::sameType(call, data, "data", fill, "constant_value"));
      if (fill.size() == 0) fill = zeroElement(data.dtype());
    }
  } else if (attributes.has("value")) {
    JINX_TRY(operands::realNumbers(call, data, "data"));
    fill.setDouble(0, attributes.getFloat("value", 0));
  }
  if (!call.has(3)) {
    for (int64_t k = 0; k < data.rank(); ++k)
      axes.push_back(k);
  }
  JINX_TRY_ASSIGN(axes, operands::axes(call, std::move(axes), data.rank()));
  if (pads.size() != 2 * axes.size())
    return call.error("'pads' has " + std::to_string(pads.size()) + " entries, expected " +
                      std::to_string(2 * axes.size()) + ", two an axis");

  std::vector<int64_t> before(data.shape().size(), 0), after(data.shape().size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    before[static_cast<size_t>(axes[i])] = pads[i];
    after[static_cast<size_t>(axes[i])] = pads[axes.size() + i];
  }
  constexpr int64_t kFar = int64_t{1} << 46;
  Shape shape = data.shape();
  for (size_t k = 0; k < shape.size(); ++k) {
    if (std::max(before[k], after[k]) > kFar || std::min(before[k], after[k]) < -kFar ||
        shape[k] + before[k] + after[k] < 0)
      return call.error("'pads' holds " + std::to_string(before[k]) + " and " + std::to_string(after[k]) +
                        " for axis " + std::to_string(k) + " of extent " + std::to_string(shape[k]) +
                        ", expected a result of a usable extent");
    const bool nothingLeft = shape[k] + std::min<int64_t>(before[k], 0) + std::min<int64_t>(after[k], 0) <= 0;
    shape[k] += before[k] + after[k];
    if (nothingLeft && shape[k] > 0 && mode != PadMode::kConstant)
      return call.error("axis " + std::to_string(k) + " of 'data' " + data.describe() +
                        " has no element to pad from, expected at least one");
  }
  const Tensor x = unpacked(data);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  if (y.size() > 0) {
    std::vector<std::vector<int64_t>> maps;
    for (size_t k = 0; k < shape.size(); ++k)
      maps.push_back(padMap(mode, x.shape()[k], before[k], after[k]));
    copyMapped(x.dtype(), maps, y.data(), x.data(), x.shape(), unpacked(fill).data());
  }
  call.outputs[0] = packed(y, data.dtype());
  return Status::ok();
}

Status expand(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<int64_t> wanted, operands::ints(call, 1, "shape"));
  JINX_TRY_ASSIGN(Shape shape, operands::broadcast(call, input.shape(), wanted));
  const Tensor x = unpacked(input);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  const Shape to = rowMajorStrides(shape), from = operands::broadcastStrides(x.shape(), shape);
  copyStrided(x.dtype(), shape, y.data(), {0, to}, x.data(), {0, from});
  call.outputs[0] = packed(y, input.dtype());
  return Status::ok();
}

Status tile(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  std::vector<int64_t> repeats;
  if (call.opset < 6) { // opset 1: a count and the one axis it is for
    JINX_TRY_ASSIGN(Tensor tiles, call.tensor(1));
    JINX_TRY_ASSIGN(Tensor which, call.tensor(2));
    JINX_TRY(operands::realNumbers(call, tiles, "tiles"));
    JINX_TRY(operands::realNumbers(call, which, "axis"));
    if (tiles.size() != 1 || which.size() != 1)
      return call.error("'tiles' and 'axis' are " + tiles.describe() + " and " + which.describe() +
                        ", expected one number each");
    JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, which.getInt(0), input.rank()));
    repeats.assign(input.shape().size(), 1);
    repeats[static_cast<size_t>(axis)] = tiles.getInt(0);
  } else {
    JINX_TRY_ASSIGN(repeats, operands::ints(call, 1, "repeats"));
  }
  if (static_cast<int64_t>(repeats.size()) != input.rank())
    return call.error("'repeats' has " + std::to_string(repeats.size()) + " entries, expected " +
                      std::to_string(input.rank()) + ", the rank of 'input'");
  // Every dimension is seen as two: which repetition, and the index in it. Reading, a repetition has stride 0.
  Shape shape, extents, from, to;
  const Shape own = rowMajorStrides(input.shape());
  for (size_t k = 0; k < repeats.size(); ++k) {
    int64_t extent;
    if (__builtin_mul_overflow(repeats[k], input.shape()[k], &extent) || repeats[k] < 0)
      return call.error("'repeats' holds " + std::to_string(repeats[k]) + ", expected a usable number >= 0");
    shape.push_back(extent);
    extents.insert(extents.end(), {repeats[k], input.shape()[k]});
    from.insert(from.end(), {0, own[k]});
  }
  const Tensor x = unpacked(input);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  if (y.size() > 0) {
    to = rowMajorStrides(extents);
    copyStrided(x.dtype(), extents, y.data(), {0, to}, x.data(), {0, from});
  }
  call.outputs[0] = packed(y, input.dtype());
  return Status::ok();
}

/// `x` seen as `split`, transposed by `perm`, seen as `joined`.
Tensor rearranged(const Tensor& x, const Shape& split, const std::vector<int64_t>& perm, const Shape& joined) {
  return packed(datamove::transposed(unpacked(x).reshaped(split), perm).reshaped(joined), x.dtype());
}

/// Reads 'blocksize' and 'mode' of SpaceToDepth and DepthToSpace, and checks that the input is [N,C,H,W].
struct BlockArguments {
  Tensor x;
  int64_t n, c, h, w, block;
  bool depthFirst; // DCR
};
Expected<BlockArguments> blockArguments(const HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.rank() != 4) return call.error("'input' is " + x.describe() + ", expected rank 4, [N,C,H,W]");
  const int64_t block = call.attributes->getInt("blocksize", 0);
  if (block <= 0 || block > (int64_t{1} << 20))
    return call.error("'blocksize' is " + std::to_string(block) + ", expected a value >= 1");
  const std::string mode = call.attributes->getString("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return call.error("'mode' is '" + mode + "', expected 'DCR' or 'CRD'");
  return BlockArguments{x, x.dim(0), x.dim(1), x.dim(2), x.dim(3), block, mode == "DCR"};
}

Status depthToSpace(HostOpCall& call) {
  JINX_TRY_ASSIGN(BlockArguments a, blockArguments(call));
  const int64_t b = a.block;
  if (a.c % (b * b) != 0)
    return call.error("'input' is " + a.x.describe() + ", expected a number of channels divisible by " +
                      std::to_string(b * b));
  const int64_t c = a.c / (b * b);
  const Shape joined{a.n, c, a.h * b, a.w * b};
  call.outputs[0] = a.depthFirst ? rearranged(a.x, {a.n, b, b, c, a.h, a.w}, {0, 3, 4, 1, 5, 2}, joined)
                                 : rearranged(a.x, {a.n, c, b, b, a.h, a.w}, {0, 1, 4, 2, 5, 3}, joined);
  return Status::ok();
}

Status spaceToDepth(HostOpCall& call) {
  JINX_TRY_ASSIGN(BlockArguments a, blockArguments(call));
  const int64_t b = a.block;
  if (a.h % b != 0 || a.w % b != 0)
    return call.error("'input' is " + a.x.describe() + ", expected height and width divisible by " + std::to_string(b));
  const int64_t h = a.h / b, w = a.w / b;
  const Shape split{a.n, a.c, h, b, w, b}, joined{a.n, a.c * b * b, h, w};
  call.outputs[0] = a.depthFirst ? rearranged(a.x, split, {0, 3, 5, 1, 2, 4}, joined)
                                 : rearranged(a.x, split, {0, 1, 3, 5, 2, 4}, joined);
  return Status::ok();
}

Status trilu(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  if (input.rank() < 2) return call.error("'input' is " + input.describe() + ", expected rank >= 2");
  int64_t k = 0;
  if (call.has(1)) {
    JINX_TRY_ASSIGN(k, operands::scalarInt(call, 1, "k"));
  }
  const bool upper = call.attributes->getInt("upper", 1) != 0;
  const Tensor x = unpacked(input);
  Tensor y = Tensor::make(x.dtype(), x.shape()); // zeros
  const int64_t rows = x.dim(-2), columns = x.dim(-1);
  const int64_t matrices = rows * columns == 0 ? 0 : x.size() / (rows * columns);
  k = std::clamp(k, -rows, columns); // beyond these nothing more changes
  for (int64_t m = 0; m < matrices; ++m)
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t diagonal = std::clamp<int64_t>(r + k, 0, columns); // the first column kept above
      const int64_t end = std::clamp<int64_t>(r + k + 1, 0, columns);  // one past the last kept below
      const int64_t from = (m * rows + r) * columns;
      if (upper)
        datamove::copyRun(x.dtype(), y.data(), from + diagonal, x.data(), from + diagonal, columns - diagonal);
      else
        datamove::copyRun(x.dtype(), y.data(), from, x.data(), from, end);
    }
  call.outputs[0] = packed(y, input.dtype());
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Transpose", 1, transpose},
    {"", "Concat", 1, concat},
    {"", "Split", 1, split},
    {"", "Slice", 1, slice},
    {"", "Pad", 1, pad},
    {"", "Expand", 8, expand},
    {"", "Tile", 1, tile},
    {"", "DepthToSpace", 1, depthToSpace},
    {"", "SpaceToDepth", 1, spaceToDepth},
    {"", "Trilu", 14, trilu},
};

} // namespace

std::span<const HostOpEntry> tensorHostOps() {
  static const std::vector<HostOpEntry> rows = [] {
    std::vector<HostOpEntry> all(std::begin(kRows), std::end(kRows));
    const auto more = tensorShapeHostOps();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

} // namespace jinx

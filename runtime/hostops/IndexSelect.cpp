// Operators that find positions by looking at values (NonZero, TopK, Unique, NonMaxSuppression), and those that pick
// slices by a mask, a length or a class number (Compress, ReverseSequence, OneHot).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"

namespace jinx {
namespace {

using datamove::copyRun;
using datamove::packed;
using datamove::unpacked;

/// Orders elements of one tensor by value. NaN comes after every number and equals NaN; complex numbers order by real
/// part, then imaginary part; strings bytewise, which for UTF-8 is by code point.
class ValueOrder {
 public:
  explicit ValueOrder(const Tensor& x) : type_(x.dtype()), x_(x) {
    if (isComplex(type_) || isFloat(type_)) {
      doubles_ = operands::toDoubles(operands::asRealPairs(x));
    } else if (type_ != DType::kString) {
      ints_ = x.toInts();
      if (type_ == DType::kU64)
        for (int64_t& v : ints_)
          v = static_cast<int64_t>(static_cast<uint64_t>(v) ^ (uint64_t{1} << 63));
    }
  }

  /// Negative, zero or positive as element `a` is before, equal to or after element `b`.
  int compare(int64_t a, int64_t b) const {
    if (type_ == DType::kString) return x_.getString(a).compare(x_.getString(b));
    if (isComplex(type_)) {
      const int real = compareDoubles(2 * a, 2 * b);
      return real != 0 ? real : compareDoubles(2 * a + 1, 2 * b + 1);
    }
    if (!doubles_.empty()) return compareDoubles(a, b);
    const int64_t u = ints_[static_cast<size_t>(a)], v = ints_[static_cast<size_t>(b)];
    return u < v ? -1 : u > v;
  }

 private:
  int compareDoubles(int64_t a, int64_t b) const {
    const double u = doubles_[static_cast<size_t>(a)], v = doubles_[static_cast<size_t>(b)];
    if (std::isnan(u) || std::isnan(v)) return static_cast<int>(std::isnan(u)) - static_cast<int>(std::isnan(v));
    return u < v ? -1 : u > v;
  }

  DType type_;
  Tensor x_;
  std::vector<double> doubles_;
  std::vector<int64_t> ints_;
};

Status nonZero(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const auto isZero = [&](int64_t i) {
    if (x.dtype() == DType::kString) return x.getString(i).empty();
    if (isInteger(x.dtype()) || x.dtype() == DType::kBool) return x.getInt(i) == 0;
    if (!isComplex(x.dtype())) return x.getDouble(i) == 0;
    const Tensor pairs = operands::asRealPairs(x);
    return pairs.getDouble(2 * i) == 0 && pairs.getDouble(2 * i + 1) == 0;
  };
  std::vector<int64_t> found;
  for (int64_t i = 0; i < x.size(); ++i)
    if (!isZero(i)) found.push_back(i);
  const int64_t count = static_cast<int64_t>(found.size());
  Tensor y = Tensor::make(DType::kI64, {x.rank(), count});
  const Shape strides = rowMajorStrides(x.shape());
  for (int64_t k = 0; k < x.rank(); ++k)
    for (int64_t i = 0; i < count; ++i)
      y.as<int64_t>()[k * count + i] = found[static_cast<size_t>(i)] / strides[static_cast<size_t>(k)] % x.dim(k);
  call.outputs[0] = y;
  return Status::ok();
}

Status oneHot(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor indices, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor depthTensor, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor values, call.tensor(2));
  JINX_TRY(operands::realNumbers(call, indices, "indices"));
  JINX_TRY(operands::realNumbers(call, depthTensor, "depth"));
  if (depthTensor.size() != 1) return call.error("'depth' is " + depthTensor.describe() + ", expected one number");
  if (values.size() != 2) return call.error("'values' is " + values.describe() + ", expected two elements, [off, on]");
  const int64_t depth = depthTensor.getInt(0);
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", -1), indices.rank() + 1));
  Shape shape = indices.shape();
  shape.insert(shape.begin() + axis, depth);
  const Tensor v = unpacked(values);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, v.dtype(), shape));
  datamove::fillRun(v.dtype(), y.data(), 0, v.data(), 0, y.size());
  const int64_t inner = datamove::AxisView(shape, axis).inner;
  for (int64_t i = 0; i < indices.size(); ++i) {
    int64_t hot = indices.getInt(i);
    if (hot < -depth || hot >= depth) continue;
    if (hot < 0) hot += depth;
    copyRun(v.dtype(), y.data(), (i / inner * depth + hot) * inner + i % inner, v.data(), 1, 1);
  }
  call.outputs[0] = packed(y, values.dtype());
  return Status::ok();
}

Status topK(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  int64_t k = call.attributes->getInt("k", -1);
  if (call.opset >= 10) {
    JINX_TRY_ASSIGN(k, operands::scalarInt(call, 1, "K"));
  }
  JINX_TRY(operands::realNumbers(call, x, "X"));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", -1), x.rank()));
  const int64_t extent = x.dim(axis);
  if (k < 0 || k > extent)
    return call.error("'K' is " + std::to_string(k) + ", expected a value in [0, " + std::to_string(extent) +
                      "], the extent of axis " + std::to_string(axis));
  const bool largest = call.attributes->getInt("largest", 1) != 0;
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = k;
  Tensor values = Tensor::make(x.dtype(), shape), indices = Tensor::make(DType::kI64, shape);
  const int64_t outer = datamove::AxisView(shape, axis).outer, inner = datamove::AxisView(shape, axis).inner;
  const ValueOrder order(x);
  std::vector<int64_t> candidates(static_cast<size_t>(extent));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const auto element = [&](int64_t j) { return (o * extent + j) * inner + i; };
      const auto before = [&](int64_t a, int64_t b) {
        const int c = order.compare(element(a), element(b));
        return c != 0 ? (c > 0) == largest : a < b;
      };
      std::iota(candidates.begin(), candidates.end(), 0);
      std::partial_sort(candidates.begin(), candidates.begin() + k, candidates.end(), before);
      for (int64_t j = 0; j < k; ++j) {
        const int64_t at = (o * k + j) * inner + i, from = candidates[static_cast<size_t>(j)];
        copyRun(x.dtype(), values.data(), at, x.data(), element(from), 1);
        indices.as<int64_t>()[at] = from;
      }
    }
  operands::give(call, 0, values);
  operands::give(call, 1, indices);
  return Status::ok();
}

Status unique(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor given, call.tensor(0));
  const bool flat = !call.attributes->has("axis");
  const Tensor x = flat ? given.reshaped({given.size()}) : given;
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), x.rank()));
  const auto [outer, extent, inner] = datamove::AxisView(x.shape(), axis);

  // Slices are compared element by element in row-major order.
  const ValueOrder order(x);
  const auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        if (const int c = order.compare((o * extent + a) * inner + i, (o * extent + b) * inner + i)) return c;
    return 0;
  };
  std::vector<int64_t> sorted(static_cast<size_t>(extent));
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) {
    const int c = compare(a, b);
    return c != 0 ? c < 0 : a < b; // equal slices stay in order, so the first of a group is its first occurrence
  });
  struct Group {
    int64_t first, count;
  };
  std::vector<Group> groups;
  std::vector<int64_t> groupOf(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || compare(sorted[i - 1], sorted[i]) != 0) groups.push_back({sorted[i], 0});
    ++groups.back().count;
    groupOf[static_cast<size_t>(sorted[i])] = static_cast<int64_t>(groups.size()) - 1;
  }
  std::vector<int64_t> ranking(groups.size()), rankOf(groups.size()); // output position <-> group
  std::iota(ranking.begin(), ranking.end(), 0);
  if (call.attributes->getInt("sorted", 1) == 0)
    std::sort(ranking.begin(), ranking.end(), [&](int64_t a, int64_t b) {
      return groups[static_cast<size_t>(a)].first < groups[static_cast<size_t>(b)].first;
    });
  std::vector<int64_t> first, counts, inverse;
  for (size_t r = 0; r < ranking.size(); ++r) {
    const Group& group = groups[static_cast<size_t>(ranking[r])];
    rankOf[static_cast<size_t>(ranking[r])] = static_cast<int64_t>(r);
    first.push_back(group.first);
    counts.push_back(group.count);
  }
  for (int64_t g : groupOf)
    inverse.push_back(rankOf[static_cast<size_t>(g)]);

  const Shape kept{static_cast<int64_t>(first.size())};
  operands::give(call, 0, packed(datamove::taken(unpacked(x), axis, first, kept), x.dtype()));
  operands::give(call, 1, Tensor::fromInts(first));
  operands::give(call, 2, Tensor::fromInts(inverse));
  operands::give(call, 3, Tensor::fromInts(counts));
  return Status::ok();
}

Status compress(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor condition, call.tensor(1));
  if (condition.rank() != 1 || condition.dtype() != DType::kBool)
    return call.error("'condition' is " + condition.describe() + ", expected bool of rank 1");
  const Tensor x = unpacked(call.attributes->has("axis") ? input : input.reshaped({input.size()}));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), x.rank()));
  const int64_t extent = x.dim(axis);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < condition.size(); ++i) {
    if (!condition.getInt(i)) continue;
    if (i >= extent)
      return call.error("'condition' selects position " + std::to_string(i) + ", expected a position below " +
                        std::to_string(extent));
    kept.push_back(i);
  }
  const Shape length{static_cast<int64_t>(kept.size())};
  call.outputs[0] = packed(datamove::taken(x, axis, kept, length), input.dtype());
  return Status::ok();
}

Status reverseSequence(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<int64_t> lengths, operands::ints(call, 1, "sequence_lens"));
  const int64_t batchAxis = call.attributes->getInt("batch_axis", 1),
                timeAxis = call.attributes->getInt("time_axis", 0);
  if (input.rank() < 2) return call.error("'input' is " + input.describe() + ", expected rank >= 2");
  if (!(batchAxis == 0 && timeAxis == 1) && !(batchAxis == 1 && timeAxis == 0))
    return call.error("'batch_axis' and 'time_axis' are " + std::to_string(batchAxis) + " and " +
                      std::to_string(timeAxis) + ", expected 0 and 1 or 1 and 0");
  const int64_t batch = input.dim(batchAxis), time = input.dim(timeAxis);
  if (static_cast<int64_t>(lengths.size()) != batch)
    return call.error("'sequence_lens' has " + std::to_string(lengths.size()) + " entries, expected " +
                      std::to_string(batch) + ", the batch size");
  const Tensor x = unpacked(input);
  Tensor y = Tensor::make(x.dtype(), x.shape());
  const Shape strides = rowMajorStrides(x.shape());
  const int64_t batchStride = strides[static_cast<size_t>(batchAxis)],
                timeStride = strides[static_cast<size_t>(timeAxis)];
  const int64_t inner = strides[1];
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = lengths[static_cast<size_t>(b)];
    if (length < 0 || length > time)
      return call.error("'sequence_lens' holds " + std::to_string(length) + ", expected a value in [0, " +
                        std::to_string(time) + "]");
    for (int64_t t = 0; t < time; ++t) {
      const int64_t from = t < length ? length - 1 - t : t;
      copyRun(x.dtype(), y.data(), b * batchStride + t * timeStride, x.data(), b * batchStride + from * timeStride,
              inner);
    }
  }
  call.outputs[0] = packed(y, input.dtype());
  return Status::ok();
}

struct Box {
  double y1, x1, y2, x2;
  double area() const { return (y2 - y1) * (x2 - x1); }
};

Box readBox(const Tensor& boxes, int64_t index, bool centred) {
  double v[4];
  for (int64_t i = 0; i < 4; ++i)
    v[i] = boxes.getDouble(index * 4 + i);
  if (centred) return {v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
  return {std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]), std::max(v[1], v[3])};
}

/// Intersection over union; 0 when either box or the intersection is empty.
double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1),
               width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(height > 0) || !(width > 0) || !(a.area() > 0) || !(b.area() > 0)) return 0;
  return height * width / (a.area() + b.area() - height * width);
}

Status nonMaxSuppression(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor boxes, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor scores, call.tensor(1));
  JINX_TRY(operands::realNumbers(call, boxes, "boxes"));
  JINX_TRY(operands::realNumbers(call, scores, "scores"));
  if (boxes.rank() != 3 || boxes.dim(2) != 4)
    return call.error("'boxes' is " + boxes.describe() + ", expected [num_batches, num_boxes, 4]");
  if (scores.rank() != 3 || scores.dim(0) != boxes.dim(0) || scores.dim(2) != boxes.dim(1))
    return call.error("'scores' is " + scores.describe() + ", expected [" + std::to_string(boxes.dim(0)) +
                      ", num_classes, " + std::to_string(boxes.dim(1)) + "] as in 'boxes'");
  int64_t limit = 0;
  double iouThreshold = 0, scoreThreshold = 0;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(limit, operands::scalarInt(call, 2, "max_output_boxes_per_class"));
  }
  if (call.has(3)) {
    JINX_TRY_ASSIGN(iouThreshold, operands::scalarDouble(call, 3, "iou_threshold"));
  }
  if (call.has(4)) {
    JINX_TRY_ASSIGN(scoreThreshold, operands::scalarDouble(call, 4, "score_threshold"));
  }
  const bool centred = call.attributes->getInt("center_point_box", 0) != 0;
  const int64_t batches = scores.dim(0), classes = scores.dim(1), count = scores.dim(2);
  std::vector<int64_t> selected; // triples
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t row = (b * classes + c) * count;
      std::vector<int64_t> candidates;
      for (int64_t i = 0; i < count; ++i)
        if (!call.has(4) || scores.getDouble(row + i) > scoreThreshold) candidates.push_back(i);
      std::sort(candidates.begin(), candidates.end(), [&](int64_t i, int64_t j) {
        const double a = scores.getDouble(row + i), b = scores.getDouble(row + j);
        return a != b ? a > b : i < j;
      });
      std::vector<Box> kept;
      for (int64_t i : candidates) {
        if (static_cast<int64_t>(kept.size()) >= limit) break;
        const Box box = readBox(boxes, b * count + i, centred);
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& other) { return overlap(box, other) > iouThreshold; }))
          continue;
        kept.push_back(box);
        selected.insert(selected.end(), {b, c, i});
      }
    }
  call.outputs[0] = Tensor::fromInts(selected).reshaped({static_cast<int64_t>(selected.size()) / 3, 3});
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "NonZero", 9, nonZero},
    {"", "OneHot", 9, oneHot},
    {"", "TopK", 1, topK},
    {"", "Unique", 11, unique},
    {"", "Compress", 9, compress},
    {"", "ReverseSequence", 10, reverseSequence},
    {"", "NonMaxSuppression", 10, nonMaxSuppression},
};

} // namespace

std::span<const HostOpEntry> indexSelectHostOps();
std::span<const HostOpEntry> indexSelectHostOps() { return kRows; }

} // namespace jinx

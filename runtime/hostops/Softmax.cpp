#include "runtime/hostops/Softmax.h"

#include <cmath>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/Lanes.h"

namespace jinx {
namespace {

using Lane = std::vector<double>;

double largest(const Lane& lane) {
  double best = lane[0];
  for (double x : lane)
    if (x > best || std::isnan(x)) best = x;
  return best;
}

void softmax(Lane& lane) {
  const double top = largest(lane);
  double sum = 0;
  for (double& x : lane)
    sum += x = std::exp(x - top);
  for (double& x : lane)
    x /= sum;
}

void logSoftmax(Lane& lane) {
  const double top = largest(lane);
  double sum = 0;
  for (double x : lane)
    sum += std::exp(x - top);
  const double logSum = std::log(sum);
  for (double& x : lane)
    x = x - top - logSum;
}

/// 1 at the first occurrence of the largest element, else 0.
void hardmax(Lane& lane) {
  size_t best = 0;
  for (size_t i = 1; i < lane.size(); ++i)
    if (lane[i] > lane[best]) best = i;
  for (size_t i = 0; i < lane.size(); ++i)
    lane[i] = i == best;
}

enum class Opset { kFlattening, kAxis };

Status overLanes(HostOpCall& call, Opset opset, void (*f)(Lane&)) {
  JINX_TRY_ASSIGN(Tensor x, operand(call, 0, Kind::kFloat));
  Shape shape = x.shape();
  int64_t axis = call.attributes->getInt("axis", opset == Opset::kFlattening ? 1 : -1);
  if (opset == Opset::kFlattening) {
    if (axis < -x.rank() || axis > x.rank())
      return call.error("axis is " + std::to_string(axis) + ", expected at most the input's rank " +
                        std::to_string(x.rank()));
    if (axis < 0) axis += x.rank();
    const std::span<const int64_t> all(x.shape());
    shape = {numElements(all.first(static_cast<size_t>(axis))), numElements(all.subspan(static_cast<size_t>(axis)))};
    axis = 1;
  } else if (x.rank() == 0) {
    shape = {1};
    axis = 0;
  } else {
    JINX_TRY_ASSIGN(axis, normalizedAxis(call, axis, x.rank()));
  }
  Tensor y = Tensor::make(x.dtype(), x.shape());
  if (x.size() > 0) {
    withFloat(x.dtype(), [&](auto access) {
      Lane lane(static_cast<size_t>(shape[axis]));
      forEachLane(shape, axis, [&](int64_t start, int64_t stride, int64_t count) {
        for (int64_t i = 0; i < count; ++i)
          lane[i] = access.load(x.data(), start + i * stride);
        f(lane);
        for (int64_t i = 0; i < count; ++i)
          access.store(y.data(), start + i * stride, lane[i]);
      });
    });
  }
  call.outputs[0] = y;
  return Status::ok();
}

} // namespace

Status softmaxFlattened(HostOpCall& call) { return overLanes(call, Opset::kFlattening, softmax); }
Status softmaxOp(HostOpCall& call) { return overLanes(call, Opset::kAxis, softmax); }
Status logSoftmaxFlattened(HostOpCall& call) { return overLanes(call, Opset::kFlattening, logSoftmax); }
Status logSoftmaxOp(HostOpCall& call) { return overLanes(call, Opset::kAxis, logSoftmax); }
Status hardmaxFlattened(HostOpCall& call) { return overLanes(call, Opset::kFlattening, hardmax); }
Status hardmaxOp(HostOpCall& call) { return overLanes(call, Opset::kAxis, hardmax); }

} // namespace jinx

#include "runtime/hostops/Window.h"

#include <algorithm>

namespace jinx::dense {
namespace {

constexpr int64_t kMost = int64_t{1} << 31; // of an attribute's value: sums and products of three stay in int64

int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t ceilDivide(int64_t a, int64_t b) { return -floorDivide(-a, b); }

Expected<Shape> perDimension(const HostOpCall& call, const char* name, int64_t rank, int64_t fallback, int64_t least) {
  Shape v = call.attributes->getInts(name);
  if (v.empty()) v.assign(rank, fallback);
  if (static_cast<int64_t>(v.size()) != rank)
    return call.error("attribute " + std::string(name) + " has " + str(v.size()) + " values, expected " + str(rank) +
                      " (spatial dimensions)");
  for (int64_t x : v)
    if (x < least || x > kMost)
      return call.error("attribute " + std::string(name) + " holds " + str(x) + ", expected " + str(least) + " to " +
                        str(kMost));
  return v;
}

/// Splits what SAME padding needs in dimension d so that the output is `out` long.
void padSame(Window& w, int64_t d, int64_t out, bool upper) {
  const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[d] + w.extent(d) - w.in[d]);
  w.padBegin[d] = upper ? total / 2 : total - total / 2;
  w.padEnd[d] = total - w.padBegin[d];
}

Expected<std::string> autoPad(const HostOpCall& call) {
  std::string mode = call.attributes->getString("auto_pad", "NOTSET");
  if (mode.empty()) mode = "NOTSET";
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return call.error("attribute auto_pad is '" + mode + "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  return mode;
}

} // namespace

bool Window::isIdentity() const {
  for (int64_t d = 0; d < rank(); ++d)
    if (kernel[d] != 1 || stride[d] != 1 || padBegin[d] != 0 || padEnd[d] != 0) return false;
  return true;
}

Expected<Window> readWindow(const HostOpCall& call, Shape in, Shape kernel) {
  Window w;
  w.in = std::move(in);
  const int64_t rank = w.rank();
  const Shape asked = call.attributes->getInts("kernel_shape");
  if (kernel.empty() && rank > 0) {
    if (static_cast<int64_t>(asked.size()) != rank)
      return call.error("attribute kernel_shape has " + str(asked.size()) + " values, expected " + str(rank) +
                        " (spatial dimensions)");
    kernel = asked;
  } else if (!asked.empty() && asked != kernel) {
    return call.error("attribute kernel_shape is " + toString(asked) + ", expected " + toString(kernel) +
                      " (spatial dimensions of W)");
  }
  w.kernel = std::move(kernel);
  for (int64_t k : w.kernel)
    if (k < 1 || k > kMost)
      return call.error("kernel shape is " + toString(w.kernel) + ", expected 1 to " + str(kMost) +
                        " in each dimension");
  JINX_TRY_ASSIGN(w.stride, perDimension(call, "strides", rank, 1, 1));
  JINX_TRY_ASSIGN(w.dilation, perDimension(call, "dilations", rank, 1, 1));
  Shape pads = call.attributes->getInts("pads");
  if (pads.empty()) pads.assign(2 * rank, 0);
  if (static_cast<int64_t>(pads.size()) != 2 * rank)
    return call.error("attribute pads has " + str(pads.size()) + " values, expected " + str(2 * rank) +
                      " (a begin and an end a dimension)");
  for (int64_t p : pads)
    if (p < -kMost || p > kMost)
      return call.error("attribute pads holds " + str(p) + ", expected -" + str(kMost) + " to " + str(kMost));
  w.padBegin.assign(pads.begin(), pads.begin() + rank);
  w.padEnd.assign(pads.begin() + rank, pads.end());
  return w;
}

Expected<Window> convWindow(const HostOpCall& call, Shape in, Shape kernel) {
  JINX_TRY_ASSIGN(Window w, readWindow(call, std::move(in), std::move(kernel)));
  JINX_TRY_ASSIGN(std::string mode, autoPad(call));
  for (int64_t d = 0; d < w.rank(); ++d) {
    if (mode == "VALID") w.padBegin[d] = w.padEnd[d] = 0;
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER")
      padSame(w, d, ceilDivide(w.in[d], w.stride[d]), mode == "SAME_UPPER");
    w.out.push_back(
        std::max<int64_t>(0, floorDivide(w.in[d] + w.padBegin[d] + w.padEnd[d] - w.extent(d), w.stride[d]) + 1));
  }
  JINX_TRY(checkShapeSize(call, w.out, "output"));
  return w;
}

Expected<Window> poolWindow(const HostOpCall& call, Shape in) {
  JINX_TRY_ASSIGN(Window w, readWindow(call, std::move(in), {}));
  JINX_TRY_ASSIGN(std::string mode, autoPad(call));
  const bool ceil =
      call.attributes->getInt("ceil_mode", 0) != 0 && mode == "NOTSET"; // the text gives VALID one formula for both
  for (int64_t d = 0; d < w.rank(); ++d) {
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      const int64_t out = ceilDivide(w.in[d], w.stride[d]);
      padSame(w, d, out, mode == "SAME_UPPER");
      w.out.push_back(out);
      continue;
    }
    if (mode == "VALID") w.padBegin[d] = w.padEnd[d] = 0;
    const int64_t room = w.in[d] + w.padBegin[d] + w.padEnd[d] - w.extent(d);
    int64_t out = (ceil ? ceilDivide(room, w.stride[d]) : floorDivide(room, w.stride[d])) + 1;
    if (ceil && out > 0 && (out - 1) * w.stride[d] >= w.in[d] + w.padBegin[d]) --out;
    w.out.push_back(std::max<int64_t>(0, out));
  }
  Shape reads = w.kernel; // a pool keeps an offset for each of them
  reads.insert(reads.end(), w.out.begin(), w.out.end());
  JINX_TRY(checkShapeSize(call, reads, "windows"));
  return w;
}

std::vector<int64_t> windowOffsets(const Window& w, int64_t first, int64_t count) {
  const int64_t rank = w.rank(), taps = w.kernelSize();
  std::vector<int64_t> offsets(taps * count);
  const Shape inStrides = rowMajorStrides(w.in), outStrides = rowMajorStrides(w.out);
  std::vector<int64_t> tap(rank, 0);
  for (int64_t k = 0; k < taps; ++k) {
    for (int64_t p = 0; p < count; ++p) {
      int64_t rest = first + p, at = 0;
      for (int64_t d = 0; d < rank; ++d) {
        const int64_t x = rest / outStrides[d] * w.stride[d] - w.padBegin[d] + tap[d] * w.dilation[d];
        rest %= outStrides[d];
        if (x < 0 || x >= w.in[d]) {
          at = -1;
          break;
        }
        at += x * inStrides[d];
      }
      offsets[k * count + p] = at;
    }
    nextIndex(tap, w.kernel);
  }
  return offsets;
}

} // namespace jinx::dense

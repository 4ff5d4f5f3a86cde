// Convolutions that are not one gather and one product: ConvTranspose and Col2Im scatter, DeformConv interpolates,
// CausalConvWithState carries the end of its input to the next call.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/Conv.h"

namespace jinx::dense {
namespace {

Shape spatial(const Tensor& t) { return Shape(t.shape().begin() + 2, t.shape().end()); }

/// The window of the convolution whose transpose this is: its input is our output (`w.in`), its output our input
/// (`w.out`). Of the padding that output_shape or auto_pad asks for, SAME_UPPER puts the larger half at the end,
/// everything else at the begin. ConvTranspose-1 has an equation with the halves swapped, which contradicts its own
/// auto_pad; onnxruntime ignores it too.
Expected<Window> transposeWindow(const HostOpCall& call, const Shape& in, const Shape& kernel) {
  JINX_TRY_ASSIGN(Window w, readWindow(call, in, kernel));
  const int64_t rank = w.rank();
  w.out = in;
  Shape extra = call.attributes->getInts("output_padding"), asked = call.attributes->getInts("output_shape");
  const std::string mode = call.attributes->getString("auto_pad", "NOTSET");
  if (extra.empty()) extra.assign(rank, 0);
  if (static_cast<int64_t>(extra.size()) != rank)
    return call.error("attribute output_padding has " + str(extra.size()) + " values, expected " + str(rank) +
                      " (spatial dimensions)");
  for (int64_t x : extra)
    if (x < 0 || x > (int64_t{1} << 31))
      return call.error("attribute output_padding holds " + str(x) + ", expected 0 to 2^31");
  if (static_cast<int64_t>(asked.size()) == rank + 2)
    asked.erase(asked.begin(), asked.begin() + 2); // some exporters give N and C too
  if (!asked.empty() && static_cast<int64_t>(asked.size()) != rank)
    return call.error("attribute output_shape has " + str(asked.size()) + " values, expected " + str(rank) +
                      " (spatial dimensions)");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t natural = w.stride[d] * (in[d] - 1) + extra[d] + w.extent(d);
    if (asked.empty() && !same) {
      if (mode == "VALID") w.padBegin[d] = w.padEnd[d] = 0;
      w.in[d] = std::max<int64_t>(0, natural - w.padBegin[d] - w.padEnd[d]);
      continue;
    }
    if (!asked.empty() && asked[d] < 0)
      return call.error("attribute output_shape holds " + str(asked[d]) + ", expected 0 or more");
    w.in[d] = asked.empty() ? std::min(in[d] * w.stride[d], natural) : asked[d];
    const int64_t total = std::max<int64_t>(0, natural - w.in[d]);
    w.padBegin[d] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.padEnd[d] = total - w.padBegin[d];
  }
  JINX_TRY(checkShapeSize(call, w.in, "output"));
  return w;
}

} // namespace

/// W: [channels][maps / group][kernel...]. y[map][x * stride - pad + k * dilation] += x[c][x] * w[c][map][k].
Status convTranspose(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  const int64_t group = call.attributes->getInt("group", 1);
  if (x.rank() < 3)
    return call.error("operand X is " + x.describe() + ", expected rank 3 or more (batch, channels, spatial)");
  if (w.rank() != x.rank())
    return call.error("operand W is " + w.describe() + ", expected rank " + str(x.rank()) + " as operand X has");
  if (w.dim(0) != x.dim(1))
    return call.error("operand W is " + w.describe() + ", expected " + str(x.dim(1)) +
                      " in dimension 0 (channels of operand X)");
  if (group < 1 || x.dim(1) % group != 0)
    return call.error("attribute group is " + str(group) + ", expected a divisor of the " + str(x.dim(1)) +
                      " channels of operand X");
  JINX_TRY_ASSIGN(Window window, transposeWindow(call, spatial(x), spatial(w)));
  const int64_t batch = x.dim(0), channels = x.dim(1), groupMaps = w.dim(1), maps = groupMaps * group,
                groupChannels = channels / group;
  JINX_TRY_ASSIGN(Doubles bias, channelOperand(call, 2, maps, "B"));
  const int64_t positions = window.outSize(), plane = window.inSize(), taps = window.kernelSize(),
                rows = groupMaps * taps;
  Shape shape{batch, maps};
  shape.insert(shape.end(), window.in.begin(), window.in.end());
  JINX_TRY(checkShapeSize(call, shape, "output"));
  const Doubles vx = toDoubles(x), vw = toDoubles(w);
  Doubles y(batch * maps * plane, 0.0);
  if (positions > 0 && rows > 0) {
    const int64_t chunk = std::clamp<int64_t>((1 << 18) / rows, 16, 8192);
    Doubles columns(rows * std::min(chunk, positions));
    for (int64_t first = 0; first < positions; first += chunk) {
      const int64_t count = std::min(chunk, positions - first);
      const std::vector<int64_t> offsets = windowOffsets(window, first, count);
      for (int64_t n = 0; n < batch; ++n)
        for (int64_t g = 0; g < group; ++g) {
          std::fill(columns.begin(), columns.end(), 0.0);
          gemm(rows, count, groupChannels, transposed(vw.data() + g * groupChannels * rows, rows),
               rowMajor(vx.data() + (n * channels + g * groupChannels) * positions + first, positions), columns.data(),
               count);
          const double* from = columns.data();
          for (int64_t m = 0; m < groupMaps; ++m) {
            double* to = y.data() + (n * maps + g * groupMaps + m) * plane;
            for (int64_t e = 0; e < taps * count; ++e, ++from)
              if (offsets[e] >= 0) to[offsets[e]] += *from;
          }
        }
    }
  }
  addChannelBias(y, bias, plane);
  call.outputs[0] = fromDoubles(x.dtype(), shape, y);
  return Status::ok();
}

namespace {

/// Linear interpolation at a point of an n-dimensional plane, as up to 2^n (offset, weight) pairs; corners outside
/// count as zero.
void corners(const Shape& in, const Shape& strides, const double* point, std::vector<std::pair<int64_t, double>>& out) {
  const size_t rank = in.size();
  out.clear();
  for (size_t c = 0; c < (size_t{1} << rank); ++c) {
    int64_t offset = 0;
    double weight = 1;
    for (size_t d = 0; d < rank && weight != 0; ++d) {
      const double low = std::floor(point[d]), fraction = point[d] - low;
      const bool high = (c >> d & 1) != 0;
      weight *= high ? fraction : 1 - fraction;
      const double at = low + (high ? 1 : 0);
      if (!(at >= 0 && at < static_cast<double>(in[d])))
        weight = 0;
      else
        offset += static_cast<int64_t>(at) * strides[d];
    }
    if (weight != 0) out.emplace_back(offset, weight);
  }
}

} // namespace

/// Inputs X, W, offset, B, mask; offset [N][offset_group][kernel][n][out], mask [N][offset_group][kernel][out].
Status deformConv(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor offset, call.tensor(2));
  const int64_t group = call.attributes->getInt("group", 1), offsetGroup = call.attributes->getInt("offset_group", 1);
  JINX_TRY(checkConv(call, x, w, group));
  JINX_TRY_ASSIGN(Window window, convWindow(call, spatial(x), spatial(w)));
  const int64_t batch = x.dim(0), channels = x.dim(1), maps = w.dim(0), rank = window.rank(),
                taps = window.kernelSize();
  if (offsetGroup < 1 || channels % offsetGroup != 0)
    return call.error("attribute offset_group is " + str(offsetGroup) + ", expected a divisor of the " + str(channels) +
                      " channels of operand X");
  Shape offsetShape{batch, offsetGroup * taps * rank}, maskShape{batch, offsetGroup * taps}, outShape{batch, maps};
  for (Shape* s : {&offsetShape, &maskShape, &outShape})
    s->insert(s->end(), window.out.begin(), window.out.end());
  if (offset.shape() != offsetShape)
    return call.error("operand offset is " + offset.describe() + ", expected shape " + toString(offsetShape));
  JINX_TRY_ASSIGN(Doubles bias, channelOperand(call, 3, maps, "B"));
  Doubles mask;
  if (call.has(4)) {
    JINX_TRY_ASSIGN(Tensor m, call.tensor(4));
    if (m.shape() != maskShape)
      return call.error("operand mask is " + m.describe() + ", expected shape " + toString(maskShape));
    mask = toDoubles(m);
  }
  const Doubles vx = toDoubles(x), vw = toDoubles(w), vo = toDoubles(offset);
  const int64_t plane = window.inSize(), positions = window.outSize(), perOffset = channels / offsetGroup;
  const int64_t groupChannels = channels / group, groupMaps = maps / group, depth = groupChannels * taps;
  const Shape inStrides = rowMajorStrides(window.in), outStrides = rowMajorStrides(window.out);
  JINX_TRY(checkShapeSize(call, {channels, taps, positions}, "columns"));
  Doubles y(batch * maps * positions, 0.0), columns(channels * taps * positions);
  std::vector<std::pair<int64_t, double>> points;
  Doubles at(rank);
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t og = 0; og < offsetGroup; ++og) {
      std::vector<int64_t> tap(rank, 0);
      for (int64_t k = 0; k < taps; ++k, nextIndex(tap, window.kernel)) {
        const int64_t row = (n * offsetGroup + og) * taps + k;
        for (int64_t p = 0; p < positions; ++p) {
          int64_t rest = p;
          for (int64_t d = 0; d < rank; ++d) {
            const int64_t out = rest / outStrides[d];
            const int64_t in = out * window.stride[d] - window.padBegin[d] + tap[d] * window.dilation[d];
            at[d] = static_cast<double>(in) + vo[(row * rank + d) * positions + p];
            rest %= outStrides[d];
          }
          corners(window.in, inStrides, at.data(), points);
          const double scale = mask.empty() ? 1 : mask[row * positions + p];
          for (int64_t c = og * perOffset; c < (og + 1) * perOffset; ++c) {
            double v = 0;
            for (auto [o, weight] : points)
              v += weight * vx[(n * channels + c) * plane + o];
            columns[(c * taps + k) * positions + p] = v * scale;
          }
        }
      }
    }
    for (int64_t g = 0; g < group; ++g)
      gemm(groupMaps, positions, depth, rowMajor(vw.data() + g * groupMaps * depth, depth),
           rowMajor(columns.data() + g * depth * positions, positions),
           y.data() + (n * maps + g * groupMaps) * positions, positions);
  }
  addChannelBias(y, bias, positions);
  call.outputs[0] = fromDoubles(x.dtype(), outShape, y);
  return Status::ok();
}

namespace {

/// image[n * C + c][offset] += column[n * C + c][k][l]; T is the accumulator, `width` how many of them an element is
/// (2: complex).
template <typename T>
std::vector<T> scatterColumns(const Window& w, int64_t planes, int64_t width, const std::vector<T>& columns) {
  const int64_t blocks = w.outSize(), taps = w.kernelSize(), plane = w.inSize();
  const std::vector<int64_t> offsets = windowOffsets(w, 0, blocks);
  std::vector<T> image(planes * plane * width, T(0));
  for (int64_t c = 0; c < planes; ++c)
    for (int64_t e = 0; e < taps * blocks; ++e)
      if (offsets[e] >= 0)
        for (int64_t i = 0; i < width; ++i)
          image[(c * plane + offsets[e]) * width + i] += columns[(c * taps * blocks + e) * width + i];
  return image;
}

} // namespace

Status col2Im(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor imageShape, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor blockShape, call.tensor(2));
  if (x.rank() != 3)
    return call.error("operand input is " + x.describe() + ", expected rank 3 (batch, channels * block, blocks)");
  if (imageShape.size() != blockShape.size())
    return call.error("operand block_shape has " + str(blockShape.size()) + " values, expected " +
                      str(imageShape.size()) + " as image_shape has");
  JINX_TRY(checkShapeSize(call, imageShape.toInts(), "image_shape"));
  JINX_TRY(checkShapeSize(call, blockShape.toInts(), "block_shape"));
  JINX_TRY_ASSIGN(Window w, convWindow(call, imageShape.toInts(), blockShape.toInts()));
  const int64_t taps = w.kernelSize();
  if (x.dim(1) % taps != 0)
    return call.error("operand input is " + x.describe() + ", expected a multiple of " + str(taps) +
                      " (block size) in dimension 1");
  if (x.dim(2) != w.outSize())
    return call.error("operand input is " + x.describe() + ", expected " + str(w.outSize()) + " blocks in dimension 2");
  const int64_t channels = x.dim(1) / taps, planes = x.dim(0) * channels;
  Shape shape{x.dim(0), channels};
  shape.insert(shape.end(), w.in.begin(), w.in.end());
  JINX_TRY(checkShapeSize(call, shape, "output"));
  if (x.dtype() == DType::kString)
    return unimplemented(call.error("operand input is of strings, which have no sum").message());
  if (isInteger(x.dtype()) || x.dtype() == DType::kBool) {
    std::vector<uint64_t> columns(x.size());
    for (int64_t i = 0; i < x.size(); ++i)
      columns[i] = static_cast<uint64_t>(x.getInt(i));
    const std::vector<uint64_t> image = scatterColumns(w, planes, 1, columns);
    Tensor y = Tensor::make(x.dtype(), shape);
    for (int64_t i = 0; i < y.size(); ++i)
      y.setInt(i, x.dtype() == DType::kBool ? image[i] != 0 : static_cast<int64_t>(image[i]));
    call.outputs[0] = y;
    return Status::ok();
  }
  if (!isComplex(x.dtype())) {
    call.outputs[0] = fromDoubles(x.dtype(), shape, scatterColumns(w, planes, 1, toDoubles(x)));
    return Status::ok();
  }
  const DType part = x.dtype() == DType::kC64 ? DType::kF32 : DType::kF64;
  const Tensor reals = Tensor::wrap(part, {2 * x.size()}, const_cast<void*>(x.data()), x.storage());
  const Doubles image = scatterColumns(w, planes, 2, toDoubles(reals));
  Tensor y = Tensor::make(x.dtype(), shape);
  Tensor parts = Tensor::wrap(part, {2 * y.size()}, y.data(), y.storage());
  store(parts, 0, parts.size(), image.data());
  call.outputs[0] = y;
  return Status::ok();
}

/// y[b][c][t] = sum_j w[c][j] * padded[b][c][t + j] with padded = past_state (or zeros) before the input; the new state
/// is the end of `padded`. com.microsoft's operator is the same for ndim = 1 and channels first.
Status causalConvWithState(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor w, call.tensor(1));
  const Attributes& at = *call.attributes;
  for (const char* name : {"channels_last", "state_window", "state_update_capacity", "input_channels"})
    if (at.getInt(name, 0) != 0)
      return unimplemented(
          call.error("attribute " + std::string(name) + " is " + str(at.getInt(name, 0)) + ", expected 0").message());
  if (at.getInt("ndim", 1) != 1)
    return unimplemented(call.error("attribute ndim is " + str(at.getInt("ndim", 1)) + ", expected 1").message());
  const std::string activation = at.getString("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return call.error("attribute activation is '" + activation + "', expected none, silu or swish");
  if (x.rank() != 3)
    return call.error("operand input is " + x.describe() + ", expected rank 3 (batch, channels, length)");
  if (w.rank() != 3 || w.dim(0) != x.dim(1) || w.dim(1) != 1 || w.dim(2) < 1)
    return call.error("operand weight is " + w.describe() + ", expected shape " + str(x.dim(1)) + "x1xk");
  const int64_t batch = x.dim(0), channels = x.dim(1), length = x.dim(2), taps = w.dim(2),
                dilation = at.getInt("dilation", 1);
  if (dilation < 1 || dilation > int64_t{1} << 31)
    return call.error("attribute dilation is " + str(dilation) + ", expected 1 to 2^31");
  const int64_t carry = (taps - 1) * dilation, total = carry + length;
  JINX_TRY(checkShapeSize(call, {batch, channels, total}, "past_state"));
  JINX_TRY_ASSIGN(Doubles bias, channelOperand(call, 2, channels, "bias"));
  Doubles past(batch * channels * carry, 0.0);
  if (call.has(3)) {
    JINX_TRY_ASSIGN(Tensor p, call.tensor(3));
    if (p.shape() != Shape{batch, channels, carry})
      return call.error("operand past_state is " + p.describe() + ", expected shape " +
                        toString(Shape{batch, channels, carry}));
    past = toDoubles(p);
  }
  const Doubles vx = toDoubles(x), vw = toDoubles(w);
  Doubles y(batch * channels * length), state(batch * channels * carry), padded(total);
  for (int64_t r = 0; r < batch * channels; ++r) {
    std::copy_n(past.data() + r * carry, carry, padded.data());
    std::copy_n(vx.data() + r * length, length, padded.data() + carry);
    const int64_t c = r % channels;
    for (int64_t t = 0; t < length; ++t) {
      double sum = bias.empty() ? 0 : bias[c];
      for (int64_t j = 0; j < taps; ++j)
        sum += vw[c * taps + j] * padded[t + j * dilation];
      y[r * length + t] = sum;
    }
    std::copy_n(padded.data() + length, carry, state.data() + r * carry);
  }
  if (activation != "none")
    for (double& v : y) {
      v = rounded(x.dtype(), v); // the function body convolves in the input's type, then activates in f32
      v = v / (1 + std::exp(-v));
    }
  call.outputs[0] = fromDoubles(x.dtype(), x.shape(), y);
  give(call, 1, fromDoubles(x.dtype(), {batch, channels, carry}, state));
  return Status::ok();
}

} // namespace jinx::dense

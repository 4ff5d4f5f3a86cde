// Operators on signals: the discrete Fourier transform, its short-time form, windows, mel filter banks.
#include <cmath>
#include <complex>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/OnnxTypes.h"
#include "runtime/hostops/Operands.h"

namespace jinx {
namespace {

using Complex = std::complex<double>;
using Complexes = std::vector<Complex>;

/// out[k] = sum over n of in[start + n*stride] * w^(kn), for k in [0, count), where w = roots[1] is a count-th root of
/// unity taken from the roots of the whole transform (`step` apart). Cooley-Tukey: the smallest prime p that divides
/// `count` splits the sum into p transforms of count/p; a prime count is summed as it is written.
Complexes transform(const Complex* in, int64_t stride, int64_t count, const Complexes& roots, int64_t step) {
  int64_t p = 2;
  while (p * p <= count && count % p != 0)
    ++p;
  if (p * p > count) p = count;
  Complexes out(static_cast<size_t>(count));
  const int64_t total = static_cast<int64_t>(roots.size());
  if (p == count) {
    for (int64_t k = 0; k < count; ++k) {
      Complex sum = 0;
      for (int64_t n = 0; n < count; ++n)
        sum += in[n * stride] * roots[static_cast<size_t>(k * n % count * step % total)];
      out[static_cast<size_t>(k)] = sum;
    }
    return out;
  }
  const int64_t m = count / p;
  std::vector<Complexes> parts;
  for (int64_t r = 0; r < p; ++r)
    parts.push_back(transform(in + r * stride, stride * p, m, roots, step * p));
  for (int64_t k = 0; k < count; ++k) {
    Complex sum = 0;
    for (int64_t r = 0; r < p; ++r)
      sum += roots[static_cast<size_t>(r * k % count * step % total)] *
             parts[static_cast<size_t>(r)][static_cast<size_t>(k % m)];
    out[static_cast<size_t>(k)] = sum;
  }
  return out;
}

/// exp(-2*pi*i*k/n) for all k; conjugated for the inverse.
Complexes unitRoots(int64_t n, bool inverse) {
  Complexes roots(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k)
    roots[static_cast<size_t>(k)] =
        std::polar(1.0, (inverse ? 2 : -2) * M_PI * static_cast<double>(k) / static_cast<double>(n));
  return roots;
}

Complexes dft(const Complexes& x, const Complexes& roots) {
  return x.empty() ? Complexes() : transform(x.data(), 1, static_cast<int64_t>(x.size()), roots, 1);
}

/// A signal tensor: its last dimension is the real part alone, or real and imaginary part.
Status checkSignal(const HostOpCall& call, const Tensor& x, std::string_view what) {
  if (isFloat(x.dtype()) && x.rank() >= 2 && (x.dim(-1) == 1 || x.dim(-1) == 2)) return Status::ok();
  return call.error("'" + std::string(what) + "' is " + x.describe() +
                    ", expected floats with a last extent of 1 (real) or 2 (complex)");
}

Status dftOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY(checkSignal(call, x, "input"));
  const bool inverse = call.attributes->getInt("inverse", 0) != 0,
             oneSided = call.attributes->getInt("onesided", 0) != 0;
  int64_t axis = call.attributes->getInt("axis", 1);
  if (call.opset >= 20) {
    axis = -2;
    if (call.has(2)) {
      JINX_TRY_ASSIGN(axis, operands::scalarInt(call, 2, "axis"));
    }
  }
  JINX_TRY_ASSIGN(axis, operands::axis(call, axis, x.rank()));
  if (axis == x.rank() - 1)
    return call.error("'axis' is " + std::to_string(axis) + ", the one of real and imaginary parts, expected another");
  const datamove::AxisView view(x.shape(), axis);
  const bool toReal = inverse && oneSided; // IRFFT
  int64_t length = toReal ? 2 * (view.extent - 1) : view.extent;
  if (call.has(1)) {
    JINX_TRY_ASSIGN(length, operands::scalarInt(call, 1, "dft_length"));
  }
  if (length < 1 && x.size() > 0)
    return call.error("'dft_length' is " + std::to_string(length) + ", expected a value >= 1");
  const int64_t lanes = x.dim(-1), bins = length / 2 + 1, kept = oneSided && !inverse ? bins : length,
                outLanes = toReal ? 1 : 2;
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = kept;
  shape.back() = outLanes;
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), shape));
  if (y.size() == 0) {
    call.outputs[0] = y;
    return Status::ok();
  }
  const std::vector<double> values = operands::toDoubles(x);
  std::vector<double> result(static_cast<size_t>(y.size()));
  const Complexes roots = unitRoots(length, inverse);
  const int64_t inner = view.inner / lanes;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      Complexes signal(static_cast<size_t>(length)); // cut or filled up with zeros
      for (int64_t n = 0; n < std::min(toReal ? bins : length, view.extent); ++n) {
        const double* v = values.data() + ((o * view.extent + n) * inner + i) * lanes;
        signal[static_cast<size_t>(n)] = Complex(v[0], lanes == 2 ? v[1] : 0);
      }
      if (toReal) { // the other half is the mirror image; what should be real is taken as real
        signal[0].imag(0);
        if (length % 2 == 0) signal[static_cast<size_t>(length / 2)].imag(0);
        for (int64_t n = bins; n < length; ++n)
          signal[static_cast<size_t>(n)] = std::conj(signal[static_cast<size_t>(length - n)]);
      }
      const Complexes spectrum = dft(signal, roots);
      const double scale = inverse ? 1.0 / static_cast<double>(length) : 1.0;
      for (int64_t k = 0; k < kept; ++k) {
        double* to = result.data() + ((o * kept + k) * inner + i) * outLanes;
        to[0] = spectrum[static_cast<size_t>(k)].real() * scale;
        if (outLanes == 2) to[1] = spectrum[static_cast<size_t>(k)].imag() * scale;
      }
    }
  call.outputs[0] = operands::fromDoubles(result, x.dtype(), shape, operands::IntegerRounding::kTruncate);
  return Status::ok();
}

Status stft(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY(checkSignal(call, x, "signal"));
  if (x.rank() != 3) return call.error("'signal' is " + x.describe() + ", expected rank 3, [batch, length, 1 or 2]");
  JINX_TRY_ASSIGN(int64_t step, operands::scalarInt(call, 1, "frame_step"));
  const int64_t signalLength = x.dim(1), lanes = x.dim(2);
  int64_t length = signalLength;
  std::vector<double> window;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(Tensor w, call.tensor(2));
    if (!isFloat(w.dtype()) || w.rank() != 1)
      return call.error("'window' is " + w.describe() + ", expected floats of rank 1");
    window = operands::toDoubles(w);
    length = w.size();
  }
  if (call.has(3)) {
    JINX_TRY_ASSIGN(length, operands::scalarInt(call, 3, "frame_length"));
    if (call.has(2) && length != static_cast<int64_t>(window.size()))
      return call.error("'window' has " + std::to_string(window.size()) + " entries, expected " +
                        std::to_string(length) + ", the 'frame_length'");
  }
  if (step < 1) return call.error("'frame_step' is " + std::to_string(step) + ", expected a value >= 1");
  if (length < 1 || length > signalLength)
    return call.error("'frame_length' is " + std::to_string(length) + ", expected a value in [1, " +
                      std::to_string(signalLength) + "], the length of the signal");
  if (window.empty()) window.assign(static_cast<size_t>(length), 1.0);
  const bool oneSided = call.attributes->getInt("onesided", 1) != 0;
  const int64_t frames = (signalLength - length) / step + 1, kept = oneSided ? length / 2 + 1 : length;
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, x.dtype(), {x.dim(0), frames, kept, 2}));
  const std::vector<double> values = operands::toDoubles(x);
  const Complexes roots = unitRoots(length, false);
  Complexes frame(static_cast<size_t>(length));
  for (int64_t b = 0; b < x.dim(0); ++b)
    for (int64_t f = 0; f < frames; ++f) {
      for (int64_t n = 0; n < length; ++n) {
        const double* v = values.data() + (b * signalLength + f * step + n) * lanes;
        frame[static_cast<size_t>(n)] = Complex(v[0], lanes == 2 ? v[1] : 0) * window[static_cast<size_t>(n)];
      }
      const Complexes spectrum = dft(frame, roots);
      for (int64_t k = 0; k < kept; ++k) {
        const int64_t to = ((b * frames + f) * kept + k) * 2;
        y.setDouble(to, spectrum[static_cast<size_t>(k)].real());
        y.setDouble(to + 1, spectrum[static_cast<size_t>(k)].imag());
      }
    }
  call.outputs[0] = y;
  return Status::ok();
}

/// Attribute 'output_datatype', a number type.
Expected<DType> outputType(const HostOpCall& call) {
  const int64_t number = call.attributes->getInt("output_datatype", 1);
  const DType type = dtypeFromOnnx(number);
  if (isFloat(type) || isInteger(type)) return type;
  return call.error("'output_datatype' is " + std::to_string(number) + ", expected the number of a real type");
}

/// A window is a sum of cosines: w[n] = a0 - a1 cos(2*pi*n/d) + a2 cos(4*pi*n/d), d = size (periodic) or size - 1
/// (symmetric).
Status cosineWindow(HostOpCall& call, double a0, double a1, double a2) {
  JINX_TRY_ASSIGN(int64_t size, operands::scalarInt(call, 0, "size"));
  JINX_TRY_ASSIGN(DType type, outputType(call));
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, type, {size}));
  const int64_t divisor = call.attributes->getInt("periodic", 1) != 0 ? size : size - 1;
  for (int64_t n = 0; n < size; ++n) {
    const double angle = 2 * M_PI * static_cast<double>(n) / static_cast<double>(divisor);
    y.setDouble(n, divisor == 0
                       ? 1.0
                       : a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle)); // a lone symmetric point is the peak
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status hannWindow(HostOpCall& call) { return cosineWindow(call, 0.5, 0.5, 0); }
Status hammingWindow(HostOpCall& call) { return cosineWindow(call, 25.0 / 46, 21.0 / 46, 0); }
Status blackmanWindow(HostOpCall& call) { return cosineWindow(call, 0.42, 0.5, 0.08); }

Status melWeightMatrix(HostOpCall& call) {
  JINX_TRY_ASSIGN(int64_t bands, operands::scalarInt(call, 0, "num_mel_bins"));
  JINX_TRY_ASSIGN(int64_t length, operands::scalarInt(call, 1, "dft_length"));
  JINX_TRY_ASSIGN(int64_t rate, operands::scalarInt(call, 2, "sample_rate"));
  JINX_TRY_ASSIGN(double low, operands::scalarDouble(call, 3, "lower_edge_hertz"));
  JINX_TRY_ASSIGN(double high, operands::scalarDouble(call, 4, "upper_edge_hertz"));
  JINX_TRY_ASSIGN(DType type, outputType(call));
  if (length < 1 || rate < 1)
    return call.error("'dft_length' and 'sample_rate' are " + std::to_string(length) + " and " + std::to_string(rate) +
                      ", expected values >= 1");
  const int64_t bins = length / 2 + 1;
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, type, {bins, bands}));
  // Edges evenly spaced on the mel scale, as numbers of spectrogram bins. The step divides by bands + 2, as ONNX's
  // reference does.
  const auto toMel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  const auto toHertz = [](double m) { return 700 * (std::pow(10, m / 2595) - 1); };
  const double step = (toMel(high) - toMel(low)) / static_cast<double>(bands + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bands + 2; ++i) {
    const double bin = std::floor(static_cast<double>(length + 1) *
                                  toHertz(toMel(low) + static_cast<double>(i) * step) / static_cast<double>(rate));
    if (!(bin >= 0 && bin <= static_cast<double>(bins)))
      return call.error("band edge " + std::to_string(i) + " lies at spectrogram bin " + std::to_string(bin) +
                        ", expected one in [0, " + std::to_string(bins) +
                        "]; check 'lower_edge_hertz' and 'upper_edge_hertz' against half of 'sample_rate'");
    edges.push_back(static_cast<int64_t>(bin));
  }
  const auto set = [&](int64_t bin, int64_t band, double value) {
    if (bin < bins) y.setDouble(bin * bands + band, value);
  };
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t left = edges[static_cast<size_t>(band)], centre = edges[static_cast<size_t>(band) + 1],
                  right = edges[static_cast<size_t>(band) + 2];
    set(centre, band, 1);
    for (int64_t j = left; j < centre; ++j)
      set(j, band, static_cast<double>(j - left) / static_cast<double>(centre - left));
    for (int64_t j = centre; j < right; ++j)
      set(j, band, static_cast<double>(right - j) / static_cast<double>(right - centre));
  }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "DFT", 17, dftOp},
    {"", "STFT", 17, stft},
    {"", "HannWindow", 17, hannWindow},
    {"", "HammingWindow", 17, hammingWindow},
    {"", "BlackmanWindow", 17, blackmanWindow},
    {"", "MelWeightMatrix", 17, melWeightMatrix},
};

} // namespace

std::span<const HostOpEntry> signalHostOps() { return kRows; }

} // namespace jinx

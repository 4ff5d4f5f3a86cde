#include "AttentionGradKernels.h"

#include <algorithm>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/base/DType.h"

using namespace mlir;

namespace jinx::cuda::testing {

using schedules::GradOf;

std::string AttentionGradCase::name() const {
  return std::string("attention_grad_") + (ofKeys() ? "keys" : "queries") + (causal ? "_causal" : "_full") + "_hd" + std::to_string(headDim) +
         (bf16 ? "" : "_f16") + (group > 1 ? "_group" + std::to_string(group) : "") + (headsInRows ? "_rows" : "");
}

Built buildAttentionGrad(const AttentionGradCase &what) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  auto named = [&](Value v, StringRef name) { v.setLoc(NameLoc::get(b.getStringAttr(name))); };
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type half = tile::PtrType::get(b.getContext(), what.bf16 ? Type(b.getBF16Type()) : b.getF16Type()), f32 = tile::PtrType::get(b.getContext(), b.getF32Type());
  SmallVector<Type> types = {half, half, half, half, f32, f32, half};
  SmallVector<StringRef> buffers = {"q", "k", "v", "dy", "lse", "delta"}, sizes = {"batch", "heads", "queries", "keys"};
  if (what.ofKeys()) {
    types.push_back(half);
    buffers.append({"dk", "dv"});
  } else {
    buffers.push_back("dq");
  }
  auto kernel = tile::KernelOp::create(b, loc, what.name(), types, 6, 4, "/attention/Gradient");
  b.setInsertionPointToStart(&kernel.getBody().front());
  for (auto [i, name] : llvm::enumerate(buffers)) named(kernel.buffer(i), name);
  for (auto [i, name] : llvm::enumerate(sizes)) named(kernel.size(i), name);

  schedules::WgmmaAttentionGrad p;
  p.batch = {kernel.size(0), "a0"};
  p.heads = {kernel.size(1), "a1"};
  p.queries = {kernel.size(2), "a2"};
  p.keys = {kernel.size(3), "a3"};
  p.headDim = what.headDim;
  p.group = what.group;
  p.causal = what.causal;
  p.scale = what.scale();
  auto constant = [&](int64_t v) { return arith::ConstantIndexOp::create(b, loc, v).getResult(); };
  auto mul = [&](Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); };
  auto tensor = [&](int64_t buffer, const std::string &rows, Value rowCount, int64_t headsPer) {
    std::string d = std::to_string(what.headDim), heads = "a1 floordiv " + std::to_string(headsPer);
    Value dim = constant(what.headDim), headCount = b.createOrFold<arith::DivUIOp>(loc, p.heads.value, constant(headsPer));
    schedules::AttentionTensor t;
    t.data = kernel.buffer(buffer);
    t.batchStride = {mul(mul(headCount, rowCount), dim), "(" + heads + ") * " + rows + " * " + d};
    t.headStride = what.headsInRows ? schedules::AttentionSize{dim, d} : schedules::AttentionSize{mul(rowCount, dim), rows + " * " + d};
    t.rowStride = what.headsInRows ? schedules::AttentionSize{mul(headCount, dim), "(" + heads + ") * " + d} : schedules::AttentionSize{dim, d};
    return t;
  };
  auto ofQueries = [&](int64_t buffer) { return tensor(buffer, "a2", p.queries.value, 1); };
  auto ofKeys = [&](int64_t buffer) { return tensor(buffer, "a3", p.keys.value, what.group); };
  p.q = ofQueries(0), p.k = ofKeys(1), p.v = ofKeys(2), p.dy = ofQueries(3);
  p.lse = kernel.buffer(4), p.delta = kernel.buffer(5);
  if (what.ofKeys()) {
    p.dk = ofKeys(6), p.dv = ofKeys(7);
  } else {
    p.dq = ofQueries(6);
  }
  auto tile = what.tile.rows ? what.tile : schedules::chooseWgmmaAttentionGradTile(what.of, what.headDim);
  EXPECT_EQ(schedules::wgmmaAttentionGradInfeasible(what.of, tile, what.headDim), "");
  schedules::emitWgmmaAttentionGrad(b, kernel, what.of, p, tile);
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) {
    built.kernel = *emitted;
    EXPECT_EQ(evaluate(emitted->sharedBytes, {}), schedules::wgmmaAttentionGradSharedBytes(what.of, tile, what.headDim));
  }
  return built;
}

// ---- data ---------------------------------------------------------------------------------------------------------------------------

AttentionGradData::AttentionGradData(const AttentionGradCase &what, AttentionGradShape s, uint64_t seed) : what_(what), s_(s) {
  auto halves = [&](size_t n, uint64_t seed, float scale) {
    auto values = randomFloats(n, seed, scale);
    std::vector<uint16_t> bits(n);
    for (size_t i = 0; i < n; ++i) bits[i] = what.bf16 ? floatToBFloat16(values[i]) : floatToHalf(values[i]);
    return bits;
  };
  const int64_t d = what.headDim, kvHeads = s.heads / what.group;
  const size_t rowsQ = s.batch * s.heads * s.queries, rowsK = s.batch * kvHeads * s.keys;
  q_ = halves(rowsQ * d, seed, 1.5f);
  k_ = halves(rowsK * d, seed + 100, 1.0f);
  v_ = halves(rowsK * d, seed + 200, 1.0f);
  dy_ = halves(rowsQ * d, seed + 300, 1.0f);
  // A guard row behind each result must stay as it is.
  first_.assign(((what.ofKeys() ? rowsK : rowsQ) + 1) * d, kGuard);
  if (what.ofKeys()) second_ = first_;
  // What the forward pass knows of each row, in float64.
  const int64_t padded = (s.queries + schedules::kAttentionGradRows - 1) / schedules::kAttentionGradRows * schedules::kAttentionGradRows;
  lse_.assign(s.batch * s.heads * padded, INFINITY);
  delta_.assign(lse_.size(), 0.0f);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h)
      for (int64_t i = 0; i < s.queries; ++i) {
        const uint16_t *row = q_.data() + at(b, h, i, s.heads, s.queries), *grad = dy_.data() + at(b, h, i, s.heads, s.queries);
        const int64_t seen = what.causal ? std::clamp<int64_t>(i + s.keys - s.queries + 1, 0, s.keys) : s.keys;
        if (seen == 0) continue;
        std::vector<double> x(seen), dp(seen);
        double largest = -INFINITY, sum = 0, delta = 0;
        for (int64_t j = 0; j < seen; ++j) {
          const size_t place = at(b, h / what.group, j, kvHeads, s.keys);
          for (int64_t c = 0; c < d; ++c) x[j] += what.scale() * load(row[c]) * load(k_[place + c]), dp[j] += double(load(grad[c])) * load(v_[place + c]);
          largest = std::max(largest, x[j]);
        }
        for (int64_t j = 0; j < seen; ++j) sum += std::exp(x[j] - largest), delta += std::exp(x[j] - largest) * dp[j];
        lse_[(b * s.heads + h) * padded + i] = float(largest + std::log(sum));
        delta_[(b * s.heads + h) * padded + i] = float(delta / sum);
      }
}

float AttentionGradData::load(uint16_t bits) const { return what_.bf16 ? bfloat16ToFloat(bits) : halfToFloat(bits); }
size_t AttentionGradData::at(int64_t b, int64_t h, int64_t row, int64_t heads, int64_t rows) const {
  return (what_.headsInRows ? (b * rows + row) * heads + h : (b * heads + h) * rows + row) * what_.headDim;
}

Expected<emulated::LaunchReport> AttentionGradData::run(Runner &r, emulated::LaunchOptions options) {
  std::vector<Operand> operands = {in(q_), in(k_), in(v_), in(dy_), in(lse_), in(delta_), out(first_)};
  if (what_.ofKeys()) operands.push_back(out(second_));
  return r.run(operands, {s_.batch, s_.heads, s_.queries, s_.keys}, options);
}

bool AttentionGradData::overruns() const {
  for (const auto &result : {first_, second_})
    for (size_t i = result.size() - std::min<size_t>(result.size(), what_.headDim); i < result.size(); ++i)
      if (result[i] != kGuard) return true;
  return false;
}

double AttentionGradData::error() const {
  double worst = 0;
  for (int64_t b = 0; b < s_.batch; ++b)
    for (int64_t h = 0; h < s_.heads / what_.group; ++h) worst = std::max(worst, errorsOfHead(b, h));
  return worst;
}

/// Weights and gradients of scores are rounded to 16 bits (unit roundoff u; f16 has no more than 2^-24 below 2^-14), and so is the result.
/// What is computed in f32 before (scores and their exponentials, products with values and their differences from delta) is right to 2e-5 of
/// the sum of absolute terms: 128 terms of roundoff 2^-24, and exponents of a few tens.
double AttentionGradData::errorsOfHead(int64_t b, int64_t kvHead) const {
  const int64_t d = what_.headDim, kvHeads = s_.heads / what_.group, padded = int64_t(lse_.size()) / (s_.batch * s_.heads);
  const double u = what_.bf16 ? 0x1p-8 : 0x1p-11, least = what_.bf16 ? 0.0 : 0x1p-25, sums = 2e-5;
  struct Result {
    std::vector<double> want, slack;
    explicit Result(size_t n) : want(n, 0.0), slack(n, 0.0) {}
  };
  double worst = 0;
  auto compare = [&](const Result &r, const std::vector<uint16_t> &got, int64_t head, int64_t heads, int64_t rows) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < d; ++c) {
        const double want = r.want[i * d + c], have = load(got[at(b, head, i, heads, rows) + c]), error = std::abs(have - want);
        if (error == 0) continue;
        worst = std::isnan(have) ? INFINITY : std::max(worst, error / (r.slack[i * d + c] + u * std::abs(want) + least));
      }
  };
  Result dk(s_.keys * d), dv(s_.keys * d);
  for (int64_t h = kvHead * what_.group; h < (kvHead + 1) * what_.group; ++h) {
    Result dq(s_.queries * d);
    for (int64_t i = 0; i < s_.queries; ++i) {
      const uint16_t *query = q_.data() + at(b, h, i, s_.heads, s_.queries), *grad = dy_.data() + at(b, h, i, s_.heads, s_.queries);
      const double lse = lse_[(b * s_.heads + h) * padded + i], delta = delta_[(b * s_.heads + h) * padded + i];
      for (int64_t j = 0; j < s_.keys; ++j) {
        if (what_.causal && j > i + s_.keys - s_.queries) break;
        const uint16_t *key = k_.data() + at(b, kvHead, j, kvHeads, s_.keys), *value = v_.data() + at(b, kvHead, j, kvHeads, s_.keys);
        double x = 0, dp = 0, size = std::abs(delta);
        for (int64_t c = 0; c < d; ++c) {
          x += double(load(query[c])) * load(key[c]);
          dp += double(load(grad[c])) * load(value[c]);
          size += std::abs(double(load(grad[c])) * load(value[c]));
        }
        const double p = std::exp(x * what_.scale() - lse), ds = p * (dp - delta);
        const double slackP = (u + sums) * p + least, slackDs = u * std::abs(ds) + sums * p * size + least;
        for (int64_t c = 0; c < d; ++c) {
          dv.want[j * d + c] += p * load(grad[c]), dv.slack[j * d + c] += slackP * std::abs(load(grad[c]));
          dk.want[j * d + c] += what_.scale() * ds * load(query[c]), dk.slack[j * d + c] += what_.scale() * slackDs * std::abs(load(query[c]));
          dq.want[i * d + c] += what_.scale() * ds * load(key[c]), dq.slack[i * d + c] += what_.scale() * slackDs * std::abs(load(key[c]));
        }
      }
    }
    if (!what_.ofKeys()) compare(dq, first_, h, s_.heads, s_.queries);
  }
  if (what_.ofKeys()) {
    compare(dk, first_, kvHead, kvHeads, s_.keys);
    compare(dv, second_, kvHead, kvHeads, s_.keys);
  }
  return worst;
}

}  // namespace jinx::cuda::testing

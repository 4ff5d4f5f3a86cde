// MatMul, Gemm, Det and their com.microsoft relatives; Einsum is in Einsum.cpp, the quantized products are in
// MatmulQuant.cpp.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/FusedActivation.h"
#include "runtime/hostops/MatmulPlan.h"

namespace jinx {
namespace dense {

Expected<MatMulPlan> planMatMul(const HostOpCall& call, const Shape& a, const Shape& b) {
  if (a.empty() || b.empty())
    return call.error(std::string("operand ") + (a.empty() ? "A" : "B") + " is a scalar, expected rank 1 or more");
  MatMulPlan plan;
  plan.aFull = a.size() == 1 ? Shape{1, a[0]} : a;
  plan.bFull = b.size() == 1 ? Shape{b[0], 1} : b;
  const size_t ra = plan.aFull.size(), rb = plan.bFull.size();
  plan.m = plan.aFull[ra - 2];
  plan.k = plan.aFull[ra - 1];
  plan.n = plan.bFull[rb - 1];
  if (plan.bFull[rb - 2] != plan.k)
    return call.error("operand B of shape " + toString(b) + " has " + str(plan.bFull[rb - 2]) + " rows, expected " +
                      str(plan.k) + " (columns of operand A of shape " + toString(a) + ")");
  if (!broadcastShapes(Shape(plan.aFull.begin(), plan.aFull.end() - 2), Shape(plan.bFull.begin(), plan.bFull.end() - 2),
                       plan.batch))
    return call.error("batch dimensions of operands A " + toString(a) + " and B " + toString(b) + " do not broadcast");
  plan.full = plan.batch;
  plan.full.insert(plan.full.end(), {plan.m, plan.n});
  JINX_TRY(checkShapeSize(call, plan.full, "output"));
  plan.out = plan.batch;
  if (a.size() > 1) plan.out.push_back(plan.m);
  if (b.size() > 1) plan.out.push_back(plan.n);
  return plan;
}

namespace {

/// Calls fn(matrix of a, matrix of b, matrix of the result) for each batch position; adjacent rows of a merge when b is
/// one matrix.
template <typename Fn>
void forEachMatrix(const MatMulPlan& plan, Fn fn) {
  const Shape aBatch(plan.aFull.begin(), plan.aFull.end() - 2), bBatch(plan.bFull.begin(), plan.bFull.end() - 2);
  const Shape sa = broadcastStrides(aBatch, plan.batch), sb = broadcastStrides(bBatch, plan.batch);
  if (numElements(plan.batch) == 0) return;
  std::vector<int64_t> index(plan.batch.size(), 0);
  int64_t at = 0;
  do {
    int64_t ia = 0, ib = 0;
    for (size_t i = 0; i < index.size(); ++i) {
      ia += index[i] * sa[i];
      ib += index[i] * sb[i];
    }
    fn(ia, ib, at++);
  } while (nextIndex(index, plan.batch));
}

} // namespace

Doubles runMatMul(const MatMulPlan& plan, const Doubles& a, const Doubles& b) {
  Doubles out(numElements(plan.full), 0.0);
  const int64_t m = plan.m, n = plan.n, k = plan.k;
  const Shape bBatch(plan.bFull.begin(), plan.bFull.end() - 2);
  if (numElements(bBatch) == 1 &&
      numElements(Shape(plan.aFull.begin(), plan.aFull.end() - 2)) == numElements(plan.batch)) {
    gemm(numElements(plan.batch) * m, n, k, rowMajor(a.data(), k), rowMajor(b.data(), n), out.data(), n);
    return out;
  }
  forEachMatrix(plan, [&](int64_t ia, int64_t ib, int64_t at) {
    gemm(m, n, k, rowMajor(a.data() + ia * m * k, k), rowMajor(b.data() + ib * k * n, n), out.data() + at * m * n, n);
  });
  return out;
}

Status applyFusedActivation(const HostOpCall& call, const std::string& name, const std::vector<double>& params,
                            Doubles& values) {
  const double alpha = !params.empty() ? params[0] : 0, beta = params.size() > 1 ? params[1] : 0;
  if (name.empty()) return Status::ok();
  if (name == "Relu") {
    for (double& v : values)
      v = v < 0 ? 0 : v;
  } else if (name == "LeakyRelu") {
    for (double& v : values)
      v = v < 0 ? alpha * v : v;
  } else if (name == "Tanh") {
    for (double& v : values)
      v = std::tanh(v);
  } else if (name == "Sigmoid") {
    for (double& v : values)
      v = 1 / (1 + std::exp(-v));
  } else if (name == "Clip") {
    for (double& v : values)
      v = v < alpha ? alpha : (v > beta ? beta : v);
  } else if (name == "HardSigmoid") {
    for (double& v : values)
      v = std::min(std::max(alpha * v + beta, 0.0), 1.0);
  } else if (name == "HardSwish") {
    for (double& v : values)
      v *= std::min(std::max(alpha * v + beta, 0.0), 1.0);
  } else {
    return call.error("attribute activation is '" + name +
                      "', expected Relu, LeakyRelu, Tanh, Sigmoid, Clip, HardSigmoid or HardSwish");
  }
  return Status::ok();
}

namespace {

std::vector<uint64_t> toWords(const Tensor& t) {
  std::vector<uint64_t> out(t.size());
  for (int64_t i = 0; i < t.size(); ++i)
    out[i] = static_cast<uint64_t>(t.getInt(i));
  return out;
}

Status sameType(const HostOpCall& call, const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return Status::ok();
  return call.error("operand B is " + b.describe() + ", expected the element type of operand A, " + a.describe());
}

Status matMul(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY(sameType(call, a, b));
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, a.shape(), b.shape()));
  if (!isInteger(a.dtype())) {
    call.outputs[0] = fromDoubles(a.dtype(), plan.out, runMatMul(plan, toDoubles(a), toDoubles(b)));
    return Status::ok();
  }
  const std::vector<uint64_t> wa = toWords(a), wb = toWords(b);
  std::vector<uint64_t> wy(numElements(plan.full), 0);
  forEachMatrix(plan, [&](int64_t ia, int64_t ib, int64_t at) {
    gemmInt(plan.m, plan.n, plan.k, wa.data() + ia * plan.m * plan.k, wb.data() + ib * plan.k * plan.n,
            wy.data() + at * plan.m * plan.n);
  });
  Tensor y = Tensor::make(a.dtype(), plan.out);
  for (int64_t i = 0; i < y.size(); ++i)
    y.setInt(i, static_cast<int64_t>(wy[i]));
  call.outputs[0] = y;
  return Status::ok();
}

/// Moves the first axis before the last one: [m, batch..., k] -> [batch..., m, k]. Then swaps the last two if `trans`.
void arrange(Doubles& values, Shape& shape, bool transBatch, bool trans) {
  const int64_t rank = static_cast<int64_t>(shape.size());
  if (rank < 2 || (!trans && !(transBatch && rank > 2))) return;
  std::vector<int64_t> perm(rank);
  for (int64_t i = 0; i < rank; ++i)
    perm[i] = i;
  if (transBatch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (trans) std::swap(perm[rank - 1], perm[rank - 2]);
  values = permuted(values, shape, perm);
  Shape out(rank);
  for (int64_t i = 0; i < rank; ++i)
    out[i] = shape[perm[i]];
  shape = out;
}

Status fusedMatMul(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY(sameType(call, a, b));
  Doubles va = toDoubles(a), vb = toDoubles(b);
  Shape sa = a.shape(), sb = b.shape();
  const Attributes& at = *call.attributes;
  arrange(va, sa, at.getInt("transBatchA", 0) != 0, at.getInt("transA", 0) != 0);
  arrange(vb, sb, at.getInt("transBatchB", 0) != 0, at.getInt("transB", 0) != 0);
  JINX_TRY_ASSIGN(MatMulPlan plan, planMatMul(call, sa, sb));
  Doubles y = runMatMul(plan, va, vb);
  const double alpha = at.getFloat("alpha", 1);
  for (double& v : y)
    v *= alpha;
  call.outputs[0] = fromDoubles(a.dtype(), plan.out, y);
  return Status::ok();
}

/// y = alpha * a' * b' + beta * c. `broadcast` of opset 1 and 6 only allowed what later versions always do.
Status gemmOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  JINX_TRY(sameType(call, a, b));
  const Attributes& at = *call.attributes;
  const bool transA = at.getInt("transA", 0) != 0, transB = at.getInt("transB", 0) != 0;
  const double alpha = at.getFloat("alpha", 1), beta = at.getFloat("beta", 1);
  if (a.rank() != 2) return call.error("operand A is " + a.describe() + ", expected rank 2");
  if (b.rank() != 2) return call.error("operand B is " + b.describe() + ", expected rank 2");
  const int64_t m = a.dim(transA ? 1 : 0), k = a.dim(transA ? 0 : 1), n = b.dim(transB ? 0 : 1),
                bk = b.dim(transB ? 1 : 0);
  if (bk != k)
    return call.error("operand B' of " + b.describe() + " has " + str(bk) + " rows, expected " + str(k) +
                      " (columns of A' of " + a.describe() + ")");
  const Shape out{m, n};
  Tensor c;
  Shape strides, merged;
  if (call.has(2)) {
    JINX_TRY_ASSIGN(c, call.tensor(2));
    if (!broadcastShapes(c.shape(), out, merged) || merged != out)
      return call.error("operand C is " + c.describe() + ", expected a shape that broadcasts to " + toString(out));
    strides = broadcastStrides(c.shape(), out);
  }
  const bool exact = isInteger(a.dtype()) && alpha == std::trunc(alpha) && beta == std::trunc(beta);
  if (exact) {
    std::vector<uint64_t> wa = toWords(a), wb = toWords(b), wy(m * n, 0);
    if (transA) wa = permuted(wa, a.shape(), {1, 0});
    if (transB) wb = permuted(wb, b.shape(), {1, 0});
    gemmInt(m, n, k, wa.data(), wb.data(), wy.data());
    Tensor y = Tensor::make(a.dtype(), out);
    for (int64_t i = 0; i < m * n; ++i) {
      uint64_t v = wy[i] * static_cast<uint64_t>(static_cast<int64_t>(alpha));
      if (c.valid())
        v += static_cast<uint64_t>(c.getInt(i / n * strides[0] + i % n * strides[1])) *
             static_cast<uint64_t>(static_cast<int64_t>(beta));
      y.setInt(i, static_cast<int64_t>(v));
    }
    call.outputs[0] = y;
    return Status::ok();
  }
  const Doubles va = toDoubles(a), vb = toDoubles(b), vc = c.valid() ? toDoubles(c) : Doubles();
  Doubles y(m * n, 0.0);
  gemm(m, n, k, transA ? transposed(va.data(), m) : rowMajor(va.data(), k),
       transB ? transposed(vb.data(), k) : rowMajor(vb.data(), n), y.data(), n);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double& v = y[i * n + j];
      v *= alpha;
      if (c.valid()) v += beta * vc[i * strides[0] + j * strides[1]];
    }
  JINX_TRY(applyFusedActivation(call, at.getString("activation", ""),
                                {at.getFloat("activation_alpha", 0), at.getFloat("activation_beta", 0)}, y));
  call.outputs[0] = fromDoubles(a.dtype(), out, y);
  return Status::ok();
}

/// Product of the pivots of Gaussian elimination with partial pivoting; 1 for the empty matrix.
double determinant(double* x, int64_t n) {
  double det = 1;
  for (int64_t col = 0; col < n; ++col) {
    int64_t pivot = col;
    for (int64_t r = col + 1; r < n; ++r)
      if (std::abs(x[r * n + col]) > std::abs(x[pivot * n + col])) pivot = r;
    if (x[pivot * n + col] == 0) return 0;
    if (pivot != col) {
      std::swap_ranges(x + pivot * n, x + pivot * n + n, x + col * n);
      det = -det;
    }
    det *= x[col * n + col];
    for (int64_t r = col + 1; r < n; ++r) {
      const double factor = x[r * n + col] / x[col * n + col];
      for (int64_t j = col; j < n; ++j)
        x[r * n + j] -= factor * x[col * n + j];
    }
  }
  return det;
}

Status det(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.rank() < 2 || x.dim(-1) != x.dim(-2))
    return call.error("operand X is " + x.describe() + ", expected square matrices");
  const int64_t n = x.dim(-1);
  Tensor y = Tensor::make(x.dtype(), Shape(x.shape().begin(), x.shape().end() - 2));
  Doubles values = toDoubles(x);
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, determinant(values.data() + i * n * n, n));
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "MatMul", 1, matMul},
    {"", "Gemm", 1, gemmOp},
    {"", "Einsum", 12, einsum},
    {"", "Det", 11, det},
    {"", "MatMulInteger", 10, matMulInteger},
    {"", "QLinearMatMul", 10, qLinearMatMul},
    {"com.microsoft", "FusedMatMul", 1, fusedMatMul},
    {"com.microsoft", "TransposeMatMul", 1, fusedMatMul},
    {"com.microsoft", "FusedGemm", 1, gemmOp},
    {"com.microsoft", "MatMulIntegerToFloat", 1, matMulIntegerToFloat},
    {"com.microsoft", "DynamicQuantizeMatMul", 1, dynamicQuantizeMatMul},
    {"com.microsoft", "MatMulNBits", 1, matMulNBits},
    {"com.microsoft", "MatMulBnb4", 1, matMulBnb4},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> matmulHostOps() { return dense::kRows; }

} // namespace jinx

// Products of 8-bit floats with scales of blocks on tensor cores (jinx.scaled_matmul): groups as the compiler makes them, scheduled, emitted, emulated,
// compared with float64 of the same operands. Codes are whole numbers whose sums over 128 have less than 14 bits, so that only scales round.
#include <cmath>
#include <optional>

#include "MatmulKernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/base/DType.h"

using namespace mlir;

namespace jinx::cuda::testing {
namespace {

constexpr int64_t kBlock = 128;
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Problem {
  int64_t m, n, k, shared;
  std::string text() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " shared " + std::to_string(shared); }
};

std::string tensor(int64_t rows, int64_t columns, const char *element) { return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "x" + element + ">"; }

CudaKernel kernelOf(const Problem &p) {
  const std::string a = tensor(p.m, p.k, "f8E4M3FN"), b = tensor(p.n, p.k, "f8E4M3FN"), s = tensor(p.m, ceilDiv(p.k, kBlock), "f32"),
                    t = tensor(ceilDiv(p.n, p.shared), ceilDiv(p.k, kBlock), "f32"), y = tensor(p.m, p.n, "f32"), z = tensor(p.m, p.n, "bf16"),
                    all = a + ", " + b + ", " + s + ", " + t;
  return scheduleForCuda("func.func @f(%arg0: " + a + ", %arg1: " + b + ", %arg2: " + s + ", %arg3: " + t + ") -> " + z +
                         " {\n  %0 = jinx.group \"matmul\"(%arg0, %arg1, %arg2, %arg3) : (" + all + ") -> " + z + " {\n  ^bb0(%a: " + a + ", %b: " + b + ", %s: " + s +
                         ", %t: " + t + "):\n    %y = jinx.scaled_matmul %a, %b scales %s, %t shared " + std::to_string(p.shared) + " : " + a + ", " + b + " scales " + s + ", " + t +
                         " -> " + y + "\n    %z = jinx.cast %y : " + y + " -> " + z + "\n    jinx.yield %z : " + z + "\n  }\n  return %0 : " + z + "\n}")
      .kernel;
}

/// With this very tile, which few sizes that an emulator multiplies would get.
CudaKernel kernelWith(const schedules::WgmmaTile &tile, const Problem &p) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  auto module = ModuleOp::create(loc);
  OwningOpRef<ModuleOp> owner(module);
  b.setInsertionPointToEnd(module.getBody());
  auto pointer = [&](Type element) -> Type { return tile::PtrType::get(b.getContext(), element); };
  Type byte = b.getI8Type(), f32 = b.getF32Type(), bf16 = b.getBF16Type();
  auto kernel = tile::KernelOp::create(b, loc, "scaled", TypeRange{pointer(byte), pointer(byte), pointer(f32), pointer(f32), pointer(bf16)}, 4, 0, "/mlp/MatMul");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  auto number = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(b, loc, v); };
  schedules::WgmmaMatmul problem;
  problem.mText = std::to_string(p.m), problem.nText = std::to_string(p.n);
  problem.a = schedules::matrixSource(kernel.buffer(0), problem.mText, std::to_string(p.k));
  problem.b = schedules::matrixSource(kernel.buffer(1), problem.nText, std::to_string(p.k));
  problem.scalesA = schedules::BlockScales{kernel.buffer(2)};
  problem.scalesB = schedules::BlockScales{kernel.buffer(3), p.shared};
  problem.d = kernel.buffer(4);
  problem.m = number(p.m), problem.n = number(p.n), problem.steps = number(ceilDiv(p.k, kBlock));
  problem.elementA = problem.elementB = Float8E4M3FNType::get(b.getContext());
  kernel.setPrograms(schedules::wgmmaPrograms(tile, p.m, p.n, 1, 4).str());
  schedules::emitWgmmaMatmul(b, kernel, problem, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &) -> Value {
    return arith::TruncFOp::create(b, loc, cast<VectorType>(acc.getType()).clone(bf16), acc);
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  return succeeded(emitted) ? *emitted : CudaKernel();
}

std::vector<uint8_t> wholeNumbers(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) storeFromDouble(DType::kF8E4M3FN, bytes.data(), int64_t(i), double(random() % 9) - 4);
  return bytes;
}

void check(const Problem &p, uint64_t seed, std::optional<CudaKernel> kernel = {}) {
  SCOPED_TRACE(p.text() + ", seed " + std::to_string(seed));
  const int64_t blocks = ceilDiv(p.k, kBlock);
  auto a = wholeNumbers(p.m * p.k, seed), b = wholeNumbers(p.n * p.k, seed + 1);
  auto s = randomFloats(p.m * blocks, seed + 2), t = randomFloats(ceilDiv(p.n, p.shared) * blocks, seed + 3);
  std::vector<uint16_t> y(p.m * p.n, 0x7fff);
  Runner runner(kernel ? *kernel : kernelOf(p));
  ASSERT_TRUE(runner.ok());
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = runner.run({in(a), in(b), in(s), in(t), out(y)}, {}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  auto code = [](const std::vector<uint8_t> &v, int64_t i) { return loadAsDouble(DType::kF8E4M3FN, v.data(), i); };
  int64_t wrong = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double want = 0, size = 0;
      for (int64_t g = 0; g < blocks; ++g) {
        double sum = 0;
        for (int64_t q = g * kBlock; q < std::min(p.k, (g + 1) * kBlock); ++q) sum += code(a, i * p.k + q) * code(b, j * p.k + q);
        sum *= double(s[i * blocks + g]) * t[j / p.shared * blocks + g];
        want += sum, size += std::abs(sum);
      }
      const double got = loadAsDouble(DType::kBF16, y.data(), i * p.n + j);
      wrong += !(std::abs(got - want) <= std::abs(want) * 0x1p-8 + size * double(blocks + 3) * 0x1p-24);
    }
  EXPECT_EQ(wrong, 0) << "of " << p.m * p.n;
}

TEST(ScaledProducts, AreNearFloat64) {
  uint64_t seed = 0;
  for (int64_t shared : {1, 128})
    for (auto [m, n, k] : {std::array<int64_t, 3>{200, 136, 272}, {65, 30, 400}, {7, 130, 144}, {70, 72, 1600}}) check({m, n, k, shared}, ++seed);
  for (int64_t shared : {64, 256}) check({130, 264, 272, shared}, ++seed);
}

TEST(ScaledProducts, OfThreeConsumers) {
  schedules::WgmmaTile tile{192, 128, 4, 2, 1, 3, 8, false};
  tile.promotes = true, tile.elementBytes = 1, tile.sharedColumns = 128;
  ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
  const Problem p{450, 264, 400, 128};
  CudaKernel kernel = kernelWith(tile, p);
  for (uint64_t seed : {1, 2}) check(p, seed, kernel);
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  compileThroughGate(kernel);
}

TEST(ScaledProducts, TextAndGate) {
  const Problem squares{4096, 4096, 4096, 128}, rows{4096, 4096, 4096, 1}, few{16, 4096, 4096, 128};
  expectGolden("wgmma_f8_scaled.cu", kernelOf(squares).text);
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Problem &p : {squares, rows, few}) {
    CompiledCuda compiled = compileThroughGate(kernelOf(p));
    EXPECT_GT(countSass(compiled.cubin, kSassQgmma), 0) << p.text() << ": the products must be QGMMA instructions";
  }
}

}  // namespace
}  // namespace jinx::cuda::testing

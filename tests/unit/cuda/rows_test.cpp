// Kernels on tiles of rank 1: elementwise chains, reductions, scratch, gathers; emitted, emulated, compared with float64.
#include <cmath>

#include "CudaTestSupport.h"
#include "RowsKernels.h"

namespace jinx::cuda::testing {
namespace {

TEST(CudaRows, ElementwiseText) {
  auto module = parse(kScaleRelu);
  auto kernel = emitCuda(kernelIn(*module));
  ASSERT_TRUE(succeeded(kernel));
  expectGolden("scale_relu.cu", kernel->text);
  dumpForGpu(*kernel, "scale_relu");
  if (haveNvrtc()) compileThroughGate(*kernel);
  EXPECT_EQ(kernel->threads, 256);
  EXPECT_EQ(kernel->sharedBytes, "0");
}

TEST(CudaRows, Elementwise) {
  Runner r = runner(kScaleRelu);
  ASSERT_TRUE(r.ok());
  for (int64_t n : {1, 3, 1023, 1024, 5000}) {
    auto x = randomFloats(n, n);
    x[n / 2] = NAN;
    std::vector<float> scale = {1.5f}, y(n, -7.0f);
    std::vector<double> expected(n);
    for (int64_t i = 0; i < n; ++i) expected[i] = std::isnan(x[i]) ? NAN : std::max(0.0f, 1.5f * x[i]);
    auto report = r.run({in(x), in(scale), out(y)}, {n});
    ASSERT_TRUE(report.isOk()) << report.status().message();
    EXPECT_EQ(worstError(y, expected), 0.0) << n;
  }
}

TEST(CudaRows, SoftmaxText) {
  auto module = parse(kSoftmax);
  auto kernel = emitCuda(kernelIn(*module));
  ASSERT_TRUE(succeeded(kernel));
  expectGolden("softmax.cu", kernel->text);
  dumpForGpu(*kernel, "softmax");
  if (haveNvrtc()) compileThroughGate(*kernel);
}

TEST(CudaRows, Softmax) {
  for (int64_t threads : {0, 256}) {
    EmitOptions options;
    options.threads = threads;
    Runner r = runner(kSoftmax, options);
    ASSERT_TRUE(r.ok());
    for (int64_t n : {1, 77, 256, 700}) {
      int64_t rows = 5;
      auto x = randomFloats(rows * n, n, 3.0f);
      std::vector<float> y(rows * n, NAN);
      std::vector<double> expected(rows * n);
      for (int64_t i = 0; i < rows; ++i) {
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; ++j) top = std::max(top, double(x[i * n + j]));
        for (int64_t j = 0; j < n; ++j) sum += std::exp(x[i * n + j] - top);
        for (int64_t j = 0; j < n; ++j) expected[i * n + j] = std::exp(x[i * n + j] - top) / sum;
      }
      for (uint64_t seed : {0, 1, 2}) {
        emulated::LaunchOptions launch;
        launch.seed = seed;
        auto report = r.run({in(x), out(y)}, {rows, n}, launch);
        ASSERT_TRUE(report.isOk()) << report.status().message();
        EXPECT_LT(worstError(y, expected, 1e-6), 2e-6) << n;
      }
    }
  }
}

// Literals take the type of the arithmetic they stand in: an int beside an i64 compiles for neither NVRTC nor the host.
TEST(CudaRows, WideIntegersWithLiterals) {
  Runner r = runner(R"(
tile.kernel @minus_one(%x: !tile.ptr<i64> loc("x"), %y: !tile.ptr<i64> loc("y"), %n: index loc("n"))
    inputs 1 programs "(a0 + 255) floordiv 256" scratch "0" from "/ids/Sub" {
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %p = tile.program_id
  %off = arith.muli %p, %c256 : index
  %rest = arith.subi %n, %off : index
  %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<i64> -> vector<256xi64>
  %one = arith.constant dense<1> : vector<256xi64>
  %r = arith.subi %t, %one : vector<256xi64>
  tile.store %r, %y[%off] strides(%c1) limits(%rest) : vector<256xi64>, !tile.ptr<i64>
})");
  ASSERT_TRUE(r.ok());
  std::vector<int64_t> x = {5, 0, INT64_MIN}, y(3);
  auto report = r.run({in(x), out(y)}, {3});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  EXPECT_EQ(y, (std::vector<int64_t>{4, -1, INT64_MAX}));
  if (haveNvrtc()) compileThroughGate(r.kernel());
}

}  // namespace
}  // namespace jinx::cuda::testing

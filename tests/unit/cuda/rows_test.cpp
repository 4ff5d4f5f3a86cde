// Kernels on tiles of rank 1: elementwise chains, reductions, scratch, gathers; emitted, emulated, compared with float64.
#include <cmath>

#include "CudaTestSupport.h"

namespace jinx::cuda::testing {
namespace {

constexpr const char *kScaleRelu = R"(
tile.kernel @scale_relu(%x: !tile.ptr<f32> loc("x"), %g: !tile.ptr<f32> loc("scale"), %y: !tile.ptr<f32> loc("y"), %n: index loc("n"))
    inputs 2 programs "(a0 + 1023) floordiv 1024" scratch "0" from "/act/Mul, /act/Relu" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %p = tile.program_id
  %off = arith.muli %p, %c1024 : index
  %rest = arith.subi %n, %off : index
  %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<1024xf32>
  %s = tile.load %g[%c0] strides(%c0) : !tile.ptr<f32> -> vector<1024xf32>
  %m = arith.mulf %t, %s : vector<1024xf32>
  %z = arith.constant dense<0.0> : vector<1024xf32>
  %r = arith.maximumf %m, %z : vector<1024xf32>
  tile.store %r, %y[%off] strides(%c1) limits(%rest) : vector<1024xf32>, !tile.ptr<f32>
})";

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

// Rows of any length in tiles of 256; exp(x - max) kept in scratch between the passes.
constexpr const char *kSoftmax = R"(
tile.kernel @softmax(%x: !tile.ptr<f32> loc("x"), %y: !tile.ptr<f32> loc("y"), %rows: index loc("rows"), %n: index loc("n"))
    inputs 1 programs "a0" scratch "(a1 + 255) floordiv 256 * 1024" from "/attn/Softmax" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %p = tile.program_id
  %row = arith.muli %p, %n : index
  %lowest = arith.constant dense<0xFF800000> : vector<256xf32>
  %largest = scf.for %k = %c0 to %n step %c256 iter_args(%m = %lowest) -> (vector<256xf32>) {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<256xf32>
    %lane = vector.step : vector<256xindex>
    %b = vector.broadcast %rest : index to vector<256xindex>
    %in = arith.cmpi slt, %lane, %b : vector<256xindex>
    %v = arith.select %in, %t, %lowest : vector<256xi1>, vector<256xf32>
    %next = arith.maximumf %m, %v : vector<256xf32>
    scf.yield %next : vector<256xf32>
  }
  %max = tile.reduce max, %largest : vector<256xf32> -> f32
  %maxt = vector.broadcast %max : f32 to vector<256xf32>
  %held = tile.scratch %c0 : !tile.ptr<f32>
  %zeros = arith.constant dense<0.0> : vector<256xf32>
  %sums = scf.for %k = %c0 to %n step %c256 iter_args(%s = %zeros) -> (vector<256xf32>) {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<256xf32>
    %d = arith.subf %t, %maxt : vector<256xf32>
    %e = math.exp %d : vector<256xf32>
    %lane = vector.step : vector<256xindex>
    %b = vector.broadcast %rest : index to vector<256xindex>
    %in = arith.cmpi slt, %lane, %b : vector<256xindex>
    %v = arith.select %in, %e, %zeros : vector<256xi1>, vector<256xf32>
    tile.store %v, %held[%k] strides(%c1) : vector<256xf32>, !tile.ptr<f32>
    %next = arith.addf %s, %v : vector<256xf32>
    scf.yield %next : vector<256xf32>
  }
  %sum = tile.reduce sum, %sums : vector<256xf32> -> f32
  %one = arith.constant 1.0 : f32
  %inv = arith.divf %one, %sum : f32
  %invt = vector.broadcast %inv : f32 to vector<256xf32>
  scf.for %k = %c0 to %n step %c256 {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %e = tile.load %held[%k] strides(%c1) : !tile.ptr<f32> -> vector<256xf32>
    %v = arith.mulf %e, %invt : vector<256xf32>
    tile.store %v, %y[%off] strides(%c1) limits(%rest) : vector<256xf32>, !tile.ptr<f32>
  }
})";

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

}  // namespace
}  // namespace jinx::cuda::testing

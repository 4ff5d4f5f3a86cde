// The rows schedule for CUDA: groups of graph operators, scheduled, emitted, emulated, compared with float64. Widths around warps, runs of
// 16 bytes, tiles and the longest row that stays in registers; rows in odd numbers; every float type.
#include <cmath>
#include <cstring>

#include "CudaTestSupport.h"

namespace jinx::cuda::testing {
namespace {

constexpr int64_t kWidths[] = {1, 7, 31, 33, 255, 1000, 1024, 4096, 4100, 12288, 20000};
constexpr const char *kTypes[] = {"f32", "f16", "bf16"};

/// Values of one element type, as they lie in memory.
struct Values {
  std::string type;
  std::vector<uint32_t> words;  // aligned storage
  int64_t count = 0;
  Values(std::string t, int64_t n) : type(std::move(t)), words((n * bytesOf() + 3) / 4 + 4), count(n) {}
  int64_t bytesOf() const { return type == "f32" ? 4 : 2; }
  uint8_t *data() { return reinterpret_cast<uint8_t *>(words.data()); }
  Operand operand(bool writable) { return {data(), size_t(count * bytesOf()), writable}; }
  void set(int64_t i, float v) {
    if (type == "f32") std::memcpy(data() + 4 * i, &v, 4);
    uint16_t bits = toBf16(v);
    _Float16 half = static_cast<_Float16>(v);
    if (type == "f16") std::memcpy(&bits, &half, 2);
    if (type != "f32") std::memcpy(data() + 2 * i, &bits, 2);
  }
  float get(int64_t i) {
    float v;
    uint16_t bits;
    if (type == "f32") return std::memcpy(&v, data() + 4 * i, 4), v;
    std::memcpy(&bits, data() + 2 * i, 2);
    if (type == "bf16") return fromBf16(bits);
    _Float16 half;
    return std::memcpy(&half, &bits, 2), float(half);
  }
  /// One unit of rounding to this type, and `steps` of f32 before.
  double tolerance(double steps) const { return (type == "bf16" ? 0x1p-8 : type == "f16" ? 0x1p-11 : 0) + steps * 0x1p-23; }
  /// The least magnitude that is rounded relatively.
  double least() const { return type == "f16" ? 0x1p-14 : 0x1p-126; }
};

Values randomValues(const std::string &type, int64_t n, uint64_t seed, float scale = 1.0f, float shift = 0.0f) {
  Values values(type, n);
  auto floats = randomFloats(n, seed, scale);
  for (int64_t i = 0; i < n; ++i) values.set(i, floats[i] + shift);
  return values;
}
Values unwritten(const std::string &type, int64_t n) {
  Values values(type, n);
  for (int64_t i = 0; i < n; ++i) values.set(i, NAN);
  return values;
}

void expectNear(Values &y, const std::vector<double> &expected, double steps, const std::string &what) {
  int64_t wrong = 0, first = -1;
  for (int64_t i = 0; i < y.count; ++i) {
    double got = y.get(i), want = expected[i];
    bool same = std::isnan(want) ? std::isnan(got) : got == want || std::abs(got - want) <= y.tolerance(steps) * (std::abs(want) + y.least());
    if (same) continue;
    ++wrong;
    if (first < 0) first = i;
  }
  EXPECT_EQ(wrong, 0) << what << ": first at " << first << ", " << (first < 0 ? 0 : y.get(first)) << " against " << (first < 0 ? 0 : expected[first]);
}

std::string replaced(std::string text, std::vector<std::pair<std::string, std::string>> changes) {
  for (auto &[from, to] : changes)
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

/// The group in `text`, where R and W stand for rows and width and T for the element type.
ScheduledGroup groupOf(const std::string &text, int64_t rows, int64_t width, const std::string &type) {
  return scheduleForCuda(replaced(text, {{"R", std::to_string(rows)}, {"W", std::to_string(width)}, {"T", type}}));
}
std::string caseOf(int64_t rows, int64_t width, const std::string &type) { return std::to_string(rows) + " x " + std::to_string(width) + " " + type; }

// ---- lanes reduced -----------------------------------------------------------------------------------------------------------------

constexpr const char *kSoftmaxGroup = R"(
func.func @main(%arg0: tensor<RxWxT>) -> tensor<RxWxT> {
  %0 = jinx.group "rows"(%arg0) : (tensor<RxWxT>) -> tensor<RxWxT> {
  ^bb0(%x: tensor<RxWxT>):
    %f = jinx.cast %x : tensor<RxWxT> -> tensor<RxWxf32>
    %m = jinx.reduce max, %f axes [1] : tensor<RxWxf32> -> tensor<Rx1xf32>
    %d = jinx.sub %f, %m : tensor<RxWxf32>, tensor<Rx1xf32> -> tensor<RxWxf32>
    %e = jinx.exp %d : tensor<RxWxf32> -> tensor<RxWxf32>
    %s = jinx.reduce sum, %e axes [1] : tensor<RxWxf32> -> tensor<Rx1xf32>
    %q = jinx.div %e, %s : tensor<RxWxf32>, tensor<Rx1xf32> -> tensor<RxWxf32>
    %y = jinx.cast %q : tensor<RxWxf32> -> tensor<RxWxT>
    jinx.yield %y : tensor<RxWxT>
  }
  return %0 : tensor<RxWxT>
})";

std::vector<double> softmaxOf(Values &x, int64_t rows, int64_t n) {
  std::vector<double> y(rows * n);
  for (int64_t r = 0; r < rows; ++r) {
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; ++j) top = std::max(top, double(x.get(r * n + j)));
    for (int64_t j = 0; j < n; ++j) sum += std::exp(x.get(r * n + j) - top);
    for (int64_t j = 0; j < n; ++j) y[r * n + j] = std::exp(x.get(r * n + j) - top) / sum;
  }
  return y;
}

void runSoftmax(int64_t rows, int64_t width, const std::string &type) {
  SCOPED_TRACE(caseOf(rows, width, type));
  ScheduledGroup group = groupOf(kSoftmaxGroup, rows, width, type);
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  Values x = randomValues(type, rows * width, width, 4.0f), y = unwritten(type, rows * width);
  auto report = runner.run({x.operand(false), y.operand(true)}, {});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  expectNear(y, softmaxOf(x, rows, width), 24, "softmax");
}

class RowGroups : public ::testing::TestWithParam<std::tuple<int64_t, const char *>> {};

TEST_P(RowGroups, Softmax) { runSoftmax(3, std::get<0>(GetParam()), std::get<1>(GetParam())); }

// A result of full shape, one of reduced shape, and operands that rows share.
TEST_P(RowGroups, NormWithResidual) {
  auto [width, type] = GetParam();
  constexpr int64_t rows = 3;
  ScheduledGroup group = groupOf(replaced(R"(
func.func @main(%arg0: tensor<RxWxT>, %arg1: tensor<RxWxT>, %arg2: tensor<WxT>) -> (tensor<RxWxT>, tensor<Rx1xf32>) {
  %0:2 = jinx.group "rows"(%arg0, %arg1, %arg2) : (tensor<RxWxT>, tensor<RxWxT>, tensor<WxT>) -> (tensor<RxWxT>, tensor<Rx1xf32>) {
  ^bb0(%x: tensor<RxWxT>, %r: tensor<RxWxT>, %g: tensor<WxT>):
    %n = jinx.constant dense<COUNT> : tensor<f32>
    %eps = jinx.constant dense<1.0e-5> : tensor<f32>
    %xf = jinx.cast %x : tensor<RxWxT> -> tensor<RxWxf32>
    %rf = jinx.cast %r : tensor<RxWxT> -> tensor<RxWxf32>
    %gf = jinx.cast %g : tensor<WxT> -> tensor<Wxf32>
    %h = jinx.add %xf, %rf : tensor<RxWxf32>, tensor<RxWxf32> -> tensor<RxWxf32>
    %s = jinx.reduce sum, %h axes [1] : tensor<RxWxf32> -> tensor<Rx1xf32>
    %mean = jinx.div %s, %n : tensor<Rx1xf32>, tensor<f32> -> tensor<Rx1xf32>
    %c = jinx.sub %h, %mean : tensor<RxWxf32>, tensor<Rx1xf32> -> tensor<RxWxf32>
    %cc = jinx.mul %c, %c : tensor<RxWxf32>, tensor<RxWxf32> -> tensor<RxWxf32>
    %v = jinx.reduce sum, %cc axes [1] : tensor<RxWxf32> -> tensor<Rx1xf32>
    %var = jinx.div %v, %n : tensor<Rx1xf32>, tensor<f32> -> tensor<Rx1xf32>
    %vare = jinx.add %var, %eps : tensor<Rx1xf32>, tensor<f32> -> tensor<Rx1xf32>
    %i = jinx.rsqrt %vare : tensor<Rx1xf32> -> tensor<Rx1xf32>
    %z = jinx.mul %c, %i : tensor<RxWxf32>, tensor<Rx1xf32> -> tensor<RxWxf32>
    %zg = jinx.mul %z, %gf : tensor<RxWxf32>, tensor<Wxf32> -> tensor<RxWxf32>
    %y = jinx.cast %zg : tensor<RxWxf32> -> tensor<RxWxT>
    jinx.yield %y, %mean : tensor<RxWxT>, tensor<Rx1xf32>
  }
  return %0#0, %0#1 : tensor<RxWxT>, tensor<Rx1xf32>
})", {{"COUNT", std::to_string(width) + ".0"}}), rows, width, type);
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  Values x = randomValues(type, rows * width, width + 1, 1.0f, 2.0f), r = randomValues(type, rows * width, width + 2),
         g = randomValues(type, width, width + 3), y = unwritten(type, rows * width), mean = unwritten("f32", rows);
  auto report = runner.run({x.operand(false), r.operand(false), g.operand(false), y.operand(true), mean.operand(true)}, {});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  std::vector<double> means(rows), expected(rows * width);
  double absolute = 0;
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0, squares = 0;
    auto h = [&](int64_t j) { return double(x.get(i * width + j)) + r.get(i * width + j); };
    for (int64_t j = 0; j < width; ++j) sum += h(j);
    means[i] = sum / width;
    for (int64_t j = 0; j < width; ++j) squares += (h(j) - means[i]) * (h(j) - means[i]);
    double inverse = 1 / std::sqrt(squares / width + 1e-5);
    for (int64_t j = 0; j < width; ++j) expected[i * width + j] = (h(j) - means[i]) * inverse * g.get(j);
    absolute = std::max(absolute, 32 * 0x1p-23 * inverse * 4);  // of the mean, which is near 2, times the inverse
  }
  expectNear(mean, means, 32, "mean");
  for (int64_t i = 0; i < y.count; ++i)
    ASSERT_LE(std::abs(y.get(i) - expected[i]), y.tolerance(32) * std::abs(expected[i]) + absolute + y.least()) << caseOf(rows, width, type) << " at " << i;
}

// ---- maps ----------------------------------------------------------------------------------------------------------------------------

TEST_P(RowGroups, MapWithBias) {
  auto [width, type] = GetParam();
  constexpr int64_t rows = 5;
  ScheduledGroup group = groupOf(R"(
func.func @main(%arg0: tensor<RxWxT>, %arg1: tensor<Wxf32>) -> tensor<RxWxT> {
  %0 = jinx.group "rows"(%arg0, %arg1) : (tensor<RxWxT>, tensor<Wxf32>) -> tensor<RxWxT> {
  ^bb0(%x: tensor<RxWxT>, %b: tensor<Wxf32>):
    %f = jinx.cast %x : tensor<RxWxT> -> tensor<RxWxf32>
    %s = jinx.add %f, %b : tensor<RxWxf32>, tensor<Wxf32> -> tensor<RxWxf32>
    %y = jinx.cast %s : tensor<RxWxf32> -> tensor<RxWxT>
    jinx.yield %y : tensor<RxWxT>
  }
  return %0 : tensor<RxWxT>
})", rows, width, type);
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  Values x = randomValues(type, rows * width, width), b = randomValues("f32", width, width + 1), y = unwritten(type, rows * width);
  auto report = runner.run({x.operand(false), b.operand(false), y.operand(true)}, {});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  std::vector<double> expected(rows * width);
  for (int64_t i = 0; i < rows * width; ++i) expected[i] = double(x.get(i)) + b.get(i % width);
  expectNear(y, expected, 1, "map");
}

// ---- lanes kept: the order of additions is that of the rows ---------------------------------------------------------------------------

TEST_P(RowGroups, SumOverRowsKeepsItsOrder) {
  auto [width, type] = GetParam();
  constexpr int64_t rows = 37;
  ScheduledGroup group = groupOf(R"(
func.func @main(%arg0: tensor<RxWxT>) -> tensor<1xWxf32> {
  %0 = jinx.group "rows"(%arg0) : (tensor<RxWxT>) -> tensor<1xWxf32> {
  ^bb0(%x: tensor<RxWxT>):
    %f = jinx.cast %x : tensor<RxWxT> -> tensor<RxWxf32>
    %y = jinx.reduce sum, %f axes [0] : tensor<RxWxf32> -> tensor<1xWxf32>
    jinx.yield %y : tensor<1xWxf32>
  }
  return %0 : tensor<1xWxf32>
})", rows, width, type);
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  Values x = randomValues(type, rows * width, width), y = unwritten("f32", width);
  auto report = runner.run({x.operand(false), y.operand(true)}, {});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  for (int64_t j = 0; j < width; ++j) {
    float sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += x.get(r * width + j);
    ASSERT_EQ(y.get(j), width == 1 ? y.get(j) : sum) << caseOf(rows, width, type) << " at " << j;  // of one lane, the rows are lanes
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, RowGroups, ::testing::Combine(::testing::ValuesIn(kWidths), ::testing::ValuesIn(kTypes)),
                         [](const auto &info) { return std::string(std::get<1>(info.param)) + "_" + std::to_string(std::get<0>(info.param)); });

// ---- several rows a block --------------------------------------------------------------------------------------------------------------

// 1,057 rows: eight to a block, and seven warps of the last one have none.
TEST(CudaRowGroups, ARowAWarp) {
  for (const char *type : kTypes)
    for (int64_t width : {7, 33, 256}) runSoftmax(1057, width, type);
}
TEST(CudaRowGroups, AWarpMeetsNoBlockBarrier) {
  ScheduledGroup group = groupOf(kSoftmaxGroup, 16384, 512, "bf16");
  EXPECT_EQ(group.kernel.threads, 256);
  EXPECT_EQ(group.kernel.grid, "2048");
  EXPECT_EQ(group.kernel.sharedBytes, "0");
  EXPECT_EQ(group.kernel.text.find("block_"), std::string::npos);
}

// Where nothing is rounded to 16 bits, or exponentials may be as small as they like, they stay exact.
TEST(CudaRowGroups, ShortExponentialsAreThoseOfASoftmax) {
  auto has = [](const ScheduledGroup &group, const char *what) { return group.kernel.text.find(what) != std::string::npos; };
  ScheduledGroup half = groupOf(kSoftmaxGroup, 64, 4096, "f16"), full = groupOf(kSoftmaxGroup, 64, 4096, "f32");
  EXPECT_TRUE(has(half, "exp2_approx(") && has(half, "divide_approx(") && !has(half, "expf("));
  EXPECT_TRUE(has(full, "expf(") && has(full, "divide(") && !has(full, "_approx("));
  std::string text = kSoftmaxGroup;
  size_t at = text.find("jinx.reduce max");
  text.replace(at, 15, "jinx.reduce min");
  ScheduledGroup other = groupOf(text, 64, 4096, "f16");
  EXPECT_TRUE(has(other, "expf(") && !has(other, "exp2_approx("));
}

// Each warp has its own shift: far apart, without a number, without an end. A warp has 256 columns in each half of a row.
TEST(CudaRowGroups, ShiftsOfWarpsGiveTheSoftmaxOfTheRow) {
  constexpr int64_t rows = 9, width = 4096;
  for (const char *type : {"f16", "bf16"}) {
    SCOPED_TRACE(type);
    ScheduledGroup group = groupOf(kSoftmaxGroup, rows, width, type);
    EXPECT_NE(group.kernel.text.find("block_shifted_sum("), std::string::npos);
    EXPECT_EQ(group.kernel.text.find("block_max("), std::string::npos);
    Runner runner(group.kernel);
    ASSERT_TRUE(runner.ok());
    const float huge = type == std::string("f16") ? 6e4f : 3e38f;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      Values x = randomValues(type, rows * width, seed, 2.0f), y = unwritten(type, rows * width);
      for (int64_t j = 0; j < width; ++j) {
        const int64_t warp = j % 2048 / 256;
        x.set(j, x.get(j) + (warp == 3 ? 300.0f : 0.0f));
        x.set(width + j, x.get(width + j) - 29.0f * float(warp));
        if (warp == 0) x.set(2 * width + j, -INFINITY);
        if (j != 777) x.set(3 * width + j, -INFINITY);
        x.set(4 * width + j, -INFINITY);
        if (j == 4000) x.set(5 * width + j, NAN);
        if (j == 5) x.set(6 * width + j, INFINITY);
        x.set(7 * width + j, -huge);
        x.set(8 * width + j, warp % 2 ? huge : -huge);
      }
      auto report = runner.run({x.operand(false), y.operand(true)}, {});
      ASSERT_TRUE(report.isOk()) << report.status().message();
      std::vector<double> expected = softmaxOf(x, rows, width);
      for (int64_t i = 0; i < rows * width; ++i) {  // short exponentials and quotients have nothing below 2^-126
        if (expected[i] < 0x1p-126) expected[i] = 0;
        if (y.get(i) < 0x1p-126f) y.set(i, 0);
      }
      expectNear(y, expected, 24, "seed " + std::to_string(seed));
    }
  }
}

// Who sees the maximum or the sum sees that of the row: here the logarithm of the sum is a result too.
TEST(CudaRowGroups, ShiftsOfWarpsStayInside) {
  std::string text = replaced(kSoftmaxGroup, {{"-> tensor<RxWxT> {\n  %0 =", "-> (tensor<RxWxT>, tensor<Rx1xf32>) {\n  %0:2 ="},
                                              {"(tensor<RxWxT>) -> tensor<RxWxT> {\n  ^bb0", "(tensor<RxWxT>) -> (tensor<RxWxT>, tensor<Rx1xf32>) {\n  ^bb0"},
                                              {"jinx.yield %y : tensor<RxWxT>", "jinx.yield %y, %s : tensor<RxWxT>, tensor<Rx1xf32>"},
                                              {"return %0 : tensor<RxWxT>", "return %0#0, %0#1 : tensor<RxWxT>, tensor<Rx1xf32>"}});
  ScheduledGroup group = groupOf(text, 64, 4096, "bf16");
  EXPECT_NE(group.kernel.text.find("block_max("), std::string::npos);
  EXPECT_EQ(group.kernel.text.find("shift"), std::string::npos);
}

TEST(CudaRowGroups, Texts) {
  for (auto [name, width, type] : {std::tuple{"softmax_block.cu", 4096, "bf16"}, {"softmax_warp.cu", 1000, "f32"}}) {
    ScheduledGroup group = groupOf(kSoftmaxGroup, 16385, width, type);
    expectGolden(name, group.kernel.text);
    if (haveNvrtc()) compileThroughGate(group.kernel);
  }
}

// ---- sizes known at the launch -----------------------------------------------------------------------------------------------------------

TEST(CudaRowGroups, DynamicSizes) {
  for (const char *type : kTypes) {
    std::string text = replaced(kSoftmaxGroup, {{"tensor<RxWxT>", "tensor<?x?xT, #full>"}, {"tensor<RxWxf32>", "tensor<?x?xf32, #full>"}, {"tensor<Rx1xf32>", "tensor<?x1xf32, #one>"}, {"T", type}});
    ScheduledGroup group = scheduleForCuda("#full = #jinx.dims<\"hh\", \"ww\">\n#one = #jinx.dims<\"hh\", \"1\">\n" + text);
    Runner runner(group.kernel);
    ASSERT_TRUE(runner.ok());
    for (int64_t width : {1, 7, 33, 255, 512, 1000, 4100}) {
      constexpr int64_t rows = 3;
      std::vector<int64_t> sizes;
      for (const std::string &formula : group.sizes)
        sizes.push_back(evaluate(replaced(formula, {{"hh", "a0"}, {"ww", "a1"}}), {rows, width}));
      Values x = randomValues(type, rows * width, width, 4.0f), y = unwritten(type, rows * width);
      auto report = runner.run({x.operand(false), y.operand(true)}, sizes);
      ASSERT_TRUE(report.isOk()) << report.status().message();
      expectNear(y, softmaxOf(x, rows, width), 24, caseOf(rows, width, type));
    }
  }
}

// A batch of any size beside constant rows: one run of lanes, whole tiles, then a tail.
TEST(CudaRowGroups, DynamicBatchOfConstantRows) {
  ScheduledGroup group = scheduleForCuda(R"(
#d = #jinx.dims<"n", "4096">
func.func @main(%arg0: tensor<?x4096xbf16, #d>) -> tensor<?x4096xbf16, #d> {
  %0 = jinx.group "rows"(%arg0) : (tensor<?x4096xbf16, #d>) -> tensor<?x4096xbf16, #d> {
  ^bb0(%x: tensor<?x4096xbf16, #d>):
    %y = jinx.relu %x : tensor<?x4096xbf16, #d> -> tensor<?x4096xbf16, #d>
    jinx.yield %y : tensor<?x4096xbf16, #d>
  }
  return %0 : tensor<?x4096xbf16, #d>
})");
  EXPECT_NE(group.kernel.text.find("load_run(x_tile"), std::string::npos) << group.kernel.text;
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  for (int64_t n : {1, 3}) {
    std::vector<int64_t> sizes;
    for (const std::string &formula : group.sizes) sizes.push_back(evaluate(replaced(formula, {{"n", "a0"}}), {n}));
    Values x = randomValues("bf16", n * 4096, n), y = unwritten("bf16", n * 4096);
    auto report = runner.run({x.operand(false), y.operand(true)}, sizes);
    ASSERT_TRUE(report.isOk()) << report.status().message();
    for (int64_t i = 0; i < y.count; ++i) ASSERT_EQ(y.get(i), std::max(0.0f, x.get(i)));
  }
}

// ---- transposes --------------------------------------------------------------------------------------------------------------------------

// A cast before, a sum with another operand after; planes, whole tiles and edges.
constexpr const char *kTransposeGroup = R"(
func.func @main(%arg0: tensor<PxRxWxT>, %arg1: tensor<Rxf32>) -> tensor<PxWxRxf32> {
  %0 = jinx.group "rows"(%arg0, %arg1) : (tensor<PxRxWxT>, tensor<Rxf32>) -> tensor<PxWxRxf32> {
  ^bb0(%x: tensor<PxRxWxT>, %b: tensor<Rxf32>):
    %t = jinx.transpose %x, [0, 2, 1] : tensor<PxRxWxT> -> tensor<PxWxRxT>
    %f = jinx.cast %t : tensor<PxWxRxT> -> tensor<PxWxRxf32>
    %y = jinx.add %f, %b : tensor<PxWxRxf32>, tensor<Rxf32> -> tensor<PxWxRxf32>
    jinx.yield %y : tensor<PxWxRxf32>
  }
  return %0 : tensor<PxWxRxf32>
})";

TEST(CudaRowGroups, Transpose) {
  for (const char *type : kTypes)
    for (auto [rows, width] : {std::pair<int64_t, int64_t>{64, 128}, {16, 16}, {33, 31}, {70, 1000}, {129, 65}}) {
      constexpr int64_t planes = 2;
      SCOPED_TRACE(caseOf(rows, width, type));
      ScheduledGroup group = groupOf(replaced(kTransposeGroup, {{"P", "2"}}), rows, width, type);
      EXPECT_NE(group.kernel.text.find("scratch"), std::string::npos) << group.kernel.text;
      Runner runner(group.kernel);
      ASSERT_TRUE(runner.ok());
      Values x = randomValues(type, planes * rows * width, rows), b = randomValues("f32", rows, 1), y = unwritten("f32", planes * rows * width);
      emulated::LaunchOptions options;
      // Of lines that begin anywhere threads hold single elements, and two of 16 bits share a bank's word.
      options.maxBankConflict = type != std::string("f32") && (rows | width) % 2 ? 2 : 1;
      auto report = runner.run({x.operand(false), b.operand(false), y.operand(true)}, {}, options);
      ASSERT_TRUE(report.isOk()) << report.status().message();
      for (int64_t p = 0; p < planes; ++p)
        for (int64_t j = 0; j < width; ++j)
          for (int64_t r = 0; r < rows; ++r)
            ASSERT_EQ(y.get((p * width + j) * rows + r), x.get((p * rows + r) * width + j) + b.get(r)) << p << ", " << j << ", " << r;
    }
}

TEST(CudaRowGroups, TransposeOfBytesAndOfDynamicSizes) {
  ScheduledGroup group = scheduleForCuda(R"(
#x = #jinx.dims<"hh", "ww">
#y = #jinx.dims<"ww", "hh">
func.func @main(%arg0: tensor<?x?xi8, #x>) -> tensor<?x?xi8, #y> {
  %0 = jinx.group "rows"(%arg0) : (tensor<?x?xi8, #x>) -> tensor<?x?xi8, #y> {
  ^bb0(%x: tensor<?x?xi8, #x>):
    %t = jinx.transpose %x, [1, 0] : tensor<?x?xi8, #x> -> tensor<?x?xi8, #y>
    jinx.yield %t : tensor<?x?xi8, #y>
  }
  return %0 : tensor<?x?xi8, #y>
})");
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  for (auto [rows, width] : {std::pair<int64_t, int64_t>{128, 128}, {1, 5}, {131, 257}}) {
    std::vector<int64_t> sizes;
    for (const std::string &formula : group.sizes) sizes.push_back(evaluate(replaced(formula, {{"hh", "a0"}, {"ww", "a1"}}), {rows, width}));
    std::vector<int8_t> x(rows * width), y(rows * width, -1);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int8_t>(i * 37 % 127);
    auto report = runner.run({in(x), out(y)}, sizes);
    ASSERT_TRUE(report.isOk()) << report.status().message();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < width; ++j) ASSERT_EQ(y[j * rows + r], x[r * width + j]) << r << ", " << j << " of " << rows << " x " << width;
  }
}

TEST(CudaRowGroups, TransposeText) {
  ScheduledGroup group = groupOf(replaced(kTransposeGroup, {{"P", "2"}}), 1024, 4096, "bf16");
  expectGolden("transpose.cu", group.kernel.text);
  if (haveNvrtc()) compileThroughGate(group.kernel);
  // Without the barrier between its two loops it does not pass.
  std::string text = group.kernel.source();
  size_t at = text.find("  block_sync();\n#pragma unroll");
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, 15, "");
  Runner wrong(group.kernel, text);
  ASSERT_TRUE(wrong.ok());
  Values x("bf16", 2 * 1024 * 4096), b("f32", 1024), y = unwritten("f32", 2 * 1024 * 4096);
  EXPECT_FALSE(wrong.run({x.operand(false), b.operand(false), y.operand(true)}, {}, {}, /*blocks=*/2).isOk());
}

// ---- division by one value -----------------------------------------------------------------------------------------------------------------

// As exact as the processor's own: signs, zeros, infinities, NaN, and divisors from one end of the range to the other.
TEST(CudaRowGroups, DivisionByOneValue) {
  constexpr int64_t n = 2048;
  ScheduledGroup group = scheduleForCuda(R"(
func.func @main(%arg0: tensor<2048xf32>, %arg1: tensor<1xf32>) -> tensor<2048xf32> {
  %0 = jinx.group "rows"(%arg0, %arg1) : (tensor<2048xf32>, tensor<1xf32>) -> tensor<2048xf32> {
  ^bb0(%x: tensor<2048xf32>, %d: tensor<1xf32>):
    %y = jinx.div %x, %d : tensor<2048xf32>, tensor<1xf32> -> tensor<2048xf32>
    jinx.yield %y : tensor<2048xf32>
  }
  return %0 : tensor<2048xf32>
})");
  EXPECT_NE(group.kernel.text.find("divide("), std::string::npos) << group.kernel.text;
  Runner runner(group.kernel);
  ASSERT_TRUE(runner.ok());
  for (float by : {1.0f, 3.0f, -7.0f, 4096.0f, 0x1.FFFFFEp0f, 0x1.8p-140f, 1e-30f, 1e30f, 0x1p127f, 0.0f, -0.0f, INFINITY, NAN}) {
    auto x = randomFloats(n, 5, 10.0f), y = std::vector<float>(n, NAN);
    x[0] = 0.0f, x[1] = -0.0f, x[2] = INFINITY, x[3] = -INFINITY, x[4] = NAN, x[5] = 0x1.FFFFFEp127f, x[6] = 0x1p-126f, x[7] = 21.0f;
    std::vector<float> d = {by};
    auto report = runner.run({in(x), in(d), out(y)}, {});
    ASSERT_TRUE(report.isOk()) << report.status().message();
    for (int64_t i = 0; i < n; ++i) {
      float want = x[i] / by;
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(y[i])) << x[i] << " / " << by;
        continue;
      }
      float allowed = std::abs(want) < 0x1p-125f ? 0x1p-149f : 0.0f;  // a subnormal may be off by its last bit
      if (y[i] != want) ASSERT_LE(std::abs(y[i] - want), allowed) << x[i] << " / " << by << " at " << i;
      ASSERT_EQ(std::signbit(y[i]), std::signbit(want)) << x[i] << " / " << by;
    }
  }
}

}  // namespace
}  // namespace jinx::cuda::testing

// Where curves cross: planted lines, rough ones, and fits that have not seen the place.
#include "runtime/comm/model/MeasuredCrossover.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "runtime/comm/model/Cheapest.h"
#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

constexpr int kRanks = 4;

std::vector<Measurement> curve(Algorithm algorithm, const std::vector<double>& bytes, const std::vector<double>& seconds) {
  std::vector<Measurement> points;
  for (size_t i = 0; i < bytes.size(); ++i)
    points.push_back({Op::kAllReduce, algorithm, kRanks, bytes[i], seconds[i]});
  return points;
}

/// latency + bytes * perByte at two sizes for each power of two from 4 KiB to 4 MiB, and noise in proportion.
std::vector<Measurement> line(Algorithm algorithm, double latency, double perByte, double noise = 0, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<Measurement> points;
  for (double bytes = 4096; bytes <= 4 << 20; bytes *= std::sqrt(2.0))
    points.push_back({Op::kAllReduce, algorithm, kRanks, bytes, (latency + bytes * perByte) * std::exp(noise * normal(random))});
  return points;
}

TEST(MeasuredCrossover, LiesOnTheLineBetweenTwoNeighbours) {
  const std::vector<double> bytes = {1000, 10000, 100000};
  // 4 times as slow at 10,000, 4 times as fast at 100,000: in the middle of the logarithms.
  const auto crossover = *measuredCrossover(curve(Algorithm::kRing, bytes, {8, 8, 8}), curve(Algorithm::kTree, bytes, {1, 2, 32}));
  ASSERT_TRUE(crossover);
  EXPECT_NEAR(crossover->bytes, 31622.8, 0.1);
  EXPECT_EQ(crossover->first, crossover->bytes);
  EXPECT_EQ(crossover->last, crossover->bytes);
  // Twice as slow, four times as fast: a third of the way.
  EXPECT_NEAR((*measuredCrossover(curve(Algorithm::kRing, bytes, {8, 4, 8}), curve(Algorithm::kTree, bytes, {1, 2, 32})))->bytes, std::pow(10, 4 + 1 / 3.0), 0.1);
}

TEST(MeasuredCrossover, OfSeveralTheOneThatLeavesLeastOnTheWrongSide) {
  const std::vector<double> bytes = {1, 2, 4, 8, 16, 32};
  // The ratio's logarithms: +, +, a little -, +, -, -.
  const auto rough = *measuredCrossover(curve(Algorithm::kRing, bytes, {4, 2, 0.9, 2, 0.5, 0.25}), curve(Algorithm::kTree, bytes, {1, 1, 1, 1, 1, 1}));
  ASSERT_TRUE(rough);
  EXPECT_NEAR(rough->bytes, std::sqrt(8.0 * 16), 1e-9);
  EXPECT_GT(rough->first, 2);
  EXPECT_LT(rough->first, 4);
  EXPECT_EQ(rough->last, rough->bytes);
}

TEST(MeasuredCrossover, ThereIsNoneWhereOneIsFasterAtEverySize) {
  const std::vector<double> bytes = {1, 2, 4};
  const auto slow = curve(Algorithm::kRing, bytes, {2, 2, 2}), fast = curve(Algorithm::kTree, bytes, {1, 1, 1});
  EXPECT_FALSE(*measuredCrossover(slow, fast));
  EXPECT_FALSE(*measuredCrossover(fast, slow));
  EXPECT_FALSE(*measuredCrossover(fast, fast));
  // The other way round: faster below, slower above.
  EXPECT_FALSE(*measuredCrossover(curve(Algorithm::kRing, bytes, {1, 2, 4}), curve(Algorithm::kTree, bytes, {2, 2, 2})));
}

TEST(MeasuredCrossover, CurvesOfOtherSizesAreAnError) {
  const auto message = [](const std::vector<double>& a, const std::vector<double>& b) {
    return measuredCrossover(curve(Algorithm::kRing, a, a), curve(Algorithm::kTree, b, b)).status().message();
  };
  EXPECT_EQ(message({1024, 2048}, {1024}), "got curves of 2 and 1 points, expected the same sizes of both");
  EXPECT_EQ(message({1024, 2048}, {1024, 4096}), "got curves of 2 KiB and 4 KiB at place 1, expected the same sizes of both");
  EXPECT_EQ(message({2048, 1024}, {2048, 1024}), "got 1 KiB behind 2 KiB, expected ascending sizes");
}

TEST(CheckCrossover, EndsPredictWhatTheMiddleMeasures) {
  // 6 steps of 10 us and 1.5 S; 2 steps of 10 us and 2 S, at 1 GB/s: 40 us over half a nanosecond a byte.
  const auto ring = line(Algorithm::kRing, 60e-6, 1.5e-9), doubling = line(Algorithm::kDoubling, 20e-6, 2e-9);
  const auto check = checkCrossover(ring, doubling, [](double bytes) { return bytes < 20000 || bytes > 500000; });
  ASSERT_TRUE(check) << check.status().message();
  EXPECT_NEAR(*check->predicted, 80000, 1);
  EXPECT_NEAR(check->measured->bytes, 80000, 1000); // a chord of the curves
  EXPECT_TRUE(check->agrees(1.02));
  EXPECT_NEAR(*check->times(), 1, 0.01);
  EXPECT_NEAR(check->a.latency, 10e-6, 1e-11);
  EXPECT_NEAR(check->b.bandwidth, 1e9, 1e3);
}

TEST(CheckCrossover, WhatIsMeasuredIsNotFitted) {
  auto ring = line(Algorithm::kRing, 60e-6, 1.5e-9), doubling = line(Algorithm::kDoubling, 20e-6, 2e-9);
  for (std::vector<Measurement>* points : {&ring, &doubling})
    for (Measurement& m : *points)
      if (m.bytes >= 20000 && m.bytes <= 500000) m.seconds = points == &ring ? 1 : 1.001 - (m.bytes < 40000); // crosses at 40,000
  const auto check = checkCrossover(ring, doubling, [](double bytes) { return bytes < 20000 || bytes > 500000; });
  ASSERT_TRUE(check) << check.status().message();
  EXPECT_NEAR(*check->predicted, 80000, 1);
  EXPECT_NEAR(check->measured->bytes, 40000, 8000);
  EXPECT_NEAR(*check->times(), 2, 0.5);
  EXPECT_FALSE(check->agrees(1.4));
}

JINX_PROPERTY(CheckCrossoverLaws, NoiseMovesAPredictionByLessThanTwice, 100) {
  const double latency = *rc::gen::inRange(1, 100) * 1e-6, crossing = std::exp2(*rc::gen::inRange(16, 19));
  const auto ring = line(Algorithm::kRing, 3 * latency, latency / crossing, 0.03, *test::seeds());
  const auto doubling = line(Algorithm::kDoubling, latency, 3 * latency / crossing, 0.03, *test::seeds());
  const CrossoverCheck check = test::must(checkCrossover(ring, doubling, [](double bytes) { return bytes < 30000 || bytes > 1000000; }));
  // 3 % of noise, five points a constant, of which the slope divides: some 5 %.
  RC_ASSERT(std::abs(std::log(*check.predicted / crossing)) < 0.3);
  RC_ASSERT(check.times() && *check.times() < 2);
}

TEST(CheckCrossover, LinesThatDoNotCross) {
  const auto check = checkCrossover(line(Algorithm::kRing, 60e-6, 3e-9), line(Algorithm::kDoubling, 20e-6, 2e-9), [](double bytes) { return bytes < 1e5; });
  ASSERT_TRUE(check);
  EXPECT_FALSE(check->predicted);
  EXPECT_FALSE(check->measured);
  EXPECT_FALSE(check->times());
  EXPECT_TRUE(check->agrees(2));
}

TEST(CheckCrossover, WhatIsNotMeasuredAgreesWithWhatLiesOutside) {
  CrossoverCheck check{.least = 16384, .most = 1 << 20};
  EXPECT_TRUE(check.agrees(2));
  check.predicted = 4 << 20;
  EXPECT_TRUE(check.agrees(2));
  check.predicted = 1000;
  EXPECT_TRUE(check.agrees(2));
  check.predicted = 50000;
  EXPECT_FALSE(check.agrees(2)) << "it was looked for there";
  check.measured = MeasuredCrossover{100000, 100000, 100000};
  EXPECT_TRUE(check.agrees(2));
  check.measured->bytes = 100001;
  EXPECT_FALSE(check.agrees(2));
  check.predicted.reset();
  EXPECT_FALSE(check.agrees(2)) << "nothing was predicted";
}

} // namespace
} // namespace jinx::comm::model

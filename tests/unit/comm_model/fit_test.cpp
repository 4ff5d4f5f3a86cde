// Fits find the constants that measurements were made with: exactly without noise, nearly with it, and with a few that are far off.
#include "runtime/comm/model/Fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

struct Truth {
  double latency, bandwidth;
};

/// steps·α + volume·S/β, typed in here once more.
double secondsOf(const Truth& truth, Op op, Algorithm algorithm, int n, double bytes) {
  const double log = std::floor(std::log2(n)), logUp = std::ceil(std::log2(n));
  double steps = 1, volume = 1;
  if (op == Op::kAllReduce && algorithm == Algorithm::kRing) steps = 2 * (n - 1), volume = 2.0 * (n - 1) / n;
  if (op == Op::kAllReduce && algorithm == Algorithm::kTree) steps = 2 * log, volume = 2;
  if (algorithm == Algorithm::kDoubling) steps = volume = log; // of powers of two
  if (algorithm == Algorithm::kBinomial) steps = volume = 2 * logUp;
  if (op == Op::kAllGather || op == Op::kAllToAll) steps = n - 1, volume = 1.0 * (n - 1) / n;
  if (op == Op::kBroadcast && algorithm == Algorithm::kTree) steps = logUp, volume = logUp;
  return steps * truth.latency + volume * bytes / truth.bandwidth;
}

std::vector<Measurement> measured(const Truth& truth, Op op, Algorithm algorithm, double noise, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<Measurement> measurements;
  for (const int n : {2, 4, 8})
    for (double bytes = 64; bytes <= 64 << 20; bytes *= 4)
      measurements.push_back({op, algorithm, n, bytes, secondsOf(truth, op, algorithm, n, bytes) * std::exp(noise * normal(random))});
  return measurements;
}

constexpr std::pair<Op, Algorithm> kKinds[] = {{Op::kAllReduce, Algorithm::kRing},  {Op::kAllReduce, Algorithm::kTree}, {Op::kAllGather, Algorithm::kRing},
                                               {Op::kAllToAll, Algorithm::kDirect}, {Op::kBroadcast, Algorithm::kTree}, {Op::kSend, Algorithm::kDirect},
                                               {Op::kAllReduce, Algorithm::kDoubling}, {Op::kAllReduce, Algorithm::kBinomial}};

TEST(Fit, FindsPlantedConstants) {
  const Truth truth{1.7e-6, 6.5e9};
  for (const auto& [op, algorithm] : kKinds) {
    const auto fit = fitTogether(measured(truth, op, algorithm, 0, 1));
    ASSERT_TRUE(fit) << fit.status().message();
    EXPECT_NEAR(fit.value().latency / truth.latency, 1, 1e-6) << nameOf(op);
    EXPECT_NEAR(fit.value().bandwidth / truth.bandwidth, 1, 1e-6) << nameOf(op);
    EXPECT_LT(fit.value().typical, 1e-6);
    EXPECT_EQ(fit.value().count, 33u);
  }
}

JINX_PROPERTY(FitLaws, NoiseInProportionMovesConstantsByLess, 100) {
  // A step takes as long as 4 KiB to 256 KiB: sizes on both sides of it are measured.
  const double latency = *rc::gen::inRange(1, 300) * 1e-7;
  const Truth truth{latency, std::exp2(*rc::gen::inRange(12, 19)) / latency};
  const auto [op, algorithm] = *rc::gen::elementOf(std::vector(std::begin(kKinds), std::end(kKinds)));
  const Fit fit = test::must(fitTogether(measured(truth, op, algorithm, 0.05, *test::seeds())));
  // 33 times of 5 %, of which some 15 say each constant: 5 % / sqrt(15) is 1.3 %; four of it, and Huber's 3 % more.
  RC_ASSERT(std::abs(std::log(fit.latency / truth.latency)) < 0.07);
  RC_ASSERT(std::abs(std::log(fit.bandwidth / truth.bandwidth)) < 0.07);
  RC_ASSERT(fit.typical > 0.02 && fit.typical < 0.09);
}

JINX_PROPERTY(FitLaws, AFewThatAreFarOffCountLittle, 60) {
  const Truth truth{2e-6, 4e9};
  std::vector<Measurement> measurements = measured(truth, Op::kAllReduce, Algorithm::kRing, 0.02, *test::seeds());
  for (int i = 0; i < 4; ++i)  // 12 %: ten times as slow
    measurements[static_cast<size_t>(*rc::gen::inRange(0, 8) + 8 * i)].seconds *= 10;
  const Fit fit = test::must(fitTogether(measurements));
  RC_ASSERT(std::abs(std::log(fit.latency / truth.latency)) < 0.05);
  RC_ASSERT(std::abs(std::log(fit.bandwidth / truth.bandwidth)) < 0.05);
  RC_ASSERT(fit.worst > 2.0);  // log 10 is 2.3
  RC_ASSERT(fit.worstMeasurement.seconds > 5 * fit.predicted(fit.worstMeasurement));
}

TEST(Fit, IsTheLeastOfTheLogRatios) {
  // All are off by 5 %, this way or that, so that none is far from the others: nothing near the fit is better.
  std::vector<Measurement> measurements = measured({1e-6, 5e9}, Op::kAllGather, Algorithm::kRing, 0, 3);
  std::mt19937_64 random(5);
  for (Measurement& m : measurements)
    m.seconds *= std::exp(random() % 2 ? 0.05 : -0.05);
  const Fit fit = *fitTogether(measurements);
  const auto sum = [&](double latency, double bandwidth) {
    double sum = 0;
    for (const Measurement& m : measurements)
      sum += std::pow(std::log(secondsOf({latency, bandwidth}, m.op, m.algorithm, m.ranks, m.bytes) / m.seconds), 2);
    return sum;
  };
  const double least = sum(fit.latency, fit.bandwidth);
  for (const double factor : {0.9999, 1.0001}) {
    EXPECT_GT(sum(fit.latency * factor, fit.bandwidth), least);
    EXPECT_GT(sum(fit.latency, fit.bandwidth * factor), least);
  }
  EXPECT_NEAR(fit.typical, std::sqrt(least / 33), 1e-9);
}

TEST(Fit, CountsWhatIsFarOffByItsDistance) {
  // Four of 33 are ten times as slow. Nothing near the fit is better by Huber's measure: squares up to 1.345 deviations, lines beyond.
  std::vector<Measurement> measurements = measured({1e-6, 5e9}, Op::kAllReduce, Algorithm::kRing, 0.02, 7);
  for (const size_t i : {1, 9, 17, 30})
    measurements[i].seconds *= 10;
  const Fit fit = *fitTogether(measurements);
  const auto distances = [&](double latency, double bandwidth) {
    std::vector<double> distances;
    for (const Measurement& m : measurements)
      distances.push_back(std::abs(std::log(secondsOf({latency, bandwidth}, m.op, m.algorithm, m.ranks, m.bytes) / m.seconds)));
    return distances;
  };
  std::vector<double> sorted = distances(fit.latency, fit.bandwidth);
  std::sort(sorted.begin(), sorted.end());
  const double bend = 1.345 * sorted[16] / 0.6745;
  const auto huber = [&](double latency, double bandwidth) {
    double sum = 0;
    for (const double d : distances(latency, bandwidth))
      sum += d <= bend ? d * d : 2 * bend * d - bend * bend;
    return sum;
  };
  const double least = huber(fit.latency, fit.bandwidth);
  for (const double factor : {0.9995, 1.0005}) {
    EXPECT_GT(huber(fit.latency * factor, fit.bandwidth), least);
    EXPECT_GT(huber(fit.latency, fit.bandwidth * factor), least);
  }
  EXPECT_NEAR(fit.latency / 1e-6, 1, 0.03);
  EXPECT_NEAR(fit.bandwidth / 5e9, 1, 0.03);
}

TEST(Fit, EachKindHasItsOwn) {
  std::vector<Measurement> all = measured({1e-6, 5e9}, Op::kAllReduce, Algorithm::kRing, 0, 1);
  for (const Measurement& m : measured({3e-6, 2e9}, Op::kAllReduce, Algorithm::kTree, 0, 1))
    all.push_back(m);
  const auto fits = fitEach(all);
  ASSERT_TRUE(fits);
  ASSERT_EQ(fits.value().size(), 2u);
  EXPECT_EQ(fits.value()[0].algorithm, Algorithm::kRing);
  EXPECT_NEAR(fits.value()[0].bandwidth, 5e9, 1e4);
  EXPECT_NEAR(fits.value()[1].latency, 3e-6, 1e-11);
  EXPECT_GT(fitTogether(all).value().typical, 0.2);  // no one pair is both
}

TEST(Fit, BecomesANetwork) {
  const Network network = networkOf(*fitTogether(measured({3e-6, 2e9}, Op::kAllReduce, Algorithm::kRing, 0, 1)));
  EXPECT_NEAR(costsOf(network, Op::kAllGather, {4, 1}, 1 << 20).value()[0].seconds, secondsOf({3e-6, 2e9}, Op::kAllGather, Algorithm::kRing, 4, 1 << 20), 1e-9);
}

TEST(Fit, OneConstantMayBeChance) {
  // 6 steps of 10 us, 1.5 S at 1 GB/s: 40 KB take as long as the steps.
  const auto told = [](double from, double to) {
    std::vector<Measurement> measurements;
    for (const double bytes : {from, to})
      measurements.push_back({Op::kAllReduce, Algorithm::kRing, 4, bytes, secondsOf({1e-5, 1e9}, Op::kAllReduce, Algorithm::kRing, 4, bytes)});
    return checkTold(*fitTogether(measurements), measurements).message();
  };
  EXPECT_EQ(told(100, 11000), "");    // 21 % of the larger one's time is bytes
  EXPECT_EQ(told(100, 9000), "the largest size takes hardly longer than none at all, which says no bandwidth; measure larger ones");
  EXPECT_EQ(told(150000, 1e7), "");   // 21 % of the smaller one's time is latency
  EXPECT_EQ(told(170000, 1e7), "the smallest size takes as long as its bytes, which says no latency; measure smaller ones");
}

TEST(Fit, WhatCannotBeFittedIsAnError) {
  const Measurement one{Op::kAllReduce, Algorithm::kRing, 4, 1024, 1e-5};
  const auto message = [](std::vector<Measurement> measurements) { return fitTogether(measurements).status().message(); };
  EXPECT_EQ(message({one}), "fitting: got 1 measurements, expected at least 2; measure more sizes");
  EXPECT_EQ(message({one, one}),
            "fitting: got measurements of 256 B to 256 B a step, expected sizes of which one is at least twice another; measure a small and a "
            "large one, to tell latency from bandwidth");
  Measurement bad = one;
  bad.seconds = 0;
  EXPECT_EQ(message({one, bad}), "fitting: all_reduce by ring of 1 KiB: got 0.000000 seconds, expected more than 0; leave it out");
  bad = one;
  bad.ranks = 1;
  EXPECT_EQ(message({one, bad}),
            "fitting: all_reduce by ring of 1 KiB on 1 ranks has no formula on links of one kind; measure at least 2 ranks, and ring, tree, direct, recursive doubling or "
            "binomial tree");
  EXPECT_EQ(fitEach({}).status().message(), "fitting: got no measurements, expected at least 2");
  EXPECT_EQ(fitEach(std::vector{one}).status().message(), "all_reduce by ring: fitting: got 1 measurements, expected at least 2; measure more sizes");
}

}  // namespace
}  // namespace jinx::comm::model

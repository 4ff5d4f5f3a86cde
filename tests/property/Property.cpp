#include "tests/property/Property.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>

namespace jinx::test {
namespace {

class Silent final : public rc::detail::TestListener {
 public:
  void onTestCaseFinished(const rc::detail::CaseDescription&) override {}
  void onShrinkTried(const rc::detail::CaseDescription&, bool) override {}
  void onTestFinished(const rc::detail::TestMetadata&, const rc::detail::TestResult&) override {}
};

double factor() {
  const char* text = std::getenv("JINX_PROPERTY_FACTOR");
  double value = text ? std::atof(text) : 1;
  return value > 0 ? value : 1;
}

std::string program() { return testing::internal::GetArgvs().empty() ? "PROGRAM" : testing::internal::GetArgvs()[0]; }

} // namespace

void checkProperty(void (*body)(), int cases) {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  std::string id = std::string(test.test_suite_name()) + "." + test.name();
  const rc::detail::Configuration& configuration = rc::detail::configuration();
  rc::detail::TestParams params = configuration.testParams;
  params.maxSuccess = std::max(1, static_cast<int>(cases * factor()));
  rc::detail::TestMetadata metadata;
  metadata.id = id;
  metadata.description = id;
  Silent listener;
  rc::detail::TestResult result = rc::detail::checkTestable(body, metadata, params, listener, configuration.reproduce);
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  if (result.is<rc::detail::SuccessResult>()) {
    std::cout << text.str() << "\n";
    return;
  }
  // The seed finds the input again and shrinks it again; what RapidCheck calls `reproduce` goes straight to it.
  text << "\nrepeat: RC_PARAMS=\"seed=" << params.seed << "\" JINX_PROPERTY_FACTOR=" << factor() << " " << program()
       << " --gtest_filter=" << id;
  if (result.is<rc::detail::FailureResult>()) {
    rc::detail::Configuration straight;
    straight.reproduce.emplace(id, result.get<rc::detail::FailureResult>().reproduce);
    text << "\nstraight to it: RC_PARAMS='" << rc::detail::configToMinimalString(straight) << "' " << program()
         << " --gtest_filter=" << id;
  }
  FAIL() << text.str();
}

rc::Gen<int64_t> extents(int64_t least, int64_t most) {
  auto upTo = [=](int64_t high) { return rc::gen::inRange<int64_t>(least, std::max(least, std::min(most, high)) + 1); };
  return rc::gen::weightedOneOf<int64_t>({{5, upTo(3)}, {3, upTo(9)}, {2, upTo(most)}});
}

rc::Gen<Shape> shapes(int maxRank, int64_t maxElements) {
  return rc::gen::exec([=] {
    Shape shape(static_cast<size_t>(*rc::gen::inRange(0, maxRank + 1)));
    int64_t left = maxElements;
    for (int64_t& extent : shape) {
      extent = *extents(0, std::min<int64_t>(left, 40));
      left /= std::max<int64_t>(extent, 1);
    }
    return shape;
  });
}

rc::Gen<std::vector<int64_t>> permutations(int64_t count) {
  return rc::gen::exec([=] {
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; --i) // a swap with itself is what shrinking tries: the identity
      std::swap(order[i - 1], order[i - 1 - static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(i)))]);
    return order;
  });
}

rc::Gen<uint64_t> seeds() {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<uint64_t>(0, 1u << 20));
}

Tensor randomTensor(DType type, const Shape& shape, uint64_t seed) {
  if (!isFloat(type)) return randomBits(type, shape, seed);
  Tensor t = Tensor::make(type, shape);
  std::mt19937_64 rng(seed);
  std::normal_distribution<double> normal(0, 3);
  for (int64_t i = 0; i < t.size(); ++i)
    t.setDouble(i, normal(rng));
  return t;
}

Tensor smallIntegers(DType type, const Shape& shape, uint64_t seed, int64_t low, int64_t high) {
  Tensor t = Tensor::make(type, shape);
  std::mt19937_64 rng(seed);
  if (!isSigned(type) && !isFloat(type)) low = std::max<int64_t>(low, 0);
  for (int64_t i = 0; i < t.size(); ++i)
    t.setInt(i, low + static_cast<int64_t>(rng() % static_cast<uint64_t>(high - low + 1)));
  return t;
}

Tensor randomBits(DType type, const Shape& shape, uint64_t seed) {
  Tensor t = Tensor::make(type, shape);
  std::mt19937_64 rng(seed);
  int width = bitWidth(type);
  if (width < 8) { // bits past the last element stay 0, as they are in every packed tensor
    for (int64_t i = 0; i < t.size(); ++i)
      storeFromInt(type == DType::kF4E2M1 ? DType::kU4 : type, t.data(), i, static_cast<int64_t>(rng()));
    return t;
  }
  for (int64_t i = 0; i < t.sizeBytes(); ++i)
    t.as<uint8_t>()[i] = static_cast<uint8_t>(type == DType::kBool ? rng() & 1 : rng());
  return t;
}

bool sameBytes(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  return a.sizeBytes() == 0 || std::memcmp(a.data(), b.data(), static_cast<size_t>(a.sizeBytes())) == 0;
}

} // namespace jinx::test

/// The same inputs in every run, unless RC_PARAMS says otherwise.
int main(int argc, char** argv) {
  const char* given = std::getenv("RC_PARAMS");
  std::string params = given ? given : "";
  if (params.find("seed=") == std::string::npos && params.find("reproduce=") == std::string::npos)
    setenv("RC_PARAMS", (params + " seed=1").c_str(), 1);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

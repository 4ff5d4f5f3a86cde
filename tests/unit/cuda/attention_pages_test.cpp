// Attention through a table of pages, sequences of their own lengths, a prefix that all share: on the emulator, against float64.
//
// What no sequence owns is NaN: pages that no table names, the rest of a last page, page numbers past the end are far out of the pool.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "AttentionKernels.h"

namespace jinx::cuda::testing {
namespace {

constexpr uint16_t kNaN = 0x7FC0;

/// Sequences as a server has them, and as they are.
struct Sequences {
  PagedCase what;
  int64_t heads, most;  ///< `most` keys a sequence
  std::vector<int32_t> lengths, table;
  std::vector<uint16_t> q, k, v, o;
  std::vector<std::vector<uint16_t>> keys, values;  ///< of each sequence: [heads, length, headDim]
  std::vector<uint16_t> prefixKeys, prefixValues;   ///< [heads, prefix, headDim]
  int64_t prefix = 0, pages = 0;
  std::vector<float> parts, lse;

  Sequences(const PagedCase &what, int64_t heads, std::vector<int32_t> lengths, uint64_t seed, int64_t prefix = 0)
      : what(what), heads(heads), lengths(lengths), prefix(prefix) {
    const int64_t batch = int64_t(lengths.size()), d = what.headDim, page = what.pageKeys;
    most = (*std::max_element(lengths.begin(), lengths.end()) + page) / page * page;  // one key more than the longest has, at least
    const int64_t each = most / page;
    pages = batch * each + 3;
    q = halves(heads * batch * what.rows * d, seed);
    prefixKeys = halves(heads * prefix * d, seed + 1), prefixValues = halves(heads * prefix * d, seed + 2);
    k.assign(size_t(pages * heads * page * d), kNaN), v = k;
    table.assign(size_t(batch * each), 1 << 20);
    std::vector<int32_t> numbers(static_cast<size_t>(pages));
    std::iota(numbers.begin(), numbers.end(), 0);
    std::mt19937_64 random(seed);
    std::shuffle(numbers.begin(), numbers.end(), random);
    for (int64_t b = 0; b < batch; ++b) {
      keys.push_back(halves(heads * lengths[b] * d, seed + 10 + b)), values.push_back(halves(heads * lengths[b] * d, seed + 100 + b));
      for (int64_t j = 0; j < lengths[b]; ++j) {
        if (j % page == 0) table[b * each + j / page] = numbers.back(), numbers.pop_back();
        for (int64_t h = 0; h < heads; ++h) {
          int64_t to = ((table[b * each + j / page] * heads + h) * page + j % page) * d, from = (h * lengths[b] + j) * d;
          std::copy_n(keys[b].begin() + from, d, k.begin() + to), std::copy_n(values[b].begin() + from, d, v.begin() + to);
        }
      }
    }
    parts.assign(size_t(heads * batch * what.rows * PagedCase::kPlaces * d), NAN), lse.assign(parts.size() / size_t(d), NAN);
    o.assign(q.size(), kNaN);
  }
  static std::vector<uint16_t> halves(int64_t n, uint64_t seed) {
    auto values = randomFloats(size_t(n), seed, 1.5f);
    std::vector<uint16_t> bits(values.size());
    std::transform(values.begin(), values.end(), bits.begin(), toBf16);
    return bits;
  }

  void run(Runner &own, Runner &merge, Runner *shared, uint64_t seed) {
    const int64_t batch = int64_t(lengths.size());
    emulated::LaunchOptions options;
    options.seed = seed;
    if (shared) {
      auto report = shared->run({in(q), in(prefixKeys), in(prefixValues), in(table), in(lengths), out(parts), out(lse)}, {batch, heads, prefix, 1}, options);
      ASSERT_TRUE(report.isOk()) << "prefix: " << report.status().message();
    }
    auto report = own.run({in(q), in(k), in(v), in(table), in(lengths), out(parts), out(lse)}, {batch, heads, most, pages}, options);
    ASSERT_TRUE(report.isOk()) << report.status().message();
    report = merge.run({in(parts), in(lse), in(lengths), out(o)}, {batch, heads}, options);
    ASSERT_TRUE(report.isOk()) << "merge: " << report.status().message();
  }

  /// In units of what rounding of weights and result may cost (attention_test.cpp).
  double error() const {
    const int64_t batch = int64_t(lengths.size()), d = what.headDim;
    double worst = 0;
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t i = 0; i < what.rows; ++i) {
          const int64_t row = ((h * batch + b) * what.rows + i) * d, seen = what.causal ? lengths[b] - what.rows + i + 1 : lengths[b];
          std::vector<double> x, want(size_t(d), 0.0), size(size_t(d), 0.0);
          auto visit = [&](const std::vector<uint16_t> &of, int64_t count, int64_t each, auto body) {
            for (int64_t j = 0; j < count; ++j) body(of.data() + (h * each + j) * d);
          };
          auto score = [&](const uint16_t *key) {
            double dot = 0;
            for (int64_t c = 0; c < d; ++c) dot += double(fromBf16(q[row + c])) * fromBf16(key[c]);
            x.push_back(dot / std::sqrt(double(d)));
          };
          visit(prefixKeys, prefix, prefix, score), visit(keys[b], seen, lengths[b], score);
          double largest = x.empty() ? 0 : *std::max_element(x.begin(), x.end()), sum = 0;
          size_t next = 0;
          auto add = [&](const uint16_t *value) {
            double weight = std::exp(x[next++] - largest);
            sum += weight;
            for (int64_t c = 0; c < d; ++c) want[c] += weight * fromBf16(value[c]), size[c] += weight * std::abs(fromBf16(value[c]));
          };
          visit(prefixValues, prefix, prefix, add), visit(values[b], seen, lengths[b], add);
          for (int64_t c = 0; c < d; ++c) {
            double w = sum > 0 ? want[c] / sum : 0, s = sum > 0 ? size[c] / sum : 0, got = fromBf16(o[row + c]), off = std::abs(got - w);
            if (off == 0) continue;
            worst = std::isnan(got) ? INFINITY : std::max(worst, off / (0x1p-8 * (s + std::abs(w)) + 1e-4 * s));
          }
        }
    return worst;
  }
};

void checkPages(const PagedCase &what, const std::vector<std::vector<int32_t>> &batches, int64_t heads = 2, int64_t prefix = 0) {
  PagedCase common = what;
  common.pageKeys = 0, common.before = 0;
  Runner own(buildPagedAttention(what).kernel), merge(buildPagedMerge(what).kernel), shared(buildPagedAttention(common).kernel);
  ASSERT_TRUE(own.ok() && merge.ok() && shared.ok());
  uint64_t seed = 0;
  for (const auto &lengths : batches) {
    Sequences sequences(what, heads, lengths, ++seed, prefix);
    sequences.run(own, merge, prefix ? &shared : nullptr, seed);
    EXPECT_LE(sequences.error(), 1.0) << what.name() << " seed " << seed;
  }
}

// Pages smaller than a step, as large, and larger; lengths around pages, steps and parts; sequences without a key.
TEST(CudaAttentionPages, OddLengths) {
  for (int64_t page : {16, 32, 64, 128, 256})
    checkPages({.headDim = page == 64 ? 64 : 128, .pageKeys = page}, {{1, 255, 17}, {256, 0, 300, 129}, {513, 16, 1000}});
}
TEST(CudaAttentionPages, OtherRows) {
  checkPages({.headDim = 64, .rows = 1, .pageKeys = 16, .partKeys = 128}, {{40, 333}});
  checkPages({.headDim = 96, .rows = 16, .pageKeys = 32, .partKeys = 512}, {{40, 700}});
  checkPages({.headDim = 64, .rows = 5, .pageKeys = 16, .partKeys = 128, .causal = true}, {{5, 130, 128, 301}});
}
TEST(CudaAttentionPages, SmallerSteps) { checkPages({.headDim = 128, .pageKeys = 64, .tile = {64, 64, 4, 2}}, {{70, 300, 64}, {1, 513}}); }

TEST(CudaAttentionPages, SeveralSeeds) {
  const std::vector<int32_t> lengths = {200, 300};
  checkPages({.headDim = 64, .pageKeys = 32, .partKeys = 128}, std::vector<std::vector<int32_t>>(8, lengths), 1);
}

// Keys that all sequences begin with are one sequence's, read once for all rows; both kernels' parts are merged together.
TEST(CudaAttentionPages, SharedPrefix) {
  checkPages({.headDim = 128, .rows = 4, .pageKeys = 16, .before = 3}, {{1, 255, 17}, {0, 300}}, 2, 3 * 256 - 10);
  checkPages({.headDim = 64, .rows = 8, .pageKeys = 32, .before = 1}, {std::vector<int32_t>(20, 40)}, 1, 200);
}

// A sequence's bits do not depend on its pages, on its neighbours, or on how long they are.
TEST(CudaAttentionPages, BitsAreTheSequences) {
  const PagedCase small{.pageKeys = 16}, large{.pageKeys = 256};
  Runner own(buildPagedAttention(small).kernel), other(buildPagedAttention(large).kernel), merge(buildPagedMerge(small).kernel);
  ASSERT_TRUE(own.ok() && other.ok() && merge.ok());
  Sequences together(small, 1, {700, 1500, 33}, 5);
  together.run(own, merge, nullptr, 1);
  for (size_t b = 0; b < 3; ++b) {
    Sequences alone(large, 1, {together.lengths[b]}, 5);
    const size_t each = alone.q.size();
    std::copy_n(together.q.begin() + b * each, each, alone.q.begin());
    for (int64_t j = 0; j < alone.lengths[0]; ++j) {
      int64_t to = (alone.table[j / 256] * 256 + j % 256) * small.headDim, from = j * small.headDim;
      std::copy_n(together.keys[b].begin() + from, small.headDim, alone.k.begin() + to);
      std::copy_n(together.values[b].begin() + from, small.headDim, alone.v.begin() + to);
    }
    alone.run(other, merge, nullptr, 2);
    EXPECT_EQ(alone.o, std::vector<uint16_t>(together.o.begin() + b * each, together.o.begin() + (b + 1) * each)) << "sequence " << b;
  }
}

// Faults in what keeps the end of a sequence clean: each shows in the values, or the emulator reports it.
TEST(CudaAttentionPages, FaultsShow) {
  const PagedCase what{.pageKeys = 32};
  CudaKernel kernel = buildPagedAttention(what).kernel;
  Runner merge(buildPagedMerge(what).kernel);
  struct Fault {
    const char *find, *replace, *report;  ///< report "": wrong values
  };
  const Fault faults[] = {
      {"int(valid), thread);", "128, thread);", ""},
      {"  fence_proxy_async(JINX_FROM0);\n  warpgroup_sync", "  warpgroup_sync", "fence"},
      {"  warpgroup_sync(1 JINX_FROM);\n", "", "wgmma"},
      {"int(length2 - first_key), thread);", "128, thread);", ""},
      {"load_where(table + entry4 + 3, ", "load_where(table + entry4 + 3, 1 > 0 || ", "buffer 3"},
  };
  for (const Fault &fault : faults) {
    std::string text = kernel.source();
    size_t at = text.rfind(fault.find);
    ASSERT_NE(at, std::string::npos) << fault.find << " is not in\n" << kernel.text;
    Runner own(kernel, text.replace(at, std::string(fault.find).size(), fault.replace));
    ASSERT_TRUE(own.ok() && merge.ok());
    Sequences sequences(what, 1, {200, 300}, 3);
    auto report = own.run({in(sequences.q), in(sequences.k), in(sequences.v), in(sequences.table), in(sequences.lengths), out(sequences.parts), out(sequences.lse)},
                          {2, 1, sequences.most, sequences.pages});
    if (*fault.report) {
      ASSERT_FALSE(report.isOk()) << fault.find << " goes unnoticed";
      EXPECT_NE(report.status().message().find(fault.report), std::string::npos) << report.status().message();
      continue;
    }
    ASSERT_TRUE(report.isOk()) << report.status().message();
    ASSERT_TRUE(merge.run({in(sequences.parts), in(sequences.lse), in(sequences.lengths), out(sequences.o)}, {2, 1}).isOk());
    EXPECT_GT(sequences.error(), 1.0) << fault.find << " does not show";
  }
}

TEST(CudaAttentionPages, Infeasible) {
  using namespace schedules;
  Built built = buildPagedAttention({.pageKeys = 16});
  AttentionPages pages;
  pages.table = kernelIn(*built.module).buffer(3), pages.keys = 24;
  EXPECT_EQ(attentionPagesInfeasible(pages, {64, 128, 3, 2}), "a page has 24 keys, expected 16 or more, a divisor or a multiple of the 128 of a step");
  EXPECT_EQ(attentionPagesInfeasible(pages, {128, 128, 2, 1}), "sequences of different lengths are read by one consumer, of 64 rows");
}

TEST(CudaAttentionPages, Text) { expectGolden("attention_pages_hd128.cu", buildPagedAttention({.pageKeys = 64, .sms = 132}).kernel.text); }

TEST(CudaAttentionPages, InstancesThroughTheGate) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (int64_t page : {16, 256})
    for (bool causal : {false, true}) {
      CudaKernel kernel = buildPagedAttention({.pageKeys = page, .causal = causal}).kernel;
      CompiledCuda compiled = compileThroughGate(kernel);
      EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
      EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
    }
}

}  // namespace
}  // namespace jinx::cuda::testing

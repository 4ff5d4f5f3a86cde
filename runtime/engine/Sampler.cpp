#include "runtime/engine/Sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "runtime/engine/Philox.h"
#include "runtime/engine/RowLoops.h"

namespace jinx::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kMost = std::numeric_limits<float>::max();

struct Largest {
  float value = kNever;
  size_t at = 0;
};

/// The first of the largest elements, by the largest ones of chunks.
Largest largestOf(std::span<const float> row, std::span<const float> chunks) {
  Largest largest;
  size_t chunk = 0;
  for (size_t i = 0; i < chunks.size(); ++i)
    if (chunks[i] > largest.value) {
      largest.value = chunks[i];
      chunk = i;
    }
  largest.at = chunk * kChunk;
  while (largest.at < row.size() && row[largest.at] < largest.value)
    ++largest.at;
  return largest;
}

size_t chunksOf(size_t size) { return (size + kChunk - 1) / kChunk; }

Status outOfRange(const char* name, double got, const char* expected) {
  return invalidArgument(std::string(name) + " is " + std::to_string(got) + ", expected " + expected);
}

/// By falling probability, then by id.
bool isBefore(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

double sumOf(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates)
    sum += candidate.probability;
  return sum;
}

/// Keeps the first ones, as many as it takes to sum to `enough`.
void cutAt(std::vector<Candidate>& candidates, double enough) {
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates.size() && sum < enough)
    sum += candidates[kept++].probability;
  candidates.resize(kept);
}

bool hasPenalties(const SamplingOptions& options) {
  return options.repetitionPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0;
}

} // namespace

bool isPickable(const SamplingOptions& options) {
  const bool isFilterKnown = options.temperature == 0 || options.topK <= kMostPicked;
  return isFilterKnown && options.logprobs < 0 && options.logitBias.empty() && !hasPenalties(options);
}

RowDraw drawOf(const SamplingOptions& options, int64_t position) {
  if (options.temperature == 0) return {};
  const double u = std::floor(uniformAt(options.seed, static_cast<uint64_t>(position)) * 0x1p23) * 0x1p-23;
  // The inverse of a tiny temperature would be infinite, and its product with the zero of the largest logit no number.
  return {std::min(1 / options.temperature, kMost), options.topK, options.topP, options.minP, static_cast<float>(u)};
}

Status validate(const SamplingOptions& options, int32_t vocabulary) {
  const auto within = [](float value, float low, float high) { return value >= low && value <= high; };
  if (!within(options.temperature, 0, 1000)) return outOfRange("temperature", options.temperature, "0 to 1000");
  if (options.topK < 0) return outOfRange("top_k", options.topK, "0 or more");
  if (!(options.topP > 0 && options.topP <= 1)) return outOfRange("top_p", options.topP, "more than 0 and at most 1");
  if (!within(options.minP, 0, 1)) return outOfRange("min_p", options.minP, "0 to 1");
  if (!(options.repetitionPenalty > 0 && options.repetitionPenalty <= 1000))
    return outOfRange("repetition_penalty", options.repetitionPenalty, "more than 0 and at most 1000");
  if (!within(options.presencePenalty, -2, 2)) return outOfRange("presence_penalty", options.presencePenalty, "-2 to 2");
  if (!within(options.frequencyPenalty, -2, 2)) return outOfRange("frequency_penalty", options.frequencyPenalty, "-2 to 2");
  if (options.logprobs < -1 || options.logprobs > vocabulary) return outOfRange("logprobs", options.logprobs, "-1 to the vocabulary's size");
  for (const auto& [token, bias] : options.logitBias) {
    if (token < 0 || token >= vocabulary) return outOfRange("a token of logit_bias", token, "an id of the vocabulary");
    if (!(within(bias, -1000, 1000) || bias == kNever)) return outOfRange("a bias of logit_bias", bias, "-1000 to 1000, or -infinity");
  }
  return Status::ok();
}

Status checkLogits(std::span<const float> logits) {
  constexpr size_t kPart = 64 * kChunk;
  float largest[kPart / kChunk];
  bool isFinite = true;
  for (size_t begin = 0; begin < logits.size(); begin += kPart)
    isFinite &= largestOfChunks(logits.subspan(begin, std::min(kPart, logits.size() - begin)), largest);
  if (isFinite) return Status::ok();
  const auto bad = std::ranges::find_if(logits, [](float logit) { return !(logit <= kMost); });
  return invalidArgument("the model's logit of token " + std::to_string(bad - logits.begin()) + " is " + std::to_string(*bad) +
                         ", expected a number");
}

Sampler::Sampler(int32_t vocabulary)
    : adjusted_(static_cast<size_t>(vocabulary)), weights_(static_cast<size_t>(vocabulary)), chunks_(chunksOf(static_cast<size_t>(vocabulary))),
      counts_(static_cast<size_t>(vocabulary), 0) {
  candidates_.reserve(static_cast<size_t>(vocabulary));
  order_.reserve(static_cast<size_t>(vocabulary));
  blockSums_.reserve(static_cast<size_t>(vocabulary) / kBlock + 1);
}

void Sampler::penalize(const SampleInput& input, const SamplingOptions& options) {
  for (int32_t token : input.output)
    ++counts_[token];
  // A count is above zero until its token was penalized for the output, and below until for the prompt.
  const auto repeated = [&](int32_t token) {
    float& logit = adjusted_[token];
    logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
  };
  for (int32_t token : input.output) {
    if (counts_[token] <= 0) continue;
    repeated(token);
    adjusted_[token] -= options.presencePenalty + options.frequencyPenalty * static_cast<float>(counts_[token]);
    counts_[token] = -1;
  }
  for (int32_t token : input.prompt) {
    if (counts_[token] != 0) continue;
    repeated(token);
    counts_[token] = -1;
  }
  for (int32_t token : input.output)
    counts_[token] = 0;
  for (int32_t token : input.prompt)
    counts_[token] = 0;
}

/// The row with bias, penalties and mask, and the first of its largest logits.
Status Sampler::prepare(const SampleInput& input, const SamplingOptions& options) {
  assert(input.logits.size() == adjusted_.size());
  if (!largestOfChunks(input.logits, chunks_)) return checkLogits(input.logits);
  row_ = input.logits;
  if (!options.logitBias.empty() || hasPenalties(options) || !input.mask.empty()) {
    std::ranges::copy(input.logits, adjusted_.begin());
    for (const auto& [token, bias] : options.logitBias)
      adjusted_[token] += bias;
    if (hasPenalties(options)) penalize(input, options);
    const size_t words = (adjusted_.size() + 63) / 64;
    if (!input.mask.empty() && input.mask.size() != words)
      return internalError("the mask has " + std::to_string(input.mask.size()) + " words, expected " + std::to_string(words));
    if (!input.mask.empty())
      for (size_t token = 0; token < adjusted_.size(); ++token)
        if ((input.mask[token / 64] >> (token % 64) & 1) == 0) adjusted_[token] = kNever;
    row_ = adjusted_;
    largestOfChunks(row_, chunks_);
  }
  const Largest largest = largestOf(row_, chunks_);
  if (largest.value == kNever) return invalidArgument("no token is left to choose from");
  largest_ = largest.value;
  largestAt_ = largest.at;
  return Status::ok();
}

/// The `count` largest logits, largest first.
void Sampler::keepTop(size_t count) {
  candidates_.clear();
  const auto cut = [&] {
    const auto end = candidates_.begin() + static_cast<ptrdiff_t>(count);
    std::nth_element(candidates_.begin(), end, candidates_.end(), isBefore);
    candidates_.erase(end, candidates_.end());
  };
  // Ids rise: one that equals the least of those that are kept comes behind it. As many tokens as there are chunks of at least some maximum are at least that large.
  float least = kNever;
  if (count <= chunks_.size()) {
    const auto largest = std::ranges::copy(chunks_, weights_.begin()).out;
    const auto at = weights_.begin() + static_cast<ptrdiff_t>(count) - 1;
    std::nth_element(weights_.begin(), at, largest, std::greater());
    least = std::nextafter(*at, kNever);
  }
  for (size_t begin = 0; begin < row_.size(); begin += kChunk) {
    if (!(chunks_[begin / kChunk] > least)) continue;
    for (size_t token = begin; token < std::min(begin + kChunk, row_.size()); ++token) {
      if (!(row_[token] > least)) continue;
      candidates_.push_back({static_cast<int32_t>(token), row_[token]});
      if (candidates_.size() < 2 * count + 64) continue;
      cut();
      least = static_cast<float>(std::ranges::max_element(candidates_, isBefore)->probability);
    }
  }
  if (candidates_.size() > count) cut();
  std::ranges::sort(candidates_, isBefore);
}

/// Weights of all tokens, and their sums.
void Sampler::weigh(float temperature) {
  blockSums_.clear();
  total_ = 0;
  for (size_t begin = 0; begin < row_.size(); begin += kBlock) {
    const size_t size = std::min(kBlock, row_.size() - begin);
    blockSums_.push_back(weighBlock(row_.subspan(begin, size), largest_, temperature, std::span(weights_).subspan(begin, size)));
    total_ += blockSums_.back();
  }
}

/// Tokens of at least this weight, by id.
void Sampler::collect(float least, float temperature) {
  candidates_.clear();
  for (size_t begin = 0; begin < weights_.size(); begin += kChunk) {
    // A weight may be larger than that of a larger logit by a rounding, not by a hundredth.
    if (expOf((chunks_[begin / kChunk] - largest_) / temperature) * 1.01f < least) continue;
    for (size_t token = begin; token < std::min(begin + kChunk, weights_.size()); ++token)
      if (weights_[token] >= least && weights_[token] > 0) candidates_.push_back({static_cast<int32_t>(token), weights_[token]});
  }
}

/// The fewest tokens whose weights sum to this share of the total, largest first. Most often few hold it: the light ones are not looked at before they are needed.
void Sampler::keepNucleus(double share, float temperature) {
  const double enough = share * total_;
  for (float least = 0x1p-6f;; least = least > 0x1p-60f ? least * 0x1p-6f : 0) {
    collect(least, temperature);
    double sum = 0;
    for (const Candidate& candidate : candidates_)
      sum += candidate.probability;
    if (sum >= enough || least == 0) break;
  }
  std::ranges::sort(candidates_, isBefore);
  cutAt(candidates_, enough);
}

Expected<std::span<const Candidate>> Sampler::distribution(const SampleInput& input, const SamplingOptions& options) {
  JINX_TRY(prepare(input, options));
  if (options.temperature == 0) {
    candidates_.assign(1, {static_cast<int32_t>(largestAt_), 1});
    return std::span<const Candidate>(candidates_);
  }
  if (options.topK > 0 && static_cast<size_t>(options.topK) < row_.size()) {
    keepTop(static_cast<size_t>(options.topK));
    for (Candidate& candidate : candidates_)
      candidate.probability = expOf((static_cast<float>(candidate.probability) - largest_) / options.temperature);
    std::erase_if(candidates_, [](const Candidate& candidate) { return candidate.probability == 0; });
    if (options.topP < 1) cutAt(candidates_, static_cast<double>(options.topP) * sumOf(candidates_));
  } else {
    weigh(options.temperature);
    if (options.topP < 1)
      keepNucleus(static_cast<double>(options.topP), options.temperature);
    else
      collect(options.minP, options.temperature);
  }
  if (options.minP > 0) // the largest weight is 1
    std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.probability < static_cast<double>(options.minP); });
  const double total = sumOf(candidates_);
  for (Candidate& candidate : candidates_)
    candidate.probability /= total;
  return std::span<const Candidate>(candidates_);
}

/// As drawAt over all weights, by blocks.
int32_t Sampler::drawWeighted(double u) const {
  const double at = u * total_;
  double sum = 0;
  size_t block = 0;
  while (block + 1 < blockSums_.size() && at >= sum + blockSums_[block])
    sum += blockSums_[block++];
  int32_t last = static_cast<int32_t>(largestAt_); // where sums are rounded below u
  for (size_t token = block * kBlock; token < std::min((block + 1) * kBlock, weights_.size()); ++token) {
    if (weights_[token] == 0) continue;
    last = static_cast<int32_t>(token);
    sum += static_cast<double>(weights_[token]);
    if (at < sum) break;
  }
  return last;
}

Expected<int32_t> Sampler::sample(const SampleInput& input, const SamplingOptions& options, int64_t position) {
  if (options.temperature == 0) {
    JINX_TRY(prepare(input, options));
    return static_cast<int32_t>(largestAt_);
  }
  const double u = uniformAt(options.seed, static_cast<uint64_t>(position));
  if (options.topK == 0 && options.topP == 1 && options.minP == 0) {
    JINX_TRY(prepare(input, options));
    weigh(options.temperature);
    return drawWeighted(u);
  }
  JINX_TRY_ASSIGN(const std::span<const Candidate> candidates, distribution(input, options));
  return drawAt(candidates, u);
}

int32_t drawAt(std::span<const Candidate> candidates, double u) {
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.probability;
    if (u < sum) return candidate.token;
  }
  return candidates.back().token; // the sum was rounded below u
}

void Sampler::appendLogprobs(std::span<const float> logits, int32_t token, int32_t top, std::vector<TokenLogprob>& to) {
  const double best = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double total = 0;
  for (float logit : logits)
    total += std::exp(static_cast<double>(logit) - best);
  const double shift = best + std::log(total);
  const auto logprob = [&](int32_t id) { return TokenLogprob{id, static_cast<float>(static_cast<double>(logits[id]) - shift)}; };
  to.push_back(logprob(token));
  if (top <= 0) return;
  order_.resize(logits.size());
  for (size_t i = 0; i < order_.size(); ++i)
    order_[i] = static_cast<int32_t>(i);
  const auto end = order_.begin() + std::min<ptrdiff_t>(top, static_cast<ptrdiff_t>(order_.size()));
  std::partial_sort(order_.begin(), end, order_.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  for (auto id = order_.begin(); id != end; ++id)
    to.push_back(logprob(*id));
}

} // namespace jinx::engine

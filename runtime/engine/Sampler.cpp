#include "runtime/engine/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/engine/Philox.h"

namespace jinx::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

Status outOfRange(const char* name, double got, const char* expected) {
  return invalidArgument(std::string(name) + " is " + std::to_string(got) + ", expected " + expected);
}

/// By falling probability, then by id.
bool isBefore(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

bool hasPenalties(const SamplingOptions& options) {
  return options.repetitionPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0;
}

} // namespace

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
  bool isFinite = true; // one test a row, which vectorizes
  for (float logit : logits)
    isFinite &= logit <= std::numeric_limits<float>::max();
  if (isFinite) return Status::ok();
  const auto bad = std::ranges::find_if(logits, [](float logit) { return !(logit <= std::numeric_limits<float>::max()); });
  return invalidArgument("the model's logit of token " + std::to_string(bad - logits.begin()) + " is " + std::to_string(*bad) +
                         ", expected a number");
}

Sampler::Sampler(int32_t vocabulary) : logits_(static_cast<size_t>(vocabulary)), counts_(static_cast<size_t>(vocabulary), 0) {
  candidates_.reserve(static_cast<size_t>(vocabulary));
  order_.reserve(static_cast<size_t>(vocabulary));
}

void Sampler::penalize(const SampleInput& input, const SamplingOptions& options) {
  for (int32_t token : input.output)
    ++counts_[token];
  // A count is above zero until its token was penalized for the output, and below until for the prompt.
  const auto repeated = [&](int32_t token) {
    float& logit = logits_[token];
    logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
  };
  for (int32_t token : input.output) {
    if (counts_[token] <= 0) continue;
    repeated(token);
    logits_[token] -= options.presencePenalty + options.frequencyPenalty * static_cast<float>(counts_[token]);
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

Status Sampler::adjust(const SampleInput& input, const SamplingOptions& options) {
  assert(input.logits.size() == logits_.size());
  JINX_TRY(checkLogits(input.logits));
  std::ranges::copy(input.logits, logits_.begin());
  for (const auto& [token, bias] : options.logitBias)
    logits_[token] += bias;
  if (hasPenalties(options)) penalize(input, options);
  if (!input.mask.empty()) {
    if (input.mask.size() != (logits_.size() + 63) / 64)
      return internalError("the mask has " + std::to_string(input.mask.size()) + " words, expected " + std::to_string((logits_.size() + 63) / 64));
    for (size_t token = 0; token < logits_.size(); ++token)
      if ((input.mask[token / 64] >> (token % 64) & 1) == 0) logits_[token] = kNever;
  }
  return Status::ok();
}

/// Top-k and top-p: sorts, and cuts the tail off.
void Sampler::keepTop(const SamplingOptions& options) {
  size_t count = candidates_.size();
  if (options.topK > 0 && static_cast<size_t>(options.topK) < count) {
    count = static_cast<size_t>(options.topK);
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(count), candidates_.end(), isBefore);
    candidates_.resize(count);
  }
  if (options.topP < 1) {
    double total = 0;
    for (const Candidate& candidate : candidates_)
      total += candidate.probability;
    // Most often few tokens hold the sum: sort as many as it takes.
    const double enough = static_cast<double>(options.topP) * total;
    double sum = 0;
    size_t kept = 0, sorted = 0;
    while (kept < count && sum < enough) {
      if (kept == sorted) {
        sorted = std::min(count, std::max<size_t>(64, sorted * 4));
        std::partial_sort(candidates_.begin() + static_cast<ptrdiff_t>(kept), candidates_.begin() + static_cast<ptrdiff_t>(sorted), candidates_.end(),
                          isBefore);
      }
      sum += candidates_[kept++].probability;
    }
    candidates_.resize(kept);
  } else if (options.topK > 0) {
    std::sort(candidates_.begin(), candidates_.end(), isBefore);
  }
}

Expected<std::span<const Candidate>> Sampler::distribution(const SampleInput& input, const SamplingOptions& options) {
  JINX_TRY(adjust(input, options));
  const auto best = std::max_element(logits_.begin(), logits_.end());
  if (*best == kNever) return invalidArgument("no token is left to choose from");
  candidates_.clear();
  if (options.temperature == 0) {
    candidates_.push_back({static_cast<int32_t>(best - logits_.begin()), 1});
    return std::span<const Candidate>(candidates_);
  }
  for (size_t token = 0; token < logits_.size(); ++token) {
    const double weight = std::exp((static_cast<double>(logits_[token]) - static_cast<double>(*best)) / static_cast<double>(options.temperature));
    if (weight > 0) candidates_.push_back({static_cast<int32_t>(token), weight});
  }
  keepTop(options);
  if (options.minP > 0) // the largest weight is 1
    std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.probability < static_cast<double>(options.minP); });
  double total = 0;
  for (const Candidate& candidate : candidates_)
    total += candidate.probability;
  for (Candidate& candidate : candidates_)
    candidate.probability /= total;
  return std::span<const Candidate>(candidates_);
}

Expected<int32_t> Sampler::sample(const SampleInput& input, const SamplingOptions& options, int64_t position) {
  JINX_TRY_ASSIGN(const std::span<const Candidate> candidates, distribution(input, options));
  if (candidates.size() == 1) return candidates.front().token;
  return drawAt(candidates, uniformAt(options.seed, static_cast<uint64_t>(position)));
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

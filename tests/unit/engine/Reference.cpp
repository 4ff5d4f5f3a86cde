#include "tests/unit/engine/Reference.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/engine/Philox.h"
#include "tests/unit/engine/ToyModel.h"

namespace jinx::engine {
namespace {

bool endsWith(const std::vector<int32_t>& text, const std::vector<int32_t>& end) {
  return text.size() >= end.size() && std::equal(end.rbegin(), end.rend(), text.rbegin());
}

FinishReason reasonToStop(const RequestOptions& options, const std::vector<int32_t>& output, size_t contextLength) {
  for (int32_t stop : options.stopTokens)
    if (output.back() == stop) return FinishReason::kStop;
  for (const auto& sequence : options.stopSequences)
    if (endsWith(output, sequence)) return FinishReason::kStop;
  if (output.size() == static_cast<size_t>(options.maxTokens)) return FinishReason::kLength;
  if (options.prompt.size() + output.size() == contextLength) return FinishReason::kLength;
  return FinishReason::kNone;
}

} // namespace

bool isPickedAlone(const RequestOptions& options, bool hasDraftModel) {
  const SamplingOptions& sampling = options.sampling;
  if (options.mask || sampling.logprobs != -1 || !sampling.logitBias.empty()) return false;
  if (sampling.repetitionPenalty != 1 || sampling.presencePenalty != 0 || sampling.frequencyPenalty != 0) return false;
  return sampling.temperature == 0 || (sampling.topK <= 64 && !hasDraftModel);
}

RowDraw drawAlone(const SamplingOptions& sampling, int32_t position) {
  RowDraw draw;
  if (sampling.temperature == 0) return draw;
  draw.inverseTemperature = 1.0f / sampling.temperature;
  draw.topK = sampling.topK;
  draw.topP = sampling.topP;
  draw.minP = sampling.minP;
  const auto steps = static_cast<int32_t>(uniformAt(sampling.seed, static_cast<uint64_t>(position)) * (1 << 23));
  draw.u = static_cast<float>(steps) / (1 << 23);
  return draw;
}

int32_t chooseByRejection(std::span<const Candidate> p, std::span<const Candidate> q, uint64_t seed, uint64_t position) {
  const auto draw = [](std::span<const Candidate> weights, double u) {
    double total = 0, sum = 0;
    for (const Candidate& weight : weights)
      total += weight.probability;
    for (const Candidate& weight : weights)
      if (u * total < (sum += weight.probability)) return weight.token;
    return weights.back().token;
  };
  const auto of = [](std::span<const Candidate> weights, int32_t token) {
    const auto found = std::ranges::find(weights, token, &Candidate::token);
    return found == weights.end() ? 0.0 : found->probability;
  };
  const int32_t guess = draw(q, uniformAt(seed, position, Purpose::kDraft));
  if (uniformAt(seed, position, Purpose::kAcceptance) <= of(p, guess) / of(q, guess)) return guess;
  std::vector<Candidate> residual;
  for (const Candidate& candidate : p)
    if (candidate.probability > of(q, candidate.token)) residual.push_back({candidate.token, candidate.probability - of(q, candidate.token)});
  return draw(residual, uniformAt(seed, position, Purpose::kResidual));
}

ReferenceAnswer generateAlone(const RequestOptions& options, int32_t vocabulary, int32_t contextLength, const std::function<bool(int32_t)>& isProposed,
                              const ToyPicking& picking) {
  ReferenceAnswer answer;
  ToySight sight;
  int32_t position = 0;
  const auto feed = [&](int32_t token) {
    const ToyKey key = toyKey(sight, token, position++, vocabulary);
    sight.see(key);
    if (toyDraftIsSilent(sight)) answer.silentFrom = std::min(answer.silentFrom, position);
  };
  for (int32_t token : options.prompt)
    feed(token);
  Sampler sampler(vocabulary); // judged by itself in sampler_test.cpp
  std::vector<float> logits(static_cast<size_t>(vocabulary));
  const bool isPicked = picking.picks && isPickedAlone(options, isProposed != nullptr) && options.sampling.temperature > 0; // the most probable token is the same, whoever finds it
  const auto sample = [&]() -> Expected<int32_t> {
    SampleInput input{logits, options.prompt, answer.output};
    if (options.mask) {
      auto allowed = options.mask->allowed(answer.output);
      if (allowed) input.mask = *allowed;
    }
    const bool isOfDraft = options.maxDrafts > 0 && options.sampling.temperature > 0 && isProposed && isProposed(position);
    if (!isOfDraft) {
      toyLogits(sight, logits);
      if (isPicked && !sight.isPoisoned && !toyIsUndecided(sight, position, picking)) return toyPick(logits, drawAlone(options.sampling, position));
      return sampler.sample(input, options.sampling, position);
    }
    const auto distribution = [&](const SamplingOptions& sampling) -> Expected<std::vector<Candidate>> {
      JINX_TRY_ASSIGN(const auto candidates, sampler.distribution(input, sampling));
      return std::vector<Candidate>(candidates.begin(), candidates.end());
    };
    toyDraftLogits(sight, logits);
    SamplingOptions ofDraft = options.sampling;
    ofDraft.minP = std::max(ofDraft.minP, 1e-5f); // as ModelDrafter.h says
    JINX_TRY_ASSIGN(const std::vector<Candidate> q, distribution(ofDraft));
    toyLogits(sight, logits);
    JINX_TRY_ASSIGN(const std::vector<Candidate> p, distribution(options.sampling));
    return chooseByRejection(p, q, options.sampling.seed, static_cast<uint64_t>(position));
  };
  while (true) {
    const auto token = sample();
    if (!token) {
      answer.finish = FinishReason::kError;
      return answer;
    }
    answer.output.push_back(*token);
    answer.finish = reasonToStop(options, answer.output, static_cast<size_t>(contextLength));
    if (answer.finish != FinishReason::kNone) return answer;
    feed(*token);
  }
}

std::vector<double> exactDistribution(std::span<const float> logits, const SamplingOptions& options, std::span<const int32_t> prompt,
                                      std::span<const int32_t> output, const std::vector<bool>& allowed) {
  const size_t count = logits.size();
  std::vector<double> scores(logits.begin(), logits.end());
  for (double score : scores)
    if (std::isnan(score) || score == INFINITY) return {};
  for (const auto& [token, bias] : options.logitBias)
    scores[token] += bias;
  for (size_t token = 0; token < count; ++token) {
    const auto times = std::ranges::count(output, static_cast<int32_t>(token));
    const bool isInPrompt = std::ranges::count(prompt, static_cast<int32_t>(token)) > 0;
    if (times > 0 || isInPrompt) scores[token] *= scores[token] > 0 ? 1.0 / options.repetitionPenalty : options.repetitionPenalty;
    if (times > 0) scores[token] -= options.presencePenalty + options.frequencyPenalty * static_cast<double>(times);
    if (!allowed.empty() && !allowed[token]) scores[token] = -INFINITY;
  }
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  if (scores[order[0]] == -INFINITY) return {};
  std::vector<double> probabilities(count, 0);
  if (options.temperature == 0) {
    probabilities[order[0]] = 1;
    return probabilities;
  }
  std::vector<double> sorted;
  for (size_t i : order)
    sorted.push_back(std::exp((scores[i] - scores[order[0]]) / options.temperature));
  size_t kept = options.topK > 0 ? std::min<size_t>(options.topK, count) : count;
  const auto normalize = [&] {
    double sum = 0;
    for (size_t i = 0; i < kept; ++i)
      sum += sorted[i];
    for (size_t i = 0; i < kept; ++i)
      sorted[i] /= sum;
  };
  normalize();
  if (options.topP < 1) {
    double sum = 0;
    size_t nucleus = 0;
    while (nucleus < kept && sum < options.topP)
      sum += sorted[nucleus++];
    kept = nucleus;
    normalize();
  }
  while (kept > 1 && sorted[kept - 1] < options.minP * sorted[0])
    --kept;
  normalize();
  for (size_t i = 0; i < kept; ++i)
    probabilities[order[i]] = sorted[i];
  return probabilities;
}

} // namespace jinx::engine

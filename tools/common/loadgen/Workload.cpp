#include "tools/common/loadgen/Workload.h"

#include <array>
#include <charconv>

#include "tools/common/loadgen/Random.h"

namespace jinx::loadgen {
namespace {

constexpr int64_t kMostTokens = 1'000'000;
constexpr uint64_t kPrefixStream = ~uint64_t{1}; // requests have those from 0 on

/// Frequent words, which are one token each, with the space before them, in about every vocabulary that has learned English.
constexpr auto kWords = std::to_array<std::string_view>({
    "the",    "of",     "and",    "to",     "in",     "is",      "that",   "for",    "it",     "as",     "was",    "with",   "be",     "by",     "on",     "not",
    "he",     "this",   "are",    "or",     "his",    "from",    "at",     "which",  "but",    "have",   "an",     "had",    "they",   "you",    "were",   "their",
    "one",    "all",    "we",     "can",    "her",    "has",     "there",  "been",   "if",     "more",   "when",   "will",   "would",  "who",    "so",     "no",
    "out",    "up",     "into",   "about",  "like",   "him",     "then",   "two",    "may",    "other",  "its",    "only",   "new",    "some",   "could",  "time",
    "these",  "what",   "them",   "than",   "first",  "any",     "my",     "now",    "such",   "our",    "over",   "man",    "me",     "even",   "most",   "made",
    "after",  "also",   "did",    "many",   "before", "must",    "through", "back",  "years",  "where",  "much",   "your",   "way",    "well",   "down",   "should",
    "because", "each",  "just",   "those",  "people", "how",     "too",    "little", "state",  "good",   "very",   "make",   "world",  "still",  "own",    "see",
    "men",    "work",   "long",   "get",    "here",   "between", "both",   "life",   "being",  "under",  "never",  "day",    "same",   "another", "know",  "while"});

std::string words(Random& random, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ' ';
    text += kWords[static_cast<size_t>(random.between(0, kWords.size() - 1))];
  }
  return text;
}

std::optional<int64_t> countOf(std::string_view text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool good = error == std::errc() && end == text.data() + text.size() && count >= 1 && count <= kMostTokens;
  return good ? std::optional(count) : std::nullopt;
}

} // namespace

std::optional<TokenRange> parseRange(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<int64_t> least = countOf(text.substr(0, dash));
  const std::optional<int64_t> most = dash == std::string_view::npos ? least : countOf(text.substr(dash + 1));
  if (!least || !most || *least > *most) return std::nullopt;
  return TokenRange{*least, *most};
}

Workload::Workload(WorkloadOptions options) : options_(std::move(options)) {
  Random random(options_.seed, kPrefixStream);
  prefix_ = words(random, options_.sharedPrefixTokens);
  if (!prefix_.empty()) prefix_ += ' ';
}

PlannedRequest Workload::request(size_t index) const {
  Random random(options_.seed, index);
  int64_t promptTokens = random.between(options_.promptTokens.least, options_.promptTokens.most);
  int64_t outputTokens = random.between(options_.outputTokens.least, options_.outputTokens.most);
  std::string given;
  if (!options_.trace.empty()) {
    const TraceEntry& entry = options_.trace[index];
    promptTokens = entry.promptTokens;
    outputTokens = entry.outputTokens;
    given = entry.prompt;
  } else if (!options_.prompts.empty()) {
    given = options_.prompts[index % options_.prompts.size()];
  }
  return {prefix_ + (given.empty() ? words(random, promptTokens) : given), outputTokens};
}

} // namespace jinx::loadgen

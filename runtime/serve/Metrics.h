// What has the server done, and how long did it take? Any thread may count.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "runtime/serve/Histogram.h"

namespace jinx::serve {

/// How a request ended.
enum class Outcome { kStop, kLength, kCancelled, kDisconnected, kSlowReader, kError, kRefused };
inline constexpr size_t kOutcomes = 7;
const char* nameOf(Outcome outcome);

/// How a request for vectors ended.
enum class EmbeddingOutcome { kAnswered, kCancelled, kDisconnected, kError, kRefused };
inline constexpr size_t kEmbeddingOutcomes = 5;
const char* nameOf(EmbeddingOutcome outcome);

/// What the engine holds now; all numbers are of the same moment.
struct EngineState {
  int64_t running = 0, waiting = 0, waitingTokens = 0;
  int64_t pages = 0, pagesFree = 0, pagesRetired = 0, pagesCached = 0; ///< cached: content that can be found, of free and of used pages
  uint64_t steps = 0, stepTokens = 0, failedSteps = 0, cachedTokens = 0, preemptions = 0, drafts = 0, acceptedDrafts = 0;
};

class Metrics {
 public:
  std::array<std::atomic<uint64_t>, kOutcomes> requests{};
  std::array<std::atomic<uint64_t>, 6> httpAnswers{}; ///< by the hundreds of their status
  std::atomic<uint64_t> promptTokens = 0, outputTokens = 0;
  std::atomic<int64_t> connections = 0;
  // Seconds: from a request's arrival to its first token; between tokens; to its end; until it is in a step; of its prompt's steps; of the rest.
  Histogram firstToken, betweenTokens, whole, queue, prefill, decode;

  // Of vectors: answered texts and their tokens; requests that have not ended; seconds until the first texts run, and to the end.
  std::array<std::atomic<uint64_t>, kEmbeddingOutcomes> embeddings{};
  std::atomic<uint64_t> embeddingTexts = 0, embeddingTokens = 0;
  std::atomic<int64_t> embeddingsOpen = 0;
  Histogram embeddingQueue, embeddingWhole;

  std::atomic<uint64_t> spansExported = 0, spansDropped = 0, spanExportFailures = 0; ///< of traces; failures are of batches, tried again or not

  void count(EmbeddingOutcome outcome) { ++embeddings[static_cast<size_t>(outcome)]; }
  void count(Outcome outcome) { ++requests[static_cast<size_t>(outcome)]; }
  void setEngine(const EngineState& state);
  EngineState engine() const;

 private:
  mutable std::mutex mutex_;
  EngineState engine_;
};

/// In Prometheus's text format, version 0.0.4.
std::string exposition(const Metrics& metrics);

} // namespace jinx::serve

// What was asked for, and how far is it?
//
// `tokens` holds prompt and output. A request has run when `computed`, the number of tokens whose keys are written or in flight, reaches its target: all known
// tokens and those being sampled. Scheduling, chunks, prefix hits, speculation and recomputation after a preemption are this one rule.
//
//   tokens    p p p p p o o ?      5 of the prompt, 2 sampled, 1 being sampled by the step in flight (pending)
//   computed  ^^^^^^^^^^^^^        7: the next step computes 1, a placeholder
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/BlockPool.h"
#include "runtime/engine/Sampler.h"
#include "runtime/engine/Speculation.h"

namespace jinx::engine {

using RequestId = uint64_t; ///< from 1

enum class FinishReason {
  kNone,      ///< goes on
  kStop,      ///< a stop token or a stop sequence
  kLength,    ///< as many tokens as asked for, or as the context holds
  kCancelled, ///< by `cancel`
  kError,     ///< this request alone: a step that failed, a logit that is no number, no token allowed
};

struct RequestOptions {
  std::vector<int32_t> prompt; ///< at least one token
  int32_t maxTokens = 16;      ///< of output, at least 1
  std::vector<int32_t> stopTokens;                 ///< end of sequence and its kin
  std::vector<std::vector<int32_t>> stopSequences; ///< of tokens, in the output; not empty
  SamplingOptions sampling;
  std::shared_ptr<TokenMask> mask; ///< null: all tokens are allowed
  int32_t maxDrafts = 0;           ///< for each step, by the engine's drafter; 0: no speculation

  uint64_t tenant = 0;
  int32_t priority = 0;          ///< higher ones run first, and are preempted last
  int32_t retention = 1;         ///< with what priority its pages are kept when it has ended: [0, BlockPool::kPriorities)
  double retentionSeconds = Retention::kForever; ///< how long with that priority, 0 or more; then they are the first to go
  bool sharesPublicly = false;   ///< shares prefixes with other tenants that say so; else with its own tenant only
  uint64_t prefixExtras = 0;     ///< what else keys depend on: adapter, media
};

struct TenantAccount; // Fairness.h

struct Request {
  enum class State { kWaiting, kRunning, kFinished };

  RequestId id = 0;
  RequestOptions options;
  PrefixSalt salt;
  State state = State::kWaiting;
  std::vector<int32_t> tokens; ///< prompt, output
  int32_t promptLength = 0;
  uint32_t epoch = 0; ///< how often it was preempted: results of an earlier epoch are dropped
  TenantAccount* tenant = nullptr;
  int32_t charged = 0; ///< tokens for which its tenant has paid
  DraftControl drafts;

  // Of the present epoch.
  std::vector<int32_t> pages;
  int32_t computed = 0;
  int32_t published = 0; ///< pages that are published, or found
  Hash128 chain;         ///< of these
  int32_t pending = 0;   ///< tokens being sampled: 0 or 1, or up to 1 + draftsInFlight
  int32_t pendingRow = 0; ///< the wanted row that it is sampled from, in the step `lastStep`
  int32_t draftsInFlight = 0;
  bool lacksDraftKeys = false; ///< a draft model's keys of some of its tokens are missing: no drafts of it, and nothing is published
  int32_t cached = 0; ///< tokens that were found at admission
  StepId lastStep = 0; ///< that computes something of it, of any epoch

  int32_t known() const { return static_cast<int32_t>(tokens.size()); }
  int32_t generated() const { return known() - promptLength; }
  /// Tokens that the next step could compute, drafts aside.
  int32_t remaining() const { return known() + pending - computed; }
  /// A model that picks tokens may pick its own.
  bool isPickable() const { return !options.mask && engine::isPickable(options.sampling); }
  std::span<const int32_t> prompt() const { return std::span(tokens).first(static_cast<size_t>(promptLength)); }
  std::span<const int32_t> output() const { return std::span(tokens).subspan(static_cast<size_t>(promptLength)); }
};

/// kInvalidArgument, naming the option, for one that cannot be served at all.
Status validate(const RequestOptions& options, int32_t vocabulary, int32_t contextLength);

/// Whether a request whose last token was just appended goes on.
FinishReason stopAfterLast(const Request& request, int32_t contextLength);

} // namespace jinx::engine

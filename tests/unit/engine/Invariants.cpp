// The invariants of a state, one function each. None calls into the engine: they read the copy.
#include "tests/unit/engine/Simulator.h"

#include <algorithm>

namespace jinx::engine {
namespace {

using Problems = std::vector<std::string>;

std::string pageName(size_t page) { return "page " + std::to_string(page); }

/// 1. Every page is free, retired or referenced, and only one of these; counts are those of who holds it; at idle all are free.
void checkOwnership(const Snapshot& snapshot, Problems& problems) {
  std::vector<int32_t> holders(snapshot.pages.size(), 0);
  for (const RequestView& request : snapshot.requests)
    for (int32_t page : request.pages)
      ++holders[page];
  for (const StepPlan& plan : snapshot.inFlight)
    for (const PageCopy& copy : plan.copies)
      ++holders[copy.from];
  int32_t free = 0, retired = 0;
  for (size_t page = 0; page < snapshot.pages.size(); ++page) {
    const PageView& view = snapshot.pages[page];
    free += view.isFree;
    retired += view.isRetired;
    if (view.references != holders[page])
      problems.push_back("invariant 1: " + pageName(page) + " has " + std::to_string(view.references) + " references, held by " +
                         std::to_string(holders[page]));
    if (view.isFree + view.isRetired + (view.references > 0) != 1)
      problems.push_back("invariant 1: " + pageName(page) + " is not exactly one of free, retired and referenced");
  }
  if (free != snapshot.available || retired != snapshot.retired)
    problems.push_back("invariant 1: the pool counts " + std::to_string(snapshot.available) + " free pages and " + std::to_string(snapshot.retired) +
                       " retired ones, there are " + std::to_string(free) + " and " + std::to_string(retired));
  if (snapshot.isIdle && free != static_cast<int32_t>(snapshot.pages.size())) problems.push_back("invariant 1: not all pages are free at idle");
}

/// 2. No step in flight reads or writes a free page, or writes one that is somebody else's.
void checkInFlight(const Snapshot& snapshot, Problems& problems) {
  for (const StepPlan& plan : snapshot.inFlight) {
    const std::string step = "step " + std::to_string(plan.step);
    for (int32_t page : plan.table)
      if (page != kNoPage && snapshot.pages[page].isFree) problems.push_back("invariant 2: " + step + " in flight sees free " + pageName(page));
    for (size_t i = 0; i < plan.slots.size(); ++i) {
      const int32_t page = plan.slots[i] / kPageTokens;
      const PlannedSequence& sequence = plan.sequences[plan.sequence[i]];
      if (snapshot.pages[page].isFree) problems.push_back("invariant 2: " + step + " in flight writes free " + pageName(page));
      for (const RequestView& request : snapshot.requests)
        if (std::ranges::count(request.pages, page) > 0 && (request.id != sequence.request || request.epoch != sequence.epoch))
          problems.push_back("invariant 2: " + step + " in flight writes " + pageName(page) + " of another request");
    }
    for (const PageCopy& copy : plan.copies)
      if (snapshot.pages[copy.from].isFree || snapshot.pages[copy.to].isFree) problems.push_back("invariant 2: " + step + " copies a free page");
  }
}

/// 3. What is published is written by settled steps, finite, and what its tokens say; no step in flight writes it.
void checkPublished(const Snapshot& snapshot, Problems& problems) {
  for (size_t page = 0; page < snapshot.pages.size(); ++page) {
    const PageView& view = snapshot.pages[page];
    if (!view.isPublished) continue;
    for (int32_t row = 0; row < kPageTokens; ++row) {
      const ToyKey& key = view.keys[row];
      if (view.writer[row] > snapshot.settled) problems.push_back("invariant 3: published " + pageName(page) + " has a row that has not settled");
      if (key.isPoisoned) problems.push_back("invariant 3: published " + pageName(page) + " has a row that is not finite");
      if (!view.draftKeys.empty() && view.draftKeys[row] != key) problems.push_back("invariant 3: published " + pageName(page) + " lacks a key of the draft model");
      if (key.token != view.tokens[row] || key.position % kPageTokens != row || key.position / kPageTokens != view.keys[0].position / kPageTokens)
        problems.push_back("invariant 3: published " + pageName(page) + " does not hold its tokens");
    }
    for (const StepPlan& plan : snapshot.inFlight)
      for (int32_t slot : plan.slots)
        if (slot / kPageTokens == static_cast<int32_t>(page)) problems.push_back("invariant 3: published " + pageName(page) + " is written");
  }
}

/// 4. Who shares a page has the same tokens up to its end, at the same place, and the same salt.
void checkSharing(const Snapshot& snapshot, Problems& problems) {
  std::map<int32_t, std::pair<const RequestView*, size_t>> first;
  for (const RequestView& request : snapshot.requests)
    for (size_t entry = 0; entry < request.pages.size(); ++entry) {
      const auto [found, isNew] = first.try_emplace(request.pages[entry], &request, entry);
      if (isNew) continue;
      const auto [other, otherEntry] = found->second;
      const size_t end = (entry + 1) * kPageTokens;
      const bool isEqual = entry == otherEntry && request.tokens.size() >= end && other->tokens.size() >= end &&
                           std::equal(request.tokens.begin(), request.tokens.begin() + static_cast<ptrdiff_t>(end), other->tokens.begin());
      if (!isEqual) problems.push_back("invariant 4: " + pageName(found->first) + " is shared by different tokens");
      if (!(request.salt == other->salt)) problems.push_back("invariant 4: " + pageName(found->first) + " is shared by different salts");
    }
}

/// 10. A page waits only for steps that are in flight.
void checkRetired(const Snapshot& snapshot, Problems& problems) {
  for (size_t page = 0; page < snapshot.pages.size(); ++page) {
    const PageView& view = snapshot.pages[page];
    if (view.isRetired && (view.fence <= snapshot.settled || view.fence > snapshot.launched))
      problems.push_back("invariant 10: retired " + pageName(page) + " waits for step " + std::to_string(view.fence) + ", settled are " +
                         std::to_string(snapshot.settled) + " of " + std::to_string(snapshot.launched));
  }
}

bool isSame(const RowDraw& a, const RowDraw& b) {
  return a.inverseTemperature == b.inverseTemperature && a.topK == b.topK && a.topP == b.topP && a.minP == b.minP && a.u == b.u;
}

/// 12. Who draws a token, and how, follows from its request alone.
void checkDraws(const Launch& launch, Problems& problems) {
  const StepPlan& plan = launch.plan;
  const std::string step = "step " + std::to_string(plan.step);
  if (plan.wantsLogits != launch.hasDrawn) problems.push_back("invariant 12: " + step + (plan.wantsLogits ? " asks for logits in vain" : " lacks logits"));
  if (plan.draws.size() != (launch.hasPicked ? launch.draws.size() : 0))
    problems.push_back("invariant 12: " + step + " asks for " + std::to_string(plan.draws.size()) + " tokens of " + std::to_string(launch.draws.size()) + " rows");
  for (size_t row = 0; row < std::min(plan.draws.size(), launch.draws.size()); ++row)
    if (!isSame(plan.draws[row], launch.draws[row])) problems.push_back("invariant 12: " + step + " draws the token behind row " + std::to_string(row) + " in another way");
}

} // namespace

Problems problemsOf(const Snapshot& snapshot) {
  Problems problems;
  checkOwnership(snapshot, problems);
  checkInFlight(snapshot, problems);
  checkPublished(snapshot, problems);
  checkSharing(snapshot, problems);
  checkRetired(snapshot, problems);
  return problems;
}

Problems problemsOf(const Snapshot& before, const Snapshot& after) {
  Problems problems;
  const auto isCached = [](const PageView& view) { return view.isFree && view.isPublished; };
  if (before.now_s != after.now_s) return problems;
  for (size_t gone = 0; gone < before.pages.size(); ++gone) {
    const PageView& taken = before.pages[gone];
    if (!isCached(taken) || (after.pages[gone].isPublished && after.pages[gone].hash == taken.hash)) continue;
    for (size_t page = 0; page < before.pages.size(); ++page) {
      const PageView &was = before.pages[page], &is = after.pages[page];
      // All the time it was free, and in the same list.
      if (!isCached(was) || !isCached(is) || was.freed != is.freed || !(was.hash == is.hash)) continue;
      if (is.kept < taken.kept || (is.kept == taken.kept && was.freed < taken.freed))
        problems.push_back("invariant 11: " + pageName(gone) + " of retention " + std::to_string(taken.kept) + " was taken, and " + pageName(page) + " of retention " +
                           std::to_string(is.kept) + " was not");
    }
  }
  return problems;
}

Problems problemsOf(const Launch& launch) {
  const auto& [plan, pages, limits, seenBefore, draws, hasPicked, hasDrawn] = launch;
  Problems problems;
  const std::string step = "step " + std::to_string(plan.step);
  checkDraws(launch, problems);
  // 5. Each sequence computes a token at least, into pages of its own that are not published.
  for (const PlannedSequence& sequence : plan.sequences)
    if (sequence.tokens - sequence.drafts < 1 || sequence.wanted != 1 + sequence.drafts)
      problems.push_back("invariant 5: " + step + " computes nothing for request " + std::to_string(sequence.request));
  for (int32_t slot : plan.slots) {
    const PageView& page = pages[slot / kPageTokens];
    if (page.references != 1 || page.isPublished) problems.push_back("invariant 5: " + step + " writes a page that is not private");
  }
  // 6. Never more tokens than the budget, nor more of prompts than allowed while somebody decodes.
  if (plan.tokens.size() > static_cast<size_t>(limits.tokenBudget))
    problems.push_back("invariant 6: " + step + " has " + std::to_string(plan.tokens.size()) + " tokens, the budget is " +
                       std::to_string(limits.tokenBudget));
  int32_t prefill = 0, decoders = 0;
  for (const PlannedSequence& sequence : plan.sequences) {
    const bool decodes = sequence.samples && sequence.tokens - sequence.drafts == 1;
    if (decodes && seenBefore.contains({sequence.request, sequence.epoch})) ++decoders;
    if (!decodes) prefill += sequence.tokens;
  }
  if (decoders > 0 && prefill > limits.prefillWhileDecoding)
    problems.push_back("invariant 6: " + step + " has " + std::to_string(prefill) + " tokens of prompts while " + std::to_string(decoders) +
                       " requests decode, allowed are " + std::to_string(limits.prefillWhileDecoding));
  return problems;
}

} // namespace jinx::engine

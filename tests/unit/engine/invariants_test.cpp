// The invariants of the simulator see what they are for: states of real schedules are broken in one place each, and that invariant must be named.
#include <algorithm>

#include "gtest/gtest.h"
#include "tests/unit/engine/Simulator.h"

namespace jinx::engine {
namespace {

bool isNamed(const std::vector<std::string>& problems, const std::string& invariant) {
  return std::ranges::any_of(problems, [&](const std::string& problem) { return problem.starts_with("invariant " + invariant + ":"); });
}

/// Breaks a copy of every state of 200 schedules in which `damage` finds something to break. \returns how many were told, of how many
template <typename State, typename Damage>
std::pair<int, int> plant(std::vector<State>* SimulationOptions::*sink, const std::string& invariant, Damage damage) {
  int told = 0, planted = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::vector<State> states;
    SimulationOptions options;
    options.*sink = &states;
    EXPECT_TRUE(simulate(seed, options).problems.empty());
    for (State& state : states) {
      EXPECT_TRUE(problemsOf(state).empty());
      if (!damage(state)) continue;
      ++planted;
      told += isNamed(problemsOf(state), invariant);
    }
  }
  return {told, planted};
}

void expectTold(const std::string& invariant, bool (*damage)(Snapshot&)) {
  const auto [told, planted] = plant(&SimulationOptions::snapshots, invariant, damage);
  EXPECT_EQ(told, planted);
  EXPECT_GE(planted, 10);
}
void expectLaunchTold(const std::string& invariant, bool (*damage)(Launch&)) {
  const auto [told, planted] = plant(&SimulationOptions::launches, invariant, damage);
  EXPECT_EQ(told, planted);
  EXPECT_GE(planted, 10);
}

PageView* firstPage(Snapshot& state, bool (*fits)(const PageView&)) {
  const auto found = std::ranges::find_if(state.pages, fits);
  return found == state.pages.end() ? nullptr : &*found;
}

TEST(Invariants, TakenOutOfTurn) {
  int planted = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::vector<Snapshot> states;
    SimulationOptions options;
    options.snapshots = &states;
    EXPECT_TRUE(simulate(seed, options).problems.empty());
    for (size_t i = 1; i < states.size(); ++i) {
      Snapshot &before = states[i - 1], &after = states[i];
      if (before.now_s != after.now_s) continue;
      // A page that went, and one that stayed where it was: as if the second one had been wanted less, or as much and had been there longer.
      const auto isCached = [](const PageView& view) { return view.isFree && view.isPublished; };
      size_t taken = 0, stays = 0;
      while (taken < before.pages.size() && !(isCached(before.pages[taken]) && !after.pages[taken].isPublished))
        ++taken;
      while (stays < before.pages.size() && !(isCached(before.pages[stays]) && isCached(after.pages[stays]) && before.pages[stays].freed == after.pages[stays].freed))
        ++stays;
      if (taken == before.pages.size() || stays == before.pages.size()) continue;
      ++planted;
      EXPECT_TRUE(problemsOf(before, after).empty());
      after.pages[stays].kept = before.pages[taken].kept - 1;
      EXPECT_TRUE(isNamed(problemsOf(before, after), "11"));
      after.pages[stays].kept = before.pages[taken].kept;
      before.pages[stays].freed = after.pages[stays].freed = 0;
      EXPECT_TRUE(isNamed(problemsOf(before, after), "11"));
      break; // the states after this one are damaged
    }
  }
  std::printf("  %d planted\n", planted);
  EXPECT_GE(planted, 10);
}

TEST(Invariants, LostReference) {
  expectTold("1", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.references > 0; });
    return page && (--page->references, true);
  });
}

TEST(Invariants, FreeAndReferenced) {
  expectTold("1", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.references > 0; });
    return page && (page->isFree = true);
  });
}

TEST(Invariants, LeakedPageAtIdle) {
  expectTold("1", [](Snapshot& state) {
    if (!state.isIdle) return false;
    state.pages[0].isFree = false;
    state.pages[0].references = 1;
    return true;
  });
}

TEST(Invariants, FreedWhileWritten) {
  expectTold("2", [](Snapshot& state) {
    if (state.inFlight.empty()) return false;
    PageView& page = state.pages[state.inFlight[0].slots[0] / kPageTokens];
    page.references = 0;
    page.isRetired = false;
    return page.isFree = true;
  });
}

TEST(Invariants, GivenAwayWhileWritten) {
  expectTold("2", [](Snapshot& state) {
    if (state.inFlight.empty() || state.requests.size() < 2) return false;
    const PlannedSequence& owner = state.inFlight[0].sequences[0];
    for (RequestView& request : state.requests)
      if (request.id != owner.request) {
        request.pages.push_back(state.inFlight[0].slots[0] / kPageTokens);
        return true;
      }
    return false;
  });
}

TEST(Invariants, PublishedBeforeItSettled) {
  expectTold("3", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.isPublished; });
    return page && (page->writer[5] = state.settled + 1);
  });
}

TEST(Invariants, PublishedNan) {
  expectTold("3", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.isPublished; });
    return page && (page->keys[15].isPoisoned = true);
  });
}

TEST(Invariants, PublishedUnderOtherTokens) {
  expectTold("3", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.isPublished; });
    return page && (page->tokens[0] ^= 1, true);
  });
}

/// Two requests that share a page, or nulls.
std::pair<RequestView*, RequestView*> sharing(Snapshot& state) {
  for (RequestView& a : state.requests)
    for (RequestView& b : state.requests)
      if (&a < &b && !a.pages.empty() && !b.pages.empty() && a.pages[0] == b.pages[0]) return {&a, &b};
  return {nullptr, nullptr};
}

TEST(Invariants, SharedByOtherTokens) {
  expectTold("4", [](Snapshot& state) {
    RequestView* request = sharing(state).second;
    return request && (request->tokens[3] ^= 1, true);
  });
}

TEST(Invariants, SharedByOtherTenants) {
  expectTold("4", [](Snapshot& state) {
    RequestView* request = sharing(state).first;
    return request && (request->salt.tenant += 7);
  });
}

TEST(Invariants, RetiredForEver) {
  expectTold("10", [](Snapshot& state) {
    PageView* page = firstPage(state, [](const PageView& view) { return view.isRetired; });
    return page && (page->fence = state.launched + 1);
  });
}

TEST(Invariants, WritesASharedPage) {
  expectLaunchTold("5", [](Launch& launch) { return (launch.pages[launch.plan.slots.back() / kPageTokens].references = 2) > 0; });
}

TEST(Invariants, WritesAPublishedPage) {
  expectLaunchTold("5", [](Launch& launch) { return launch.pages[launch.plan.slots.back() / kPageTokens].isPublished = true; });
}

TEST(Invariants, FullHitWithoutAToken) {
  expectLaunchTold("5", [](Launch& launch) {
    PlannedSequence& sequence = launch.plan.sequences.back();
    sequence.tokens = sequence.drafts;
    return true;
  });
}

TEST(Invariants, MoreThanTheBudget) {
  expectLaunchTold("6", [](Launch& launch) {
    launch.limits.tokenBudget = static_cast<int32_t>(launch.plan.tokens.size()) - 1;
    return true;
  });
}

TEST(Invariants, PromptsThatStallDecoders) {
  expectLaunchTold("6", [](Launch& launch) {
    bool decodes = false;
    PlannedSequence* prompt = nullptr;
    for (PlannedSequence& sequence : launch.plan.sequences) {
      const bool isOne = sequence.samples && sequence.tokens - sequence.drafts == 1;
      decodes |= isOne && launch.seenBefore.contains({sequence.request, sequence.epoch});
      if (!isOne) prompt = &sequence;
    }
    if (!decodes || !prompt) return false;
    prompt->tokens += launch.limits.prefillWhileDecoding;
    return true;
  });
}

TEST(Invariants, DrawsByTheBatch) {
  expectLaunchTold("12", [](Launch& launch) {
    const auto drawn = std::ranges::find_if(launch.plan.draws, [](const RowDraw& draw) { return !draw.isGreedy(); });
    if (drawn == launch.plan.draws.end()) return false;
    drawn->u += 0x1p-23f;
    return true;
  });
}

TEST(Invariants, PicksWhatOthersDraw) {
  expectLaunchTold("12", [](Launch& launch) { return launch.hasPicked && std::exchange(launch.plan.wantsLogits, false); });
}

TEST(Invariants, DrawsWhatTheModelPicks) {
  expectLaunchTold("12", [](Launch& launch) {
    if (launch.plan.draws.empty()) return false;
    launch.plan.draws.clear();
    return true;
  });
}

} // namespace
} // namespace jinx::engine

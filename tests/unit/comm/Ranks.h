// Threads as ranks: each runs the body with its communicator, which is destroyed when the body ends.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/comm/VirtualWorld.h"
#include "gtest/gtest.h"

namespace jinx::comm::test {

/// What each rank's body says, by rank.
inline std::vector<std::string> onEveryRank(int size, const WorldOptions& options, const std::function<std::string(Communicator&)>& body) {
  auto world = VirtualWorld::create(size, options);
  std::vector<std::string> said(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      auto comm = (*world)->communicator(rank);
      said[static_cast<size_t>(rank)] = comm ? body(**comm) : comm.status().message();
    });
  for (std::thread& thread : threads)
    thread.join();
  return said;
}

inline std::unique_ptr<Communicator> rankOf(const std::shared_ptr<VirtualWorld>& world, int rank) { return std::move(*world->communicator(rank)); }

/// No rank waits so long in a test that is right.
inline constexpr WorldOptions kPatient{.timeout = std::chrono::minutes(5)};
/// For tests of ranks that never come; long enough for those that do, on a busy machine.
inline constexpr WorldOptions kHasty{.timeout = std::chrono::milliseconds(1000)};

inline void expectAllSay(const std::vector<std::string>& said, const std::vector<std::string>& parts) {
  for (size_t rank = 0; rank < said.size(); ++rank)
    for (const std::string& part : parts)
      EXPECT_NE(said[rank].find(part), std::string::npos) << "rank " << rank << " says \"" << said[rank] << "\", expected \"" << part << "\" in it";
}
/// Whichever error is the first, it is everybody's.
inline void expectAllSayTheSame(const std::vector<std::string>& said) {
  for (const std::string& text : said)
    EXPECT_EQ(text, said[0]);
  EXPECT_FALSE(said[0].empty());
}

} // namespace jinx::comm::test

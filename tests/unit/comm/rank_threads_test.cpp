// Ranks as threads: whose error is told, and what happens where the system has no thread for a rank.
#include "runtime/comm/RankThreads.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/comm/Ranks.h"

namespace jinx::comm::test {
namespace {

/// While it is there, threads have large stacks, and there is memory for few of them.
class FewThreads {
 public:
  FewThreads() {
    pthread_getattr_default_np(&usual_);
    pthread_attr_t large = usual_;
    pthread_attr_setstacksize(&large, kStack);
    pthread_setattr_default_np(&large);
    getrlimit(RLIMIT_AS, &limit_);
    rlimit few = limit_;
    few.rlim_cur = std::min(limit_.rlim_cur, memory() + 5 * kStack / 2);
    setrlimit(RLIMIT_AS, &few);
  }
  ~FewThreads() {
    setrlimit(RLIMIT_AS, &limit_);
    pthread_setattr_default_np(&usual_);
  }

 private:
  static constexpr size_t kStack = size_t{256} << 20;
  static rlim_t memory() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  }
  pthread_attr_t usual_;
  rlimit limit_;
};

TEST(RankThreads, OwnErrorsAreToldBeforeRepeatedOnes) {
  const Status status = comm::onEveryRank(
      4,
      [](int rank) {
        if (rank == 0) return Status::ok();
        return resourceError(rank == 2 ? "no memory" : "rank 2 has failed: no memory");
      },
      [](int, const Status&) {});
  EXPECT_EQ(status.message(), "rank 2: no memory");
}

TEST(RankThreads, RanksDoNotWaitForOneWithoutAThread) {
  constexpr int kRanks = 16;
  auto world = *VirtualWorld::create(kRanks, kPatient);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int rank = 0; rank < kRanks; ++rank)
    ranks.push_back(rankOf(world, rank));
  std::vector<std::string> said(kRanks);
  const FewThreads few;
  const Status status = comm::onEveryRank(
      kRanks,
      [&](int rank) {
        const Status own = ranks[static_cast<size_t>(rank)]->run({.count = 0, .isPatient = true}, nullptr, nullptr);
        said[static_cast<size_t>(rank)] = own.message();
        return own;
      },
      [&](int rank, const Status& why) { ranks[static_cast<size_t>(rank)]->abort(why); });
  EXPECT_EQ(status.code(), Code::kResource);
  EXPECT_EQ(status.message().find("cannot start a thread for rank "), 0u) << status.message();
  EXPECT_EQ(said[0], ""); // has not begun
  for (const std::string& text : said)
    if (!text.empty()) EXPECT_NE(text.find(" has failed: " + status.message()), std::string::npos) << text;
}

} // namespace
} // namespace jinx::comm::test

#include "runtime/comm/RankThreads.h"

#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace jinx::comm {
namespace {

/// The one that others only repeat.
Status firstCause(std::span<const Status> statuses) {
  const Status* found = nullptr;
  size_t at = 0;
  for (size_t rank = 0; rank < statuses.size(); ++rank) {
    if (statuses[rank].isOk()) continue;
    const bool repeats = statuses[rank].message().find(" has failed: ") != std::string::npos;
    if (!repeats || !found) found = &statuses[rank], at = rank;
    if (!repeats) break;
  }
  return found ? Status(*found).withContext("rank " + std::to_string(at)) : Status::ok();
}

} // namespace

Expected<std::thread> startRank(int rank, int ranks, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return resourceError("cannot start a thread for rank " + std::to_string(rank) + " of " + std::to_string(ranks) +
                         ": " + error.code().message() + "; take fewer ranks, or raise the limit of threads or memory");
  }
}

Status onEveryRank(int ranks, const std::function<Status(int rank)>& body,
                   const std::function<void(int rank, const Status& why)>& abort) {
  std::vector<Status> statuses(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  Status all;
  for (int rank = 1; rank < ranks && all.isOk(); ++rank) {
    auto thread = startRank(rank, ranks, [&, rank] { statuses[static_cast<size_t>(rank)] = body(rank); });
    if (thread)
      threads.push_back(std::move(*thread));
    else
      abort(rank, all = thread.status());
  }
  if (all.isOk()) statuses[0] = body(0);
  for (std::thread& thread : threads)
    thread.join();
  return all.isOk() ? firstCause(statuses) : all;
}

} // namespace jinx::comm

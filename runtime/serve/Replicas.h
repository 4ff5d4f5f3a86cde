// Which of several servers of the same model gets a request?
//
// The one that has most likely seen its beginning: requests with equal beginnings go to the same replica, which has their pages. Where that one has much more to do
// than another, the other one gets it. Replicas that did not answer are tried last for a while.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::serve {

struct ReplicaAddress {
  std::string host;
  std::string port;
};
/// http://HOST:PORT, or HOST:PORT; kInvalidArgument for anything else.
Expected<ReplicaAddress> parseReplica(std::string_view url);

/// Safe to use from several threads.
class Replicas {
 public:
  explicit Replicas(std::vector<ReplicaAddress> addresses);

  size_t size() const { return addresses_.size(); }
  const ReplicaAddress& address(size_t replica) const { return addresses_[replica]; }
  /// All replicas, in the order in which to try them.
  std::vector<size_t> order(uint64_t affinity, double now_s) const;
  void begin(size_t replica);
  void end(size_t replica);
  /// It did not answer.
  void fail(size_t replica, double now_s);
  int64_t running(size_t replica) const;

 private:
  static constexpr double kRestSeconds = 5; ///< of one that did not answer
  static constexpr int64_t kMoreAllowed = 4; ///< requests that the preferred one may have more than the least busy one, beside half as many again
  struct State {
    int64_t running = 0;
    double restsUntil_s = 0;
  };
  const std::vector<ReplicaAddress> addresses_;
  mutable std::mutex mutex_;
  std::vector<State> states_;
};

/// A number for the beginning of a request: equal for requests whose first texts are equal, and whose clients have the same key.
uint64_t affinityOf(std::string_view body, std::string_view authorization);

} // namespace jinx::serve

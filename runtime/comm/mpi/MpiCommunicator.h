// A rank as a process that mpirun or srun has started.
//
// Two threads share one lock, under which all of MPI is called: the caller's, and a *monitor* that moves calls in
// flight along while kernels run, and answers other ranks' messages (Control.h). So a rank can say where it is while
// its own thread computes, or waits.
//
// A wait that is over its time asks the members where they are, tells all ranks what is wrong, and returns it. After
// that the rank calls MPI no more, not even MPI_Finalize: buffers of calls that were left in flight may be freed. A
// process that ends so, with a status that is not 0, makes mpirun end the others (srun: with --kill-on-bad-exit=1).
#pragma once

#include <mpi.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "runtime/comm/Groups.h"
#include "runtime/comm/OpenCommunicator.h"
#include "runtime/comm/Watch.h"
#include "runtime/comm/mpi/Control.h"
#include "runtime/comm/mpi/Flight.h"

namespace jinx::comm {

class MpiCommunicator final : public Communicator {
 public:
  static Expected<std::unique_ptr<MpiCommunicator>> open(const OpenOptions& options);
  ~MpiCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  Expected<int> makeGroup(std::span<const int> ranks) override;
  std::span<const int> members(int group) const override {
    return groups_.has(group) ? groups_.members(group) : std::span<const int>();
  }
  Expected<Ticket> start(const Call& call, const void* in, void* out) override;
  Status wait(Ticket ticket) override;
  void abort(const Status& why) override;
  Traffic traffic() const override { return traffic_; }
  std::string recentCalls() const override { return watch_.print(); }
  Status status() const override {
    Lock lock(mutex_);
    return error_;
  }
  void answerWith(Answer answer) override;
  std::vector<Whereabouts> ask(std::span<const int> ranks, uint64_t order) override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Queue = std::deque<std::shared_ptr<Flight>>;

  MpiCommunicator(const OpenOptions& options, int rank, int size, bool finalizes);
  void monitor();
  void progress();
  void answer(const Message& message);
  void breakWith(const Status& why);
  void hear(const Message& message);
  Status stopped(const std::string& where);
  Status barrier(MPI_Comm comm, const std::string& what, Lock& lock);
  Route routeOf(const Call& call);
  Expected<MPI_Comm> meet(std::span<const int> ranks, Lock& lock);
  Status goneMember(const Flight& flight);
  Status timedOut(const Flight& flight, Clock::time_point begin, Lock& lock);
  void question(std::span<const int> ranks, uint64_t order, int64_t number, const std::function<bool()>& isOver,
                Lock& lock);
  void finish();

  OpenOptions options_;
  const int rank_, size_;
  const bool finalizes_;
  Watch watch_;
  Groups groups_; // the caller's thread alone
  Traffic traffic_;

  mutable std::mutex mutex_; // guards MPI and all below
  std::condition_variable ending_;
  bool ends_ = false;
  Status error_;
  std::optional<Clock::time_point> signalled_; // when `options_.stop` was first seen
  Control control_;
  std::vector<MPI_Comm> comms_;                        // by group
  std::map<uint64_t, int64_t> started_;                // calls by order
  std::map<uint64_t, Queue> queues_;                   // by order; the first moves
  std::map<int64_t, std::shared_ptr<Flight>> flights_; // by ticket
  int64_t nextTicket_ = 0;
  Answer answer_;                                       // of a world over this one
  std::set<int> finished_;                              // ranks that have made all their calls
  std::map<uint64_t, std::set<int>> makers_;            // of groups: who has said that it makes it
  std::map<std::pair<int, uint64_t>, Message> answers_; // by rank and order
  std::set<std::pair<int, uint64_t>> asked_;
  std::thread monitor_;
};

} // namespace jinx::comm

// One call on its way through MPI: steps of nonblocking operations, one after the other.
//
//   all_reduce of 10 elements on four ranks, as rank 1 makes it
//     compare    MPI_Iallgather of 16 bytes: a hash of the call, so that calls that differ end here (and exchange their texts)
//     move       MPI_Ialltoallv: elements 3 to 5 of everybody's `in` arrive, in the order of the ranks
//     (sum)      here, in that order, 16-bit floats in f32
//     gather     MPI_Iallgatherv: everybody's sums arrive in `out`
//
// Why not MPI_Iallreduce: its sums are made in an order that depends on the number of ranks, the size and the library, MPI has no 16-bit floats, and an
// operation of one's own rounds after each pair. This sends the same bytes as a ring, 2(n-1)/n S, and gives the same bits everywhere: those of a virtual world.
//
// Calls of one order (a group's collectives; the sends from one rank to another) go through one after the other, since MPI asks that
// collectives of a communicator are called in one order, and a call's later steps are called when its earlier ones are done. Calls of different
// orders overlap, and all overlap the caller's kernels.
#pragma once

#include <mpi.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/comm/Calls.h"

namespace jinx::comm {

/// Where a call goes: a communicator of MPI, the members' ranks in the world, this one's place.
struct Route {
  MPI_Comm comm = MPI_COMM_NULL;
  std::span<const int> ranks;
  int place = 0;
  uint64_t order = 0; ///< that which the call belongs to
  int64_t number = 0; ///< its place in it
};

/// kInvalidArgument for counts beyond what MPI counts with 31 bits.
Status checkMpiCall(const Call& call, int place, int n);

class Flight {
 public:
  Flight(const Call& call, const Route& route, const void* in, void* out, bool compares);
  ~Flight() = default;
  Flight(const Flight&) = delete;

  const Call& call() const { return call_; }
  const Route& route() const { return route_; }
  /// Goes on as far as it can without waiting; not before those in front of it in its order are done.
  Status poke();
  bool done() const { return step_ == Step::kDone; }

 private:
  enum class Step : uint8_t { kStart, kCompare, kTexts, kMove, kGather, kDone };
  static constexpr size_t kTextBytes = 256;
  /// What a call is compared by.
  struct Header {
    uint64_t hash = 0;
    int64_t sequence = 0;
  };
  struct Letter {
    Header header;
    std::array<char, kTextBytes> text = {};
  };
  Letter letter() const;
  int n() const { return static_cast<int>(route_.ranks.size()); }
  int64_t bytes(int64_t elements) const { return packedBytes(call_.dtype, elements); }
  MPI_Datatype type() const;
  int units(int64_t elements) const { return static_cast<int>(bytes(elements) / std::max(1, bitWidth(call_.dtype) / 8)); }
  MPI_Request* request() { return &requests_.emplace_back(MPI_REQUEST_NULL); }

  Status next();
  Status compare();
  Status judge();
  Status judgeTexts() const;
  Status judgeLetter() const;
  Status move();
  Status moveParts();
  Status moveDifferent();
  Status permute();
  Status sum();

  Call call_;
  Route route_;
  const std::byte* in_;
  std::byte* out_;
  bool compares_;
  Step step_ = Step::kStart;
  std::vector<MPI_Request> requests_; // of the present step
  std::vector<Header> headers_;       // everybody's; the own one is sent
  std::vector<Letter> letters_;
  std::vector<int64_t> counts_; // all_to_all_v: what members mean to send
  Header own_;
  Letter ownLetter_;
  std::vector<std::byte> parts_; // of this member, from everybody
  std::vector<int> counts32_, places32_, otherCounts32_, otherPlaces32_;
};

} // namespace jinx::comm

// What ranks tell each other beside their data: who has failed, who has finished, and, when a wait is over its time, where everybody is.
//
//   rank 4: ask {order, number 12}      ->  rank 6       "how many calls of this order have you started, and what are you doing?"
//   rank 6: answer {order, 11, "last done #11 all_gather f32[512] of /layer.3/up, ranks 4, 5, 6, 7"}  ->  rank 4
//
// Messages are short and sent without waiting, on a communicator of their own. A rank that does not answer has gone or was stopped: every rank has a thread
// that answers, whatever its calls do.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::comm {

/// What MPI says: ok, or kResource with the call's name and MPI's text.
Status mpiStatus(int code, const char* call);

struct Message {
  enum class Kind : int { kAsk, kAnswer, kBroken, kHeard, kFinished, kMakesGroup };
  Kind kind = Kind::kAsk;
  int from = 0;
  uint64_t order = 0; ///< of a group's collectives, or of the sends between two ranks: a hash that all members have alike
  int64_t number = 0; ///< ask: the call that is waited for; answer: calls that were started; broken: the code
  std::string text;
};

class Control {
 public:
  Status open(MPI_Comm world);
  void send(int to, const Message& message);
  std::optional<Message> receive();
  /// Whether all that was sent has left.
  bool sent();
  void close();

 private:
  struct Outgoing {
    std::vector<char> bytes;
    MPI_Request request;
  };
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::list<Outgoing> outgoing_;
};

} // namespace jinx::comm

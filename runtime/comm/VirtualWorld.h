// A world whose ranks are threads of one process: the gate of all tests, and the definition of what every other world does.
//
//   auto world = *VirtualWorld::create(4, {.timeout = std::chrono::seconds(30)});
//   for (int rank = 0; rank < 4; ++rank)
//     threads.emplace_back([&, rank] {
//       auto comm = world->communicator(rank);          // this thread's; destroyed when the rank has made all its calls
//       …
//     });
//
// Ranks read each other's memory, as much as a ring would send, and count it where it is read. `start` leaves call and buffers and waits
// for nobody. `wait` sleeps until all members have started the call and then does the work with those who wait, or alone: it never needs
// another rank to wait, too. So calls may be waited for in any order.
//
// A wait ends with an error when members' calls differ, when a member has gone (its communicator is destroyed), when one has failed
// (`abort`), or when a member has not come within the timeout. The first error breaks the world: it is everybody's from then on.
#pragma once

#include <chrono>
#include <memory>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

struct WorldOptions {
  std::chrono::milliseconds timeout = std::chrono::minutes(5); ///< of a wait for members that have not come
};

class VirtualWorld : public std::enable_shared_from_this<VirtualWorld> {
 public:
  /// kInvalidArgument for less than one rank.
  static Expected<std::shared_ptr<VirtualWorld>> create(int size, const WorldOptions& options = {});
  ~VirtualWorld();

  int size() const;
  /// The rank's end, once. It keeps the world alive. kInvalidArgument for a rank that is not there or was given out. Thread-safe.
  Expected<std::unique_ptr<Communicator>> communicator(int rank);

  struct State;

 private:
  explicit VirtualWorld(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace jinx::comm

// What is known about a block's shared memory beyond its values: who wrote and read each word last and whether that is ordered
// (Knowledge.h), what may not be read at all, and how the banks were used.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/device/emulated/Emulator.h"
#include "runtime/device/emulated/Knowledge.h"

namespace jinx::emulated {

/// Something that an actor did, or will have done: a bulk load is the event that ends its mbarrier's phase.
struct Event {
  uint32_t actor = 0;
  Clock when = 0;  ///< 0: none
  int line = 0;
};

/// Why an access must not be.
struct Hazard {
  enum Kind {
    kNeverWritten,
    kReleased,       ///< its stage was given back
    kCopyInFlight,   ///< cp.async that its thread has not waited for
    kUnseenWrite,    ///< an earlier write that nothing orders before this access
    kUnseenRead,     ///< an earlier read that nothing orders before this write
    kUnfenced        ///< an ordinary write that no proxy fence follows
  };
  Kind kind;
  unsigned address;
  Event other;
};

class SharedShadow {
 public:
  enum class Proxy { kGeneric, kAsync };
  struct Access {
    unsigned address, bytes;
    Event event;
    Proxy proxy = Proxy::kGeneric;
  };

  void reset(unsigned windowBytes, unsigned threads, bool countConflicts);
  std::optional<Hazard> read(const Access &access, const Knowledge &who);
  std::optional<Hazard> write(const Access &access, const Knowledge &who);
  /// Nobody may read or write these bytes until `copyArrived`.
  std::optional<Hazard> startCopy(const Access &access, const Knowledge &who);
  void copyArrived(unsigned address, unsigned bytes, Event event);
  /// Nobody may read these bytes until they are written again.
  void release(unsigned address, unsigned bytes, int line);

  /// Notes an access of one lane for the bank count; accesses of a warp's lanes belong together by line and repetition.
  void access(unsigned thread, unsigned address, unsigned bytes, int line);
  /// Adds what was counted to `report`, also accesses in which not all lanes took part.
  void collect(std::map<int, BankConflicts> &report);

 private:
  enum class State : uint8_t { kNeverWritten, kWritten, kCopyInFlight, kReleased };
  struct Word {
    Event writer;
    Event reader;      ///< the last, or the only one
    int32_t more = -1; ///< index in `readers_` of further ones that do not know of each other
    State state = State::kNeverWritten;
    Proxy proxy = Proxy::kGeneric;
  };
  /// Readers of one word: few as a list, many by actor.
  struct Readers {
    std::vector<Event> few;
    std::vector<Event> many;
    void add(const Event &event);
  };
  struct Together {
    unsigned bytes = 0;
    std::vector<std::pair<unsigned, unsigned>> lanes;  ///< lane and address, in the order in which the threads came
  };
  void settle(int line, Together &together);
  /// Words of four bytes, until somebody touches less.
  void splitFor(const Access &access);
  std::optional<Hazard> checkWritable(const Word &word, unsigned address, const Access &access, const Knowledge &who) const;
  void forgetReaders(Word &word);

  unsigned granule_ = 4;
  std::vector<Word> words_;
  std::vector<Readers> readers_;
  bool counting_ = false;
  std::vector<std::unordered_map<int, uint32_t>> repetitions_;               ///< per thread, by line
  std::vector<std::map<std::pair<int, uint32_t>, Together>> open_;           ///< per warp
  std::map<int, BankConflicts> counts_;
};

}  // namespace jinx::emulated

// A library with NCCL's functions, for machines without GPUs: libjinx_fake_nccl.so, opened through JINX_NCCL. Buffers
// are the host's (an emulated device's), calls are carried out when they are made, and ranks, threads or processes,
// meet in a file of shared memory. It follows nccl.h's descriptions and shares no code with what it tests.
//
//   file     header: how many ranks are there, and whether somebody has aborted
//            of each rank: a counter of its steps, and room for what it shows the others
//            of each pair of ranks: a mailbox for sends
//
// A collective is three steps of each rank: show, meet, read, meet. Whoever waits looks at `aborted`.
//
// What NCCL's guide forbids ends the process with a message: a call on a communicator that was aborted or destroyed,
// two threads in operations on one, an abort or a destruction while a thread is in a call. One abort is not refused:
// that of an operation that waits for other ranks, which nothing else ends where communicators block.
//
// Tests see calls as they begin: `jinxFakeNcclOnCall` (FakeNccl.h).
#include "tests/unit/nccl/FakeNccl.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

enum Result { kSuccess = 0, kSystemError = 2, kInvalidArgument = 4, kInvalidUsage = 5, kRemoteError = 6 };
constexpr size_t kRoom = size_t{32} << 20, kMailRoom = size_t{1} << 20;
constexpr int kMostRanks = 8;

struct Seat {
  std::atomic<int64_t> steps;
  alignas(64) char room[kRoom];
};
struct Mailbox {
  std::atomic<int> full;
  size_t bytes;
  alignas(64) char room[kMailRoom];
};
struct World {
  std::atomic<int> ranks, aborted;
  Seat seats[kMostRanks];
  Mailbox mail[kMostRanks][kMostRanks]; // [from][to]
};

} // namespace

struct ncclUniqueId {
  char internal[128];
};
/// Never freed, so that calls on one that has gone are seen.
struct ncclComm {
  World* world = nullptr;
  int rank = 0, size = 0;
  int64_t steps = 0;
  // guarded by `books`
  const char* gone = nullptr;      // "aborted", "destroyed"
  const char* operation = nullptr; // in which a thread is
  int queries = 0;                 // threads
  std::atomic<bool> waits{false};  // the operation, for other ranks

  bool waitFor(auto&& isThere) {
    while (!isThere()) {
      waits = true;
      if (world->aborted) return false;
      std::this_thread::yield();
    }
    waits = false;
    return true;
  }
  bool meet() {
    world->seats[rank].steps = ++steps;
    return waitFor([&] {
      for (int i = 0; i < size; ++i)
        if (world->seats[i].steps < steps) return false;
      return true;
    });
  }
};

namespace {

using Comm = ncclComm;

std::mutex books;
std::mutex hookMutex;
JinxFakeNcclHook hook = nullptr;
void* hookContext = nullptr;

void tell(const char* call) {
  std::unique_lock lock(hookMutex);
  const JinxFakeNcclHook told = hook;
  void* const context = hookContext;
  lock.unlock();
  if (told) told(context, call);
}

[[noreturn]] void refuse(const char* call, const Comm& comm, const std::string& why) {
  std::fprintf(stderr, "the library that stands in for NCCL: %s on the communicator of rank %d, %s\n", call, comm.rank,
               why.c_str());
  std::abort();
}

void leaveMemory(Comm& comm) { // of a communicator that has gone, and in which no thread is
  if (!comm.gone || comm.operation || comm.queries > 0 || !comm.world) return;
  munmap(comm.world, sizeof(World));
  comm.world = nullptr;
}

/// A thread in a call.
class Inside {
 public:
  enum class Kind { kOperation, kQuery };
  Inside(Comm* comm, const char* call, Kind kind = Kind::kOperation) : comm_(*comm), kind_(kind) {
    {
      std::lock_guard lock(books);
      if (comm_.gone) refuse(call, comm_, std::string("which was ") + comm_.gone);
      if (kind_ == Kind::kOperation && comm_.operation)
        refuse(call, comm_, std::string("while another thread is in ") + comm_.operation);
      if (kind_ == Kind::kOperation) comm_.operation = call;
      if (kind_ == Kind::kQuery) ++comm_.queries;
    }
    tell(call);
  }
  ~Inside() {
    std::lock_guard lock(books);
    if (kind_ == Kind::kQuery) --comm_.queries;
    if (kind_ == Kind::kOperation) {
      comm_.operation = nullptr;
      comm_.waits = false;
    }
    leaveMemory(comm_);
  }
  Inside(const Inside&) = delete;

 private:
  Comm& comm_;
  Kind kind_;
};

int end(Comm* comm, const char* call, const char* how, bool aborts) {
  std::lock_guard lock(books);
  if (comm->gone) refuse(call, *comm, std::string("which was ") + comm->gone);
  if (comm->queries > 0) refuse(call, *comm, "while another thread is in ncclCommGetAsyncError");
  if (comm->operation && !(aborts && comm->waits))
    refuse(call, *comm, std::string("while another thread is in ") + comm->operation);
  comm->gone = how;
  if (aborts) comm->world->aborted = 1;
  leaveMemory(*comm);
  return kSuccess;
}

/// Sends and receives between ncclGroupStart and ncclGroupEnd.
struct Transfer {
  Comm* comm;
  bool isSend;
  const void* from;
  void* to;
  size_t bytes;
  int peer;
  bool isDone = false;
};
thread_local int depth = 0;
thread_local std::vector<Transfer> transfers;

World* mapped(const std::string& name, bool creates) {
  const int file = shm_open(name.c_str(), creates ? O_RDWR | O_CREAT : O_RDWR, 0600);
  if (file < 0) return nullptr;
  if (creates && ftruncate(file, sizeof(World)) != 0) return nullptr;
  void* at = mmap(nullptr, sizeof(World), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return at == MAP_FAILED ? nullptr : static_cast<World*>(at);
}

size_t widthOf(int type) {
  constexpr size_t kWidths[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return type >= 0 && type < 12 ? kWidths[type] : 0;
}

float fromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                              : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  if (exponent == 31) value = fraction ? std::nanf("") : INFINITY;
  return bits & 0x8000 ? -value : value;
}
uint16_t toHalf(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  value = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (value >= 65520.0f) return sign | 0x7c00;
  if (value < 0x1p-14f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(value, 24))));
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent); // [0.5, 1)
  const auto rounded = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));
  return static_cast<uint16_t>(sign + ((exponent + 13) << 10) + rounded);
}
float fromBrain(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
uint16_t toBrain(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename T>
T joined(int reduction, T a, T b) {
  switch (reduction) {
  case 0:
    return static_cast<T>(a + b);
  case 1:
    return static_cast<T>(a * b);
  case 2:
    return a > b || a != a ? a : b; // NaN is kept
  default:
    return a < b || a != a ? a : b;
  }
}
/// Unsigned: no overflow is undefined.
template <typename T, typename Wide>
T joinedInts(int reduction, T a, T b) {
  if (reduction == 0) return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
  if (reduction == 1) return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
  return joined(reduction, a, b);
}

/// out[i] = parts joined in the order of ranks.
template <typename T, typename Acc>
void join(const std::vector<const char*>& parts, size_t count, void* out, Acc (*load)(T), T (*store)(Acc),
          Acc (*add)(int, Acc, Acc), int reduction) {
  for (size_t i = 0; i < count; ++i) {
    T element;
    std::memcpy(&element, parts[0] + i * sizeof(T), sizeof(T));
    Acc sum = load(element);
    for (size_t r = 1; r < parts.size(); ++r) {
      std::memcpy(&element, parts[r] + i * sizeof(T), sizeof(T));
      sum = add(reduction, sum, load(element));
    }
    element = store(sum);
    std::memcpy(static_cast<char*>(out) + i * sizeof(T), &element, sizeof(T));
  }
}
template <typename T>
T same(T value) {
  return value;
}
template <typename T>
void joinFloats(const std::vector<const char*>& parts, size_t count, void* out, int reduction) {
  join<T, T>(parts, count, out, same<T>, same<T>, joined<T>, reduction);
}
template <typename T>
void joinInts(const std::vector<const char*>& parts, size_t count, void* out, int reduction) {
  join<T, T>(parts, count, out, same<T>, same<T>, joinedInts<T, uint64_t>, reduction);
}

int reduceParts(const std::vector<const char*>& parts, size_t count, void* out, int type, int reduction) {
  switch (type) {
  case 0:
    joinInts<int8_t>(parts, count, out, reduction);
    return kSuccess;
  case 1:
    joinInts<uint8_t>(parts, count, out, reduction);
    return kSuccess;
  case 2:
    joinInts<int32_t>(parts, count, out, reduction);
    return kSuccess;
  case 3:
    joinInts<uint32_t>(parts, count, out, reduction);
    return kSuccess;
  case 4:
    joinInts<int64_t>(parts, count, out, reduction);
    return kSuccess;
  case 5:
    joinInts<uint64_t>(parts, count, out, reduction);
    return kSuccess;
  case 6:
    join<uint16_t, float>(parts, count, out, fromHalf, toHalf, joined<float>, reduction);
    return kSuccess;
  case 7:
    joinFloats<float>(parts, count, out, reduction);
    return kSuccess;
  case 8:
    joinFloats<double>(parts, count, out, reduction);
    return kSuccess;
  case 9:
    join<uint16_t, float>(parts, count, out, fromBrain, toBrain, joined<float>, reduction);
    return kSuccess;
  default:
    return kInvalidArgument;
  }
}

/// Shows `in`, and reads what all show. \param read  gets their rooms
int collective(const char* call, Comm* comm, const void* in, size_t bytes, auto&& read) {
  const Inside inside(comm, call);
  if (depth > 0) return kInvalidUsage; // this library groups sends and receives only
  if (bytes > kRoom) return kInvalidArgument;
  if (in && bytes > 0) std::memcpy(comm->world->seats[comm->rank].room, in, bytes);
  if (!comm->meet()) return kRemoteError;
  std::vector<const char*> rooms;
  for (int i = 0; i < comm->size; ++i)
    rooms.push_back(comm->world->seats[i].room);
  const int result = read(rooms);
  return comm->meet() ? result : kRemoteError;
}

/// \returns whether it could be done now
bool attempt(Transfer& t) {
  World& world = *t.comm->world;
  Mailbox& box = t.isSend ? world.mail[t.comm->rank][t.peer] : world.mail[t.peer][t.comm->rank];
  if (box.full != (t.isSend ? 0 : 1)) return false;
  if (t.isSend)
    std::memcpy(box.room, t.from, box.bytes = t.bytes);
  else
    std::memcpy(t.to, box.room, t.bytes);
  box.full = t.isSend ? 1 : 0;
  return t.isDone = true;
}

/// \pre  the thread is in a call on all communicators
int carryOut() {
  std::vector<Transfer> now;
  now.swap(transfers);
  for (size_t left = now.size(); left > 0;) {
    for (size_t i = 0; i < now.size(); ++i) {
      bool isNext = !now[i].isDone; // of those between the same two, one way
      for (size_t j = 0; j < i; ++j)
        isNext &= now[j].isDone || now[j].peer != now[i].peer || now[j].isSend != now[i].isSend;
      if (isNext && attempt(now[i])) --left;
    }
    if (left == 0) break;
    for (const Transfer& t : now)
      t.comm->waits = true;
    if (now[0].comm->world->aborted) return kRemoteError;
    std::this_thread::yield();
  }
  return kSuccess;
}

int transfer(const char* call, const Transfer& t) {
  const Inside inside(t.comm, call);
  if (t.bytes > kMailRoom || t.peer < 0 || t.peer >= t.comm->size) return kInvalidArgument;
  transfers.push_back(t);
  return depth > 0 ? kSuccess : carryOut();
}

} // namespace

extern "C" {

int ncclGetVersion(int* version) {
  *version = 22809;
  return kSuccess;
}
int ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> made{0};
  std::snprintf(id->internal, sizeof id->internal, "/jinx-fake-nccl-%d-%d", getpid(), made++);
  return mapped(id->internal, true) ? kSuccess : kSystemError;
}
int ncclCommInitRank(Comm** comm, int size, ncclUniqueId id, int rank) {
  if (size > kMostRanks || rank < 0 || rank >= size) return kInvalidArgument;
  World* world = mapped(id.internal, false);
  if (!world) return kSystemError;
  {
    static auto& all = *new std::vector<Comm*>; // stay reachable
    std::lock_guard lock(books);
    *comm = all.emplace_back(new Comm{.world = world, .rank = rank, .size = size});
  }
  ++world->ranks;
  if (!(*comm)->meet()) return kRemoteError;
  if (rank == 0) shm_unlink(id.internal); // all have it
  return kSuccess;
}
int ncclCommDestroy(Comm* comm) { return end(comm, "ncclCommDestroy", "destroyed", false); }
/// Others see it, too: as if kernels that wait for this rank heard of it.
int ncclCommAbort(Comm* comm) { return end(comm, "ncclCommAbort", "aborted", true); }
int ncclCommGetAsyncError(Comm* comm, int* error) {
  const Inside inside(comm, "ncclCommGetAsyncError", Inside::Kind::kQuery);
  *error = kSuccess;
  return kSuccess;
}
const char* ncclGetErrorString(int result) {
  switch (result) {
  case kSuccess:
    return "no error";
  case kSystemError:
    return "unhandled system error";
  case kInvalidArgument:
    return "invalid argument";
  case kInvalidUsage:
    return "invalid usage";
  default:
    return "remote process exited or there was a network error";
  }
}
const char* ncclGetLastError(Comm*) { return ""; }

int ncclAllReduce(const void* in, void* out, size_t count, int type, int reduction, Comm* comm, void*) {
  return collective("ncclAllReduce", comm, in, count * widthOf(type),
                    [&](const auto& rooms) { return reduceParts(rooms, count, out, type, reduction); });
}
int ncclReduceScatter(const void* in, void* out, size_t count, int type, int reduction, Comm* comm, void*) {
  const size_t part = count * widthOf(type);
  return collective("ncclReduceScatter", comm, in, part * static_cast<size_t>(comm->size),
                    [&](std::vector<const char*> rooms) {
                      for (const char*& room : rooms)
                        room += part * static_cast<size_t>(comm->rank);
                      return reduceParts(rooms, count, out, type, reduction);
                    });
}
int ncclAllGather(const void* in, void* out, size_t count, int type, Comm* comm, void*) {
  const size_t part = count * widthOf(type);
  return collective("ncclAllGather", comm, in, part, [&](const auto& rooms) {
    for (size_t i = 0; i < rooms.size() && part > 0; ++i)
      std::memcpy(static_cast<char*>(out) + i * part, rooms[i], part);
    return kSuccess;
  });
}
int ncclBroadcast(const void* in, void* out, size_t count, int type, int root, Comm* comm, void*) {
  const size_t bytes = count * widthOf(type);
  return collective("ncclBroadcast", comm, comm->rank == root ? in : nullptr, bytes, [&](const auto& rooms) {
    if (bytes > 0) std::memcpy(out, rooms[static_cast<size_t>(root)], bytes);
    return kSuccess;
  });
}
int ncclSend(const void* in, size_t count, int type, int peer, Comm* comm, void*) {
  return transfer("ncclSend", {comm, true, in, nullptr, count * widthOf(type), peer});
}
int ncclRecv(void* out, size_t count, int type, int peer, Comm* comm, void*) {
  return transfer("ncclRecv", {comm, false, nullptr, out, count * widthOf(type), peer});
}
int ncclGroupStart() {
  ++depth;
  tell("ncclGroupStart");
  return kSuccess;
}
int ncclGroupEnd() {
  if (--depth > 0) return kSuccess;
  std::set<Comm*> comms;
  for (const Transfer& t : transfers)
    comms.insert(t.comm);
  std::deque<Inside> inside;
  for (Comm* comm : comms)
    inside.emplace_back(comm, "ncclGroupEnd");
  return carryOut();
}

void jinxFakeNcclOnCall(JinxFakeNcclHook told, void* context) {
  std::lock_guard lock(hookMutex);
  hook = told;
  hookContext = context;
}
}

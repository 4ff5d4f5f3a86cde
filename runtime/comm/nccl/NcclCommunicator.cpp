#include "runtime/comm/nccl/NcclCommunicator.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/comm/Calls.h"
#include "runtime/comm/DeviceCollectives.h"
#include "runtime/comm/nccl/DeviceWatch.h"
#include "runtime/comm/nccl/Nccl.h"

namespace jinx::comm {
namespace {

constexpr auto kErrorTime = std::chrono::milliseconds(
    200); // behind a signal: another rank's error, which says more, may be on its way; mpirun kills after a second
// Until a call of NCCL has returned. They take microseconds, but for one that waits for other ranks (to connect to
// them), which only an abort ends.
constexpr auto kLeaveTime = std::chrono::milliseconds(200);

/// Of a group's calls on devices: a hash that all members have alike.
uint64_t orderOf(std::span<const int> ranks) {
  return XXH3_64bits_withSeed(ranks.data(), ranks.size_bytes(), /*seed=*/0x6e63636c);
}

size_t bytesOf(DType dtype, int64_t count) { return static_cast<size_t>(packedBytes(dtype, count)); }
const void* at(const void* base, size_t bytes) { return static_cast<const std::byte*>(base) + bytes; }
void* at(void* base, size_t bytes) { return static_cast<std::byte*>(base) + bytes; }

class NcclCommunicator final : public Communicator, public DeviceCollectives {
 public:
  NcclCommunicator(Nccl nccl, std::shared_ptr<Communicator> world, std::shared_ptr<Device> device,
                   const NcclOptions& options)
      : nccl_(nccl), world_(std::move(world)), device_(std::move(device)), options_(options) {}
  Status start();
  ~NcclCommunicator() override;

  // ---- the world below ----
  int rank() const override { return world_->rank(); }
  int size() const override { return world_->size(); }
  Expected<int> makeGroup(std::span<const int> ranks) override { return world_->makeGroup(ranks); }
  std::span<const int> members(int group) const override { return world_->members(group); }
  Expected<Ticket> start(const Call& call, const void* in, void* out) override { return world_->start(call, in, out); }
  Status wait(Ticket ticket) override { return world_->wait(ticket); }
  void abort(const Status& why) override;
  Traffic traffic() const override;
  std::string recentCalls() const override { return world_->recentCalls() + watch_->print() + carriers(); }
  DeviceCollectives* onDevice() override { return this; }
  Status status() const override; ///< also that of calls on the device

  // ---- calls on the device ----
  Status open(int group) override;
  Status enqueue(const Call& call, const void* in, void* out, Stream& stream) override;
  bool fuses(const Call& call, int64_t programs) const override;
  Status enqueueFused(const Call& call, const void* in, void* out, const KernelLaunch& launch, Stream& stream) override;
  Expected<Ticket> start(const Call& call, const void* in, void* out, Stream& stream) override;
  Status wait(Ticket ticket, Stream& stream) override;
  void beginRecording() override;
  void endRecording() override;
  Status replaying(Stream& stream) override;
  Status replayed(std::span<const Call> calls, Stream& stream) override;
  bool isOverPeers(const Call& call) const override;
  std::string carriersOf(int group) const override;

 private:
  /// A group as NCCL knows it.
  struct Member {
    Nccl::Comm comm = nullptr;
    std::unique_ptr<PeerReduce> peers; ///< may be null
    std::string whyNoPeers;
    std::vector<int> ranks;
    int place = 0;
    uint64_t order = 0;
    std::atomic<int64_t> started{0}; ///< calls
  };
  struct Flight {
    std::unique_ptr<Event> begin, end;
  };

  Expected<Member*> memberOf(const Call& call, const void* in, const void* out);
  Status enter();
  void leave();
  template <typename Issue>
  Status enqueueBy(const Call& call, const void* in, void* out, Stream& stream, Issue&& issue);
  Status carryOut(const Call& call, const Member& member, const void* in, void* out, Stream& stream);
  Status reduce(const Call& call, const Member& member, const void* in, void* out, Stream& stream);
  template <typename Body>
  Status together(Body&& body);
  Status sendTo(int peer, const void* in, size_t bytes, const Member& member, Stream& stream);
  Status receiveFrom(int peer, void* out, size_t bytes, const Member& member, Stream& stream);
  Status exchange(const Call& call, const Member& member, const void* in, void* out, Stream& stream);
  Status permute(const Call& call, const Member& member, const void* in, void* out, Stream& stream);
  Status openPeers(int group, Member& member);
  std::string carriers() const;
  void count(const Call& call, Member& member);
  Status reasonOf(const Status& issued) const;
  Whereabouts whereabouts(uint64_t order);
  Status asked();
  bool look();
  std::string behind(int group, std::vector<int>& named);
  bool breakLate(const DeviceWatch::Late& late);
  void breakWith(const Status& why, bool tellsOthers);

  const Nccl nccl_;
  const std::shared_ptr<Communicator> world_;
  const std::shared_ptr<Device> device_;
  const NcclOptions options_;
  std::unique_ptr<Stream> beside_; ///< calls that are started run here
  std::map<int64_t, Flight> flights_;
  std::vector<Flight> spare_;
  int64_t nextTicket_ = 0;
  bool isRecording_ = false;
  Traffic traffic_;
  std::vector<int> replayedGroups_; ///< kept, so that a replay allocates nothing

  std::mutex asking_;        // held over questions to NCCL, and while communicators are freed; in front of the other
  mutable std::mutex mutex_; // guards what follows; not held while NCCL is called
  std::map<int, std::unique_ptr<Member>> members_;
  Status error_;
  std::atomic<bool> isBroken_{false};
  bool isInside_ = false; ///< the rank's thread, in NCCL
  std::condition_variable left_;
  std::optional<Clock::time_point> signalled_;
  std::unique_ptr<DeviceWatch> watch_; ///< last: its thread uses all others
};

Status NcclCommunicator::start() {
  JINX_TRY_ASSIGN(beside_, device_->createStream());
  watch_ = std::make_unique<DeviceWatch>(
      device_, options_.timeout,
      DeviceWatch::Handlers{[this](const DeviceWatch::Late& late) { return breakLate(late); },
                            [this] { return look(); }});
  watch_->begin();
  world_->answerWith([this](uint64_t order) { return whereabouts(order); });
  return Status::ok();
}

NcclCommunicator::~NcclCommunicator() {
  world_->answerWith({});
  watch_.reset();
  if (device_->makeCurrent().isOk() && !isBroken_)
    for (auto& [group, member] : members_)
      (void)nccl_.commDestroy(member->comm);
}

void NcclCommunicator::abort(const Status& why) {
  world_->abort(why);
  breakWith(world_->status().isOk() ? why : world_->status(), /*tellsOthers=*/false);
}

Traffic NcclCommunicator::traffic() const {
  const Traffic below = world_->traffic();
  return {below.sentBytes + traffic_.sentBytes, below.receivedBytes + traffic_.receivedBytes,
          below.calls + traffic_.calls};
}

Status NcclCommunicator::status() const {
  if (!isBroken_) return {};
  std::lock_guard lock(mutex_);
  return error_;
}

// ---- groups ----

/// The world below knows who does not come, so all members meet there first: NCCL would wait without end.
Status NcclCommunicator::open(int group) {
  JINX_TRY(status());
  if (members_.contains(group)) return Status::ok();
  auto member = std::make_unique<Member>();
  const std::span<const int> ranks = world_->members(group);
  member->ranks.assign(ranks.begin(), ranks.end());
  member->place = static_cast<int>(std::ranges::find(ranks, rank()) - ranks.begin());
  member->order = orderOf(ranks);
  const std::string what = "opening NCCL's communicator of " + ranksText(ranks);
  ncclUniqueId id{};
  if (member->place == 0) JINX_TRY(nccl_.check(nccl_.getUniqueId(&id), "ncclGetUniqueId"), what);
  JINX_TRY(world_->run({.op = Op::kBroadcast, .dtype = DType::kU8, .count = sizeof id, .group = group, .name = what},
                       &id, &id));
  JINX_TRY(openPeers(group, *member));
  JINX_TRY(device_->makeCurrent());
  JINX_TRY(nccl_.check(nccl_.commInitRank(&member->comm, static_cast<int>(ranks.size()), id, member->place),
                       "ncclCommInitRank"),
           what + " at rank " + std::to_string(rank()) + " on " + std::string(device_->name()));
  {
    std::lock_guard lock(mutex_);
    if (!isBroken_) {
      members_[group] = std::move(member);
      return Status::ok();
    }
  }
  (void)nccl_.commAbort(member->comm); // what has broken the world does not know it
  return status();
}

Status NcclCommunicator::openPeers(int group, Member& member) {
  JINX_TRY_ASSIGN(PeerReduce::Opened opened,
                  PeerReduce::open(*world_, group, device_, {.mostBytes = options_.peerBytes}));
  member.peers = std::move(opened.reduce);
  member.whyNoPeers = std::move(opened.why);
  return Status::ok();
}

bool NcclCommunicator::isOverPeers(const Call& call) const {
  std::lock_guard lock(mutex_);
  const auto found = members_.find(call.group);
  return found != members_.end() && found->second->peers && found->second->peers->takes(call);
}

std::string NcclCommunicator::carriersOf(int group) const {
  std::lock_guard lock(mutex_);
  const auto found = members_.find(group);
  if (found == members_.end()) return "";
  const Member& member = *found->second;
  if (!member.peers) return "all by NCCL: " + member.whyNoPeers;
  return "all_reduce of at most " + std::to_string(member.peers->mostBytes()) +
         " bytes over peers' memory, by kernels of plans of at most " +
         std::to_string(PeerReduce::kFusedMore * member.peers->mostBytes()) + ", all else by NCCL";
}

/// A line for each group of several ranks.
std::string NcclCommunicator::carriers() const {
  std::vector<int> groups;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [group, member] : members_)
      if (member->ranks.size() > 1) groups.push_back(group);
  }
  std::string text;
  for (int group : groups)
    text += ranksText(world_->members(group)) + ": " + carriersOf(group) + "\n";
  return text;
}

Expected<NcclCommunicator::Member*> NcclCommunicator::memberOf(const Call& call, const void* in, const void* out) {
  JINX_TRY(status());
  const auto found = members_.find(call.group);
  if (found == members_.end())
    return invalidArgument(identify(call) + ": got group " + std::to_string(call.group) +
                           ", expected one that was opened");
  Member* member = found->second.get();
  JINX_TRY(checkCall(call, member->place, static_cast<int>(member->ranks.size()), in, out));
  const bool reduces = call.op == Op::kAllReduce || call.op == Op::kReduceScatter;
  if (reduces && ncclTypeOf(call.dtype, nccl_.version) < 0)
    return unimplemented(identify(call) + ": NCCL " + nccl_.versionText() + " does not add up " +
                         std::string(name(call.dtype)) + "; convert it to a wider type in front of the collective");
  return member;
}

// ---- calls ----

/// \param issue  puts what makes the call on the stream, for a member; the thread is in NCCL meanwhile
template <typename Issue>
Status NcclCommunicator::enqueueBy(const Call& call, const void* in, void* out, Stream& stream, Issue&& issue) {
  JINX_TRY_ASSIGN(Member * member, memberOf(call, in, out));
  count(call, *member);
  auto issued = [&]() -> Status {
    JINX_TRY(enter());
    Status status = issue(*member);
    leave();
    return status;
  };
  if (isRecording_) return issued();
  watch_->begins(call, member->ranks);
  if (Status status = issued(); !status.isOk()) {
    Status why = reasonOf(status);
    watch_->dropped();
    return why;
  }
  return watch_->enqueued(stream);
}

Status NcclCommunicator::enqueue(const Call& call, const void* in, void* out, Stream& stream) {
  return enqueueBy(call, in, out, stream,
                   [&](const Member& member) { return carryOut(call, member, in, out, stream); });
}

bool NcclCommunicator::fuses(const Call& call, int64_t programs) const {
  std::lock_guard lock(mutex_);
  const auto found = members_.find(call.group);
  return found != members_.end() && found->second->peers && found->second->peers->fuses(call, programs);
}

Status NcclCommunicator::enqueueFused(const Call& call, const void* in, void* out, const KernelLaunch& launch,
                                      Stream& stream) {
  return enqueueBy(call, in, out, stream,
                   [&](const Member& member) { return member.peers->enqueue(call, launch, stream); });
}

Expected<Ticket> NcclCommunicator::start(const Call& call, const void* in, void* out, Stream& stream) {
  Flight flight;
  if (!spare_.empty()) {
    flight = std::move(spare_.back());
    spare_.pop_back();
  } else {
    JINX_TRY_ASSIGN(flight.begin, device_->createEvent());
    JINX_TRY_ASSIGN(flight.end, device_->createEvent());
  }
  JINX_TRY(flight.begin->record(stream));
  JINX_TRY(flight.begin->wait(*beside_));
  JINX_TRY(enqueue(call, in, out, *beside_));
  JINX_TRY(flight.end->record(*beside_));
  const Ticket ticket{nextTicket_++};
  flights_[ticket.id] = std::move(flight);
  return ticket;
}

Status NcclCommunicator::wait(Ticket ticket, Stream& stream) {
  const auto found = flights_.find(ticket.id);
  if (found == flights_.end())
    return invalidArgument("got ticket " + std::to_string(ticket.id) +
                           ", expected one of start that was not waited for");
  Flight flight = std::move(found->second);
  flights_.erase(found);
  Status status = flight.end->wait(stream);
  spare_.push_back(std::move(flight));
  return status;
}

void NcclCommunicator::beginRecording() {
  isRecording_ = true;
  for (auto& [group, member] : members_)
    if (member->peers) member->peers->beginRecording();
}

void NcclCommunicator::endRecording() {
  isRecording_ = false;
  for (auto& [group, member] : members_)
    if (member->peers) member->peers->endRecording();
}

/// What is replayed is NCCL's, too, so the thread is in it until `replayed`. (After a replay that has failed it stays
/// there: the world is about to be broken, a little later.)
Status NcclCommunicator::replaying(Stream& stream) {
  for (auto& [group, member] : members_)
    if (member->peers) JINX_TRY(member->peers->replaying(stream));
  return enter();
}

Status NcclCommunicator::replayed(std::span<const Call> calls, Stream& stream) {
  leave();
  JINX_TRY(status());
  if (calls.empty()) return Status::ok();
  replayedGroups_.clear();
  for (const Call& call : calls) {
    const auto found = members_.find(call.group);
    if (found == members_.end()) return internalError("a recording has calls on a group that is not open");
    count(call, *found->second);
    if (std::ranges::find(replayedGroups_, call.group) == replayedGroups_.end()) replayedGroups_.push_back(call.group);
  }
  for (auto& [group, member] : members_)
    if (member->peers) JINX_TRY(member->peers->replayed(stream));
  const Call& last = calls.back();
  watch_->begins(last, members_.at(last.group)->ranks, replayedGroups_, static_cast<int64_t>(calls.size()));
  return watch_->enqueued(stream);
}

void NcclCommunicator::count(const Call& call, Member& member) {
  if (isRecording_) return;
  ++member.started;
  const Traffic moved = trafficOf(call, member.place, static_cast<int>(member.ranks.size()));
  traffic_.sentBytes += moved.sentBytes;
  traffic_.receivedBytes += moved.receivedBytes;
  ++traffic_.calls;
}

/// The rank's thread goes into NCCL, whose communicators are there until it leaves; not once the world is broken, which
/// frees them.
Status NcclCommunicator::enter() {
  std::lock_guard lock(mutex_);
  if (isBroken_) return error_;
  isInside_ = true;
  return Status::ok();
}

void NcclCommunicator::leave() {
  {
    std::lock_guard lock(mutex_);
    isInside_ = false;
  }
  left_.notify_all();
}

Status NcclCommunicator::carryOut(const Call& call, const Member& member, const void* in, void* out, Stream& stream) {
  if (call.count == 0 && call.op != Op::kAllToAllV) return Status::ok(); // at all members; NCCL would launch a kernel
  JINX_TRY(device_->makeCurrent());
  if (member.peers && member.peers->takes(call)) return member.peers->enqueue(call, in, out, stream);
  const size_t bytes = bytesOf(call.dtype, call.count);
  void* const native = stream.native();
  switch (call.op) {
  case Op::kAllReduce:
  case Op::kReduceScatter:
    return reduce(call, member, in, out, stream);
  case Op::kAllGather:
    return nccl_.check(nccl_.allGather(in, out, bytes, kNcclBytes, member.comm, native), "ncclAllGather");
  case Op::kBroadcast:
    return nccl_.check(nccl_.broadcast(in ? in : out, out, bytes, kNcclBytes, call.root, member.comm, native),
                       "ncclBroadcast");
  case Op::kAllToAll:
  case Op::kAllToAllV:
    return exchange(call, member, in, out, stream);
  case Op::kPermute:
    return permute(call, member, in, out, stream);
  case Op::kSend:
    return sendTo(call.root, in, bytes, member, stream);
  case Op::kRecv:
    return receiveFrom(call.root, out, bytes, member, stream);
  }
  return internalError("a collective that is none");
}

Status NcclCommunicator::reduce(const Call& call, const Member& member, const void* in, void* out, Stream& stream) {
  const auto count = static_cast<size_t>(call.count);
  const int type = ncclTypeOf(call.dtype, nccl_.version), reduction = ncclReductionOf(call.reduction);
  if (call.op == Op::kAllReduce)
    return nccl_.check(nccl_.allReduce(in, out, count, type, reduction, member.comm, stream.native()), "ncclAllReduce");
  return nccl_.check(nccl_.reduceScatter(in, out, count, type, reduction, member.comm, stream.native()),
                     "ncclReduceScatter");
}

/// Sends and receives that begin together. \param body  makes them; the group ends also where one was refused
template <typename Body>
Status NcclCommunicator::together(Body&& body) {
  JINX_TRY(nccl_.check(nccl_.groupStart(), "ncclGroupStart"));
  Status made = body();
  Status ended = nccl_.check(nccl_.groupEnd(), "ncclGroupEnd");
  return made.isOk() ? ended : made;
}

Status NcclCommunicator::sendTo(int peer, const void* in, size_t bytes, const Member& member, Stream& stream) {
  return nccl_.check(nccl_.send(in, bytes, kNcclBytes, peer, member.comm, stream.native()), "ncclSend");
}

Status NcclCommunicator::receiveFrom(int peer, void* out, size_t bytes, const Member& member, Stream& stream) {
  return nccl_.check(nccl_.recv(out, bytes, kNcclBytes, peer, member.comm, stream.native()), "ncclRecv");
}

/// Part i goes to member i.
Status NcclCommunicator::exchange(const Call& call, const Member& member, const void* in, void* out, Stream& stream) {
  const bool hasSizes = call.op == Op::kAllToAllV;
  return together([&] {
    size_t sent = 0, received = 0;
    for (size_t i = 0; i < member.ranks.size(); ++i) {
      const size_t to = bytesOf(call.dtype, hasSizes ? call.sends[i] : call.count),
                   from = bytesOf(call.dtype, hasSizes ? call.receives[i] : call.count);
      const int peer = static_cast<int>(i);
      if (to > 0) JINX_TRY(sendTo(peer, at(in, sent), to, member, stream));
      if (from > 0) JINX_TRY(receiveFrom(peer, at(out, received), from, member, stream));
      sent += to;
      received += from;
    }
    return Status::ok();
  });
}

Status NcclCommunicator::permute(const Call& call, const Member& member, const void* in, void* out, Stream& stream) {
  const size_t bytes = bytesOf(call.dtype, call.count);
  const int source = call.sources[static_cast<size_t>(member.place)];
  if (source < 0) JINX_TRY(device_->clear(out, bytes, stream));
  if (bytes == 0) return Status::ok();
  return together([&] {
    for (int i = 0; i < static_cast<int>(member.ranks.size()); ++i)
      if (call.sources[static_cast<size_t>(i)] == member.place) JINX_TRY(sendTo(i, in, bytes, member, stream));
    return source >= 0 ? receiveFrom(source, out, bytes, member, stream) : Status::ok();
  });
}

// ---- what goes wrong ----

/// Why a call failed. What broke the world says more than NCCL; where another rank heard of it first, it is on its way.
Status NcclCommunicator::reasonOf(const Status& issued) const {
  for (const auto end = Clock::now() + 2 * kErrorTime; Clock::now() < end;) {
    JINX_TRY(status());
    JINX_TRY(world_->status());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return issued;
}

Whereabouts NcclCommunicator::whereabouts(uint64_t order) {
  Whereabouts here{.rank = rank(), .answers = true, .started = 0, .text = watch_->lastSeen()};
  std::lock_guard lock(mutex_);
  for (const auto& [group, member] : members_)
    if (member->order == order) here.started = member->started;
  return here;
}

/// What NCCL says of calls on their way.
Status NcclCommunicator::asked() {
  std::lock_guard asking(asking_);
  if (isBroken_) return Status::ok(); // communicators may be gone
  std::vector<Nccl::Comm> comms;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [group, member] : members_)
      comms.push_back(member->comm);
  }
  for (Nccl::Comm comm : comms) {
    int error = 0;
    JINX_TRY(nccl_.check(nccl_.commGetAsyncError(comm, &error), "ncclCommGetAsyncError"));
    JINX_TRY(nccl_.check(error, "a collective on devices"));
  }
  return Status::ok();
}

/// Errors of the world below, NCCL's own, and signals.
bool NcclCommunicator::look() {
  if (isBroken_) return false;
  if (const Status below = world_->status(); !below.isOk()) {
    breakWith(below, /*tellsOthers=*/false);
    return false;
  }
  if (const Status own = asked(); !own.isOk()) {
    breakWith(Status(own.code(), own.message() + "; rank " + std::to_string(rank()) + " " + watch_->lastSeen()),
              /*tellsOthers=*/true);
    return false;
  }
  const int signal = options_.stop ? options_.stop->load() : 0;
  if (signal == 0) return true;
  if (!signalled_) signalled_ = Clock::now();
  if (Clock::now() < *signalled_ + kErrorTime) return true;
  breakWith(resourceError("stopped by signal " + std::to_string(signal) + "; rank " + std::to_string(rank()) + " " +
                          watch_->lastSeen() +
                          "; under mpirun another rank may have died, and what it printed says why"),
            /*tellsOthers=*/false);
  return false;
}

/// Members of the group that have made fewer calls on it, or do not answer; empty where there are none.
/// \param named  those that were told of by another group; grows
std::string NcclCommunicator::behind(int group, std::vector<int>& named) {
  int64_t started = 0;
  uint64_t order = 0;
  std::vector<int> others;
  {
    std::lock_guard lock(mutex_);
    const Member& member = *members_.at(group);
    started = member.started;
    order = member.order;
    std::ranges::copy_if(member.ranks, std::back_inserter(others),
                         [&](int other) { return other != rank() && std::ranges::find(named, other) == named.end(); });
  }
  if (others.empty()) return "";
  std::string text;
  for (const Whereabouts& other : world_->ask(others, order)) {
    const std::string who = "; rank " + std::to_string(other.rank) + ": ";
    if (!other.answers)
      text += who + "does not answer: it has gone, or its process is stopped";
    else if (other.started < started)
      text += who + "has made " + std::to_string(other.started) + " of " + std::to_string(started) + " calls; " +
              other.text;
    else
      continue;
    named.push_back(other.rank);
  }
  return text;
}

/// A stream may stand in any of the calls that are replayed together.
bool NcclCommunicator::breakLate(const DeviceWatch::Late& late) {
  std::vector<int> named;
  std::string who;
  for (int group : late.groups)
    who += behind(group, named);
  if (who.empty()) who = "; all members have made as many calls: look at the links between them, or raise the timeout";
  breakWith(
      resourceError(late.what + ": rank " + std::to_string(rank()) + " has waited " + secondsText(late.seconds) + who),
      /*tellsOthers=*/true);
  return false;
}

/// The first error stays. Kernels that wait for other ranks end, and so do streams. NCCL frees what it aborts, and
/// wants no thread in its calls meanwhile; one that is kept there is ended by the abort all the same.
void NcclCommunicator::breakWith(const Status& why, bool tellsOthers) {
  std::vector<Member*> members;
  {
    std::lock_guard lock(mutex_);
    if (isBroken_) return;
    error_ = why;
    isBroken_ = true;
    for (auto& [group, member] : members_)
      members.push_back(member.get());
  }
  if (tellsOthers) world_->abort(why); // they hear of it before NCCL tells them less
  for (Member* member : members)
    if (member->peers) (void)member->peers->stop();
  {
    std::unique_lock lock(mutex_);
    left_.wait_for(lock, kLeaveTime, [&] { return !isInside_; }); // nobody comes in any more
  }
  std::lock_guard asking(asking_);
  if (device_->makeCurrent().isOk())
    for (Member* member : members)
      (void)nccl_.commAbort(member->comm);
}

} // namespace

Expected<std::unique_ptr<Communicator>> openNccl(std::shared_ptr<Communicator> world, std::shared_ptr<Device> device,
                                                 const NcclOptions& options) {
  if (device->has(capability::kHostMemory))
    return invalidArgument("NCCL carries collectives between GPUs, got " + std::string(device->name()) +
                           ", whose memory is the host's: leave the world as it is");
  JINX_TRY_ASSIGN(const Nccl nccl, Nccl::open());
  auto made = std::make_unique<NcclCommunicator>(nccl, std::move(world), std::move(device), options);
  JINX_TRY(made->start());
  return std::unique_ptr<Communicator>(std::move(made));
}

} // namespace jinx::comm

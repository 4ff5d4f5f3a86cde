#include "runtime/comm/mpi/MpiCommunicator.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace jinx::comm {
namespace {

constexpr auto kBusy = std::chrono::milliseconds(1),
               kIdle = std::chrono::milliseconds(10); // between two looks of the monitor
constexpr auto kAnswerTime = std::chrono::seconds(3);
constexpr auto kTellTime = std::chrono::seconds(1);
constexpr auto kHearTime =
    std::chrono::milliseconds(20); // mpirun ends the ranks that are left soon after others have ended
constexpr auto kErrorTime = std::chrono::milliseconds(300); // mpirun kills a second after its first signal

/// A hash that all members of a group have alike; of sends, with both ends.
uint64_t orderOf(std::span<const int> ranks, int from = -1, int to = -1) {
  std::vector<int> key(ranks.begin(), ranks.end());
  key.push_back(from);
  key.push_back(to);
  return XXH3_64bits(key.data(), key.size() * sizeof(int));
}

/// First often, then seldom: other ranks may need this processor.
void rest(int turn) {
  constexpr int kYields = 500;
  if (turn < kYields)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(1000, 20 * (turn - kYields + 1))));
}

} // namespace

MpiCommunicator::MpiCommunicator(const OpenOptions& options, int rank, int size, bool finalizes)
    : options_(options), rank_(rank), size_(size), finalizes_(finalizes), groups_(rank, size) {}

Expected<std::unique_ptr<MpiCommunicator>> MpiCommunicator::open(const OpenOptions& options) {
  int begun = 0, ended = 0, level = MPI_THREAD_SINGLE, rank = 0, size = 0;
  MPI_Finalized(&ended);
  if (ended)
    return invalidArgument(
        "MPI has ended in this process, and cannot begin again; keep one communicator as long as the process");
  MPI_Initialized(&begun);
  if (begun)
    MPI_Query_thread(&level);
  else
    JINX_TRY(mpiStatus(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level), "MPI_Init_thread"));
  if (level < MPI_THREAD_SERIALIZED)
    return unimplemented("MPI is for one thread in this process, expected MPI_THREAD_SERIALIZED at least; initialise "
                         "it so, or leave it to Jinx");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::unique_ptr<MpiCommunicator> comm(new MpiCommunicator(options, rank, size, !begun));
  JINX_TRY(comm->control_.open(MPI_COMM_WORLD));
  comm->comms_.emplace_back();
  JINX_TRY(mpiStatus(MPI_Comm_dup(MPI_COMM_WORLD, &comm->comms_[0]), "MPI_Comm_dup"));
  MPI_Comm_set_errhandler(comm->comms_[0], MPI_ERRORS_RETURN);
  Lock lock(comm->mutex_);
  JINX_TRY(comm->barrier(comm->comms_[0], "opening a world of " + std::to_string(size) + " ranks", lock));
  comm->monitor_ = std::thread([comm = comm.get()] { comm->monitor(); });
  return comm;
}

MpiCommunicator::~MpiCommunicator() {
  if (monitor_.joinable()) finish();
}

/// Until all ranks have finished, this one answers: it may be asked what it did last.
void MpiCommunicator::finish() {
  Lock lock(mutex_);
  if (!flights_.empty()) {
    const Flight& first = *flights_.begin()->second;
    breakWith(resourceError("rank " + std::to_string(rank_) + " has gone and has not waited for " +
                            identify(first.call()) + ", " + ranksText(first.route().ranks) +
                            "; wait for every call before the communicator is destroyed"));
  }
  for (int other = 0; other < size_ && error_.isOk(); ++other)
    if (other != rank_) control_.send(other, {.kind = Message::Kind::kFinished});
  bool whole = false;
  for (int turn = 0; error_.isOk() && stopped("the end of the others").isOk(); ++turn) {
    progress();
    whole = error_.isOk() && static_cast<int>(finished_.size()) == size_ - 1 && control_.sent();
    if (whole) break;
    lock.unlock();
    rest(turn);
    lock.lock();
  }
  ends_ = true;
  lock.unlock();
  ending_.notify_all();
  monitor_.join();
  if (!whole) return; // MPI is left as it is
  for (MPI_Comm& comm : comms_)
    MPI_Comm_free(&comm);
  control_.close();
  if (finalizes_) MPI_Finalize();
}

void MpiCommunicator::monitor() {
  Lock lock(mutex_);
  while (!ends_) {
    progress();
    ending_.wait_for(lock, flights_.empty() ? kIdle : kBusy);
  }
}

/// Messages, and the first call of each order. Nothing once the world is broken.
void MpiCommunicator::progress() {
  while (error_.isOk()) {
    auto message = control_.receive();
    if (!message) break;
    answer(*message);
  }
  if (!error_.isOk()) return;
  (void)control_.sent();
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    while (!queue->second.empty()) {
      if (Status status = queue->second.front()->poke(); !status.isOk()) return breakWith(status);
      if (!queue->second.front()->done()) break;
      queue->second.pop_front();
    }
    queue = queue->second.empty() ? queues_.erase(queue) : std::next(queue);
  }
}

void MpiCommunicator::answer(const Message& message) {
  switch (message.kind) {
  case Message::Kind::kAsk: {
    const auto started = started_.find(message.order);
    Whereabouts here{.started = started == started_.end() ? 0 : started->second, .text = watch_.lastSeen()};
    if (started == started_.end() && answer_) here = answer_(message.order);
    return control_.send(
        message.from,
        {.kind = Message::Kind::kAnswer, .order = message.order, .number = here.started, .text = std::move(here.text)});
  }
  case Message::Kind::kAnswer:
    answers_[{message.from, message.order}] = message;
    return;
  case Message::Kind::kBroken:
    return hear(message);
  case Message::Kind::kHeard:
    return;
  case Message::Kind::kFinished:
    finished_.insert(message.from);
    return;
  case Message::Kind::kMakesGroup:
    makers_[message.order].insert(message.from);
    return;
  }
}

/// The first error stays. All ranks are told, and MPI is not called any more: what it would still write may be freed.
void MpiCommunicator::breakWith(const Status& why) {
  if (!error_.isOk()) return;
  error_ = why;
  for (int other = 0; other < size_; ++other)
    if (other != rank_)
      control_.send(
          other, {.kind = Message::Kind::kBroken, .number = static_cast<int64_t>(why.code()), .text = why.message()});
  // What was sent has not arrived yet, and this process may end at once: until all have heard, as long as they may
  // need.
  std::set<int> heard;
  const Clock::time_point begin = Clock::now();
  for (int turn = 0; static_cast<int>(heard.size()) < size_ - 1 && Clock::now() < begin + kTellTime; ++turn) {
    (void)control_.sent();
    while (auto message = control_.receive()) {
      if (message->kind == Message::Kind::kBroken) control_.send(message->from, {.kind = Message::Kind::kHeard});
      if (message->kind == Message::Kind::kBroken || message->kind == Message::Kind::kHeard)
        heard.insert(message->from);
    }
    rest(turn);
  }
}

/// Another rank's error.
void MpiCommunicator::hear(const Message& message) {
  error_ = Status(static_cast<Code>(message.number), message.text);
  control_.send(message.from, {.kind = Message::Kind::kHeard});
  const Clock::time_point begin = Clock::now();
  for (int turn = 0; (turn < 100 || !control_.sent()) && Clock::now() < begin + kHearTime; ++turn) {
    if (auto next = control_.receive(); next && next->kind == Message::Kind::kBroken)
      control_.send(next->from, {.kind = Message::Kind::kHeard});
    rest(turn);
  }
}

/// A signal most often follows another rank's error, which may still be on its way: that one says more.
Status MpiCommunicator::stopped(const std::string& where) {
  const int signal = options_.stop ? options_.stop->load() : 0;
  if (signal == 0) return Status::ok();
  if (!signalled_) signalled_ = Clock::now();
  if (Clock::now() < *signalled_ + kErrorTime) return Status::ok();
  return resourceError("stopped by signal " + std::to_string(signal) + " while it waited in " + where +
                       "; under mpirun another rank may have died, and what it printed says why");
}

/// Whoever leaves it knows that all have left what MPI does without end, MPI_Comm_dup and MPI_Comm_create_group: there
/// nobody would hear of an error.
Status MpiCommunicator::barrier(MPI_Comm comm, const std::string& what, Lock& lock) {
  MPI_Request request = MPI_REQUEST_NULL;
  JINX_TRY(mpiStatus(MPI_Ibarrier(comm, &request), "MPI_Ibarrier"));
  const Clock::time_point begin = Clock::now();
  for (int turn = 0, done = 0;; ++turn) {
    JINX_TRY(mpiStatus(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
    if (done) return Status::ok();
    progress();
    if (!error_.isOk()) return error_;
    JINX_TRY(stopped(what));
    if (Clock::now() > begin + options_.timeout)
      return resourceError(what + ": not all ranks have come in " + since(begin));
    lock.unlock();
    rest(turn);
    lock.lock();
  }
}

// ---- groups ----

Expected<int> MpiCommunicator::makeGroup(std::span<const int> ranks) {
  JINX_TRY_ASSIGN(const int group, groups_.make(ranks));
  if (group < static_cast<int>(comms_.size())) return group;
  Lock lock(mutex_);
  if (!error_.isOk()) return error_;
  auto comm = meet(groups_.members(group), lock);
  if (!comm) {
    breakWith(comm.status());
    return error_;
  }
  comms_.push_back(*comm);
  return group;
}

/// MPI waits for a group's members without end; so they say first that they are coming.
Expected<MPI_Comm> MpiCommunicator::meet(std::span<const int> ranks, Lock& lock) {
  const uint64_t order = orderOf(ranks);
  for (int other : ranks)
    if (other != rank_) control_.send(other, {.kind = Message::Kind::kMakesGroup, .order = order});
  const std::string what = "makeGroup of " + ranksText(ranks);
  const Clock::time_point begin = Clock::now();
  for (int turn = 0; makers_[order].size() + 1 < ranks.size(); ++turn) {
    progress();
    if (!error_.isOk()) return error_;
    JINX_TRY(stopped(what));
    for (int other : ranks) // what one rank says arrives in order
      if (finished_.contains(other) && !makers_[order].contains(other))
        return resourceError(what + ": rank " + std::to_string(other) + " has gone and did not come");
    if (Clock::now() > begin + options_.timeout) {
      std::string text = what + ": rank " + std::to_string(rank_) + " has waited " + since(begin);
      for (int other : ranks)
        if (other != rank_ && !makers_[order].contains(other))
          text += "; rank " + std::to_string(other) + " has not come";
      return resourceError(text + "; all members make a group, and those that share several in one order");
    }
    lock.unlock();
    rest(turn);
    lock.lock();
  }
  MPI_Group world = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm_group(comms_[0], &world);
  JINX_TRY(mpiStatus(MPI_Group_incl(world, static_cast<int>(ranks.size()), ranks.data(), &group), "MPI_Group_incl"));
  JINX_TRY(mpiStatus(MPI_Comm_create_group(comms_[0], group, static_cast<int>(order % 30000), &comm),
                     "MPI_Comm_create_group"));
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  MPI_Group_free(&group);
  MPI_Group_free(&world);
  JINX_TRY(barrier(comm, what, lock));
  return comm;
}

// ---- calls ----

Route MpiCommunicator::routeOf(const Call& call) {
  const auto members = groups_.members(call.group);
  Route route{comms_[static_cast<size_t>(call.group)], members, groups_.place(call.group)};
  if (call.op == Op::kSend)
    route.order = orderOf(members, route.place, call.root);
  else if (call.op == Op::kRecv)
    route.order = orderOf(members, call.root, route.place);
  else
    route.order = orderOf(members);
  route.number = started_[route.order]++;
  return route;
}

Expected<Ticket> MpiCommunicator::start(const Call& call, const void* in, void* out) {
  if (!groups_.has(call.group))
    return invalidArgument(identify(call) + ": got group " + std::to_string(call.group) +
                           ", expected one of makeGroup on this communicator");
  const auto members = groups_.members(call.group);
  const int n = static_cast<int>(members.size()), place = groups_.place(call.group);
  JINX_TRY(checkCall(call, place, n, in, out));
  JINX_TRY(checkMpiCall(call, place, n));
  Lock lock(mutex_);
  if (!error_.isOk()) return error_;
  const auto flight = std::make_shared<Flight>(call, routeOf(call), in, out, options_.comparesCalls);
  const Ticket ticket{nextTicket_++};
  flights_[ticket.id] = flight;
  queues_[flight->route().order].push_back(flight);
  watch_.started(ticket.id, call, members);
  const Traffic moved = trafficOf(call, place, n);
  traffic_.sentBytes += moved.sentBytes;
  traffic_.receivedBytes += moved.receivedBytes;
  ++traffic_.calls;
  progress();
  if (!error_.isOk()) return error_;
  return ticket;
}

Status MpiCommunicator::wait(Ticket ticket) {
  Lock lock(mutex_);
  if (!error_.isOk()) return error_;
  const auto found = flights_.find(ticket.id);
  if (found == flights_.end())
    return invalidArgument("got ticket " + std::to_string(ticket.id) +
                           ", expected one of start that was not waited for");
  const std::shared_ptr<Flight> flight = found->second;
  watch_.waiting(ticket.id);
  const Clock::time_point begin = Clock::now();
  for (int turn = 0;; ++turn) {
    progress();
    if (!error_.isOk()) return error_;
    if (flight->done()) break;
    error_ =
        stopped(identify(flight->call()) + ", " + ranksText(flight->route().ranks)); // the others have the signal, too
    if (!error_.isOk()) return error_;
    Status status = goneMember(*flight);
    if (status.isOk() && !flight->call().isPatient && Clock::now() > begin + options_.timeout)
      status = timedOut(*flight, begin, lock);
    if (!status.isOk()) breakWith(status);
    if (!error_.isOk()) return error_;
    lock.unlock();
    rest(turn);
    lock.lock();
  }
  watch_.done(ticket.id);
  flights_.erase(ticket.id);
  return Status::ok();
}

void MpiCommunicator::abort(const Status& why) {
  Lock lock(mutex_);
  breakWith(Status(why.isOk() ? Code::kInternal : why.code(),
                   "rank " + std::to_string(rank_) + " has failed: " + why.message()));
}

// ---- members that do not come ----

/// A member that has finished is asked whether it has started this call; where it has not, it never will.
Status MpiCommunicator::goneMember(const Flight& flight) {
  const Route& route = flight.route();
  const bool ends = flight.call().op == Op::kSend || flight.call().op == Op::kRecv;
  for (int other : route.ranks) {
    if (!finished_.contains(other) || (ends && other != route.ranks[static_cast<size_t>(flight.call().root)])) continue;
    if (asked_.insert({other, route.order}).second)
      control_.send(other, {.kind = Message::Kind::kAsk, .order = route.order, .number = route.number});
    const auto answer = answers_.find({other, route.order});
    if (answer != answers_.end() && answer->second.number <= route.number)
      return resourceError(identify(flight.call()) + ", " + ranksText(route.ranks) + ": rank " + std::to_string(other) +
                           " has gone and did not come; it " + answer->second.text);
  }
  return Status::ok();
}

/// Asks, and waits some time for answers.
void MpiCommunicator::question(std::span<const int> ranks, uint64_t order, int64_t number,
                               const std::function<bool()>& isOver, Lock& lock) {
  for (int other : ranks) {
    answers_.erase({other, order});
    control_.send(other, {.kind = Message::Kind::kAsk, .order = order, .number = number});
  }
  auto missing = [&] {
    return std::ranges::any_of(ranks, [&](int other) { return !answers_.contains({other, order}); });
  };
  auto isStopped = [&] { return options_.stop && options_.stop->load() != 0; };
  const Clock::time_point asked = Clock::now();
  for (int turn = 0; missing() && error_.isOk() && !isOver() && !isStopped() && Clock::now() < asked + kAnswerTime;
       ++turn) {
    progress();
    lock.unlock();
    rest(turn);
    lock.lock();
  }
}

void MpiCommunicator::answerWith(Answer answer) {
  Lock lock(mutex_);
  answer_ = std::move(answer);
}

std::vector<Whereabouts> MpiCommunicator::ask(std::span<const int> ranks, uint64_t order) {
  Lock lock(mutex_);
  if (error_.isOk()) question(ranks, order, 0, [] { return false; }, lock);
  std::vector<Whereabouts> all;
  for (int rank : ranks) {
    const auto answer = answers_.find({rank, order});
    if (answer == answers_.end())
      all.push_back({.rank = rank});
    else
      all.push_back({.rank = rank, .answers = true, .started = answer->second.number, .text = answer->second.text});
  }
  return all;
}

/// Asks everybody; who does not answer in time is named as well.
Status MpiCommunicator::timedOut(const Flight& flight, Clock::time_point begin, Lock& lock) {
  const Route& route = flight.route();
  const std::string waited = "rank " + std::to_string(rank_) + " has waited " + since(begin);
  std::vector<int> others;
  if (flight.call().op == Op::kSend || flight.call().op == Op::kRecv)
    others = {route.ranks[static_cast<size_t>(flight.call().root)]};
  else
    std::ranges::copy_if(route.ranks, std::back_inserter(others), [&](int other) { return other != rank_; });
  question(others, route.order, route.number, [&] { return flight.done(); }, lock);
  if (!error_.isOk() || flight.done()) return error_;
  std::string text = identify(flight.call()) + ", " + ranksText(route.ranks) + ": " + waited;
  bool allCame = true;
  for (int other : others) {
    const auto answer = answers_.find({other, route.order});
    const std::string who = "; rank " + std::to_string(other) + ": ";
    if (answer == answers_.end())
      text += who + "does not answer: it has gone, or its process is stopped";
    else if (answer->second.number <= route.number)
      text += who + "has not come; " + answer->second.text;
    else
      continue;
    allCame = false;
  }
  if (allCame) text += "; all members have come, and their bytes have not: look at the network between them";
  return resourceError(text + "; where these are only slow, raise the timeout");
}

} // namespace jinx::comm

// What openCommunicator looks for.
extern "C" {
__attribute__((visibility("default"))) const char* jinxCommunicatorModule() { return jinx::comm::kModuleVersion; }

__attribute__((visibility("default"))) jinx::comm::Communicator*
jinxOpenCommunicator(const jinx::comm::OpenOptions& options, jinx::Status& status) {
  auto comm = jinx::comm::MpiCommunicator::open(options);
  if (!comm) {
    status = comm.status();
    return nullptr;
  }
  return comm->release();
}
}

// Scheduling, failures, and the checks on plain memory accesses.
#include "runtime/device/emulated/Machine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <thread>

namespace jinx::emulated {

namespace {
constexpr size_t kStackBytes = 512 * 1024;  // reserved, not touched until used
thread_local Machine *theMachine = nullptr;

/// Stacks for this thread's next launch: to map them takes longer than to run a small kernel.
constexpr size_t kSpareFibres = 256;
thread_local std::vector<std::unique_ptr<Fibre>> spareFibres;

std::string nameOf(const MemoryRange &range) { return range.name.empty() ? "a buffer" : range.name; }
}  // namespace

Machine *Machine::current() { return theMachine; }

Machine::Machine(const LaunchShape &shape, const LaunchOptions &options, const HostModule &module, void (*kernel)(void **), void **params)
    : shape_(shape), options_(options), module_(module), selfSlot_(module.selfSlot()), kernel_(kernel), params_(params), rng_(options.seed) {
  std::sort(options_.ranges.begin(), options_.ranges.end(), [](auto &a, auto &b) { return a.begin < b.begin; });
  for (const MemoryRange &range : options_.ranges) {
    global_.addRange(range.bytes);
    report_.touched.push_back({range.begin});
  }
  if (options_.maxBankConflict > 0) options_.countBankConflicts = true;
  // Seeds differ in temper: copies that land at once, now and then, or only when nothing else can go on.
  constexpr unsigned kTempers[] = {48, 4, 0};
  eagerness_ = kTempers[options.seed % 3];
}

Expected<LaunchReport> Machine::run() {
  Machine *outer = theMachine;
  theMachine = this;
  idleFibres_.swap(spareFibres);
  Status status;
  for (uint32_t block = 0; block < shape_.grid && status.isOk(); block += shape_.cluster) {
    startCluster(block);
    status = runCluster();
    for (Cta &cta : ctas_) cta.shadow.collect(report_.bankConflicts);
  }
  theMachine = outer;
  if (idleFibres_.size() > kSpareFibres) idleFibres_.resize(kSpareFibres);
  idleFibres_.swap(spareFibres);
  for (auto &[line, count] : report_.bankConflicts) {
    if (!status.isOk() || options_.maxBankConflict <= 0 || double(count.wavefronts) <= options_.maxBankConflict * double(count.ideal)) continue;
    std::ostringstream out;
    out << "bank conflicts: " << count.accesses << " accesses of shared memory by warps take " << count.wavefronts << " wavefronts instead of "
        << count.ideal << at(line);
    status = internalError(out.str());
  }
  if (!status.isOk()) return status;
  return report_;
}

void Machine::startCluster(unsigned firstBlock) {
  ctas_.clear();
  ctas_.resize(shape_.cluster);
  ready_.clear();
  clusterArrived_ = 0;
  engines_.clear();
  const unsigned warpgroups = (shape_.threads + kWarpgroup - 1) / kWarpgroup;
  firstEngine_ = shape_.cluster * (shape_.threads + warpgroups);
  gridActor_ = newActor("the launch before");
  auto ended = std::make_shared<Clocks>(gridActor_ + 1);
  ended->back() = 1;
  gridEnded_ = std::move(ended);
  // Dynamic shared memory begins at an arbitrary multiple of 16, as far as a kernel may know, the same in all blocks of a cluster; the
  // first KiB belongs to the system.
  unsigned sharedBegin = 1024 + 16 * random(64);
  for (unsigned rank = 0; rank < shape_.cluster; ++rank) {
    Cta &cta = ctas_[rank];
    cta.rank = rank;
    cta.block = firstBlock + rank;
    cta.sharedBegin = sharedBegin;
    cta.sharedEnd = cta.sharedBegin + shape_.sharedBytes;
    cta.memory.assign(cta.sharedEnd + 2048, 0xFF);
    auto at = reinterpret_cast<uintptr_t>(cta.memory.data());
    cta.window = cta.memory.data() + ((1024 - at % 1024) % 1024);
    cta.shadow.reset(cta.sharedEnd, shape_.threads, options_.countBankConflicts);
    cta.threads.resize(shape_.threads);
    cta.warps.resize((shape_.threads + kLanes - 1) / kLanes);
    cta.warpgroups.resize(warpgroups);
    for (unsigned w = 0; w < warpgroups; ++w) cta.warpgroups[w].actor = shape_.cluster * shape_.threads + rank * warpgroups + w;
    for (unsigned w = 0; w < cta.warps.size(); ++w) {
      cta.warps[w].lanes = std::min(kLanes, shape_.threads - w * kLanes);
      cta.warps[w].leader = random(cta.warps[w].lanes);
    }
    for (unsigned i = 0; i < shape_.threads; ++i) {
      Thread &thread = cta.threads[i];
      thread.cta = &cta;
      thread.index = i;
      thread.knows.self = rank * shape_.threads + i;
      thread.self.threadIdx = {i, 0, 0};
      thread.self.blockIdx = {cta.block, 0, 0};
      thread.self.blockDim = {shape_.threads, 1, 1};
      thread.self.gridDim = {shape_.grid, 1, 1};
      thread.self.shared_window = cta.window;
      thread.self.shared = cta.window + cta.sharedBegin;
      thread.self.cluster_rank = rank;
      ready_.push_back(&thread);
    }
  }
  live_ = shape_.cluster * shape_.threads;
}

Status Machine::runCluster() {
  while (live_ > 0 && failure_.empty()) {
    if (!pending_.empty() && random(64) < eagerness_) progress();
    if (ready_.empty()) {
      if (progress()) continue;
      failure_ = deadlockReport();
      break;
    }
    size_t pick = random(static_cast<unsigned>(ready_.size()));
    Thread *thread = ready_[pick];
    ready_[pick] = ready_.back();
    ready_.pop_back();
    resumeThread(thread);
  }
  while (failure_.empty() && progress()) {
  }
  pending_.clear();
  if (failure_.empty()) checkRemoteArrivals();
  // Abandoned threads give their stacks back; what they held is forgotten.
  for (Cta &cta : ctas_)
    for (Thread &thread : cta.threads)
      if (thread.fibre) idleFibres_.push_back(std::move(thread.fibre));
  return failure_.empty() ? Status::ok() : internalError(failure_);
}

void Machine::resumeThread(Thread *thread) {
  if (thread->state == Thread::kNotStarted) {
    if (idleFibres_.empty()) {
      idleFibres_.push_back(Fibre::create(kStackBytes));
      if (!idleFibres_.back()) {
        failure_ = "no memory for the stack of another emulated thread";
        return;
      }
    }
    thread->fibre = std::move(idleFibres_.back());
    idleFibres_.pop_back();
    thread->fibre->start(&Machine::threadMain, thread);
  }
  thread->state = Thread::kReady;
  ++report_.switches;
  running_ = thread;
  *selfSlot_ = &thread->self;
  thread->fibre->resume();
  running_ = nullptr;
  if (thread->state == Thread::kDone) {
    idleFibres_.push_back(std::move(thread->fibre));
    --live_;
  }
}

void Machine::threadMain(void *argument) {
  auto *thread = static_cast<Thread *>(argument);
  Machine *machine = theMachine;
  machine->kernel_(machine->params_);
  machine->finishThread();
  thread->state = Thread::kDone;
  thread->fibre->suspend();
}

void Machine::finishThread() {
  Thread &t = self();
  for (unsigned reads : t.storeReads.unfinished)
    if (reads) fail("the thread exits while a bulk store of it may still read shared memory: wait for its reads first", t.storeReads.line);
  if (t.storeActor && t.knows.seenOf(t.storeActor) < t.storeReads.open() + t.storeReads.isOpenUsed)
    fail("the thread exits while a bulk store of it may still read shared memory: wait for its reads first", t.storeReads.line);
  if (!t.copies.empty()) fail("the thread exits with asynchronous copies that nothing has waited for", t.copies.front().line);
  if (!t.wgmmaInFlight.empty()) {
    const auto &ops = t.cta->warpgroups[t.index / kWarpgroup].ops;
    fail("the thread exits with a wgmma that nothing has waited for", ops.empty() ? 0 : ops.front().line);
  }
}

/// A block's shared memory must outlive the arrivals of other blocks: some thread of it, or a cluster barrier, has to wait for them.
void Machine::checkRemoteArrivals() {
  for (const Cta &cta : ctas_) {
    Gathered known;
    for (const auto &[address, barrier] : cta.mbarriers)
      for (const auto &[actor, arrival] : barrier.remote) {
        if (arrival.clusterGeneration < clusterGeneration_) continue;
        if (known.seen.empty())
          for (const Thread &thread : cta.threads) known.add(thread.knows);
        if (known.seen[actor] >= arrival.event.when) continue;
        return failOutside("block " + std::to_string(cta.block) + " may exit before " + actorName(actor) + " arrives at its mbarrier at shared+" +
                               std::to_string(address - cta.sharedBegin) + ": nothing of the block waits for that arrival; it is",
                           arrival.event.line);
      }
  }
}

void Machine::block(const char *what, unsigned address, unsigned parity, int line) {
  Thread &t = self();
  t.waitsFor = what;
  t.waitAddress = address;
  t.waitParity = parity;
  t.waitLine = line;
  t.state = Thread::kBlocked;
  t.fibre->suspend();
}

void Machine::wake(Thread *thread) {
  if (thread->state != Thread::kBlocked) return;
  thread->state = Thread::kReady;
  ready_.push_back(thread);
}

void Machine::wakeAll(std::vector<Thread *> &waiting) {
  for (Thread *thread : waiting) wake(thread);
  waiting.clear();
}

bool Machine::progress() {
  if (pending_.empty()) return false;
  size_t pick = random(static_cast<unsigned>(pending_.size()));
  auto apply = std::move(pending_[pick]);
  pending_[pick] = std::move(pending_.back());
  pending_.pop_back();
  ++report_.copies;
  apply();
  return true;
}

// ---- failures ---------------------------------------------------------------------------------------------------------------------

std::string Machine::where(int line) const {
  std::ostringstream out;
  if (running_) out << " (block " << running_->cta->block << ", thread " << running_->index << ")";
  out << at(line);
  return out.str();
}

std::string Machine::at(int line) const {
  return line > 0 ? " at line " + std::to_string(line) + ": `" + module_.line(line) + "`" : std::string();
}

void Machine::failOutside(std::string message, int line) {
  if (failure_.empty()) failure_ = std::move(message) + where(line);
}

void Machine::fail(std::string message, int line) {
  failOutside(std::move(message), line);
  for (;;) {
    running_->state = Thread::kBlocked;
    running_->fibre->suspend();
  }
}

std::string Machine::deadlockReport() const {
  std::ostringstream out;
  out << "deadlock: no thread can run and no copy is in flight";
  for (const Cta &cta : ctas_) {
    out << "\n  block " << cta.block << " (rank " << cta.rank << " of its cluster)";
    // Neighbours that wait for the same thing share a line.
    for (size_t i = 0; i < cta.threads.size();) {
      const Thread &t = cta.threads[i];
      size_t end = i + 1;
      auto same = [&](const Thread &o) {
        return o.state == t.state && (t.state != Thread::kBlocked || (o.waitsFor == t.waitsFor && o.waitAddress == t.waitAddress &&
                                                                      o.waitParity == t.waitParity && o.waitLine == t.waitLine));
      };
      while (end < cta.threads.size() && same(cta.threads[end])) ++end;
      out << "\n    threads " << i << ".." << end - 1 << ": ";
      if (t.state == Thread::kDone) {
        out << "finished";
      } else {
        out << "wait for " << t.waitsFor;
        if (t.waitAddress) out << " at shared+" << t.waitAddress - cta.sharedBegin << ", parity " << t.waitParity;
        out << at(t.waitLine);
      }
      i = end;
    }
    for (const auto &[address, bar] : cta.mbarriers) {
      out << "\n    mbarrier shared+" << address - cta.sharedBegin << ": " << bar.count - bar.pending << " of " << bar.count
          << " arrivals, " << bar.bytes << " bytes outstanding, phase parity " << bar.phase << ", " << bar.completed
          << " phases completed";
      if (bar.initLine) out << ", made" << at(bar.initLine);
    }
    for (size_t b = 0; b < cta.barriers.size(); ++b)
      if (cta.barriers[b].meeting.arrived)
        out << "\n    block barrier " << b << ": " << cta.barriers[b].meeting.arrived << " of " << cta.barriers[b].expected << " threads";
  }
  return out.str();
}

// ---- plain accesses ---------------------------------------------------------------------------------------------------------------

void Machine::checkSharedRange(Cta &cta, unsigned address, uint64_t bytes, const char *what, int line) {
  if (address >= cta.sharedBegin && address + bytes <= cta.sharedEnd) return;
  std::ostringstream out;
  out << what << " of " << bytes << " bytes at shared+" << static_cast<int64_t>(address) - cta.sharedBegin << " is outside the block's "
      << cta.sharedEnd - cta.sharedBegin << " bytes of shared memory";
  fail(out.str(), line);
}

void Machine::sharedAccess(const void *p, unsigned bytes, bool isWrite, int line) {
  Thread &t = self();
  Cta &cta = *t.cta;
  auto address = static_cast<uint64_t>(static_cast<const unsigned char *>(p) - cta.window);
  if (address > UINT32_MAX / 2) fail("an access through a shared-memory wrapper to what is not shared memory", line);
  checkSharedRange(cta, static_cast<unsigned>(address), bytes, isWrite ? "a store" : "a load", line);
  if (address % bytes != 0) fail("a misaligned shared-memory access of " + std::to_string(bytes) + " bytes", line);
  count(line);
  const SharedShadow::Access access{static_cast<unsigned>(address), bytes, eventOfSelf(line)};
  if (isWrite) {
    demandNone(cta.shadow.write(access, t.knows), cta, "a store", true, line);
  } else {
    demandNone(cta.shadow.read(access, t.knows), cta, "a load", false, line);
  }
  cta.shadow.access(t.index, static_cast<unsigned>(address), bytes, line);
}

void Machine::clusterLoad(void *to, unsigned address, unsigned rank, unsigned bytes, int line) {
  Thread &t = self();
  if (rank >= ctas_.size()) fail("a load from block " + std::to_string(rank) + " of a cluster of " + std::to_string(ctas_.size()), line);
  Cta &cta = ctas_[rank];
  checkSharedRange(cta, address, bytes, "a load from another block", line);
  if (address % bytes != 0) fail("a misaligned shared-memory access of " + std::to_string(bytes) + " bytes", line);
  if (hasExited(cta)) fail("a load from the shared memory of a block that has exited", line);
  count(line);
  demandNone(cta.shadow.read({address, bytes, eventOfSelf(line)}, t.knows), cta, "a load from another block", false, line);
  std::memcpy(to, cta.window + address, bytes);
}

void Machine::globalAccess(const void *p, unsigned bytes, JinxEmuAccess access, int line) {
  if (access != JINX_EMU_CONSTANT) demandGridWait(access == JINX_EMU_WRITE ? "a store" : "a load", line);
  if (reinterpret_cast<uintptr_t>(p) % std::min(bytes, 16u) != 0) fail("a misaligned global access of " + std::to_string(bytes) + " bytes", line);
  touchGlobal(p, bytes, access, line);
}

void Machine::demandGridWait(const char *what, int line) {
  if (!options_.startsEarly || clockOf(self().knows.seen, gridActor_) > 0) return;
  fail(std::string("missing grid_wait_previous: ") + what + " of global memory, while the launch before may still run", line);
}

void Machine::peerAccess(const void *p, unsigned bytes, int line) {
  demandGridWait("an access", line);
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) fail("a misaligned access of " + std::to_string(bytes) + " bytes to memory of several devices", line);
  count(line);
  if (!options_.ranges.empty()) rangeOf(p, bytes, /*isWrite=*/true, line);
}

/// Goes on when its turn comes again: nobody has to wake it. Other devices' threads get the processor when all may have had their turn.
void Machine::yield(int line) {
  count(line);
  if (++yields_ % live_ == 0) std::this_thread::yield();
  Thread &t = self();
  t.state = Thread::kReady;
  ready_.push_back(&t);
  t.fibre->suspend();
}

size_t Machine::rangeOf(const void *p, unsigned bytes, bool isWrite, int line) {
  auto it = std::upper_bound(options_.ranges.begin(), options_.ranges.end(), p, [](const void *q, auto &r) { return q < r.begin; });
  if (it == options_.ranges.begin()) fail("a global access outside every buffer", line);
  --it;
  auto *begin = static_cast<const char *>(it->begin), *at = static_cast<const char *>(p);
  if (at + bytes > begin + it->bytes)
    fail((isWrite ? "a store of " : "a load of ") + std::to_string(bytes) + " bytes outside every buffer, " + std::to_string(at - begin) +
             " bytes into " + nameOf(*it) + " of " + std::to_string(it->bytes), line);
  return static_cast<size_t>(it - options_.ranges.begin());
}

void Machine::touchGlobal(const void *p, unsigned bytes, JinxEmuAccess access, int line) {
  const bool isWrite = access == JINX_EMU_WRITE;
  count(line);
  if (options_.ranges.empty()) return;
  const size_t range = rangeOf(p, bytes, isWrite, line), offset = static_cast<size_t>(static_cast<const char *>(p) - static_cast<const char *>(options_.ranges[range].begin));
  const MemoryRange &in = options_.ranges[range];
  TouchedRange &touched = report_.touched[range];
  if (isWrite && (in.isConstant || touched.isConstant)) fail("a store to memory that is read as a constant, " + nameOf(in) + ": those loads do not wait for the launch before", line);
  if (isWrite && !in.writable) fail("a store to an input buffer, " + nameOf(in), line);
  size_t &reach = isWrite ? touched.written : touched.read;
  reach = std::max(reach, offset + bytes);
  orderGlobal(range, offset, bytes, isWrite, line);
  touched.isConstant |= access == JINX_EMU_CONSTANT;
}

void Machine::poison(Cta &cta, unsigned address, unsigned bytes) {
  std::memset(cta.window + address, 0xFF, bytes);
}

// ---- order ------------------------------------------------------------------------------------------------------------------------

uint32_t Machine::newActor(std::string name) {
  engines_.push_back(std::move(name));
  return firstEngine_ + static_cast<uint32_t>(engines_.size() - 1);
}

std::string Machine::actorName(uint32_t actor) const {
  const uint32_t threads = shape_.cluster * shape_.threads;
  if (actor >= firstEngine_) return engines_[actor - firstEngine_];
  const bool isThread = actor < threads;
  const uint32_t each = isThread ? shape_.threads : (firstEngine_ - threads) / shape_.cluster, index = isThread ? actor : actor - threads;
  std::string name = (isThread ? "thread " : "the products of warpgroup ") + std::to_string(index % each);
  return shape_.cluster == 1 ? name : name + " of rank " + std::to_string(index / each);
}

void Machine::demandNone(const std::optional<Hazard> &hazard, const Cta &cta, const char *what, bool isWrite, int line) {
  if (!hazard) return;
  const Event &other = hazard->other;
  std::ostringstream out;
  const std::string place = "shared+" + std::to_string(hazard->address - cta.sharedBegin);
  switch (hazard->kind) {
    case Hazard::kNeverWritten: out << what << " reads " << place << ", which nothing has written"; break;
    case Hazard::kReleased: out << what << " reads " << place << ", whose stage was given back: its barrier's phase completed" << at(other.line); break;
    case Hazard::kCopyInFlight:
      out << what << " touches " << place << ", where an asynchronous copy of " << actorName(other.actor) << " that has not been waited for may still land, issued"
          << at(other.line);
      break;
    case Hazard::kUnseenWrite:
      if (other.actor >= firstEngine_) {
        out << what << " touches " << place << ", where a bulk load may not have landed: nobody who is ordered before has waited on " << actorName(other.actor)
            << "; issued" << at(other.line);
      } else {
        out << "a race: " << what << (isWrite ? " overwrites " : " reads ") << place << ", and no barrier stands after " << actorName(other.actor) << " wrote it"
            << at(other.line);
      }
      break;
    case Hazard::kUnseenRead:
      out << "a race: " << what << " overwrites " << place << ", and no barrier stands after " << actorName(other.actor) << " read it" << at(other.line);
      break;
    case Hazard::kUnfenced:
      out << "missing fence_proxy_async: " << what << " touches " << place << ", which " << actorName(other.actor) << " wrote without a proxy fence after it"
          << at(other.line);
      break;
  }
  out << "; found";
  fail(out.str(), line);
}

void Machine::orderGlobal(size_t range, size_t offset, unsigned bytes, bool isWrite, int line) {
  const Thread &t = self();
  const uint32_t firstBlock = t.cta->block - t.cta->rank;
  GlobalShadow::Writer other;
  size_t where = 0;
  global_.visit(range, offset, bytes, [&](size_t at, const GlobalShadow::Writer &writer) {
    const bool sameCluster = writer.block >= firstBlock && writer.block < firstBlock + shape_.cluster;
    if (sameCluster && t.knows.seenOf((writer.block - firstBlock) * shape_.threads + writer.thread) >= writer.when) return true;
    other = writer;
    where = at;
    return false;
  });
  if (other.when) {
    std::ostringstream out;
    out << "a race: " << (isWrite ? "a store overwrites" : "a load reads") << " byte " << where << " of " << nameOf(options_.ranges[range])
        << ", and no barrier stands after thread " << other.thread << " of block " << other.block << " wrote it" << at(other.line) << "; found";
    fail(out.str(), line);
  }
  if (isWrite) global_.write(range, offset, bytes, {t.cta->block, t.index, t.knows.now, line});
}

void Machine::failEndless(int line) {
  fail("no end after " + std::to_string(options_.maxOperations) + " accesses and waits: a loop does not stop, or far too much is computed", line);
}

}  // namespace jinx::emulated

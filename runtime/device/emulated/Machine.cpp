// Scheduling, failures, and the checks on plain memory accesses.
#include "runtime/device/emulated/Machine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

namespace jinx::emulated {

namespace {
constexpr size_t kStackBytes = 512 * 1024;  // reserved, not touched until used
thread_local Machine *theMachine = nullptr;
}  // namespace

Machine *Machine::current() { return theMachine; }

Machine::Machine(const LaunchShape &shape, const LaunchOptions &options, JinxEmuSelf **selfSlot, void (*kernel)(void **), void **params)
    : shape_(shape), options_(options), selfSlot_(selfSlot), kernel_(kernel), params_(params), rng_(options.seed) {
  std::sort(options_.ranges.begin(), options_.ranges.end(), [](auto &a, auto &b) { return a.begin < b.begin; });
  // Seeds differ in temper: copies that land at once, now and then, or only when nothing else can go on.
  constexpr unsigned kTempers[] = {48, 4, 0};
  eagerness_ = kTempers[options.seed % 3];
}

Expected<LaunchReport> Machine::run() {
  Machine *outer = theMachine;
  theMachine = this;
  Status status;
  for (uint32_t block = 0; block < shape_.grid && status.isOk(); block += shape_.cluster) {
    startCluster(block);
    status = runCluster();
    for (Cta &cta : ctas_) cta.shadow.collect(report_.bankConflicts);
  }
  theMachine = outer;
  if (!status.isOk()) return status;
  return report_;
}

void Machine::startCluster(unsigned firstBlock) {
  ctas_.clear();
  ctas_.resize(shape_.cluster);
  ready_.clear();
  clusterArrived_ = 0;
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
    cta.warpgroups.resize((shape_.threads + kWarpgroup - 1) / kWarpgroup);
    for (unsigned w = 0; w < cta.warps.size(); ++w) {
      cta.warps[w].lanes = std::min(kLanes, shape_.threads - w * kLanes);
      cta.warps[w].leader = random(cta.warps[w].lanes);
    }
    for (unsigned i = 0; i < shape_.threads; ++i) {
      Thread &thread = cta.threads[i];
      thread.cta = &cta;
      thread.index = i;
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
    if (reads) fail("the thread exits while a bulk store of it may still read shared memory: wait for its reads first", 0);
  for (unsigned copies : t.asyncGroups.unfinished)
    if (copies) fail("the thread exits with asynchronous copies that nothing has waited for", 0);
  if (!t.wgmmaInFlight.empty()) fail("the thread exits with a wgmma that nothing has waited for", 0);
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
  if (line > 0) out << " at line " << line;
  return out.str();
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
        if (t.waitLine) out << ", line " << t.waitLine;
      }
      i = end;
    }
    for (const auto &[address, bar] : cta.mbarriers) {
      out << "\n    mbarrier shared+" << address - cta.sharedBegin << ": " << bar.count - bar.pending << " of " << bar.count
          << " arrivals, " << bar.bytes << " bytes outstanding, phase parity " << bar.phase << ", " << bar.completed
          << " phases completed";
      if (bar.initLine) out << ", made at line " << bar.initLine;
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
  if (isWrite) cta.shadow.generic(static_cast<unsigned>(address), bytes, t.index, t.fenceEpoch, line);
  cta.shadow.access(t.index, static_cast<unsigned>(address), bytes, line);
}

void Machine::globalAccess(const void *p, unsigned bytes, bool isWrite, int line) {
  if (options_.ranges.empty()) return;
  auto it = std::upper_bound(options_.ranges.begin(), options_.ranges.end(), p, [](const void *q, auto &r) { return q < r.begin; });
  auto *at = static_cast<const char *>(p);
  if (it != options_.ranges.begin()) {
    --it;
    auto *begin = static_cast<const char *>(it->begin);
    if (at + bytes <= begin + it->bytes) {
      if (isWrite && !it->writable) fail("a store to an input buffer", line);
      if (reinterpret_cast<uintptr_t>(p) % std::min(bytes, 16u) != 0) fail("a misaligned global access of " + std::to_string(bytes) + " bytes", line);
      return;
    }
    fail((isWrite ? "a store of " : "a load of ") + std::to_string(bytes) + " bytes outside every buffer, " +
             std::to_string(at - begin) + " bytes into one of " + std::to_string(it->bytes),
         line);
  }
  fail("a global access outside every buffer", line);
}

void Machine::poison(Cta &cta, unsigned address, unsigned bytes) {
  std::memset(cta.window + address, 0xFF, bytes);
  cta.shadow.asynchronous(address, bytes);
}

void Machine::checkFenced(Cta &cta, unsigned address, unsigned bytes, const char *reader, int line) {
  for (unsigned a = address / 4 * 4; a < address + bytes; a += 4) {
    const SharedShadow::Writer &writer = cta.shadow.at(a);
    if (writer.thread == 0 || cta.threads[writer.thread - 1].fenceEpoch != writer.epoch) continue;
    std::ostringstream out;
    out << "missing fence_proxy_async: " << reader << " touches shared+" << a - cta.sharedBegin << ", which thread " << writer.thread - 1
        << " wrote at line " << writer.line << " without a proxy fence after it";
    if (running_) fail(out.str(), line);
    failOutside(out.str(), line);
    return;
  }
}

}  // namespace jinx::emulated

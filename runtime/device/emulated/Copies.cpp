// Copies that run beside the threads: cp.async by one thread, bulk tensor copies (TMA) by one thread for all.
//
// A copy is cut into pieces that land in any order. From its issue on, the destination of a copy into shared memory holds NaN.
#include <algorithm>
#include <cstring>
#include <sstream>

#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

namespace {

/// Hardware XORs address bits: of the 16-byte chunk number with the number of the 128-byte line, over as many bits as the span has.
unsigned swizzled(unsigned address, unsigned swizzleBytes) {
  switch (swizzleBytes) {
    case 128: return address ^ ((address >> 3) & 0x70);
    case 64: return address ^ ((address >> 3) & 0x30);
    case 32: return address ^ ((address >> 3) & 0x10);
    default: return address;
  }
}

unsigned rowBytesOf(const EmulatedTensorMap &map) { return map.box[0] * map.elementBytes; }
unsigned rowsOf(const EmulatedTensorMap &map) {
  if (map.isRun()) return map.box[1];
  unsigned rows = 1;
  for (unsigned d = 1; d < map.rank; ++d) rows *= map.box[d];
  return rows;
}

/// Where row `row` of the box begins in global memory, and how many of its elements exist; none for rows outside the tensor.
struct Row {
  unsigned char *begin;  ///< of the first valid element
  unsigned skip, valid;  ///< elements missing on the left; elements there
};

/// Pixel `row` of a run: where the walk over the window's positions has got to, and what it reads there.
/// \param c  channel, w, h, n of the run's beginning, then the tap
std::array<int64_t, 4> pixelOf(const EmulatedTensorMap &map, const int *c, unsigned row) {
  const int64_t lastW = int64_t(map.dims[1]) - 1 + map.window[2], lastH = int64_t(map.dims[2]) - 1 + map.window[3];
  int64_t w = c[1], h = c[2], n = c[3];
  for (; row > 0; --row) {
    w += map.window[4];
    if (w <= lastW) continue;
    w = map.window[0];
    h += map.window[5];
    if (h <= lastH) continue;
    h = map.window[1];
    ++n;
  }
  return {c[0], w + c[4], h + c[5], n};
}

Row globalRow(const EmulatedTensorMap &map, const int *coordinates, unsigned row) {
  unsigned char *at = map.base;
  if (map.isRun()) {
    const auto pixel = pixelOf(map, coordinates, row);
    for (unsigned d = 1; d < 4; ++d) {
      if (pixel[d] < 0 || pixel[d] >= int64_t(map.dims[d])) return {nullptr, 0, 0};
      at += pixel[d] * static_cast<int64_t>(map.strides[d - 1]);
    }
  }
  for (unsigned d = 1; d < map.rank && !map.isRun(); ++d) {
    int64_t c = coordinates[d] + static_cast<int64_t>(row % map.box[d]);
    row /= map.box[d];
    if (c < 0 || c >= static_cast<int64_t>(map.dims[d])) return {nullptr, 0, 0};
    at += c * static_cast<int64_t>(map.strides[d - 1]);
  }
  int64_t first = coordinates[0], last = first + map.box[0], width = static_cast<int64_t>(map.dims[0]);
  int64_t from = std::max<int64_t>(first, 0), to = std::min(last, width);
  if (from >= to) return {nullptr, 0, 0};
  return {at + from * map.elementBytes, static_cast<unsigned>(from - first), static_cast<unsigned>(to - from)};
}

constexpr unsigned kRowsPerPiece = 8;

}  // namespace

Status encodeTensorMap(EmulatedTensorMap map, EncodedTensorMap &out) {
  if (map.rank < 1 || map.rank > 5) return invalidArgument("a tensor map has rank 1 to 5");
  if (reinterpret_cast<uintptr_t>(map.base) % 16) return invalidArgument("a tensor map's base must be 16-byte aligned");
  if (map.isRun() && map.rank != 4) return invalidArgument("a tensor map of runs of pixels has rank 4");
  for (unsigned d = 0; d < map.rank; ++d) {
    if (!(map.isRun() && d > 1) && (map.box[d] < 1 || map.box[d] > (map.isRun() && d == 1 ? 1024 : 256)))
      return invalidArgument("a tensor map's box is 1 to 256 long in every dimension");
    if (map.dims[d] < 1) return invalidArgument("a tensor map needs dimensions of at least 1");
    if (d && map.strides[d - 1] % 16) return invalidArgument("a tensor map's strides must be multiples of 16 bytes");
  }
  unsigned rowBytes = rowBytesOf(map);
  if (rowBytes % 16) return invalidArgument("the box's rows must be multiples of 16 bytes");
  if (map.swizzleBytes && rowBytes > map.swizzleBytes) return invalidArgument("the box's rows exceed the swizzle span");
  out = {};
  std::memcpy(out.bytes, &map, sizeof map);
  return Status::ok();
}

// ---- groups -----------------------------------------------------------------------------------------------------------------------

void Machine::waitGroups(CopyGroups &groups, int pending, const char *what, int line) {
  for (;;) {
    size_t committed = groups.unfinished.size() - 1, mustBeDone = committed > size_t(pending) ? committed - pending : 0;
    size_t done = 0;
    while (done < mustBeDone && groups.unfinished[done] == 0) ++done;
    groups.unfinished.erase(groups.unfinished.begin(), groups.unfinished.begin() + static_cast<ptrdiff_t>(done));
    groups.first += done;
    if (done == mustBeDone) return;
    block(what, 0, 0, line);
  }
}

void Machine::finishPiece(Thread *thread, CopyGroups Thread::*groups, uint64_t group) {
  CopyGroups &all = thread->*groups;
  if (group >= all.first) --all.unfinished[group - all.first];
  wake(thread);  // it looks again at what it waits for
}

// ---- cp.async ---------------------------------------------------------------------------------------------------------------------

void Machine::copyAsync(void *dst, const void *src, unsigned dstBytes, unsigned srcBytes, int line) {
  Thread *t = &self();
  Cta *cta = t->cta;
  demandGridWait("an asynchronous copy", line);
  auto address = static_cast<unsigned>(static_cast<unsigned char *>(dst) - cta->window);
  checkSharedRange(*cta, address, dstBytes, "an asynchronous copy", line);
  if (address % dstBytes) fail("the destination of an asynchronous copy must be aligned to its size", line);
  if (srcBytes && reinterpret_cast<uintptr_t>(src) % dstBytes) fail("the source of an asynchronous copy must be aligned to its size", line);
  if (srcBytes) touchGlobal(src, srcBytes, JINX_EMU_READ, line);
  cta->shadow.access(t->index, address, dstBytes, line);
  demandNone(cta->shadow.startCopy({address, dstBytes, eventOfSelf(line)}, t->knows), *cta, "an asynchronous copy", true, line);
  poison(*cta, address, dstBytes);
  t->copies.push_back({t->asyncGroups.open(), address, dstBytes, line});
  uint64_t group = t->asyncGroups.open();
  ++t->asyncGroups.unfinished.back();
  later([=, this] {
    std::memset(cta->window + address, 0, dstBytes);
    if (srcBytes) std::memcpy(cta->window + address, src, srcBytes);
    finishPiece(t, &Thread::asyncGroups, group);
  });
}

void Machine::copyAsyncCommit() { commitGroup(self().asyncGroups); }

// From here on a copy is as if its thread had just stored the bytes: it belongs to the generic proxy.
void Machine::copyAsyncWait(int pending, int line) {
  Thread &t = self();
  waitGroups(t.asyncGroups, pending, "its asynchronous copies", line);
  for (; !t.copies.empty() && t.copies.front().group < t.asyncGroups.first; t.copies.pop_front()) {
    const UnsettledCopy &copy = t.copies.front();
    t.cta->shadow.copyArrived(copy.address, copy.bytes, eventOfSelf(copy.line));
  }
}

// ---- TMA --------------------------------------------------------------------------------------------------------------------------

void Machine::tmaLoad(unsigned dst, const EmulatedTensorMap &map, unsigned bar, const int *coordinates, const int *tap, unsigned rankMask, int line, JinxEmuAccess access) {
  if (map.magic != EmulatedTensorMap::kMagic) fail("a bulk load through something that is no tensor map", line);
  if (map.isRun() != (tap != nullptr)) fail("a bulk load of a run of pixels through a map of boxes, or the other way round", line);
  Thread &t = self();
  if (access != JINX_EMU_CONSTANT) demandGridWait("a bulk load", line);
  unsigned rowBytes = rowBytesOf(map), rows = rowsOf(map), total = rowBytes * rows;
  unsigned alignment = map.swizzleBytes ? 8 * map.swizzleBytes : 128;
  if (dst % alignment) fail("the destination of a bulk load must be aligned to " + std::to_string(alignment) + " bytes", line);
  std::array<int, 6> at{};
  for (unsigned d = 0; d < map.rank; ++d) at[d] = coordinates[d];
  if (tap) at[4] = tap[0], at[5] = tap[1];
  unsigned mask = rankMask ? rankMask : 1u << t.cta->rank;
  if (mask >> ctas_.size()) fail("a multicast to a block outside the cluster", line);
  for (unsigned r = 0; r < rows; ++r)
    if (Row row = globalRow(map, at.data(), r); row.valid) touchGlobal(row.begin, row.valid * map.elementBytes, access, line);
  for (Cta &cta : ctas_) {
    if (!(mask >> cta.rank & 1)) continue;
    checkSharedRange(cta, dst, total, "a bulk load", line);
    MBarrier &barrier = barrierAt(cta, bar, "a bulk load", line);
    if (!barrier.fenced) fail("a bulk load signals an mbarrier whose making was not fenced (mbar_init_fence)", line);
    // The load is the event that ends the barrier's phase in progress.
    const auto phase = static_cast<Clock>(barrier.completed + 1);
    demandNone(cta.shadow.write({dst, total, {barrier.actor, phase, line}, SharedShadow::Proxy::kAsync}, t.knows), cta, "a bulk load", true, line);
    poison(cta, dst, total);
    for (unsigned first = 0; first < rows; first += kRowsPerPiece) {
      unsigned count = std::min(kRowsPerPiece, rows - first);
      later([=, this, &cta, map = map] {
        for (unsigned r = first; r < first + count; ++r) {
          Row row = globalRow(map, at.data(), r);
          std::vector<unsigned char> bytes(rowBytes, 0);
          if (row.valid) std::memcpy(bytes.data() + row.skip * map.elementBytes, row.begin, row.valid * map.elementBytes);
          landPiece(cta, bar, phase, dst + r * rowBytes, bytes, map.swizzleBytes, line);
        }
      });
    }
  }
}

void Machine::landPiece(Cta &cta, unsigned bar, Clock phase, unsigned address, const std::vector<unsigned char> &bytes, unsigned swizzle, int line) {
  for (unsigned b = 0; b < bytes.size(); b += 16) std::memcpy(cta.window + swizzled(address + b, swizzle), bytes.data() + b, 16);
  MBarrier &barrier = cta.mbarriers[bar];
  if (barrier.completed >= phase)
    return failOutside("a bulk load lands after its phase of " + actorName(barrier.actor) + " has completed: fewer bytes were announced than come; issued", line);
  arriveOn(cta, bar, barrier, 0, -static_cast<int64_t>(bytes.size()));
}

void Machine::tmaStore(const EmulatedTensorMap &map, unsigned src, const int *coordinates, int line) {
  if (map.magic != EmulatedTensorMap::kMagic) fail("a bulk store through something that is no tensor map", line);
  Thread *t = &self();
  Cta *cta = t->cta;
  demandGridWait("a bulk store", line);
  unsigned rowBytes = rowBytesOf(map), rows = rowsOf(map);
  if (src % 128) fail("the source of a bulk store must be 128-byte aligned", line);
  checkSharedRange(*cta, src, rowBytes * rows, "a bulk store", line);
  if (!t->storeActor) t->storeActor = newActor("the bulk stores of thread " + std::to_string(t->index));
  const Event reading{t->storeActor, static_cast<Clock>(t->storeReads.open() + 1), line};
  demandNone(cta->shadow.read({src, rowBytes * rows, reading, SharedShadow::Proxy::kAsync}, t->knows), *cta, "a bulk store", false, line);
  t->storeReads.line = line;
  t->storeReads.isOpenUsed = true;
  std::array<int, 5> at{};
  for (unsigned d = 0; d < map.rank; ++d) at[d] = coordinates[d];
  for (unsigned r = 0; r < rows; ++r)
    if (Row row = globalRow(map, at.data(), r); row.valid) touchGlobal(row.begin, row.valid * map.elementBytes, JINX_EMU_WRITE, line);
  uint64_t readGroup = t->storeReads.open(), writeGroup = t->storeWrites.open();
  for (unsigned first = 0; first < rows; first += kRowsPerPiece) {
    unsigned count = std::min(kRowsPerPiece, rows - first);
    ++t->storeReads.unfinished.back();
    ++t->storeWrites.unfinished.back();
    later([=, this, map = map] {
      std::vector<unsigned char> bytes(static_cast<size_t>(count) * rowBytes);
      for (unsigned b = 0; b < bytes.size(); b += 16)
        std::memcpy(bytes.data() + b, cta->window + swizzled(src + first * rowBytes + b, map.swizzleBytes), 16);
      finishPiece(t, &Thread::storeReads, readGroup);
      later([=, this, map = map, bytes = std::move(bytes)] {
        for (unsigned r = 0; r < count; ++r) {
          Row row = globalRow(map, at.data(), first + r);
          if (row.valid)
            std::memcpy(row.begin, bytes.data() + static_cast<size_t>(r) * rowBytes + row.skip * map.elementBytes, row.valid * map.elementBytes);
        }
        finishPiece(t, &Thread::storeWrites, writeGroup);
      });
    });
  }
}

void Machine::tmaStoreCommit() {
  commitGroup(self().storeReads);
  commitGroup(self().storeWrites);
}

void Machine::tmaStoreWait(int pending, bool onlyRead, int line) {
  Thread &t = self();
  if (t.storeReads.isOpenUsed) fail("tma_store_wait while a bulk store is in no group: tma_store_commit is missing after line " + std::to_string(t.storeReads.line), line);
  CopyGroups &groups = onlyRead ? t.storeReads : t.storeWrites;
  waitGroups(groups, pending, "its bulk stores", line);
  if (!t.storeActor) return;
  // Group g ended with event g + 1.
  Clocks ended(t.storeActor + 1);
  ended[t.storeActor] = static_cast<Clock>(groups.first);
  t.knows.seen = joins_.join(t.knows.seen ? t.knows.seen : std::make_shared<Clocks>(), std::make_shared<Clocks>(std::move(ended)));
}

}  // namespace jinx::emulated

#include "runtime/executor/Collectives.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/comm/Schedule.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/executor/Trace.h"
#include "runtime/plan/Mesh.h"

namespace jinx {
namespace {

comm::Op opOf(plan::Collective::Op op) {
  switch (op) {
  case plan::Collective::ALL_GATHER:
    return comm::Op::kAllGather;
  case plan::Collective::REDUCE_SCATTER:
    return comm::Op::kReduceScatter;
  case plan::Collective::ALL_TO_ALL:
    return comm::Op::kAllToAll;
  case plan::Collective::ALL_TO_ALL_V:
    return comm::Op::kAllToAllV;
  case plan::Collective::BROADCAST:
    return comm::Op::kBroadcast;
  case plan::Collective::PERMUTE:
    return comm::Op::kPermute;
  case plan::Collective::SEND:
    return comm::Op::kSend;
  case plan::Collective::RECV:
    return comm::Op::kRecv;
  default:
    return comm::Op::kAllReduce;
  }
}

comm::Reduction reductionOf(plan::Collective::Reduction reduction) {
  switch (reduction) {
  case plan::Collective::PROD:
    return comm::Reduction::kProd;
  case plan::Collective::MAX:
    return comm::Reduction::kMax;
  case plan::Collective::MIN:
    return comm::Reduction::kMin;
  default:
    return comm::Reduction::kSum;
  }
}

bool reduces(const plan::Collective& collective) {
  return collective.op() == plan::Collective::ALL_REDUCE || collective.op() == plan::Collective::REDUCE_SCATTER;
}

const Placement* placementOf(const Binding& binding, const std::vector<uint32_t>& operands) {
  return operands.empty() ? nullptr : &binding.placements[operands[0]];
}

/// Where a collective's operand and result are; null where it has none.
struct Addresses {
  const void* in = nullptr;
  void* out = nullptr;
};
Addresses addressesOf(const StepInfo& step, const Binding& binding, const BaseAddresses& bases) {
  const Placement *from = placementOf(binding, step.inputs), *to = placementOf(binding, step.outputs);
  return {from ? addressOf(*from, bases) : nullptr, to ? addressOf(*to, bases) : nullptr};
}

Status grow(AlignedBuffer& buffer, const Placement* placement) {
  if (!placement || static_cast<size_t>(placement->sizeBytes) <= buffer.size()) return Status::ok();
  JINX_TRY_ASSIGN(buffer, AlignedBuffer::allocate(static_cast<size_t>(placement->sizeBytes)));
  return Status::ok();
}

/// Counts of rows become counts of elements.
Status toElements(std::span<int64_t> counts, int64_t elements, int64_t room) {
  int64_t left = room;
  for (size_t place = 0; place < counts.size(); ++place) {
    if (counts[place] < 0)
      return invalidArgument("has " + std::to_string(counts[place]) + " rows for place " + std::to_string(place) +
                             " of the group, expected 0 or more");
    if (counts[place] > left)
      return invalidArgument("has " + std::to_string(counts[place]) + " rows for place " + std::to_string(place) +
                             " of the group, expected up to " + std::to_string(left) + ": of the " +
                             std::to_string(room) + " of its buffer that are left");
    left -= counts[place];
    counts[place] *= elements;
  }
  return Status::ok();
}

} // namespace

std::string describeCollective(const plan::Mesh& mesh, const plan::Collective& collective) {
  std::string text(comm::nameOf(opOf(collective.op())));
  if (reduces(collective)) text += ' ' + std::string(comm::nameOf(reductionOf(collective.reduction())));
  std::string axes;
  for (uint32_t axis : collective.axes())
    axes += (axes.empty() ? " over " : ", ") + mesh.axes(static_cast<int>(axis)).name();
  return text + axes;
}

Expected<std::unique_ptr<Collectives>>
Collectives::create(const Program& program, std::shared_ptr<comm::Communicator> communicator, Device& device) {
  std::unique_ptr<Collectives> made(new Collectives(program, device));
  const plan::Mesh& mesh = program.plan().mesh();
  const int64_t ranks = numRanks(mesh);
  if (communicator) {
    JINX_TRY(checkRank(mesh, communicator->rank(), communicator->size()));
  } else if (program.collectives.empty()) {
    return made;
  } else if (ranks == 1) {
    JINX_TRY_ASSIGN(auto world, comm::VirtualWorld::create(1));
    JINX_TRY_ASSIGN(communicator, world->communicator(0));
  } else {
    const size_t n = program.collectives.size();
    return invalidArgument(
        "the plan has " + std::to_string(n) + (n == 1 ? " collective" : " collectives") + " between " +
        std::to_string(ranks) + " ranks (" + describeMesh(mesh) +
        "), and the session no communicator: set SessionOptions::communicator, or run all ranks with " +
        "`jinx-rt run FOLDER --ranks " + std::to_string(ranks) + "` or `--communicator mpi`");
  }
  made->comm_ = std::move(communicator);
  if (!made->hostMemory_) made->onDevice_ = made->comm_->onDevice();
  JINX_TRY(made->makeSites());
  return made;
}

/// Groups are made here, in the plan's order.
Status Collectives::makeSites() {
  sites_.resize(program_.collectives.size());
  for (size_t k = 0; k < sites_.size(); ++k) {
    const StepInfo& step = program_.steps[program_.collectives[k]];
    JINX_TRY(makeSite(step, sites_[k]), "step \"" + step.name() + "\"");
    sites_[k].call.sequence = static_cast<int64_t>(k);
    if (step.readsCounts()) shareCounts(k);
  }
  for (const StepInfo& step : program_.steps) {
    if (!step.source->has_wait()) continue;
    Site& site = sites_[static_cast<size_t>(step.collective)];
    site.overlap = static_cast<int>(std::ranges::count_if(
        program_.collectives, [&](uint32_t other) { return other > site.step->index && other < step.index; }));
  }
  return Status::ok();
}

/// Counts that an earlier step reads are not read again: on a device each time would be a wait for its stream.
void Collectives::shareCounts(size_t at) {
  Site& site = sites_[at];
  for (size_t i : {0, 1})
    for (size_t before = 0; before < at && site.known[i].empty(); ++before)
      for (size_t j : {0, 1})
        if (Site& other = sites_[before];
            other.step->readsCounts() && other.step->inputs[j + 1] == site.step->inputs[i + 1])
          site.known[i] = other.rowsOf(j);
}

Status Collectives::makeSite(const StepInfo& step, Site& site) {
  const plan::Collective& source = step.source->collective();
  site.step = &step;
  const std::vector<int> members = groupOf(program_.plan().mesh(), axesOf(source), comm_->rank());
  site.ranks = static_cast<int>(members.size());
  site.sources.assign(source.sources().begin(), source.sources().end());
  site.call.op = opOf(source.op());
  site.call.reduction = reductionOf(source.reduction());
  site.call.root = static_cast<int>(source.root());
  site.call.sources = site.sources;
  if (step.readsCounts()) {
    if (!comm_->movesData())
      return unimplemented(
          "its counts come from other ranks, expected a world that moves data: this one only counts bytes");
    site.rows.resize(2 * members.size());
    site.counts.resize(2 * members.size());
    site.call.sends = std::span(site.counts).first(members.size());
    site.call.receives = std::span(site.counts).last(members.size());
  }
  if (step.source->nodes_size()) site.call.name = step.source->nodes(0);
  site.call.dtype = program_.values[step.inputs.empty() ? step.outputs[0] : step.inputs[0]].dtype;
  JINX_TRY_ASSIGN(site.call.group, comm_->makeGroup(members));
  return onDevice_ ? onDevice_->open(site.call.group) : Status::ok();
}

Status Collectives::prepare(Binding& binding) {
  for (Site& site : sites_) {
    bool ok = true;
    const int64_t count = site.step->count.program.run(binding.symbols.data(), &ok);
    const std::string what = "step \"" + site.step->name() + "\"";
    if (!ok || count < 0)
      return invalidArgument(what + ": its count, " + site.step->source->collective().count() + ", cannot be computed");
    JINX_TRY(checkBuffers(site, binding, count), what);
    binding.counts.push_back(count);
    if (hostMemory_ || onDevice_) continue;
    JINX_TRY(grow(site.in, placementOf(binding, site.step->inputs)), what);
    JINX_TRY(grow(site.out, placementOf(binding, site.step->outputs)), what);
  }
  fuse(binding);
  return Status::ok();
}

/// By what all members know alike: sizes, and what carries the group's calls.
void Collectives::fuse(Binding& binding) const {
  binding.fused.assign(sites_.size(), 0);
  for (const StepInfo& step : program_.steps) {
    if (!onDevice_ || step.sumOf < 0 || step.staticLaunch < 0) continue;
    const Site& site = sites_[static_cast<size_t>(step.sumOf)];
    const int64_t programs = binding.launches[static_cast<size_t>(step.staticLaunch)].programs;
    binding.fused[static_cast<size_t>(step.sumOf)] = onDevice_->fuses(callOf(*site.step, binding), programs);
  }
}

/// A plan may say one count and other sizes.
Status Collectives::checkBuffers(const Site& site, const Binding& binding, int64_t count) const {
  if (site.step->readsCounts()) return checkRows(site, binding, count);
  const bool gathers = site.call.op == comm::Op::kAllGather, scatters = site.call.op == comm::Op::kReduceScatter,
             exchanges = site.call.op == comm::Op::kAllToAll;
  const int64_t most = (int64_t{1} << 56) / site.ranks;
  auto check = [&](const Placement* placement, bool isMany, const char* which) {
    if (!placement) return Status::ok();
    const int64_t expected = count > most ? -1 : packedBytes(site.call.dtype, isMany ? count * site.ranks : count);
    if (placement->sizeBytes == expected) return Status::ok();
    return invalidArgument(std::string(which) + " has " + std::to_string(placement->sizeBytes) + " bytes, a count of " +
                           std::to_string(count) + " in a group of " + std::to_string(site.ranks) + " needs " +
                           std::to_string(expected));
  };
  JINX_TRY(check(placementOf(binding, site.step->inputs), scatters || exchanges, "operand"));
  return check(placementOf(binding, site.step->outputs), gathers || exchanges, "result");
}

/// Of an all_to_all_v: rows of so many elements, and a count for each rank.
Status Collectives::checkRows(const Site& site, const Binding& binding, int64_t count) const {
  auto check = [&](uint32_t value, int64_t expected, const std::string& what) {
    const int64_t sizeBytes = binding.placements[value].sizeBytes;
    if (sizeBytes == expected) return Status::ok();
    return invalidArgument("\"" + program_.values[value].name() + "\" has " + std::to_string(sizeBytes) + " bytes, " +
                           what + " need " + std::to_string(expected));
  };
  for (uint32_t value : {site.step->inputs[0], site.step->outputs[0]}) {
    const int64_t rows = rowsOf(value, binding), most = (int64_t{1} << 56) / std::max<int64_t>(rows, 1);
    JINX_TRY(check(value, count > most ? -1 : packedBytes(site.call.dtype, rows * count),
                   std::to_string(rows) + " rows of " + std::to_string(count)));
  }
  for (uint32_t value : {site.step->inputs[1], site.step->inputs[2]})
    JINX_TRY(
        check(value, site.ranks * int64_t{sizeof(int64_t)}, "counts for " + std::to_string(site.ranks) + " ranks"));
  return Status::ok();
}

int64_t Collectives::rowsOf(uint32_t value, const Binding& binding) const {
  const auto dims = binding.dimsOf(program_.values[value]);
  return dims.empty() ? 0 : dims[0];
}

Status Collectives::agree(Binding& binding) {
  if (binding.agreed || !comm_) return Status::ok();
  comm::Schedule schedule{.rank = comm_->rank(), .calls = {}};
  for (size_t k = 0; k < sites_.size(); ++k) {
    const Site& site = sites_[k];
    const std::span<const int> members = comm_->members(site.call.group);
    schedule.calls.push_back({.op = site.call.op,
                              .reduction = site.call.reduction,
                              .dtype = site.call.dtype,
                              .count = binding.counts[k],
                              .ranks = {members.begin(), members.end()},
                              .root = site.call.root,
                              .sources = site.sources,
                              .name = std::string(site.call.name),
                              .isFused = binding.fused[k] != 0,
                              .overlap = site.overlap});
  }
  JINX_TRY(comm::agree(*comm_, schedule), "before the first step");
  binding.agreed = true;
  return Status::ok();
}

comm::Call Collectives::callOf(const StepInfo& step, const Binding& binding) const {
  comm::Call call = sites_[static_cast<size_t>(step.collective)].call;
  call.count = binding.counts[static_cast<size_t>(step.collective)];
  return call;
}

/// The call's sends and receives, from rows to elements. They are data: more rows than a buffer has would be written
/// behind its end.
Status Collectives::readCounts(const StepInfo& step, const Binding& binding, const BaseAddresses& bases,
                               Stream& stream) {
  Site& site = sites_[static_cast<size_t>(step.collective)];
  bool reads = false;
  for (size_t i : {0, 1}) {
    const std::span<int64_t> rows = site.rowsOf(i);
    if (!site.known[i].empty()) {
      std::ranges::copy(site.known[i], rows.begin());
      continue;
    }
    const void* counts = addressOf(binding.placements[step.inputs[i + 1]], bases);
    JINX_TRY(device_.copyToHost(rows.data(), counts, rows.size_bytes(), stream));
    reads = true;
  }
  if (reads) JINX_TRY(stream.synchronize());
  site.counts = site.rows;
  const std::span<int64_t> counts = site.counts;
  const auto ranks = static_cast<size_t>(site.ranks);
  const int64_t elements = binding.counts[static_cast<size_t>(step.collective)];
  JINX_TRY(toElements(counts.first(ranks), elements, rowsOf(step.inputs[0], binding)), "its sends");
  JINX_TRY(toElements(counts.last(ranks), elements, rowsOf(step.outputs[0], binding)), "its receives");
  return Status::ok();
}

/// Zeros behind the rows that will come. \param out  the device's memory, or the host's copy of it
Status Collectives::clearRest(const StepInfo& step, const Binding& binding, void* out, Stream& stream) {
  const comm::Call& call = sites_[static_cast<size_t>(step.collective)].call;
  const int64_t came = packedBytes(call.dtype, std::accumulate(call.receives.begin(), call.receives.end(), int64_t{0}));
  const auto left = static_cast<size_t>(binding.placements[step.outputs[0]].sizeBytes - came);
  void* const rest = static_cast<std::byte*>(out) + came;
  if (onDevice_ || hostMemory_) return device_.clear(rest, left, stream);
  if (left > 0) std::memset(rest, 0, left);
  return Status::ok();
}

Status Collectives::run(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream) {
  if (isFused(step.collective, binding)) return Status::ok(); // the launch behind it is the call
  if (step.readsCounts()) JINX_TRY(readCounts(step, binding, bases, stream));
  if (onDevice_ && !step.source->collective().starts()) {
    const auto [in, out] = addressesOf(step, binding, bases);
    if (step.readsCounts()) JINX_TRY(clearRest(step, binding, out, stream));
    return onDevice_->enqueue(callOf(step, binding), in, out, stream);
  }
  JINX_TRY(start(step, binding, bases, stream));
  return step.source->collective().starts() ? Status::ok() : wait(step, binding, bases, stream);
}

Status Collectives::launch(const StepInfo& step, const Binding& binding, const KernelLaunch& launch,
                           const BaseAddresses& bases, Stream& stream) {
  const StepInfo& call = *sites_[static_cast<size_t>(step.sumOf)].step;
  const auto [in, out] = addressesOf(call, binding, bases);
  return onDevice_->enqueueFused(callOf(call, binding), in, out, launch, stream);
}

Status Collectives::start(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream) {
  Site& site = sites_[static_cast<size_t>(step.collective)];
  const comm::Call call = callOf(step, binding);
  auto [in, out] = addressesOf(step, binding, bases);
  if (onDevice_) {
    JINX_TRY_ASSIGN(site.ticket, onDevice_->start(call, in, out, stream));
    return Status::ok();
  }
  if (const Placement* from = placementOf(binding, step.inputs); !hostMemory_ && from)
    JINX_TRY(device_.copyToHost(site.in.data(), in, static_cast<size_t>(from->sizeBytes), stream));
  if (!hostMemory_) in = site.in.data(), out = site.out.data();
  if (step.readsCounts()) JINX_TRY(clearRest(step, binding, out, stream));
  JINX_TRY(stream.synchronize());
  JINX_TRY_ASSIGN(site.ticket, comm_->start(call, in, out));
  return Status::ok();
}

Status Collectives::wait(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream) {
  Site& site = sites_[static_cast<size_t>(step.collective)];
  if (onDevice_) return onDevice_->wait(site.ticket, stream);
  const int64_t begin = Trace::now();
  Status status = comm_->wait(site.ticket);
  waitNs_ += Trace::now() - begin;
  JINX_TRY(std::move(status));
  const Placement* to = placementOf(binding, step.outputs);
  if (hostMemory_ || !to) return Status::ok();
  return device_.copyToDevice(addressOf(*to, bases), site.out.data(), static_cast<size_t>(to->sizeBytes), stream);
}

Status Collectives::replayed(std::span<const uint32_t> steps, const Binding& binding, Stream& stream) {
  replayed_.clear();
  for (uint32_t s : steps)
    if (const StepInfo& step = program_.steps[s]; step.source->has_collective())
      replayed_.push_back(callOf(step, binding));
  return onDevice_->replayed(replayed_, stream);
}

void Collectives::abort(const Status& why) {
  if (comm_) comm_->abort(why);
}

CollectiveStatistics Collectives::statistics() const {
  if (!comm_) return {};
  const comm::Traffic traffic = comm_->traffic();
  return {traffic.calls, traffic.sentBytes, traffic.receivedBytes, static_cast<double>(waitNs_) / 1e6};
}

} // namespace jinx

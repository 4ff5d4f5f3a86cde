// The frame of pipelined kernels: what there is, where it lies in shared memory, roles, rings.
#include "codegen/cuda/PipelineEmitter.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "runtime/base/GpuArchitecture.h"

using namespace mlir;

namespace jinx::cuda {

namespace {

constexpr int64_t kSwizzleAtom = 1024, kWarpgroup = 128, kStoreRows = 16, kStoreBuffers = 2, kRowBytes = 128;

std::string capitalised(std::string name) {
  if (!name.empty()) name[0] = char(toupper(static_cast<unsigned char>(name[0])));
  return name;
}
std::string str(int64_t v) { return std::to_string(v); }

}  // namespace

// ---- looking over the kernel ------------------------------------------------------------------------------------------------------

LogicalResult PipelineEmitter::prepare() {
  tile::KernelOp kernel = e_.kernel_;
  if (auto cluster = kernel->getAttrOfType<DenseI64ArrayAttr>("cluster")) {
    if (cluster.size() != 3) return kernel.emitOpError("attribute `cluster` has ") << cluster.size() << " extents, expected 3 (m, n, k)";
    clusterM_ = cluster[0], clusterN_ = cluster[1], clusterK_ = cluster[2];
    if (clusterK_ > 1 && sharers() > 1) return kernel.emitOpError("a cluster has blocks along k, or along m and n");
  }
  if (auto blocks = kernel->getAttrOfType<IntegerAttr>("blocks")) blocks_ = blocks.getInt();
  bool anyAsync = false;
  WalkResult walk = kernel.walk([&](Operation *op) {
    if (auto roles = dyn_cast<tile::RolesOp>(op)) {
      if (roles_) return roles.emitOpError("a kernel has one set of roles"), WalkResult::interrupt();
      roles_ = roles;
    }
    if (auto map = dyn_cast<tile::TensorMapOp>(op)) maps_.push_back(map);
    if (auto ring = dyn_cast<tile::RingOp>(op)) {
      RingInfo info;
      info.op = ring;
      info.stages = ring.getStages();
      info.bulk = ring.getKind() == tile::RingKind::bulk;
      info.pieces = info.readByThreads = ring->hasAttr("pieces");
      (info.bulk ? anyBulk_ : anyAsync) = true;
      for (auto [i, type] : llvm::enumerate(ring.getBuffers().getAsValueRange<TypeAttr>())) {
        auto vector = dyn_cast<VectorType>(type);
        if (!vector || vector.getRank() != 2) return ring.emitOpError("buffers are tiles of rank 2"), WalkResult::interrupt();
        Buffer buffer;
        buffer.name = identifier(cast<StringAttr>(ring.getNames()[i]).getValue());
        buffer.suffix = capitalised(buffer.name);
        buffer.rows = vector.getDimSize(0), buffer.columns = vector.getDimSize(1);
        buffer.elementBytes = bytesOf(vector.getElementType());
        if (i < ring.getPads().size()) buffer.pad = ring.getPads()[i];
        buffer.isRow = info.bulk && buffer.rows == 1;
        info.readByThreads |= buffer.isRow;
        if (info.bulk) buffer.pad = (llvm::alignTo(buffer.columns * buffer.elementBytes, kRowBytes) / buffer.elementBytes) - buffer.columns;
        if (!info.bulk && !kernel->hasAttr("warps") && buffer.elementBytes != 4)
          return ring.emitOpError("an async ring holds 4-byte elements, or rows of 128 bytes for products of warps (attribute `warps`)"), WalkResult::interrupt();
        info.buffers.push_back(buffer);
      }
      rings_.push_back(info);
    }
    return WalkResult::advance();
  });
  if (walk.wasInterrupted()) return failure();
  nameRings();
  if (failed(readWarps()) || failed(readCodes())) return failure();
  kernel.walk([&](Operation *op) {
    if (auto release = dyn_cast<tile::RingReleaseOp>(op); release && release.getLag() > 0) ringOf(release.getRing()).lagging = true;
    if (auto copy = dyn_cast<tile::CopyBulkOp>(op); copy && copy->hasAttr("constant")) ringOf(copy.getSlot()).buffers[copy.getBuffer()].isEarly = true;
    if (auto copy = dyn_cast<tile::CopyBulkOp>(op); copy && copy.getAcross()) {
      Buffer &buffer = ringOf(copy.getSlot()).buffers[copy.getBuffer()];
      buffer.across = *copy.getAcross();
      buffer.slices = buffer.across == 0 ? clusterM_ : clusterN_;
    }
    if (auto reduce = dyn_cast<tile::ClusterReduceOp>(op)) partBytes_ = cast<VectorType>(reduce.getTile().getType()).getNumElements() * 4;
    if (auto mma = dyn_cast<tile::MmaOp>(op)) wgmma_ |= ringOf(mma.getSlot()).bulk;
    if (isa<tile::MmaSharedOp, tile::MmaHighLowOp>(op)) wgmma_ = fragments_ = true;
    anyTurns_ |= isa<tile::TurnWaitOp>(op);
    if (auto mma = dyn_cast<tile::MmaHighLowOp>(op)) ringOf(mma.getSlot()).readByThreads = true;
    if (auto split = dyn_cast<tile::SplitLowOp>(op)) ringOf(split.getSlot()).isSplit = ringOf(split.getSlot()).buffers[split.getTo()].isMade = true;
    if (auto store = dyn_cast<tile::StoreBulkOp>(op)) {
      anyStoreBulk_ = true;
      auto map = store.getMap().getDefiningOp<tile::TensorMapOp>();
      storeColumns_ = map.getBox()[0], storeBytes_ = bytesOf(cast<tile::PtrType>(map.getPtr().getType()).getElement());
    }
  });
  if (anyBulk_ && !roles_) return kernel.emitOpError("a bulk ring needs tile.roles");
  if (anyBulk_ && anyAsync) return kernel.emitOpError("bulk and async rings do not mix");
  for (RingInfo &ring : rings_)
    if (clusterSize() > 1 && ring.hasRow()) return ring.op.emitOpError("a buffer of one row is for a block that shares no copies");
  for (RingInfo &ring : rings_)
    for (Buffer &buffer : ring.buffers)
      if (buffer.rows % buffer.slices || (ring.bulk && !buffer.isRow && buffer.rows / buffer.slices % 8))
        return ring.op.emitOpError("buffer ") << buffer.name << " has " << buffer.rows << " rows, which do not split into " << buffer.slices
                                              << " slices of a multiple of 8 rows for the cluster";

  // Shared memory: stages, staging of stores, barriers; 1024 more bytes to align a bulk ring.
  int64_t at = 0;
  for (RingInfo &ring : rings_)
    for (Buffer &buffer : ring.buffers) {
      buffer.offset = at;
      at += ring.stages * buffer.stageBytes();
      if (ring.bulk) at = llvm::alignTo(at, kSwizzleAtom);
      at = llvm::alignTo(at, 16);
    }
  storeOffset_ = at;
  if (anyStoreBulk_) at += int64_t(roles_.getConsumers()) * 4 * kStoreBuffers * kStoreRows * storeColumns_ * storeBytes_;
  partOffset_ = at;
  if (partBytes_) at += int64_t(roles_.getConsumers()) * partBytes_;
  for (RingInfo &ring : rings_) {
    if (!ring.bulk) continue;
    ring.barrierOffset = at;
    at += (ring.isSplit ? 3 : 2) * 8 * ring.stages;
  }
  partBarriers_ = at;
  if (partBytes_) at += int64_t(roles_.getConsumers()) * 2 * 8;
  turnBarriers_ = at;
  if (anyTurns_) at += int64_t(roles_.getConsumers()) * 8;
  if (codes_) {
    partOffset_ = at + codes_->tableBytes();
    partBarriers_ = at = partOffset_ + codes_->partBytes();
    if (clusterK_ > 1) at += 2 * 8;
  }
  sharedBytes_ = anyBulk_ ? at + kSwizzleAtom : at;
  const GpuArchitecture *gpu = gpuArchitecture(e_.options_.arch);
  if (!gpu) return kernel.emitOpError("is to be text for ") << e_.options_.arch << ", expected one of " << gpuNames();
  if ((anyBulk_ || roles_ || clusterSize() > 1) && !gpu->hasCopyEngine())
    return kernel.emitOpError("copies in bulk, has roles or a cluster; expected an architecture from sm_90 on, got ") << e_.options_.arch;
  if (sharedBytes_ > gpu->sharedBytes)
    return kernel.emitOpError("needs ") << sharedBytes_ << " bytes of shared memory, of " << gpu->sharedBytes << " on " << e_.options_.arch << "; take fewer stages";
  return success();
}

/// Several rings are told apart by the names of their buffers; buffers of one name by the ring's number.
void PipelineEmitter::nameRings() {
  llvm::StringMap<int64_t> rings, buffers;
  for (auto [i, ring] : llvm::enumerate(rings_)) {
    for (const Buffer &b : ring.buffers)
      if (buffers[b.name]++) ring.suffix = str(i + 1);
    if (rings_.size() == 1) continue;
    ring.tag = ring.buffers.front().name;
    if (rings[ring.tag]++) ring.tag += str(i + 1);
  }
}

std::string PipelineEmitter::named(const RingInfo &ring, const char *what) const {
  if (ring.tag.empty()) return what;
  bool isConstant = what[0] == 'k' && isupper(static_cast<unsigned char>(what[1]));
  return what + (isConstant ? capitalised(ring.tag) : "_" + ring.tag);
}

bool PipelineEmitter::startsGrid() const { return roles_ || (constantCodes_ && e_.startsEarly()); }

int64_t PipelineEmitter::threads() const { return roles_ ? kWarpgroup * (1 + hasSplitter() + int64_t(const_cast<tile::RolesOp &>(roles_).getConsumers())) : warps_ ? warps_->m * warps_->n * 32 : codes_ ? codes_->threads() : rings_.empty() ? 0 : 256; }

LogicalResult PipelineEmitter::declare() {
  if (!hasAnything()) return success();
  e_.needLibrary(anyBulk_ ? "pipeline.cuh" : "async.cuh");
  if (wgmma_) e_.needLibrary("wgmma.cuh");
  if (clusterSize() > 1 && !anyBulk_) e_.needLibrary("pipeline.cuh");
  if (warps_ || codes_) e_.needLibrary("mma.cuh");
  if (codes_) e_.needLibrary("codes.cuh");
  if (fragments_) e_.needLibrary("fragment.cuh");
  if (hasSplitter()) e_.needLibrary("tf32.cuh");
  if (clusterK_ > 1) e_.constant("kSplits", clusterK_, "blocks of a cluster, each with its part of k");
  if (sharers() > 1) {
    e_.constant("kClusterM", clusterM_, "blocks of a cluster stacked along m");
    e_.constant("kClusterN", clusterN_, "blocks of a cluster side by side along n");
  }
  if (roles_) {
    e_.constant("kConsumers", roles_.getConsumers(), hasSplitter() ? "warpgroups that multiply; one more fetches, and one splits" : "warpgroups that multiply; one more fetches");
    e_.constant("kCluster", sharers(), clusterK_ > 1 ? "blocks that share what they fetch" : "blocks of a cluster");
  }
  for (RingInfo &ring : rings_) {
    e_.constant(named(ring, "kStages"), ring.stages, "slots of the ring");
    for (const Buffer &b : ring.buffers) {
      std::string shape = str(b.rows) + " x " + str(b.columns) + " elements of " + str(b.elementBytes) + " bytes";
      e_.constant("kOffset" + b.suffix + ring.suffix, b.offset, b.name + " in shared memory: " + shape + (b.pad && !ring.bulk ? ", rows padded by " + str(b.pad) : ""));
      e_.constant("kStageBytes" + b.suffix + ring.suffix, b.stageBytes(), "");
      if (ring.bulk && b.panels() > 1) e_.constant("kPanelBytes" + b.suffix + ring.suffix, b.panelBytes(), "of its 64 columns side by side");
      if (!ring.bulk && !warps_) e_.constant("kLine" + b.suffix + ring.suffix, b.columns + b.pad, "elements from one row to the next");
      if (b.slices > 1) e_.constant("kSlice" + b.suffix + ring.suffix, b.rows / b.slices, "rows that this block fetches for the cluster");
    }
    if (ring.bulk) e_.constant(named(ring, "kOffsetBarriers"), ring.barrierOffset, ring.isSplit ? "three for each slot: filled, free, split" : "two for each slot: filled, free");
  }
  if (codes_) declareCodes();
  if (partBytes_) {
    e_.constant("kOffsetParts", partOffset_, "sums over a part of k, as a warpgroup leaves them for the other blocks");
    e_.constant("kPartBytes", partBytes_, "of a warpgroup");
    e_.constant("kOffsetPartBarriers", partBarriers_, "two for each warpgroup: parts are there, parts were read");
  }
  if (anyTurns_) e_.constant("kOffsetTurns", turnBarriers_, "a barrier for each consumer: its turn has come");
  if (anyStoreBulk_) {
    e_.constant("kOffsetStore", storeOffset_, "staging of stores: two buffers a warp");
    e_.constant("kStoreColumns", storeColumns_, "of a store: one swizzle span");
    e_.constant("kStoreRows", kStoreRows, "of a store: what one warp owns of a product");
    e_.constant("kStoreBytes", kStoreRows * storeColumns_ * storeBytes_, "");
  }
  for (tile::TensorMapOp map : maps_) {
    auto pointer = dyn_cast<BlockArgument>(map.getPtr());
    if (!pointer) return map.emitOpError("describes a buffer operand of the kernel");
    TensorMapSpec spec;
    spec.buffer = pointer.getArgNumber();
    spec.element = cast<tile::PtrType>(pointer.getType()).getElement();
    for (StringRef dim : map.getDims().getAsValueRange<StringAttr>()) spec.dims.push_back(dim.str());
    for (StringRef stride : map.getStrides().getAsValueRange<StringAttr>()) spec.stridesBytes.push_back(stride.str());
    spec.box.assign(map.getBox().begin(), map.getBox().end());
    spec.swizzleBytes = map.getSwizzle();
    if (auto window = map.getWindow()) spec.window.assign(window->begin(), window->end());
    e_.tensorMaps_.push_back(spec);
    std::string name = e_.out_.unique("map_" + e_.bound_[pointer].expr.text);
    mapParameters_.push_back("const __grid_constant__ TensorMap " + name);
    Bound bound;
    bound.kind = Bound::kHandle;
    bound.expr = {name};
    e_.bound_[map.getMap()] = bound;
  }
  return success();
}

PipelineEmitter::RingInfo &PipelineEmitter::ringOf(Value v) {
  if (auto acquire = v.getDefiningOp<tile::RingAcquireOp>()) v = acquire.getRing();
  if (auto wait = v.getDefiningOp<tile::RingWaitOp>()) v = wait.getRing();
  for (RingInfo &ring : rings_)
    if (ring.op.getRing() == v) return ring;
  llvm_unreachable("a slot comes from a ring");
}

bool PipelineEmitter::writes(Operation *user, Value pointer) const {
  if (auto store = dyn_cast<tile::StoreOp>(user)) return store.getPtr() == pointer;
  if (auto scatter = dyn_cast<tile::ScatterOp>(user)) return scatter.getPtr() == pointer;
  if (auto map = dyn_cast<tile::TensorMapOp>(user))
    return llvm::any_of(map.getMap().getUsers(), [](Operation *o) { return isa<tile::StoreBulkOp>(o); });
  return false;
}

bool PipelineEmitter::handles(Operation *op) const {
  return isa<tile::RingOp, tile::RingAcquireOp, tile::CopyOp, tile::CopyBulkOp, tile::RingCommitOp, tile::RingWaitOp, tile::RingReleaseOp,
             tile::RingDrainOp, tile::RingSkipOp, tile::TurnWaitOp, tile::TurnPassOp, tile::RolesOp, tile::MmaOp, tile::MmaWaitOp, tile::StoreBulkOp, tile::TensorMapOp, tile::ConsumerIdOp,
             tile::ClusterRankOp, tile::NumProgramsOp, tile::MmaSharedOp, tile::MmaOperandOp, tile::MmaRegistersOp, tile::RowReduceOp,
             tile::MmaHighLowOp, tile::SplitLowOp, tile::DotCodesOp, tile::SumWarpsOp, tile::RowCombineOp, tile::IotaOp, tile::WarpAnyOp, tile::ColumnLoadOp, tile::ClusterReduceOp, tile::UnpairOp, tile::ClearRowsOp>(op);
}

LogicalResult PipelineEmitter::emit(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](tile::RingOp o) { return emitRing(o); })
      .Case([&](tile::RingAcquireOp o) { return emitAcquire(o); })
      .Case([&](tile::CopyOp o) { return emitCopy(o); })
      .Case([&](tile::CopyBulkOp o) { return emitCopyBulk(o); })
      .Case([&](tile::RingCommitOp o) { return emitCommit(o); })
      .Case([&](tile::RingWaitOp o) { return emitWait(o); })
      .Case([&](tile::RingReleaseOp o) { return emitRelease(o); })
      .Case([&](tile::RingDrainOp o) { return emitDrain(o); })
      .Case([&](tile::RingSkipOp o) { return emitSkip(o); })
      .Case([&](tile::TurnWaitOp o) { return emitTurnWait(o); })
      .Case([&](tile::TurnPassOp o) { return emitTurnPass(o); })
      .Case([&](tile::RolesOp o) { return emitRoles(o); })
      .Case([&](tile::MmaOp o) { return emitMma(o); })
      .Case([&](tile::MmaWaitOp o) { return emitMmaWait(o); })
      .Case([&](tile::StoreBulkOp o) { return emitStoreBulk(o); })
      .Case([&](tile::ClusterReduceOp o) { return emitClusterReduce(o); })
      .Case([&](tile::UnpairOp o) { return emitUnpair(o); })
      .Case([&](tile::ClearRowsOp o) { return emitClearRows(o); })
      .Case([&](tile::MmaSharedOp o) { return emitMmaShared(o); })
      .Case([&](tile::MmaOperandOp o) { return emitMmaOperand(o); })
      .Case([&](tile::MmaRegistersOp o) { return emitMmaRegisters(o); })
      .Case([&](tile::MmaHighLowOp o) { return emitMmaHighLow(o); })
      .Case([&](tile::SplitLowOp o) { return emitSplitLow(o); })
      .Case([&](tile::DotCodesOp o) { return emitDotCodes(o); })
      .Case([&](tile::SumWarpsOp o) { return emitSumWarps(o); })
      .Case([&](tile::RowReduceOp o) { return emitRowReduce(o); })
      .Case([&](tile::RowCombineOp o) { return emitRowCombine(o); })
      .Case([&](tile::IotaOp o) { return emitIota(o); })
      .Case([&](tile::WarpAnyOp o) { return emitWarpAny(o); })
      .Case([&](tile::ColumnLoadOp o) { return emitColumnLoad(o); })
      .Case([&](tile::NumProgramsOp o) { return e_.define(o.getCount(), {"gridDim.x"}, true), success(); })
      .Case([&](tile::ConsumerIdOp o) { return e_.define(o.getId(), {"consumer"}), success(); })
      .Case([&](tile::ClusterRankOp o) {
        int64_t extent = o.getAxis() == 0 ? clusterM_ : o.getAxis() == 1 ? clusterN_ : clusterK_;
        e_.define(o.getRank(), {extent == 1 ? "0" : o.getAxis() == 0 ? "rank_m" : o.getAxis() == 1 ? "rank_n" : "rank_k"});
        return success();
      })
      .Default([](Operation *) { return success(); });  // tensor maps: parameters
}

// ---- roles ------------------------------------------------------------------------------------------------------------------------

void PipelineEmitter::printBarrierInit() {
  SourceWriter &out = e_.out_;
  out.blank();
  out.comment("Barriers, visible to the whole cluster and to the copy engine before anyone uses them.");
  if (clusterK_ > 1) out.line("const int rank_k = cluster_rank();");
  if (sharers() > 1) {
    out.line("const int rank = cluster_rank();");
    out.line("const int rank_m = rank % kClusterM;");
    out.line("const int rank_n = rank / kClusterM;");
  }
  out.open("if (threadIdx.x == 0)");
  for (tile::TensorMapOp map : maps_) out.line("tma_prefetch_map(&" + e_.bound_[map.getMap()].expr.text + ");");
  for (RingInfo &ring : rings_) {
    std::string full = named(ring, "full"), empty = named(ring, "empty");
    out.open("for (int s = 0; s < " + named(ring, "kStages") + "; ++s)");
    out.line("mbar_init(" + full + " + s * 8, " + (ring.isEarly() ? "2);  // who fetches a, who fetches b" : "1);"));
    std::string readers = takesTurns() ? "" : "kConsumers * ";
    std::string warps = sharers() > 1 && !ring.pieces ? "4 * kCluster);" : "4);";
    out.line("mbar_init(" + empty + " + s * 8, " + readers + (ring.readByThreads ? warps + "  // each of their warps" : "kCluster);"));
    if (ring.isSplit) out.line("mbar_init(" + named(ring, "lows") + " + s * 8, 4);");
    for (const Buffer &b : ring.buffers) {
      std::string address = "smem + kOffset" + b.suffix + ring.suffix + " + s * kStageBytes" + b.suffix + ring.suffix, bytes = "kStageBytes" + b.suffix + ring.suffix;
      if (b.slices > 1) {
        bytes = "kSlice" + b.suffix + ring.suffix + " * " + str(kRowBytes);
        address += std::string(" + ") + (b.across == 0 ? "rank_m" : "rank_n") + " * (" + bytes + ")";
      }
      out.line("mbar_guard(" + empty + " + s * 8, " + address + ", " + bytes + ");");
    }
    out.close();
  }
  if (partBytes_) {
    out.open("for (int c = 0; c < 2 * kConsumers; ++c)");
    out.line("mbar_init(smem + kOffsetPartBarriers + c * 8, kSplits * 4);  // an arrival of each warp");
    out.close();
  }
  if (anyTurns_)
    out.line("for (int c = 0; c < kConsumers; ++c) mbar_init(smem + kOffsetTurns + c * 8, " + std::string(takesTurns() ? "1);" : "4);  // an arrival of each warp"));
  out.line("mbar_init_fence();");
  out.close();
  if (clusterSize() > 1) {
    out.line("cluster_arrive_relaxed();");
    out.line("cluster_wait();");
  } else {
    out.line("block_sync();");
  }
  if (e_.startsEarly() && !waitsByRole()) out.line("grid_wait_previous();");
}

/// \param aside  the operation of the producer for whose thread this is; null: for all the others
void PipelineEmitter::printRingState(Region &region, bool producer, Operation *aside) {
  for (RingInfo &ring : rings_) {
    bool used = ring.pieces && !producer;
    region.walk([&](Operation *op) {
      Operation *part = region.front().findAncestorOpInBlock(*op);
      if (producer && (aside ? part != aside : isAside(part))) return;
      if (auto acquire = dyn_cast<tile::RingAcquireOp>(op)) used |= acquire.getRing() == ring.op.getRing();
      if (auto wait = dyn_cast<tile::RingWaitOp>(op)) used |= wait.getRing() == ring.op.getRing();
    });
    if (!used) continue;
    e_.out_.line("Ring " + named(ring, producer ? "fill" : "take") + "{0, 0};");
    if (!producer && ring.lagging) e_.out_.line("int " + named(ring, "held") + " = -1;  // slot whose product may still run");
  }
}

LogicalResult PipelineEmitter::emitRoles(tile::RolesOp op) {
  if (failed(e_.flushAll())) return failure();
  SourceWriter &out = e_.out_;
  out.line("const int warpgroup = warp_uniform(threadIdx.x / 128);");
  printBarrierInit();
  out.blank();
  out.open("if (warpgroup == 0)");
  const bool anyPieces = llvm::any_of(rings_, [](const RingInfo &ring) { return ring.pieces; }), anyEarly = llvm::any_of(rings_, [](const RingInfo &ring) { return ring.isEarly(); });
  out.comment(anyEarly            ? "Producer: one thread fetches weights, which are there before the launch in front has ended, another one activations."
              : anyPieces         ? "Producer: one thread keeps the ring of operands full, another one that of residuals."
              : rings_.size() > 1 ? "Producer: one thread keeps the rings full."
                                  : "Producer: one thread keeps the ring full.");
  if (movesRegisters()) out.line("registers_shrink<" + str(op.getProducerRegisters()) + ">();");
  const bool anyAside = llvm::any_of(op.getProducer().front(), [](Operation &part) { return isAside(&part); });
  if (anyAside) out.line("const int fetcher = warp_uniform(threadIdx.x / 32);");
  out.open(std::string("if (") + (anyAside ? "fetcher" : "warp_uniform(threadIdx.x / 32)") + " == 0 && elect_one())");
  if (waitsByRole()) out.line("grid_wait_previous();");
  printRingState(op.getProducer(), true);
  if (failed(e_.emitBlock(op.getProducer().front()))) return failure();
  if (e_.startsEarly()) out.line("grid_release_next();  // its start fits beside what this block still does");
  out.close();
  int64_t fetcher = 0;
  for (Operation &part : op.getProducer().front())
    if (isAside(&part) && failed(emitAside(&part, ++fetcher))) return failure();
  if (hasSplitter() && failed(printSplitter(op))) return failure();
  out.reopen("else");
  out.comment(takesTurns() ? "Consumers by turns: one multiplies its tile while the other runs the epilogue of its own."
                           : "Consumers: multiply, then the epilogue of the same tile.");
  if (movesRegisters()) out.line("registers_grow<" + str(op.getConsumerRegisters()) + ">();");
  if (waitsByRole()) out.line("grid_wait_previous();");
  out.line("const int consumer = warpgroup - " + str(hasSplitter() ? 2 : 1) + ";");
  out.line("const int thread = threadIdx.x % 128;");
  if (anyStoreBulk_) out.line("const int warp = warp_uniform(thread / 32);");
  if (anyStoreBulk_ || partBytes_) out.line("const int lane = thread % 32;");
  if (partBytes_) {
    out.line("const u32 parts = smem + kOffsetParts + consumer * kPartBytes;");
    out.line("const u32 parts_there = smem + kOffsetPartBarriers + consumer * 16;  // every block has left its part");
    out.line("const u32 parts_read = parts_there + 8;  // every block has read this one's");
    out.line("u32 parts_turn = 0;");
  }
  if (anyTurns_) out.line("u32 turn = consumer == 0;  // parity of the phase before this consumer's turn");
  if (anyStoreBulk_) {
    out.line("const bool issuer = elect_one();  // the lane that issues this warp's stores");
    out.line("const u32 store = smem + kOffsetStore + (consumer * 4 + warp) * (2 * kStoreBytes);");
    out.line("u32 buffer = store;");
  }
  if (llvm::any_of(rings_, [](const RingInfo &ring) { return ring.hasRow(); }))
    out.line("const u32 columns = opaque(smem + fragment_column * 4);  // of rows of f32 that this thread reads");
  printRingState(op.getConsumer(), false);
  if (failed(e_.emitBlock(op.getConsumer().front()))) return failure();
  if (anyStoreBulk_) out.line("if (issuer) tma_store_wait_read<0>();  // shared memory outlives its last reader");
  if (partBytes_) out.line("mbar_wait_cluster(parts_read, parts_turn ^ 1);  // as do the parts");
  out.close();
  return success();
}

/// A warpgroup of its own: its work runs beside the products of the slots before.
LogicalResult PipelineEmitter::printSplitter(tile::RolesOp op) {
  SourceWriter &out = e_.out_;
  out.reopen("else if (warpgroup == 1)");
  out.comment("Splitter: what TF32 leaves of b, beside it, for every slot.");
  if (movesRegisters()) out.line("registers_shrink<" + str(op.getProducerRegisters()) + ">();");
  out.line("const int thread = threadIdx.x % 128;");
  printRingState(op.getSplitter(), false);
  return e_.emitBlock(op.getSplitter().front());
}

// ---- rings ------------------------------------------------------------------------------------------------------------------------

LogicalResult PipelineEmitter::emitRing(tile::RingOp op) {
  RingInfo &ring = ringOf(op.getRing());
  SourceWriter &out = e_.out_;
  bool first = &ring == &rings_.front();
  if (ring.bulk) {
    if (first) out.line("const u32 smem = smem_address(align_1024(dynamic_shared()));");
    out.line("const u32 " + named(ring, "full") + " = smem + " + named(ring, "kOffsetBarriers") + ";  // bytes of a slot have landed");
    out.line("const u32 " + named(ring, "empty") + " = " + named(ring, "full") + " + " + named(ring, "kStages") +
             " * 8;  // every consumer of the cluster is done with it");
    if (ring.isSplit)
      out.line("const u32 " + named(ring, "lows") + " = " + named(ring, "empty") + " + " + named(ring, "kStages") + " * 8;  // a slot's low parts are there");
    return success();
  }
  if (first) out.line("u8* const smem = dynamic_shared();");
  out.line("int " + named(ring, "fill") + " = 0;  // slot to fill next");
  out.line("int " + named(ring, "take") + " = 0;  // slot to read next");
  if (warps_) declareWords();
  return success();
}

LogicalResult PipelineEmitter::emitAcquire(tile::RingAcquireOp op) {
  RingInfo &ring = ringOf(op.getRing());
  // Async: the barrier at the reader's wait has every thread behind its reads of the slot that comes free.
  if (!ring.bulk) return success();
  SourceWriter &out = e_.out_;
  std::string fill = named(ring, "fill");
  out.line("mbar_wait(" + named(ring, "empty") + " + " + fill + ".slot * 8, " + fill + ".parity ^ 1);");
  std::string bytes;
  const bool fetchesEarly = llvm::any_of(op.getSlot().getUsers(), [](Operation *copy) { return copy->hasAttr("constant"); });
  for (const Buffer &b : ring.buffers)
    if (!b.isMade && b.isEarly == fetchesEarly) bytes += (bytes.empty() ? "kStageBytes" : " + kStageBytes") + b.suffix + ring.suffix;
  out.line("mbar_arrive_expect_bytes(" + named(ring, "full") + " + " + fill + ".slot * 8, " + bytes + ");");
  return success();
}

LogicalResult PipelineEmitter::emitCommit(tile::RingCommitOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  std::string fill = named(ring, "fill"), stages = named(ring, "kStages");
  if (ring.bulk) {
    e_.out_.line("ring_advance(" + fill + ", " + stages + ");");
  } else {
    e_.out_.line("copy_async_commit();");
    e_.out_.line(fill + " = " + fill + " + 1 == " + stages + " ? 0 : " + fill + " + 1;");
  }
  return success();
}

LogicalResult PipelineEmitter::emitWait(tile::RingWaitOp op) {
  RingInfo &ring = ringOf(op.getRing());
  std::string take = named(ring, "take");
  if (ring.bulk) {
    e_.out_.line("mbar_wait(" + named(ring, "full") + " + " + take + ".slot * 8, " + take + ".parity);");
    if (ring.isSplit && !isSplitter(op)) e_.out_.line("mbar_wait(" + named(ring, "lows") + " + " + take + ".slot * 8, " + take + ".parity);");
  } else {
    e_.out_.line("copy_async_wait<" + str(op.getBehind()) + ">();");
    e_.out_.line("block_sync();");
  }
  return success();
}

LogicalResult PipelineEmitter::emitClearRows(tile::ClearRowsOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &b = ring.buffers[op.getBuffer()];
  Expr first = e_.scalar(op.getFirst());
  e_.out_.open("if (" + first.in(Expr::kShift) + " < " + str(b.rows) + ")");
  e_.out_.line("clear_rows(" + slotAddress(ring, b) + ", " + str(b.panels()) + ", " + str(b.rows) + ", int(" + first.text + "), thread);");
  e_.out_.close();
  return success();
}

LogicalResult PipelineEmitter::emitRelease(tile::RingReleaseOp op) {
  RingInfo &ring = ringOf(op.getRing());
  SourceWriter &out = e_.out_;
  std::string take = named(ring, "take"), held = named(ring, "held"), stages = named(ring, "kStages"), empty = named(ring, "empty");
  if (!ring.bulk) {
    out.line(take + " = " + take + " + 1 == " + stages + " ? 0 : " + take + " + 1;");
    return success();
  }
  std::string arrive = "mbar_arrive_at(" + empty + " + ", who = "thread < kCluster", peer = clusterK_ > 1 ? "rank_k" : "thread";
  if (ring.readByThreads) {
    out.line("warp_sync();");
    who = sharers() > 1 ? "thread % 32 < kCluster" : "thread % 32 == 0";
    peer = sharers() > 1 ? "thread % 32" : clusterK_ > 1 ? "rank_k" : "0";
  }
  if (!ring.lagging) {
    out.line("if (" + who + ") " + arrive + take + ".slot * 8, " + peer + ");");
    out.line("ring_advance(" + take + ", " + stages + ");");
  } else {
    out.line("if (" + held + " >= 0 && " + who + ") " + arrive + held + " * 8, " + peer + ");");
    if (op.getLag() > 0) {
      out.line(held + " = " + take + ".slot;");
      out.line("ring_advance(" + take + ", " + stages + ");");
    } else {
      out.line(held + " = -1;");
    }
  }
  return success();
}

LogicalResult PipelineEmitter::emitSkip(tile::RingSkipOp op) {
  RingInfo &ring = ringOf(op.getRing());
  if (!ring.bulk || !takesTurns()) return op.emitOpError("is for consumers that take turns on a bulk ring");
  e_.out_.line("ring_skip(" + named(ring, "take") + ", int(" + e_.scalar(op.getCount()).text + "), " + named(ring, "kStages") + ");");
  return success();
}

LogicalResult PipelineEmitter::emitTurnWait(tile::TurnWaitOp) {
  e_.out_.line("mbar_wait(smem + kOffsetTurns + consumer * 8, turn);");
  e_.out_.line("turn ^= 1;");
  return success();
}

/// Consumers that share slots come by again within a step, so each warp says that it has seen its turn: one that is late would find the barrier
/// two phases on.
LogicalResult PipelineEmitter::emitTurnPass(tile::TurnPassOp op) {
  if (!anyTurns_) return op.emitOpError("gives away a turn that nobody waits for: expected a tile.turn_wait before it");
  if (!takesTurns()) e_.out_.line("warp_sync();");
  e_.out_.line(std::string("if (thread") + (takesTurns() ? "" : " % 32") + " == 0) mbar_arrive(smem + kOffsetTurns + (consumer + 1) % kConsumers * 8);");
  return success();
}

LogicalResult PipelineEmitter::emitDrain(tile::RingDrainOp op) {
  RingInfo &ring = ringOf(op.getRing());
  SourceWriter &out = e_.out_;
  if (!ring.bulk) {
    out.line("copy_async_wait<0>();");
    out.line("block_sync();");
    return success();
  }
  if (sharers() == 1) return success();
  std::string fill = named(ring, "fill"), stages = named(ring, "kStages");
  out.comment("This block's barriers stay until every consumer of the cluster has made its last arrival on them.");
  out.open("for (int s = 0; s < " + stages + "; ++s)");
  out.line("mbar_wait(" + named(ring, "empty") + " + " + fill + ".slot * 8, " + fill + ".parity ^ 1);");
  out.line("ring_advance(" + fill + ", " + stages + ");");
  out.close();
  return success();
}

std::string PipelineEmitter::coordinates(ValueRange at) {
  std::string text;
  for (Value v : at) text += ", int(" + e_.scalar(v).text + ")";
  return text;
}

LogicalResult PipelineEmitter::emitCopyBulk(tile::CopyBulkOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &b = ring.buffers[op.getBuffer()];
  std::string fill = named(ring, "fill"), suffix = b.suffix + ring.suffix;
  std::string dst = "smem + kOffset" + suffix + " + " + fill + ".slot * kStageBytes" + suffix;
  if (op.getRow().value_or(0)) dst += " + " + str(*op.getRow()) + " * " + str(kRowBytes);
  std::string map = "&" + e_.bound_[op.getMap()].expr.text, bar = named(ring, "full") + " + " + fill + ".slot * 8";
  std::string rank = str(int64_t(op.getAt().size())) + "d";
  // Attribute `constant`: of the plan, by a thread that does not wait for the launch in front.
  if (op->hasAttr("constant")) {
    if (!op.getTap().empty() || b.slices > 1 || op.getAt().size() > 3) return op.emitOpError("of a constant has two or three coordinates, no tap, and a block of its own");
    rank += "_constant";
  }
  // Attribute `once`: the caches need not keep it.
  if (op->hasAttr("once")) {
    if (op.getAt().size() != 4 || !op.getTap().empty() || b.slices > 1) return op.emitOpError("that is read once has four coordinates, no tap, and a block of its own");
    rank += "_once";
  }
  if (!op.getTap().empty()) {
    if (b.slices > 1 || op.getAt().size() != 4 || op.getTap().size() != 2)
      return op.emitOpError("of a run of pixels has four coordinates and a tap of two, and is not shared by a cluster");
    e_.out_.line("tma_load_pixels(" + dst + ", " + map + ", " + bar + coordinates(op.getAt()) + coordinates(op.getTap()) + ");");
    return success();
  }
  if (b.slices == 1) {
    std::string more = coordinates(op.getAt().drop_front()), first = e_.scalar(op.getAt()[0]).text;
    for (int64_t p = 0; p < b.panels(); ++p) {
      std::string to = p ? dst + " + " + (p > 1 ? str(p) + " * " : "") + "kPanelBytes" + suffix : dst;
      std::string x = p ? ", " + (first == "0" ? "" : "int(" + first + ") + ") + str(p * kRowBytes / b.elementBytes) : ", int(" + first + ")";
      e_.out_.line("tma_load_" + rank + "(" + to + ", " + map + ", " + bar + x + more + ");");
    }
    return success();
  }
  if (b.panels() > 1) return op.emitOpError("a buffer of several panels is not shared in a cluster");
  if (op->hasAttr("halves") && (b.slices != 2 || op.getAt().size() != 3)) return op.emitOpError("of halves has three coordinates, and two blocks that share it");
  if (op->hasAttr("own") && (b.slices != 2 || op->hasAttr("halves"))) return op.emitOpError("of the block's own map has two blocks that share the buffer");
  // One slice for each block along the axis.
  std::string slice = b.across == 0 ? "rank_m" : "rank_n", mask;
  if (b.across == 0) {
    mask = "((1u << kClusterM) - 1u) << (rank_n * kClusterM)";
  } else {
    int64_t row = 0;
    for (int64_t i = 0; i < clusterN_; ++i) row |= int64_t(1) << (i * clusterM_);
    mask = str(row) + "u << rank_m";
  }
  std::string at;
  for (auto [d, v] : llvm::enumerate(op.getAt())) {
    at += ", int(" + e_.scalar(v).text + ")";
    if (op->hasAttr("halves")) {
      if (d == 2) at += " + " + slice;
    } else if (d == 1 && !op->hasAttr("own")) {
      at += " + " + slice + " * kSlice" + suffix;
    }
  }
  e_.out_.line("tma_load_" + rank + "_multicast(" + dst + " + " + slice + " * (kSlice" + suffix + " * " + str(kRowBytes) + "), " + map + ",");
  e_.out_.line("    " + bar + at + ", static_cast<u16>(" + mask + "));");
  return success();
}

}  // namespace jinx::cuda

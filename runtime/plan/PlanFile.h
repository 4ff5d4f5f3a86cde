// The plan file (.jxp): how a compiled model lies on disk, and how it is read without trusting it.
//
//   offset 0    FileHeader, 64 bytes: magic, version, sizes and checksums
//   offset 64   the protobuf message jinx.plan.Plan (plan.proto): steps, values, kernels, formulas
//   then        segments, each at a multiple of 64: weights, packed weights, code objects, CUDA text
//
// All integers are little-endian. Checksums are XXH3-64 with seed 0: of the header message in FileHeader, of each
// segment in its `Segment` (`segmentChecksum`), and of the first 56 bytes of FileHeader in its last 8. The file ends
// where its last segment ends.
//
// A plan is read by mapping it. Before anything is used, every length, offset, checksum and index is checked, every
// formula is parsed, and the program is walked once (runtime/plan/PlanCheck.h): a damaged or hostile plan is a
// kInvalidArgument that says what is wrong. (It may still carry code objects, which are native code: a plan is trusted
// as a program is.)
//
// Worked example: write a plan and read it back.
//
//   PlanWriter writer;
//   uint32_t segment = writer.addSegment("weights", std::as_bytes(std::span(weights)));
//   writer.plan().mutable_values(3)->mutable_constant()->set_segment(segment);
//   JINX_TRY(writer.writeFile("m.jxp"));
//   JINX_TRY_ASSIGN(std::shared_ptr<const PlanFile> plan, PlanFile::open("m.jxp"));
//   plan->constantBytes(3);
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/File.h"
#include "runtime/base/Status.h"
#include "runtime/base/StridedBytes.h"
#include "runtime/memory/AlignedBuffer.h"
#include "runtime/plan/plan.pb.h"

namespace jinx {

inline constexpr uint32_t kPlanVersion = 2;
inline constexpr char kPlanMagic[8] = {'J', 'I', 'N', 'X', 'P', 'L', 'A', 'N'};
/// An omitted operand in `Step.inputs` and `Step.outputs`.
inline constexpr uint32_t kNoValue = 0xFFFFFFFFu;

/// Of PlanFileHeader.flags: constants have rows, or files are named from the folder above (Pieces.h). A reader that does not know a flag refuses the plan.
inline constexpr uint32_t kPlanHasRows = 1;

/// The first 64 bytes of a plan file.
struct PlanFileHeader {
  char magic[8];
  uint32_t version;
  uint32_t flags;       ///< 0, or kPlanHasRows
  uint64_t messageSize; ///< of the protobuf message at offset 64
  uint64_t messageChecksum;
  uint64_t fileSize;
  uint64_t reserved[2]; ///< 0
  uint64_t checksum;    ///< of the 56 bytes before it
};
static_assert(sizeof(PlanFileHeader) == 64);

/// XXH3-64 of `bytes`.
uint64_t planChecksum(std::span<const std::byte> bytes);
/// Of a segment: of up to 16 MiB the same; of more, XXH3-64 of the checksums of its parts of 16 MiB, which threads share.
uint64_t segmentChecksum(std::span<const std::byte> bytes);

struct PlanOpenOptions {
  /// Off: segments named "weights…" and "packed…" are not checksummed (ranges are checked all the same).
  bool verifyWeights = true;
  /// Off: files that hold weights outside of the plan are not opened, nor need they be there. For who looks at a plan: it must not ask for constants in them.
  bool opensExternal = true;
  /// Where `ConstantData.external_file` is looked for; empty: beside the plan, or beside its folder (Plan.external_above).
  std::string externalDirectory;
};

/// Bytes of one segment on their way into a plan, with whoever keeps them alive (null: the caller does).
struct SegmentBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// A checked plan: its header message, and its segments in memory. Immutable; shared by sessions and threads.
class PlanFile {
 public:
  static Expected<std::shared_ptr<const PlanFile>> open(const std::string& path, const PlanOpenOptions& options = {});
  /// A plan file's bytes already in memory. `owner` keeps them alive; 64-byte alignment is restored by copying when
  /// lacking.
  static Expected<std::shared_ptr<const PlanFile>> fromBytes(std::span<const std::byte> bytes,
                                                             std::shared_ptr<const void> owner = nullptr,
                                                             const PlanOpenOptions& options = {});
  /// A plan compiled in this process: `plan.segments` is filled in from `segments`. A segment not 64-byte aligned is
  /// copied.
  static Expected<std::shared_ptr<const PlanFile>> fromMemory(plan::Plan plan, std::vector<SegmentBytes> segments,
                                                              const PlanOpenOptions& options = {});

  const plan::Plan& plan() const { return plan_; }
  const std::string& path() const { return path_; } ///< empty for a plan from memory
  size_t numSegments() const { return segments_.size(); }
  std::span<const std::byte> segment(uint32_t index) const { return segments_[index].bytes; }
  /// The bytes of a CONSTANT value that is not a string tensor, in the plan or in an external file. A constant in pieces is put together by the
  /// first call, and stays so in memory.
  std::span<const std::byte> constantBytes(uint32_t valueIndex) const;
  /// The same where they lie, for who copies them anyway: behind each other they are the constant.
  std::vector<StridedBytes> constantPieces(uint32_t valueIndex) const;

 private:
  PlanFile() = default;
  Status readBytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const PlanOpenOptions& options);
  Status finish(const PlanOpenOptions& options);
  std::string externalFolder(const PlanOpenOptions& options) const;
  Status mapExternalFiles(const PlanOpenOptions& options);
  /// As many as it reaches. \param place  a plan::ConstantData or a plan::ConstantPiece
  template <typename Place> std::span<const std::byte> bytesAt(const Place& place) const;

  plan::Plan plan_;
  std::string path_;
  std::vector<SegmentBytes> segments_;
  std::vector<std::pair<std::string, MappedFile>> external_; ///< sorted by name
  mutable std::mutex mutex_;                                  ///< of what is below
  mutable std::map<uint32_t, std::vector<std::byte>> whole_; ///< constants that were put together
};

/// Collects a plan and its segments, then writes a file or makes a PlanFile in memory.
class PlanWriter {
 public:
  plan::Plan& plan() { return plan_; }

  /// Index for `ConstantData.segment` and `CodeObject.segment`. The bytes stay the caller's until the plan is written
  /// (or, for `toMemory`, for as long as the PlanFile lives, unless `owner` keeps them).
  uint32_t addSegment(std::string name, std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);
  /// Takes the bytes.
  uint32_t addSegment(std::string name, std::vector<std::byte> bytes);
  uint32_t addSegment(std::string name, std::string text);
  std::span<const std::byte> segment(uint32_t index) const { return segments_[index].bytes; }

  /// Writes beside `path`, syncs, renames: a full disk or a crash leaves an older plan at `path` whole. kResource when
  /// the disk is full. The plan is checked first, so that no file is written that `open` would refuse.
  Status writeFile(const std::string& path);
  Expected<std::shared_ptr<const PlanFile>> toMemory() &&;

 private:
  plan::Plan plan_;
  std::vector<SegmentBytes> segments_;
};

} // namespace jinx

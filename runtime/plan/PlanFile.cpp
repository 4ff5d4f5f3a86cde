#include "runtime/plan/PlanFile.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

#include "runtime/base/Parallel.h"
#include "runtime/plan/Pieces.h"
#include "runtime/plan/PlanCheck.h"

namespace jinx {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{1} << 30;

bool isWeights(const std::string& segmentName) {
  return segmentName.rfind("weights", 0) == 0 || segmentName.rfind("packed", 0) == 0;
}

Status damaged(const std::string& what) { return invalidArgument("damaged plan: " + what); }

bool isAligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % kBufferAlignment == 0; }

/// `bytes` as they are when aligned, else an aligned copy.
Expected<SegmentBytes> aligned(SegmentBytes bytes) {
  if (bytes.bytes.empty() || isAligned(bytes.bytes.data())) return bytes;
  JINX_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(bytes.bytes.size()));
  std::memcpy(buffer.data(), bytes.bytes.data(), bytes.bytes.size());
  auto owner = std::make_shared<AlignedBuffer>(std::move(buffer));
  return SegmentBytes{owner->bytes(), owner};
}

Expected<PlanFileHeader> readHeader(std::span<const std::byte> bytes) {
  PlanFileHeader header;
  if (bytes.size() < sizeof header) return damaged(std::to_string(bytes.size()) + " bytes are too few for a plan");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kPlanMagic, sizeof kPlanMagic) != 0)
    return invalidArgument("not a plan file: wrong magic");
  if (header.version != kPlanVersion)
    return invalidArgument("plan format version " + std::to_string(header.version) + ", this runtime reads version " +
                           std::to_string(kPlanVersion) + ": compile the model again");
  if (planChecksum(bytes.first(sizeof header - 8)) != header.checksum) return damaged("checksum of the file header");
  if (header.flags & ~kPlanHasRows) return invalidArgument("plan uses features this runtime does not know");
  if (header.fileSize != bytes.size())
    return damaged("file has " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(header.fileSize));
  if (header.messageSize > kMaxMessageBytes || header.messageSize > bytes.size() - sizeof header)
    return damaged("header message of " + std::to_string(header.messageSize) + " bytes does not fit");
  return header;
}

/// Fills `plan.segments` for `segments` laid out after a message of `messageSize` bytes; returns the file's size. The
/// segments' own entries are part of the message, which is why fixed-width fields are not needed: the caller iterates
/// until it is stable.
uint64_t layOut(plan::Plan& plan, const std::vector<SegmentBytes>& segments, uint64_t messageSize) {
  uint64_t offset = static_cast<uint64_t>(alignUp(static_cast<int64_t>(sizeof(PlanFileHeader) + messageSize)));
  for (size_t i = 0; i < segments.size(); ++i) {
    plan::Segment& s = *plan.mutable_segments(static_cast<int>(i));
    s.set_offset(offset);
    s.set_size(segments[i].bytes.size());
    offset = static_cast<uint64_t>(alignUp(static_cast<int64_t>(offset + s.size())));
  }
  return segments.empty()
             ? sizeof(PlanFileHeader) + messageSize
             : plan.segments(plan.segments_size() - 1).offset() + plan.segments(plan.segments_size() - 1).size();
}

Status serialize(const plan::Plan& plan, std::string* message) {
  if (plan.ByteSizeLong() > kMaxMessageBytes) return invalidArgument("plan header beyond 1 GiB");
  // Maps in a fixed order: the same plan gives the same bytes.
  message->clear();
  google::protobuf::io::StringOutputStream stream(message);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  if (!plan.SerializeToCodedStream(&coded)) return internalError("cannot serialize the plan header");
  return Status::ok();
}

Status writePadding(AtomicFile& file, uint64_t* position, uint64_t target) {
  static constexpr std::byte kZeros[kBufferAlignment] = {};
  JINX_TRY(file.write(std::span(kZeros).first(target - *position)));
  *position = target;
  return Status::ok();
}

} // namespace

uint64_t planChecksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

uint64_t segmentChecksum(std::span<const std::byte> bytes) {
  constexpr size_t kPart = size_t{16} << 20;
  if (bytes.size() <= kPart) return planChecksum(bytes);
  std::vector<uint64_t> parts((bytes.size() + kPart - 1) / kPart);
  inParallel(std::min(8u, std::thread::hardware_concurrency()), parts.size(), [&](size_t i) {
    parts[i] = planChecksum(bytes.subspan(i * kPart, std::min(kPart, bytes.size() - i * kPart)));
  });
  return planChecksum(std::as_bytes(std::span(parts)));
}

// ---- reading ----

Expected<std::shared_ptr<const PlanFile>> PlanFile::open(const std::string& path, const PlanOpenOptions& options) {
  JINX_TRY_ASSIGN(MappedFile mapped, MappedFile::open(path, options.verifyWeights), "opening plan");
  auto owner = std::make_shared<MappedFile>(std::move(mapped));
  std::shared_ptr<PlanFile> file(new PlanFile());
  file->path_ = path;
  JINX_TRY(file->readBytes(owner->bytes(), owner, options), "opening plan " + path);
  return std::shared_ptr<const PlanFile>(std::move(file));
}

Expected<std::shared_ptr<const PlanFile>> PlanFile::fromBytes(std::span<const std::byte> bytes,
                                                              std::shared_ptr<const void> owner,
                                                              const PlanOpenOptions& options) {
  JINX_TRY_ASSIGN(SegmentBytes whole, aligned({bytes, std::move(owner)}));
  std::shared_ptr<PlanFile> file(new PlanFile());
  JINX_TRY(file->readBytes(whole.bytes, whole.owner, options), "reading plan");
  return std::shared_ptr<const PlanFile>(std::move(file));
}

Expected<std::shared_ptr<const PlanFile>> PlanFile::fromMemory(plan::Plan plan, std::vector<SegmentBytes> segments,
                                                               const PlanOpenOptions& options) {
  std::shared_ptr<PlanFile> file(new PlanFile());
  file->plan_ = std::move(plan);
  file->plan_.set_version(kPlanVersion);
  while (file->plan_.segments_size() < static_cast<int>(segments.size()))
    file->plan_.add_segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    JINX_TRY_ASSIGN(SegmentBytes bytes, aligned(std::move(segments[i])));
    file->plan_.mutable_segments(static_cast<int>(i))->set_size(bytes.bytes.size());
    file->segments_.push_back(std::move(bytes));
  }
  JINX_TRY(file->finish(options), "plan in memory");
  return std::shared_ptr<const PlanFile>(std::move(file));
}

Status PlanFile::readBytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const PlanOpenOptions& options) {
  JINX_TRY_ASSIGN(PlanFileHeader header, readHeader(bytes));
  std::span<const std::byte> message = bytes.subspan(sizeof header, header.messageSize);
  if (planChecksum(message) != header.messageChecksum) return damaged("checksum of the header message");
  if (!plan_.ParseFromArray(message.data(), static_cast<int>(message.size())))
    return damaged("header message cannot be parsed");
  if (plan_.version() != header.version) return damaged("header message has another version");
  uint64_t position = sizeof header + header.messageSize;
  for (const plan::Segment& s : plan_.segments()) {
    std::string where = "segment \"" + s.name().substr(0, 100) + "\"";
    if (s.offset() % kBufferAlignment != 0) return damaged(where + " is not at a multiple of 64");
    if (s.offset() < position || s.offset() > bytes.size() || s.size() > bytes.size() - s.offset())
      return damaged(where + " does not lie in the file after the part before it");
    position = s.offset() + s.size();
    std::span<const std::byte> content = bytes.subspan(s.offset(), s.size());
    if ((options.verifyWeights || !isWeights(s.name())) && segmentChecksum(content) != s.checksum())
      return damaged("checksum of " + where);
    segments_.push_back({content, owner});
  }
  if (position != bytes.size()) return damaged("bytes after the last segment");
  return finish(options);
}

Status PlanFile::finish(const PlanOpenOptions& options) {
  std::vector<uint64_t> sizes;
  for (const SegmentBytes& s : segments_)
    sizes.push_back(s.bytes.size());
  JINX_TRY(checkPlan(plan_, sizes));
  return options.opensExternal ? mapExternalFiles(options) : Status::ok();
}

std::string PlanFile::externalFolder(const PlanOpenOptions& options) const {
  if (!options.externalDirectory.empty()) return options.externalDirectory;
  const size_t slash = path_.rfind('/');
  const std::string own = slash == std::string::npos ? "./" : path_.substr(0, slash + 1);
  return plan_.external_above() ? own + ".." : own;
}

Status PlanFile::mapExternalFiles(const PlanOpenOptions& options) {
  const std::string directory = externalFolder(options);
  auto map = [&](const std::string& constant, const auto& place) -> Status {
    const std::string& name = place.external_file();
    if (name.empty()) return Status::ok();
    auto at = std::lower_bound(external_.begin(), external_.end(), name,
                               [](const auto& e, const auto& n) { return e.first < n; });
    if (at == external_.end() || at->first != name) {
      JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(directory + "/" + name), "external weights");
      at = external_.emplace(at, name, std::move(file));
    }
    uint64_t offset = place.external_offset(), size = at->second.bytes().size();
    if (offset > size || reachOf(place) > size - offset)
      return invalidArgument("constant \"" + constant + "\" does not lie in " + name + ", which has " +
                             std::to_string(size) + " bytes");
    return Status::ok();
  };
  for (const plan::Value& value : plan_.values()) {
    if (value.where() != plan::Value::CONSTANT) continue;
    for (const plan::ConstantPiece& piece : value.constant().pieces())
      JINX_TRY(map(value.name(), piece));
    JINX_TRY(map(value.name(), value.constant()));
  }
  return Status::ok();
}

template <typename Place> std::span<const std::byte> PlanFile::bytesAt(const Place& place) const {
  const uint64_t reach = reachOf(place);
  if (reach == 0) return {};
  if (place.external_file().empty()) return segment(place.segment()).subspan(place.offset(), reach);
  auto at = std::lower_bound(external_.begin(), external_.end(), place.external_file(),
                             [](const auto& e, const auto& n) { return e.first < n; });
  assert(at != external_.end() && at->first == place.external_file() && "external weights are open");
  return at->second.bytes().subspan(place.external_offset(), reach);
}

std::span<const std::byte> PlanFile::constantBytes(uint32_t valueIndex) const {
  const plan::ConstantData& c = plan_.values(static_cast<int>(valueIndex)).constant();
  if (c.pieces().empty()) return bytesAt(c);
  std::lock_guard lock(mutex_);
  std::vector<std::byte>& whole = whole_[valueIndex];
  if (whole.empty()) {
    whole.resize(c.size());
    std::span<std::byte> to(whole);
    for (const plan::ConstantPiece& piece : c.pieces()) {
      stridedBytes(piece, bytesAt(piece)).copy(0, to.first(piece.size()));
      to = to.subspan(piece.size());
    }
  }
  return whole;
}

std::vector<StridedBytes> PlanFile::constantPieces(uint32_t valueIndex) const {
  const plan::ConstantData& c = plan_.values(static_cast<int>(valueIndex)).constant();
  if (c.pieces().empty()) return {StridedBytes::of(bytesAt(c))};
  std::vector<StridedBytes> pieces;
  for (const plan::ConstantPiece& piece : c.pieces())
    pieces.push_back(stridedBytes(piece, bytesAt(piece)));
  return pieces;
}

// ---- writing ----

uint32_t PlanWriter::addSegment(std::string name, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  plan_.add_segments()->set_name(std::move(name));
  segments_.push_back({bytes, std::move(owner)});
  return static_cast<uint32_t>(segments_.size() - 1);
}

uint32_t PlanWriter::addSegment(std::string name, std::vector<std::byte> bytes) {
  auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  std::span<const std::byte> view = *owner;
  return addSegment(std::move(name), view, std::move(owner));
}

uint32_t PlanWriter::addSegment(std::string name, std::string text) {
  auto owner = std::make_shared<std::string>(std::move(text));
  std::span<const std::byte> view = std::as_bytes(std::span(*owner));
  return addSegment(std::move(name), view, std::move(owner));
}

Status PlanWriter::writeFile(const std::string& path) {
  plan_.set_version(kPlanVersion);
  std::vector<uint64_t> sizes;
  for (size_t i = 0; i < segments_.size(); ++i) {
    sizes.push_back(segments_[i].bytes.size());
    plan_.mutable_segments(static_cast<int>(i))->set_checksum(segmentChecksum(segments_[i].bytes));
  }
  std::string context = "writing plan " + path;
  JINX_TRY(checkPlan(plan_, sizes), context);

  // Offsets are varints inside the message whose size they depend on: repeat until the size stays. It only grows, so it
  // ends.
  PlanFileHeader header = {};
  std::memcpy(header.magic, kPlanMagic, sizeof kPlanMagic);
  header.version = kPlanVersion;
  header.flags = hasRows(plan_) ? kPlanHasRows : 0;
  do {
    header.messageSize = plan_.ByteSizeLong();
    header.fileSize = layOut(plan_, segments_, header.messageSize);
  } while (plan_.ByteSizeLong() != header.messageSize);
  std::string message;
  JINX_TRY(serialize(plan_, &message), context);
  header.messageChecksum = planChecksum(std::as_bytes(std::span(message)));
  auto headerBytes = std::as_bytes(std::span(&header, 1));
  header.checksum = planChecksum(headerBytes.first(sizeof header - 8));

  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path), context);
  JINX_TRY(file.write(headerBytes), context);
  JINX_TRY(file.write(std::as_bytes(std::span(message))), context);
  uint64_t position = sizeof header + message.size();
  for (size_t i = 0; i < segments_.size(); ++i) {
    JINX_TRY(writePadding(file, &position, plan_.segments(static_cast<int>(i)).offset()), context);
    JINX_TRY(file.write(segments_[i].bytes), context);
    position += segments_[i].bytes.size();
  }
  return file.commit().withContext(context);
}

Expected<std::shared_ptr<const PlanFile>> PlanWriter::toMemory() && {
  return PlanFile::fromMemory(std::move(plan_), std::move(segments_));
}

} // namespace jinx

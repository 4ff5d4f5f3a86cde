#include "tools/driver/ZipFile.h"

#include <algorithm>
#include <cstdint>

#include <zlib.h>

namespace jinx::driver {
namespace {

constexpr uint32_t kEnd = 0x06054b50, kEnd64Locator = 0x07064b50, kEnd64 = 0x06064b50, kEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr size_t kEndBytes = 22, kLocatorBytes = 20, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint16_t kStored = 0, kDeflated = 8, kZip64Field = 1;
constexpr uint32_t kElsewhere = 0xffffffff; ///< a size that the zip64 field has
constexpr uint64_t kMostGrowth = 1100;      ///< deflate makes nothing smaller than by this factor

/// Little-endian numbers at any place of the archive; 0 and `good` off where it ends before.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t number(uint64_t at, size_t width) {
    if (at > bytes_.size() || width > bytes_.size() - at) return good = false, 0;
    uint64_t value = 0;
    for (size_t i = 0; i < width; ++i)
      value |= static_cast<uint64_t>(bytes_[at + i]) << (8 * i);
    return value;
  }
  std::span<const std::byte> part(uint64_t at, uint64_t size) {
    if (at > bytes_.size() || size > bytes_.size() - at) return good = false, std::span<const std::byte>();
    return bytes_.subspan(at, size);
  }
  bool good = true;

 private:
  std::span<const std::byte> bytes_;
};

struct Directory {
  uint64_t offset = 0, count = 0;
};

/// From the record at the end, which a comment of at most 64 KiB follows.
Directory findDirectory(Reader& reader, uint64_t size) {
  if (size < kEndBytes) return reader.good = false, Directory();
  for (uint64_t at = size - kEndBytes + 1; at-- > 0 && size - at <= kEndBytes + 0xffff;) {
    if (reader.number(at, 4) != kEnd) continue;
    Directory found{reader.number(at + 16, 4), reader.number(at + 10, 2)};
    if (at >= kLocatorBytes && reader.number(at - kLocatorBytes, 4) == kEnd64Locator) {
      const uint64_t end64 = reader.number(at - kLocatorBytes + 8, 8);
      if (reader.number(end64, 4) == kEnd64) found = {reader.number(end64 + 48, 8), reader.number(end64 + 32, 8)};
    }
    return found;
  }
  return reader.good = false, Directory();
}

struct Entry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, local = 0, next = 0;
};

Entry readEntry(Reader& reader, uint64_t at) {
  Entry entry;
  if (reader.number(at, 4) != kEntry) return reader.good = false, entry;
  const uint64_t nameBytes = reader.number(at + 28, 2), extraBytes = reader.number(at + 30, 2), comment = reader.number(at + 32, 2);
  entry.flags = static_cast<uint16_t>(reader.number(at + 8, 2));
  entry.method = static_cast<uint16_t>(reader.number(at + 10, 2));
  entry.crc = static_cast<uint32_t>(reader.number(at + 16, 4));
  entry.packed = reader.number(at + 20, 4);
  entry.size = reader.number(at + 24, 4);
  entry.local = reader.number(at + 42, 4);
  const auto name = reader.part(at + kEntryBytes, nameBytes);
  entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  for (uint64_t field = at + kEntryBytes + nameBytes, end = field + extraBytes; field + 4 <= end && reader.good;) {
    const uint64_t bytes = reader.number(field + 2, 2);
    if (reader.number(field, 2) == kZip64Field) {
      uint64_t value = field + 4;
      for (uint64_t* number : {&entry.size, &entry.packed, &entry.local})
        if (*number == kElsewhere) *number = reader.number(value, 8), value += 8;
    }
    field += 4 + bytes;
  }
  entry.next = at + kEntryBytes + nameBytes + extraBytes + comment;
  return entry;
}

bool inflateInto(std::span<const std::byte> packed, std::vector<std::byte>& bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  constexpr size_t kPiece = size_t(1) << 30; // zlib counts in 32 bits
  size_t in = 0, out = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t mayRead = std::min(kPiece, packed.size() - in), mayWrite = std::min(kPiece, bytes.size() - out);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + in));
    stream.avail_in = static_cast<uInt>(mayRead);
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + out);
    stream.avail_out = static_cast<uInt>(mayWrite);
    state = inflate(&stream, Z_NO_FLUSH);
    if (stream.avail_in == mayRead && stream.avail_out == mayWrite && state == Z_OK) break; // no progress
    in += mayRead - stream.avail_in;
    out += mayWrite - stream.avail_out;
  }
  inflateEnd(&stream);
  return state == Z_STREAM_END && out == bytes.size();
}

uint32_t checksum(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Expected<ZipMember> readMember(Reader& reader, const Entry& entry, const std::string& what) {
  const std::string where = what + ": member '" + entry.name + "' ";
  if (entry.flags & 1) return unimplemented(where + "is encrypted");
  if (entry.method != kStored && entry.method != kDeflated)
    return unimplemented(where + "has compression " + std::to_string(entry.method) + ", expected stored (0) or deflated (8)");
  const uint64_t data = entry.local + kLocalBytes + reader.number(entry.local + 26, 2) + reader.number(entry.local + 28, 2);
  const bool isLocal = reader.number(entry.local, 4) == kLocal;
  const auto packed = reader.part(data, entry.packed);
  const bool isPlausible = entry.method == kStored ? entry.size == entry.packed : entry.size / kMostGrowth <= entry.packed;
  ZipMember member{entry.name, {}};
  if (!reader.good || !isLocal || !isPlausible) return invalidArgument(where + "is damaged");
  member.bytes.resize(entry.size);
  bool isWhole = true;
  if (entry.method == kStored)
    std::copy(packed.begin(), packed.end(), member.bytes.begin());
  else
    isWhole = inflateInto(packed, member.bytes);
  if (!isWhole || checksum(member.bytes) != entry.crc) return invalidArgument(where + "is damaged");
  return member;
}

} // namespace

Expected<std::vector<ZipMember>> readZip(std::span<const std::byte> archive, const std::string& what) {
  Reader reader(archive);
  const Directory directory = findDirectory(reader, archive.size());
  if (!reader.good) return invalidArgument(what + " is no zip archive, or its end is missing");
  std::vector<ZipMember> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    const Entry entry = readEntry(reader, at);
    if (!reader.good) return invalidArgument(what + ": the archive's directory is damaged");
    JINX_TRY_ASSIGN(ZipMember member, readMember(reader, entry, what));
    members.push_back(std::move(member));
    at = entry.next;
  }
  return members;
}

} // namespace jinx::driver

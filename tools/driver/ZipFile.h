// The members of a zip archive, as numpy.savez and savez_compressed write them: stored or deflated, zip64 where needed, not encrypted.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::driver {

struct ZipMember {
  std::string name;
  std::vector<std::byte> bytes;
};

/// All members, in the order of the directory. `what` names the archive in messages.
/// \returns kInvalidArgument for a damaged archive, kUnimplemented for encryption and other compressions
Expected<std::vector<ZipMember>> readZip(std::span<const std::byte> archive, const std::string& what);

} // namespace jinx::driver

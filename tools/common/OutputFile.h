// Files that a program is asked to write.
#pragma once

#include <string>

#include "runtime/base/Status.h"

namespace jinx::tools {

/// Writes text to a file, whole or not at all, or to standard output for "-".
Status writeText(const std::string& path, const std::string& text);

/// Whether a file can be there at all, to say so before the work and not after it: its folder exists and it is none
/// itself. "" and "-" are no files.
Status checkOutputFile(const std::string& path);

} // namespace jinx::tools

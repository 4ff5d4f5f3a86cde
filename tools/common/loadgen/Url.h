// Where is a server? http://HOST:PORT, with or without a path.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/Status.h"

namespace jinx::loadgen {

struct Url {
  std::string host, port;
  std::string path; ///< before /v1/…, without a slash at its end; mostly ""

  std::string authority() const; ///< HOST:PORT, as a header has it
};

/// http://HOST[:PORT][/PATH], where a path's last part /v1 is dropped and [HOST] is an IPv6 address; the port is 80 where none is given. kInvalidArgument for another text; kUnimplemented for https.
Expected<Url> parseUrl(std::string_view text);

} // namespace jinx::loadgen

// One request to a server of OpenAI's interface, on a connection of its own; its answer is read as it comes.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runtime/serve/Asio.h"
#include "tools/common/loadgen/Record.h"
#include "tools/common/loadgen/Url.h"

namespace jinx::loadgen {

using Clock = std::chrono::steady_clock;

/// A server that has been found.
struct Target {
  Url url;
  std::vector<serve::tcp::endpoint> endpoints;
  std::string key;           ///< "": none
  double timeout_s = 120;    ///< for a whole request
};

/// An answer that is no stream.
struct PlainAnswer {
  int status = 0;
  std::string body;
};

/// GET; kNotFound where no connection can be made, or no whole answer comes in time.
serve::awaitable<Expected<PlainAnswer>> get(const Target& target, std::string path);

/// POST of a body that asks for a stream.
/// \param record  gets all but its index and at_s; e2e_s also where it fails
serve::awaitable<void> askStream(const Target& target, std::string path, std::string body, Record& record);

} // namespace jinx::loadgen

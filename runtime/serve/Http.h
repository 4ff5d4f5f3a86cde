// A request and an answer of HTTP, as the parts know them that do not know the network.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/serve/ApiError.h"

namespace jinx::serve {

struct HttpRequest {
  std::string method, path; ///< the path without its query
  std::string authorization, contentType, traceparent;
  std::string body;
  double arrived_s = 0;
};

struct HttpReply {
  int status = 200;
  std::string contentType = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

HttpReply replyOf(const Json& json);
/// With Retry-After, in whole seconds, where it says when to come again, and WWW-Authenticate where a key is missing.
HttpReply replyOf(const ApiError& error);

} // namespace jinx::serve

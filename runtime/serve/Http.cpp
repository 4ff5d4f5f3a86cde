#include "runtime/serve/Http.h"

#include <algorithm>
#include <cmath>

namespace jinx::serve {

HttpReply replyOf(const Json& json) { return {.body = dump(json)}; }

HttpReply replyOf(const ApiError& error) {
  HttpReply reply{.status = error.status, .body = dump(toJson(error))};
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.retryAfter_s > 0) reply.headers.emplace_back("Retry-After", std::to_string(static_cast<int64_t>(std::ceil(std::min(error.retryAfter_s, 3600.0)))));
  return reply;
}

} // namespace jinx::serve

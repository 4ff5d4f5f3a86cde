// What a client is told when its request fails, in the form of OpenAI's interface.
#pragma once

#include <string>

#include "runtime/base/Status.h"
#include "runtime/engine/Engine.h"
#include "runtime/serve/Json.h"

namespace jinx::serve {

struct ApiError {
  int status = 400; ///< of HTTP
  std::string type = "invalid_request_error";
  std::string message;
  std::string param = {}; ///< the field at fault; empty: none
  std::string code = {};  ///< empty: none
  double retryAfter_s = 0; ///< above 0: when to come again
};

/// A field that is at fault.
ApiError badField(std::string param, std::string message);
/// The client's fault for what the input is to blame for, else ours (500).
ApiError errorOf(const Status& status, std::string param = "");
/// 400 for what will never be taken, 429 for what may be later.
ApiError errorOf(const engine::Refusal& refusal);

/// {"error": {"message", "type", "param", "code"}}
Json toJson(const ApiError& error);

} // namespace jinx::serve

#include "runtime/serve/ApiError.h"

namespace jinx::serve {

ApiError badField(std::string param, std::string message) { return {.message = std::move(message), .param = std::move(param)}; }

ApiError errorOf(const Status& status, std::string param) {
  const bool isInputs = status.code() == Code::kInvalidArgument || status.code() == Code::kUnimplemented || status.code() == Code::kNotFound;
  if (isInputs) return badField(std::move(param), status.message());
  return {.status = 500, .type = "server_error", .message = status.message(), .param = std::move(param)};
}

ApiError errorOf(const engine::Refusal& refusal) {
  switch (refusal.reason) {
  case engine::Refusal::Reason::kInvalid: return {.message = refusal.message};
  case engine::Refusal::Reason::kTooLong: return {.message = refusal.message, .code = "context_length_exceeded"};
  case engine::Refusal::Reason::kQueueFull:
  case engine::Refusal::Reason::kTenantFull: break;
  }
  return {.status = 429, .type = "rate_limit_error", .message = refusal.message, .code = "rate_limit_exceeded", .retryAfter_s = refusal.retryAfter_s};
}

Json toJson(const ApiError& error) {
  const auto orNull = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"error", {{"message", error.message}, {"type", error.type}, {"param", orNull(error.param)}, {"code", orNull(error.code)}}}};
}

} // namespace jinx::serve

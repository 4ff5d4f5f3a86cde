// Which route does a request take, and may it? Each route gives an answer at once, or a generation that is still to come.
#pragma once

#include <memory>
#include <variant>

#include "runtime/serve/Auth.h"
#include "runtime/serve/CompletionApi.h"
#include "runtime/serve/EngineThread.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/OpenRequests.h"

namespace jinx::serve {

struct Answer {
  TenantId tenant = 0;
  std::variant<HttpReply, std::unique_ptr<Generation>> what;
};

/// Safe to use from several threads.
class Api {
 public:
  /// All must outlive it.
  Api(const ServedModel& model, const Limits& limits, const Auth& auth, EngineThread& engine, const Metrics& metrics)
      : model_(model), limits_(limits), auth_(auth), engine_(engine), metrics_(metrics) {}

  /// Reads the request whole: tokens of its prompt, grammar of its format. May take its time. Throws nothing.
  Answer answer(const HttpRequest& request);
  OpenRequests& open() { return open_; }
  void beginDrain() { isDraining_ = true; }

 private:
  using Result = std::variant<HttpReply, std::unique_ptr<Generation>, ApiError>;
  Result route(const HttpRequest& request, TenantId tenant);
  Result get(const std::string& path);
  Result post(const HttpRequest& request, TenantId tenant);
  Result cancel(const std::string& id, TenantId tenant);
  HttpReply health() const;
  Json describeModels() const;

  const ServedModel& model_;
  const Limits& limits_;
  const Auth& auth_;
  EngineThread& engine_;
  const Metrics& metrics_;
  OpenRequests open_;
  std::atomic<bool> isDraining_ = false;
};

} // namespace jinx::serve

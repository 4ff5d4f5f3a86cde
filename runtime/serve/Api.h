// Which route does a request take, and may it? Each route gives an answer at once, or a generation that is still to come.
#pragma once

#include <memory>
#include <variant>

#include "runtime/serve/Auth.h"
#include "runtime/serve/CompletionApi.h"
#include "runtime/serve/EmbeddingThread.h"
#include "runtime/serve/EngineThread.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/OpenRequests.h"

namespace jinx::serve {

/// What is served, one of both at least. All must outlive who uses it.
struct Served {
  const ServedModel* language = nullptr; ///< with its engine, or neither
  EngineThread* engine = nullptr;
  const ServedEncoder* encoder = nullptr; ///< with its thread, or neither
  EmbeddingThread* embeddings = nullptr;
};

struct Answer {
  TenantId tenant = 0;
  std::variant<HttpReply, std::unique_ptr<Generation>, std::shared_ptr<EmbeddingJob>> what; ///< what is no reply yet is to be submitted
};

/// Safe to use from several threads.
class Api {
 public:
  /// All must outlive it.
  Api(const Served& served, const Limits& limits, const Auth& auth, const Metrics& metrics) : served_(served), limits_(limits), auth_(auth), metrics_(metrics) {}

  /// Reads the request whole: tokens of its prompt, grammar of its format. May take its time. Throws nothing.
  Answer answer(const HttpRequest& request);
  OpenRequests& open() { return open_; }
  void beginDrain() { isDraining_ = true; }

 private:
  using Result = std::variant<HttpReply, std::unique_ptr<Generation>, std::shared_ptr<EmbeddingJob>, ApiError>;
  Result route(const HttpRequest& request, TenantId tenant);
  Result get(const std::string& path);
  Result post(const HttpRequest& request, TenantId tenant);
  Result postTokens(const std::string& path, const Json& json) const;
  Result generate(const std::string& path, const Json& json) const;
  Result embed(const HttpRequest& request, const Json& json, TenantId tenant) const;
  Result cancel(const std::string& id, TenantId tenant);
  HttpReply health() const;
  Json describeModels() const;

  const Served served_;
  const Limits& limits_;
  const Auth& auth_;
  const Metrics& metrics_;
  OpenRequests open_;
  std::atomic<bool> isDraining_ = false;
};

} // namespace jinx::serve

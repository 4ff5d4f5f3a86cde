// One connection: reads requests, one after the other, and writes their answers.
//
// All of it runs on one strand. While an answer is made the client is watched (ClientWatch.h): where it has gone, or takes nothing, its request is cancelled.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "runtime/serve/Api.h"
#include "runtime/serve/ClientWatch.h"
#include "runtime/serve/Listener.h"

#include <boost/asio/thread_pool.hpp>

namespace jinx::serve {

/// What all connections share. All must outlive them.
struct ServerParts {
  Api& api;
  const Served& served;
  Metrics& metrics;
  Tracer* tracer; ///< may be null
  const Limits& limits;
  asio::thread_pool& workers; ///< read requests whole: tokenize, compile grammars
  std::atomic<bool> isDraining = false;
};

class Connection final : public NetworkClient, public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, ServerParts& parts);
  ~Connection() override;
  awaitable<void> run() override;
  void closeIfIdle() override;
  asio::any_io_executor executor() override { return client_.stream.get_executor(); }

 private:
  awaitable<bool> answer(HttpRequest request);
  awaitable<bool> reply(HttpReply reply, RequestTrace* trace = nullptr);
  awaitable<bool> generate(std::unique_ptr<Generation> generation, TenantId tenant, const HttpRequest& request);
  awaitable<bool> embed(std::shared_ptr<EmbeddingJob> job, const HttpRequest& request);
  awaitable<bool> follow(Generation& generation, EventQueue& events, JobId job, asio::steady_timer& wake, const ClientWatch& watch, RequestTrace* trace);
  awaitable<bool> writeStreamHead(const std::string& id);
  awaitable<bool> writeChunk(std::string text);
  awaitable<bool> writeStreamEnd();
  std::shared_ptr<RequestTrace> beginTrace(const HttpRequest& request, std::string id, const std::string& model);

  ClientStream client_;
  ServerParts& parts_;
  bool isTooSlow_ = false; ///< took nothing of an answer for as long as may be
};

} // namespace jinx::serve

// One connection: reads requests, one after the other, and writes their answers.
//
// All of it runs on one strand. While an answer is made the socket is read on: its end means that nobody waits any more, and the request is cancelled. A
// client that has closed only its sending side looks the same, and is treated the same. What a client sends ahead is kept, up to a bound.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "runtime/serve/Api.h"
#include "runtime/serve/Asio.h"

#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

namespace jinx::serve {

/// What all connections share. All must outlive them.
struct ServerParts {
  Api& api;
  EngineThread& engine;
  Metrics& metrics;
  Tracer* tracer; ///< may be null
  const Limits& limits;
  asio::thread_pool& workers; ///< read requests whole: tokenize, compile grammars
  std::atomic<bool> isDraining = false;
};

/// Wakes a coroutine that waits on the connection's strand.
struct Wake {
  explicit Wake(asio::any_io_executor executor) : timer(executor) {}
  asio::steady_timer timer;
  bool isGone = false;   ///< nobody reads any more
  bool isWatched = true; ///< the socket is being read
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, ServerParts& parts);
  ~Connection();
  /// Until the client or the server closes it.
  awaitable<void> run();
  /// Closes it where it waits for a request. Any thread.
  void closeIfIdle();
  asio::any_io_executor executor() { return stream_.get_executor(); }

 private:
  awaitable<std::optional<HttpRequest>> readRequest();
  awaitable<void> refuse(int status, std::string message);
  awaitable<bool> answer(HttpRequest request);
  awaitable<bool> writeReply(HttpReply reply);
  awaitable<bool> generate(std::unique_ptr<Generation> generation, TenantId tenant, double arrived_s);
  awaitable<bool> follow(Generation& generation, EventQueue& events, JobId job, Wake& wake);
  awaitable<bool> writeStreamHead(const std::string& id);
  awaitable<bool> writeChunk(std::string text);
  awaitable<bool> writeStreamEnd();
  awaitable<void> watch(std::shared_ptr<Wake> wake);
  awaitable<void> endWatch(std::shared_ptr<Wake> wake);
  void trace(const std::string& request, const char* name, double begin_s);

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_; ///< what has been read and not used
  ServerParts& parts_;
  unsigned version_ = 11; ///< of HTTP, of the last request
  bool keepsAlive_ = true;
  bool isIdle_ = false;
  bool isTooSlow_ = false; ///< took nothing of an answer for as long as may be
};

} // namespace jinx::serve

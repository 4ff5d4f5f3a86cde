#include "runtime/serve/Listener.h"

#include <csignal>
#include <list>
#include <thread>

#include "runtime/serve/EngineThread.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

namespace jinx::serve {
namespace {

constexpr double kLastSeconds = 5; ///< for answers that were cancelled to reach their clients
constexpr auto kBetweenLooks = std::chrono::milliseconds(100); ///< for a failure

class Listener {
 public:
  Listener(const ServerOptions& options, const Limits& limits, ListenerHooks hooks)
      : options_(options), limits_(limits), hooks_(std::move(hooks)), acceptor_(strand_), signals_(strand_) {}

  Expected<uint16_t> listen();
  Status run(); ///< \returns the failure that has ended it

 private:
  awaitable<void> acceptAll();
  awaitable<void> endOnSignal();
  awaitable<void> endOnFailure();
  awaitable<bool> waitWhileBusy(double seconds);
  void spawn(tcp::socket socket);
  void forgetClosed() { std::erase_if(connections_, [](const auto& connection) { return connection.expired(); }); }

  const ServerOptions options_;
  const Limits& limits_;
  const ListenerHooks hooks_;
  asio::io_context context_;
  asio::strand<asio::io_context::executor_type> strand_ = asio::make_strand(context_); ///< of all that follows, connections aside
  tcp::acceptor acceptor_;
  asio::signal_set signals_;
  std::list<std::weak_ptr<NetworkClient>> connections_;
  bool isEnding_ = false, isInHaste_ = false;
  Status failure_;
};

Expected<uint16_t> Listener::listen() {
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(options_.address, error);
  if (error) return invalidArgument("\"" + options_.address + "\" is no address, expected one of an interface as 127.0.0.1 or ::1");
  const tcp::endpoint endpoint(address, options_.port);
  const std::string place = options_.address + ":" + std::to_string(options_.port);
  const auto fault = [&](const char* verb) { return resourceError(std::string("cannot ") + verb + " " + place + ": " + error.message()); };
  if (acceptor_.open(endpoint.protocol(), error); error) return fault("open");
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (acceptor_.bind(endpoint, error); error) return fault("bind");
  if (acceptor_.listen(asio::socket_base::max_listen_connections, error); error) return fault("listen on");
  return acceptor_.local_endpoint().port();
}

Status Listener::run() {
  boost::system::error_code ignored;
  signals_.add(SIGINT, ignored);
  signals_.add(SIGTERM, ignored);
  asio::co_spawn(strand_, acceptAll(), asio::detached);
  asio::co_spawn(strand_, endOnSignal(), asio::detached);
  if (options_.failure) asio::co_spawn(strand_, endOnFailure(), asio::detached);
  std::vector<std::thread> threads;
  for (int i = 1; i < options_.ioThreads; ++i)
    threads.emplace_back([this] { context_.run(); });
  context_.run();
  for (std::thread& thread : threads)
    thread.join();
  // Who has just woken a coroutine may not have returned from it: the context has to outlive them all.
  if (hooks_.ended) hooks_.ended();
  return failure_;
}

awaitable<void> Listener::acceptAll() {
  while (!isEnding_) {
    auto [error, socket] = co_await acceptor_.async_accept(asio::make_strand(context_), asTuple);
    if (!error) {
      spawn(std::move(socket));
    } else if (error != asio::error::operation_aborted) {
      // No descriptors left: connections that end give some back.
      asio::steady_timer pause(strand_, std::chrono::milliseconds(50));
      co_await pause.async_wait(asTuple);
    }
  }
}

void Listener::spawn(tcp::socket socket) {
  if (isEnding_) return; // closes it
  if (connections_.size() >= limits_.connections) forgetClosed();
  if (connections_.size() >= limits_.connections) return; // closes it
  if (connections_.size() % 64 == 0) forgetClosed();
  auto connection = hooks_.accept(std::move(socket));
  connections_.push_back(connection);
  const auto executor = connection->executor();
  // The coroutine's frame is gone before the connection is.
  asio::co_spawn(executor, connection->run(), [connection](std::exception_ptr) {});
}

awaitable<void> Listener::endOnSignal() {
  co_await signals_.async_wait(asTuple);
  isEnding_ = true;
  hooks_.beginDrain();
  acceptor_.close();
  for (const auto& connection : connections_)
    if (auto open = connection.lock()) open->closeIfIdle();
  signals_.async_wait([this](boost::system::error_code error, int) { isInHaste_ |= !error; });
  if (!co_await waitWhileBusy(options_.drainSeconds)) {
    hooks_.cancelAll();
    co_await waitWhileBusy(kLastSeconds);
  }
  signals_.cancel();
  context_.stop();
}

/// Does what a signal does, and in haste.
awaitable<void> Listener::endOnFailure() {
  asio::steady_timer timer(strand_);
  while (failure_.isOk()) {
    timer.expires_after(kBetweenLooks);
    co_await timer.async_wait(asTuple);
    failure_ = options_.failure();
  }
  isInHaste_ = true;
  signals_.cancel();
}

/// False when connections are still open after that time, or somebody is in haste.
awaitable<bool> Listener::waitWhileBusy(double seconds) {
  asio::steady_timer timer(strand_);
  const double end_s = secondsNow() + seconds;
  while (secondsNow() < end_s) {
    forgetClosed();
    if (connections_.empty()) co_return true;
    if (std::exchange(isInHaste_, false)) co_return false;
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(asTuple);
  }
  co_return false;
}

} // namespace

Status listenUntilEnd(const ServerOptions& options, const Limits& limits, ListenerHooks hooks, const std::function<void(uint16_t)>& listening) {
  // The library throws where the system has no memory, no descriptors or no threads; nothing leaves this function.
  try {
    Listener listener(options, limits, std::move(hooks));
    JINX_TRY_ASSIGN(const uint16_t port, listener.listen());
    listening(port);
    return listener.run();
  } catch (const std::exception& error) {
    return resourceError(std::string("the server has ended: ") + error.what());
  }
}

} // namespace jinx::serve

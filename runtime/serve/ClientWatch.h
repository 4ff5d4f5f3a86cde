// Has the client gone while its answer is made?
//
// The socket is read on. Its end is the client's end, also where only the sending side was closed: the two cannot be told apart. What is sent ahead is kept in the
// buffer, up to a bound; who sends more cannot be watched, and counts as gone.
#pragma once

#include <functional>
#include <memory>

#include "runtime/serve/Message.h"

namespace jinx::serve {

/// Runs on the strand of the connection; so must all calls.
class ClientWatch : public std::enable_shared_from_this<ClientWatch> {
 public:
  /// \param client    must outlive the watch; nobody else may read from it until `end` returns
  /// \param whenGone  is called once, when the client has gone
  ClientWatch(ClientStream& client, size_t aheadBytes, std::function<void()> whenGone)
      : client_(client), aheadBytes_(aheadBytes), whenGone_(std::move(whenGone)), ended_(client.stream.get_executor()) {}

  /// \param owner  is kept as long as the watch runs
  void begin(std::shared_ptr<void> owner);
  awaitable<void> end();
  bool isGone() const { return isGone_; }

 private:
  awaitable<void> watch(std::shared_ptr<void> owner);

  ClientStream& client_;
  const size_t aheadBytes_;
  const std::function<void()> whenGone_;
  asio::steady_timer ended_;
  bool isGone_ = false, isReading_ = false, isOver_ = false;
};

} // namespace jinx::serve

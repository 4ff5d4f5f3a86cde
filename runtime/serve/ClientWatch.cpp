#include "runtime/serve/ClientWatch.h"

namespace jinx::serve {

void ClientWatch::begin(std::shared_ptr<void> owner) {
  isReading_ = true;
  asio::co_spawn(client_.stream.get_executor(), watch(std::move(owner)), [self = shared_from_this()](std::exception_ptr) {});
}

awaitable<void> ClientWatch::watch(std::shared_ptr<void> /*owner*/) {
  boost::system::error_code error;
  while (!error && client_.buffer.size() < aheadBytes_ && !isOver_) {
    client_.stream.expires_never();
    auto [failure, size] = co_await client_.stream.async_read_some(client_.buffer.prepare(2048), asTuple);
    client_.buffer.commit(size);
    error = failure;
  }
  isReading_ = false;
  isGone_ = !isOver_;
  ended_.cancel();
  if (isGone_ && whenGone_) whenGone_();
}

awaitable<void> ClientWatch::end() {
  isOver_ = true;
  while (isReading_) {
    client_.stream.cancel();
    ended_.expires_at(asio::steady_timer::time_point::max());
    co_await ended_.async_wait(asTuple);
  }
}

} // namespace jinx::serve

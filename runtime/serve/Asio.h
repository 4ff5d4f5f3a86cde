// What every file includes that talks to the network: asio and its coroutines. Compiled apart, in Asio.cpp.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace jinx::serve {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using asio::awaitable;

/// Errors are values: auto [error, size] = co_await socket.async_read_some(room, asTuple);
inline constexpr auto asTuple = asio::as_tuple(asio::use_awaitable);

} // namespace jinx::serve

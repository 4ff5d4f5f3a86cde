// How parts of a template's parser and interpreter say that something is wrong.
//
// Expressions lie in each other as deep as a template likes, so inside this folder a failure is thrown. It never leaves it: `ChatTemplate::parse` and `render`
// catch it and give a Status, which names line and column.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/base/Status.h"

namespace jinx::chat {

/// Both from 1; columns are bytes. Line 0: not known yet.
struct Position {
  int32_t line = 0, column = 0;
};

struct Fault {
  Code code;
  std::string message;
  Position at;
};

/// What a template or its data did wrong.
[[noreturn]] inline void fail(std::string message, Position at = {}) { throw Fault{Code::kInvalidArgument, std::move(message), at}; }
[[noreturn]] inline void failUnimplemented(std::string message, Position at = {}) { throw Fault{Code::kUnimplemented, std::move(message), at}; }
[[noreturn]] inline void failLimit(std::string message, Position at = {}) { throw Fault{Code::kResource, std::move(message), at}; }

} // namespace jinx::chat

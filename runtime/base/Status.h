// How a call says that it failed: a code, a message, and the chain of what was being done.
//
// No exception crosses a runtime interface. A function that can fail returns `Status`, or `Expected<T>` when it has a value
// to give. `JINX_TRY` passes a failure on and adds one link of context:
//
//   Expected<Plan> loadPlan(const std::string &path) {
//     JINX_TRY_ASSIGN(auto bytes, readFile(path), "loading plan " + path);
//     ...
//   }
//
// prints as:  loading plan m.jxp: cannot open m.jxp: No such file or directory
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace jinx {

/// What kind of failure it is; tools turn it into their exit code.
enum class Code {
  kOk,
  kInvalidArgument,  ///< The input is at fault: a model, a plan, a tensor, a flag. Exit 1.
  kNotFound,         ///< A named file, input or symbol does not exist. Exit 1.
  kUnimplemented,    ///< The input is valid, and Jinx does not support it. Exit 1.
  kResource,         ///< Memory, disk or threads ran out. Exit 1.
  kInternal,         ///< Our fault: a broken promise between our own parts. Exit 3.
};

/// Success, or a code with a message. Cheap to return; cheap to test.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status ok() { return Status(); }
  bool isOk() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string &message() const { return message_; }

  /// Puts `context` in front of the message; a success stays a success.
  Status withContext(const std::string &context) && {
    if (!isOk() && !context.empty()) message_ = context + ": " + message_;
    return std::move(*this);
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status invalidArgument(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }
inline Status notFound(std::string message) { return {Code::kNotFound, std::move(message)}; }
inline Status unimplemented(std::string message) { return {Code::kUnimplemented, std::move(message)}; }
inline Status resourceError(std::string message) { return {Code::kResource, std::move(message)}; }
inline Status internalError(std::string message) { return {Code::kInternal, std::move(message)}; }

/// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Status status) : state_(std::in_place_index<1>, std::move(status)) {
    assert(!std::get<1>(state_).isOk() && "an Expected without a value needs a failure");
  }

  bool isOk() const { return state_.index() == 0; }
  explicit operator bool() const { return isOk(); }
  T &value() { return std::get<0>(state_); }
  const T &value() const { return std::get<0>(state_); }
  T &operator*() { return value(); }
  const T &operator*() const { return value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }
  Status status() const { return isOk() ? Status::ok() : std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

#define JINX_CONCAT_INNER(a, b) a##b
#define JINX_CONCAT(a, b) JINX_CONCAT_INNER(a, b)

/// Returns from the enclosing function when `expr` (a Status) failed; the optional argument is the context to add.
#define JINX_TRY(expr, ...)                                                             \
  do {                                                                                  \
    ::jinx::Status jinxStatus = (expr);                                                 \
    if (!jinxStatus.isOk()) return std::move(jinxStatus).withContext(std::string(__VA_ARGS__)); \
  } while (0)

/// Declares `decl` with the value of `expr` (an Expected), or returns its failure.
#define JINX_TRY_ASSIGN(decl, expr, ...) JINX_TRY_ASSIGN_IMPL(JINX_CONCAT(jinxExpected, __LINE__), decl, expr, __VA_ARGS__)
#define JINX_TRY_ASSIGN_IMPL(tmp, decl, expr, ...)                        \
  auto tmp = (expr);                                                      \
  if (!tmp.isOk()) return tmp.status().withContext(std::string(__VA_ARGS__)); \
  decl = std::move(*tmp)

}  // namespace jinx

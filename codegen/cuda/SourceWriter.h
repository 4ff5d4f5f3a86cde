// Text with indentation, scopes and identifiers that never clash: the one place that knows how generated source looks.
#pragma once

#include <string>
#include <vector>

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

namespace jinx::cuda {

class SourceWriter {
 public:
  explicit SourceWriter(int depth = 0) : depth_(depth) {}

  /// One statement or one line of anything else, at the current indentation.
  void line(const llvm::Twine &text);
  /// A directive: at the left margin.
  void directive(const llvm::Twine &text);
  void comment(const llvm::Twine &text);
  /// An empty line, unless the last one was empty or opened a scope.
  void blank();
  /// `head {`, and deeper from here. A scope that holds one statement when it closes loses its braces.
  void open(const llvm::Twine &head);
  /// `} head {`
  void reopen(const llvm::Twine &head);
  void close(const llvm::Twine &tail = "");

  /// An identifier made from `hint` (any text), different from all that were given before and from C++'s words.
  std::string unique(llvm::StringRef hint);
  /// Keeps `name` from being given.
  void reserve(llvm::StringRef name) { used_[name] = 0; }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_;
  struct Scope {
    size_t brace;   ///< where " {" stands
    size_t begin;   ///< where the content begins
    bool single;    ///< a loop or branch, so far with plain lines only
  };
  std::vector<Scope> scopes_;
  llvm::StringMap<int> used_;
};

/// `hint` as an identifier: other characters become underscores, a leading digit gets one in front.
std::string identifier(llvm::StringRef hint);

}  // namespace jinx::cuda

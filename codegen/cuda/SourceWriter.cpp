#include "codegen/cuda/SourceWriter.h"

#include <cctype>

#include "llvm/ADT/StringSet.h"

namespace jinx::cuda {

void SourceWriter::line(const llvm::Twine &text) {
  text_.append(size_t(depth_) * 2, ' ');
  text_ += text.str();
  text_ += '\n';
}

void SourceWriter::directive(const llvm::Twine &text) {
  text_ += text.str();
  text_ += '\n';
}

void SourceWriter::comment(const llvm::Twine &text) { line("// " + text); }

void SourceWriter::blank() {
  llvm::StringRef text = text_;
  if (text.empty() || text.ends_with("\n\n") || text.ends_with("{\n")) return;
  text_ += '\n';
}

void SourceWriter::open(const llvm::Twine &head) {
  std::string text = head.str();
  bool single = llvm::StringRef(text).starts_with("for (") || llvm::StringRef(text).starts_with("if (");
  line(text.empty() ? "{" : text + " {");
  scopes_.push_back({text_.size() - 3, text_.size(), single});
  ++depth_;
}

void SourceWriter::reopen(const llvm::Twine &head) {
  --depth_;
  line("} " + head + " {");
  scopes_.back().single = false;
  ++depth_;
}

void SourceWriter::close(const llvm::Twine &tail) {
  --depth_;
  Scope scope = scopes_.back();
  scopes_.pop_back();
  llvm::StringRef content = llvm::StringRef(text_).substr(scope.begin);
  bool one = scope.single && tail.isTriviallyEmpty() && content.count('\n') == 1 && content.rtrim().ends_with(";") &&
             !content.contains("const ");
  if (one) {
    text_.erase(scope.brace, 2);
    return;
  }
  line("}" + tail);
}

std::string identifier(llvm::StringRef hint) {
  std::string name;
  for (char c : hint) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty()) name = "v";
  if (std::isdigit(static_cast<unsigned char>(name[0]))) name = "_" + name;
  return name;
}

std::string SourceWriter::unique(llvm::StringRef hint) {
  static const llvm::StringSet<> words = {
      "auto",   "bool",  "break",  "case",   "char",   "class",  "const",  "continue", "default",  "delete", "do",      "double",
      "else",   "enum",  "exp",    "extern", "false",  "float",  "for",    "goto",     "if",       "inline", "int",     "long",
      "new",    "or",    "and",    "not",    "xor",    "private", "public", "register", "restrict", "return", "short",   "signed",
      "sizeof", "log",   "static", "struct", "switch", "template", "this",  "true",     "typedef",  "union",  "unsigned", "void",
      "while",  "sqrt",  "tanh",   "erf",    "sin",    "cos",    "tan",    "pow",      "floor",    "ceil",   "round",   "min",
      "max",    "abs",   "emu",    "line",   "bf16",   "f16",    "i8",     "i16",      "i32",      "i64",    "u8",      "u16",
      "u32",    "u64",   "slots",  "turn",   "first",  "gamma",  "j0",     "j1",       "jn",       "y0",     "y1",      "yn",
      "index",  "div",   "select", "read",   "write",  "time",   "signal", "trunc",    "rint",     "fma",    "Pack"};
  std::string name = identifier(hint);
  if (words.contains(name)) name += "_";
  for (;;) {
    auto [it, fresh] = used_.try_emplace(name, 1);
    if (fresh) return name;
    std::string numbered = name + std::to_string(++it->second);
    if (used_.try_emplace(numbered, 1).second) return numbered;
  }
}

}  // namespace jinx::cuda

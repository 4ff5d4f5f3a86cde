// The parser's place in the tokens, and the calls between its two halves: ParseExpression.cpp and Parser.cpp.
#pragma once

#include <initializer_list>

#include "runtime/chat/Budget.h"
#include "runtime/chat/Lexer.h"
#include "runtime/chat/Syntax.h"

namespace jinx::chat {

class Parser {
 public:
  Parser(std::string_view source, const Limits& limits) : tokens_(tokenize(source)), budget_(limits) {}
  Body parse();

 private:
  using Kind = Expression::Kind;

  // ---- tokens
  const Token& now() const { return tokens_[next_]; }
  const Token& ahead() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  Token take() { return next_ + 1 < tokens_.size() ? tokens_[next_++] : tokens_[next_]; }
  bool isOperator(std::string_view text) const { return now().kind == Token::Kind::kOperator && now().text == text; }
  bool isName(std::string_view text) const { return now().kind == Token::Kind::kName && now().text == text; }
  bool skipOperator(std::string_view text);
  bool skipName(std::string_view text);
  void expectOperator(std::string_view text);
  void expectName(std::string_view text);
  void expect(Token::Kind kind, const char* what);
  std::string takeName(const char* what);

  // ---- expressions
  ExpressionPtr make(Kind kind, Position at, std::vector<ExpressionPtr> parts = {});
  void setDepth(Expression& expression);
  ExpressionPtr constant(Value value, Position at);
  ExpressionPtr parseExpression();
  ExpressionPtr parseOr();
  ExpressionPtr parseAnd();
  ExpressionPtr parseNot();
  ExpressionPtr parseComparison();
  ExpressionPtr parseSum();
  ExpressionPtr parseConcat();
  ExpressionPtr parseProduct();
  ExpressionPtr parsePower();
  ExpressionPtr parseUnary(bool withFilters);
  ExpressionPtr parsePrimary();
  ExpressionPtr parsePostfix(ExpressionPtr expression);
  ExpressionPtr parseFilters(ExpressionPtr expression);
  ExpressionPtr parseFilter(ExpressionPtr expression);
  ExpressionPtr parseTest(ExpressionPtr expression);
  ExpressionPtr parseCall(ExpressionPtr expression);
  ExpressionPtr parseItem(ExpressionPtr expression);
  ExpressionPtr parseBracketed();
  ExpressionPtr parseList();
  ExpressionPtr parseDict();
  ExpressionPtr parseNumber();
  /// Expressions with commas between; one without a comma is itself.
  ExpressionPtr parseTuple(bool withConditional, bool parenthesized = false);
  std::vector<Argument> parseArguments();
  std::optional<Operator> takeComparison();

  // ---- statements
  Body parseBody(std::initializer_list<std::string_view> ends);
  std::unique_ptr<Statement> parseStatement();
  std::unique_ptr<Statement> makeStatement(Statement::Kind kind);
  std::unique_ptr<Statement> parseIf();
  std::unique_ptr<Statement> parseFor();
  std::unique_ptr<Statement> parseSet();
  std::unique_ptr<Statement> parseMacro();
  std::unique_ptr<Statement> parseCallBlock();
  std::unique_ptr<Statement> parseFilterBlock();
  std::unique_ptr<Statement> parseWith();
  std::unique_ptr<Statement> parseGeneration();
  std::unique_ptr<Statement> parseLoopControl(Statement::Kind kind);
  void parseSignature(Macro& macro);
  Target parseTarget(bool withFields);
  Target parseOneTarget(bool withFields);
  void endBlock(std::string_view name);

  std::vector<Token> tokens_;
  size_t next_ = 0;
  Budget budget_;
  int loops_ = 0;                ///< around the statement that is parsed
  std::vector<bool*> loopNames_; ///< set where `loop` is named
  std::vector<Macro*> macros_;   ///< around it
};

} // namespace jinx::chat

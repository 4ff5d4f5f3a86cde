#include "runtime/chat/Parser.h"

#include <algorithm>
#include <optional>

#include "runtime/chat/ParserState.h"

namespace jinx::chat {

Body parseTemplate(std::string_view source, const Limits& limits) {
  if (source.size() > limits.sourceBytes) failLimit("has " + std::to_string(source.size()) + " bytes, expected at most " + std::to_string(limits.sourceBytes));
  return Parser(source, limits).parse();
}

Body Parser::parse() {
  Body body = parseBody({});
  if (now().kind != Token::Kind::kEnd) fail("unexpected " + describe(now()), now().at);
  return body;
}

std::unique_ptr<Statement> Parser::makeStatement(Statement::Kind kind) {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->at = now().at;
  return statement;
}

/// Up to a block with one of these names, of which the name is the next token then; without names up to the template's end.
Body Parser::parseBody(std::initializer_list<std::string_view> ends) {
  Budget::Level level(budget_);
  Body body;
  while (now().kind != Token::Kind::kEnd) {
    if (now().kind == Token::Kind::kText) {
      auto text = makeStatement(Statement::Kind::kText);
      text->text = take().text;
      body.push_back(std::move(text));
    } else if (now().kind == Token::Kind::kPrintBegin) {
      auto print = makeStatement(Statement::Kind::kPrint);
      take();
      print->expression = parseTuple(true);
      expect(Token::Kind::kPrintEnd, "}}");
      body.push_back(std::move(print));
    } else {
      expect(Token::Kind::kBlockBegin, "{%");
      if (std::ranges::any_of(ends, [&](std::string_view end) { return isName(end); })) return body;
      if (auto statement = parseStatement()) body.push_back(std::move(statement));
      expect(Token::Kind::kBlockEnd, "%}");
    }
  }
  if (ends.size() > 0) fail("the template ends, expected {% " + std::string(*(ends.end() - 1)) + " %}", now().at);
  return body;
}

void Parser::endBlock(std::string_view name) { expectName(name); }

std::unique_ptr<Statement> Parser::parseStatement() {
  if (now().kind != Token::Kind::kName) fail("expected a statement, got " + describe(now()), now().at);
  const std::string& name = now().text;
  if (name == "if") return parseIf();
  if (name == "for") return parseFor();
  if (name == "set") return parseSet();
  if (name == "macro") return parseMacro();
  if (name == "call") return parseCallBlock();
  if (name == "filter") return parseFilterBlock();
  if (name == "with") return parseWith();
  if (name == "generation") return parseGeneration();
  if (name == "break") return parseLoopControl(Statement::Kind::kBreak);
  if (name == "continue") return parseLoopControl(Statement::Kind::kContinue);
  static constexpr std::string_view kOthers[] = {"block", "extends", "include", "import", "from", "autoescape", "do", "trans", "print"};
  if (std::ranges::find(kOthers, name) != std::end(kOthers)) failUnimplemented("{% " + name + " %} is not known to chat templates here", now().at);
  fail("unknown statement '" + name + "'", now().at);
}

std::unique_ptr<Statement> Parser::parseIf() {
  auto statement = makeStatement(Statement::Kind::kIf);
  take();
  for (;;) {
    statement->conditions.push_back(parseTuple(false));
    expect(Token::Kind::kBlockEnd, "%}");
    statement->bodies.push_back(parseBody({"elif", "else", "endif"}));
    if (!skipName("elif")) break;
  }
  if (skipName("else")) {
    expect(Token::Kind::kBlockEnd, "%}");
    statement->bodies.push_back(parseBody({"endif"}));
  }
  endBlock("endif");
  return statement;
}

std::unique_ptr<Statement> Parser::parseFor() {
  auto statement = makeStatement(Statement::Kind::kFor);
  take();
  statement->targets.push_back(parseTarget(false));
  expectName("in");
  statement->expression = parseTuple(false);
  loopNames_.push_back(&statement->usesLoop);
  if (skipName("if")) statement->conditions.push_back(parseExpression());
  if (isName("recursive")) failUnimplemented("recursive loops are not known to chat templates here", now().at);
  expect(Token::Kind::kBlockEnd, "%}");
  ++loops_;
  statement->bodies.push_back(parseBody({"else", "endfor"}));
  --loops_;
  loopNames_.pop_back();
  if (skipName("else")) {
    expect(Token::Kind::kBlockEnd, "%}");
    statement->bodies.push_back(parseBody({"endfor"}));
  }
  endBlock("endfor");
  return statement;
}

Target Parser::parseOneTarget(bool withFields) {
  Target target;
  target.at = now().at;
  if (skipOperator("(")) {
    target = parseTarget(false);
    expectOperator(")");
    return target;
  }
  target.name = takeName("a name");
  static constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  if (std::ranges::find(kReserved, target.name) != std::end(kReserved)) fail("cannot assign to '" + target.name + "'", target.at);
  if (withFields && skipOperator(".")) target.field = takeName("a field");
  return target;
}

Target Parser::parseTarget(bool withFields) {
  Budget::Level level(budget_);
  Target first = parseOneTarget(withFields);
  if (!isOperator(",")) return first;
  Target tuple;
  tuple.at = first.at;
  tuple.parts.push_back(std::move(first));
  while (skipOperator(",")) {
    if (now().kind != Token::Kind::kName && !isOperator("(")) break;
    if (isName("in")) break;
    tuple.parts.push_back(parseOneTarget(withFields));
  }
  return tuple;
}

std::unique_ptr<Statement> Parser::parseSet() {
  auto statement = makeStatement(Statement::Kind::kSet);
  take();
  statement->targets.push_back(parseTarget(true));
  if (skipOperator("=")) {
    statement->expression = parseTuple(true);
    return statement;
  }
  statement->kind = Statement::Kind::kSetBlock;
  while (isOperator("|"))
    statement->expression = parseFilter(std::move(statement->expression));
  expect(Token::Kind::kBlockEnd, "%}");
  statement->bodies.push_back(parseBody({"endset"}));
  endBlock("endset");
  return statement;
}

void Parser::parseSignature(Macro& macro) {
  expectOperator("(");
  while (!isOperator(")")) {
    if (!macro.parameters.empty()) expectOperator(",");
    if (isOperator(")")) break;
    Parameter parameter;
    const Position at = now().at;
    parameter.name = takeName("a parameter");
    if (skipOperator("=")) parameter.otherwise = parseExpression();
    else if (!macro.parameters.empty() && macro.parameters.back().otherwise) fail("a parameter without a default follows one with a default", at);
    macro.parameters.push_back(std::move(parameter));
  }
  expectOperator(")");
}

std::unique_ptr<Statement> Parser::parseMacro() {
  auto statement = makeStatement(Statement::Kind::kMacro);
  take();
  statement->macro = std::make_unique<Macro>();
  Macro& macro = *statement->macro;
  macro.name = takeName("a name");
  macros_.push_back(&macro);
  parseSignature(macro);
  expect(Token::Kind::kBlockEnd, "%}");
  const int loops = std::exchange(loops_, 0);
  macro.body = parseBody({"endmacro"});
  loops_ = loops;
  macros_.pop_back();
  endBlock("endmacro");
  if (now().kind == Token::Kind::kName) take();
  return statement;
}

std::unique_ptr<Statement> Parser::parseCallBlock() {
  auto statement = makeStatement(Statement::Kind::kCall);
  take();
  statement->macro = std::make_unique<Macro>();
  statement->macro->name = "caller";
  if (isOperator("(")) parseSignature(*statement->macro);
  statement->expression = parseExpression();
  if (statement->expression->kind != Kind::kCall) fail("expected a call", statement->at);
  expect(Token::Kind::kBlockEnd, "%}");
  const int loops = std::exchange(loops_, 0);
  statement->macro->body = parseBody({"endcall"});
  loops_ = loops;
  endBlock("endcall");
  return statement;
}

std::unique_ptr<Statement> Parser::parseFilterBlock() {
  auto statement = makeStatement(Statement::Kind::kFilter);
  take();
  statement->expression = parseFilter(nullptr);
  while (isOperator("|"))
    statement->expression = parseFilter(std::move(statement->expression));
  expect(Token::Kind::kBlockEnd, "%}");
  statement->bodies.push_back(parseBody({"endfilter"}));
  endBlock("endfilter");
  return statement;
}

std::unique_ptr<Statement> Parser::parseWith() {
  auto statement = makeStatement(Statement::Kind::kWith);
  take();
  while (now().kind != Token::Kind::kBlockEnd) {
    if (!statement->targets.empty()) expectOperator(",");
    statement->targets.push_back(parseOneTarget(false));
    expectOperator("=");
    statement->conditions.push_back(parseExpression());
  }
  expect(Token::Kind::kBlockEnd, "%}");
  statement->bodies.push_back(parseBody({"endwith"}));
  endBlock("endwith");
  return statement;
}

/// {% generation %}: what a model is trained on. Nothing of it shows, but its names are its own.
std::unique_ptr<Statement> Parser::parseGeneration() {
  auto statement = makeStatement(Statement::Kind::kScope);
  take();
  expect(Token::Kind::kBlockEnd, "%}");
  const int loops = std::exchange(loops_, 0);
  statement->bodies.push_back(parseBody({"endgeneration"}));
  loops_ = loops;
  endBlock("endgeneration");
  return statement;
}

std::unique_ptr<Statement> Parser::parseLoopControl(Statement::Kind kind) {
  auto statement = makeStatement(kind);
  if (loops_ == 0) fail("'" + now().text + "' is outside a loop", now().at);
  take();
  return statement;
}

} // namespace jinx::chat

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/chat/ParserState.h"

namespace jinx::chat {

bool Parser::skipOperator(std::string_view text) {
  if (!isOperator(text)) return false;
  take();
  return true;
}

bool Parser::skipName(std::string_view text) {
  if (!isName(text)) return false;
  take();
  return true;
}

void Parser::expectOperator(std::string_view text) {
  if (!skipOperator(text)) fail("expected '" + std::string(text) + "', got " + describe(now()), now().at);
}

void Parser::expectName(std::string_view text) {
  if (!skipName(text)) fail("expected '" + std::string(text) + "', got " + describe(now()), now().at);
}

void Parser::expect(Token::Kind kind, const char* what) {
  if (now().kind != kind) fail(std::string("expected ") + what + ", got " + describe(now()), now().at);
  take();
}

std::string Parser::takeName(const char* what) {
  if (now().kind != Token::Kind::kName) fail(std::string("expected ") + what + ", got " + describe(now()), now().at);
  return take().text;
}

ExpressionPtr Parser::make(Kind kind, Position at, std::vector<ExpressionPtr> parts) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->at = at;
  expression->parts = std::move(parts);
  setDepth(*expression);
  return expression;
}

/// Left-deep trees grow without recursion of the parser, but are walked by recursion.
void Parser::setDepth(Expression& expression) {
  for (const ExpressionPtr& part : expression.parts)
    if (part) expression.depth = std::max(expression.depth, part->depth + 1);
  for (const Argument& argument : expression.arguments)
    expression.depth = std::max(expression.depth, argument.value->depth + 1);
  if (expression.depth > budget_.nesting()) failLimit("nests deeper than " + std::to_string(budget_.nesting()), expression.at);
}

namespace {

template <typename... Parts> std::vector<ExpressionPtr> partsOf(Parts... parts) {
  std::vector<ExpressionPtr> made;
  (made.push_back(std::move(parts)), ...);
  return made;
}

} // namespace

ExpressionPtr Parser::constant(Value value, Position at) {
  ExpressionPtr expression = make(Kind::kConstant, at);
  expression->value = std::move(value);
  return expression;
}

// ---- operators, loosest first ------------------------------------------------------------------------------------------------------

ExpressionPtr Parser::parseExpression() {
  Budget::Level level(budget_);
  ExpressionPtr expression = parseOr();
  while (isName("if")) {
    const Position at = take().at;
    ExpressionPtr condition = parseOr(), otherwise;
    if (skipName("else")) otherwise = parseExpression();
    expression = make(Kind::kConditional, at, partsOf(std::move(condition), std::move(expression), std::move(otherwise)));
  }
  return expression;
}

ExpressionPtr Parser::parseOr() {
  ExpressionPtr left = parseAnd();
  while (isName("or")) {
    const Position at = take().at;
    left = make(Kind::kOr, at, partsOf(std::move(left), parseAnd()));
  }
  return left;
}

ExpressionPtr Parser::parseAnd() {
  ExpressionPtr left = parseNot();
  while (isName("and")) {
    const Position at = take().at;
    left = make(Kind::kAnd, at, partsOf(std::move(left), parseNot()));
  }
  return left;
}

ExpressionPtr Parser::parseNot() {
  if (!isName("not")) return parseComparison();
  Budget::Level level(budget_);
  const Position at = take().at;
  return make(Kind::kNot, at, partsOf(parseNot()));
}

std::optional<Operator> Parser::takeComparison() {
  static constexpr std::pair<std::string_view, Operator> kSigns[] = {{"==", Operator::kEqual}, {"!=", Operator::kUnequal}, {"<", Operator::kLess}, {"<=", Operator::kLessEqual}, {">", Operator::kGreater}, {">=", Operator::kGreaterEqual}};
  for (const auto& [sign, op] : kSigns)
    if (skipOperator(sign)) return op;
  if (skipName("in")) return Operator::kIn;
  if (!isName("not") || ahead().kind != Token::Kind::kName || ahead().text != "in") return std::nullopt;
  take();
  take();
  return Operator::kNotIn;
}

ExpressionPtr Parser::parseComparison() {
  ExpressionPtr first = parseSum();
  const Position at = now().at;
  std::vector<ExpressionPtr> parts = partsOf(std::move(first));
  std::vector<Operator> operators;
  while (const std::optional<Operator> op = takeComparison()) {
    operators.push_back(*op);
    parts.push_back(parseSum());
  }
  if (operators.empty()) return std::move(parts[0]);
  ExpressionPtr comparison = make(Kind::kCompare, at, std::move(parts));
  comparison->operators = std::move(operators);
  return comparison;
}

ExpressionPtr Parser::parseSum() {
  ExpressionPtr left = parseConcat();
  while (isOperator("+") || isOperator("-")) {
    const Token token = take();
    left = make(Kind::kArithmetic, token.at, partsOf(std::move(left), parseConcat()));
    left->operators.push_back(token.text == "+" ? Operator::kAdd : Operator::kSubtract);
  }
  return left;
}

ExpressionPtr Parser::parseConcat() {
  ExpressionPtr first = parseProduct();
  if (!isOperator("~")) return first;
  const Position at = now().at;
  std::vector<ExpressionPtr> parts = partsOf(std::move(first));
  while (skipOperator("~"))
    parts.push_back(parseProduct());
  return make(Kind::kConcat, at, std::move(parts));
}

ExpressionPtr Parser::parseProduct() {
  static constexpr std::pair<std::string_view, Operator> kSigns[] = {{"*", Operator::kMultiply}, {"/", Operator::kDivide}, {"//", Operator::kFloorDivide}, {"%", Operator::kModulo}};
  ExpressionPtr left = parsePower();
  for (;;) {
    const auto* sign = std::ranges::find_if(kSigns, [&](const auto& one) { return isOperator(one.first); });
    if (sign == std::end(kSigns)) return left;
    const Position at = take().at;
    left = make(Kind::kArithmetic, at, partsOf(std::move(left), parsePower()));
    left->operators.push_back(sign->second);
  }
}

ExpressionPtr Parser::parsePower() {
  ExpressionPtr left = parseUnary(true);
  while (isOperator("**")) {
    const Position at = take().at;
    left = make(Kind::kArithmetic, at, partsOf(std::move(left), parseUnary(true)));
    left->operators.push_back(Operator::kPower);
  }
  return left;
}

ExpressionPtr Parser::parseUnary(bool withFilters) {
  Budget::Level level(budget_);
  ExpressionPtr expression;
  const Position at = now().at;
  if (skipOperator("-")) expression = make(Kind::kNegate, at, partsOf(parseUnary(false)));
  else if (skipOperator("+")) expression = make(Kind::kPlus, at, partsOf(parseUnary(false)));
  else expression = parsePrimary();
  expression = parsePostfix(std::move(expression));
  return withFilters ? parseFilters(std::move(expression)) : std::move(expression);
}

// ---- what operators stand between --------------------------------------------------------------------------------------------------

ExpressionPtr Parser::parsePrimary() {
  const Token token = now();
  if (token.kind == Token::Kind::kName) {
    take();
    if (token.text == "true" || token.text == "True") return constant(Value::boolean(true), token.at);
    if (token.text == "false" || token.text == "False") return constant(Value::boolean(false), token.at);
    if (token.text == "none" || token.text == "None") return constant(Value::none(), token.at);
    if (token.text == "loop")
      for (bool* used : loopNames_)
        *used = true;
    for (Macro* macro : macros_) {
      macro->usesCaller |= token.text == "caller";
      macro->usesVarargs |= token.text == "varargs";
      macro->usesKwargs |= token.text == "kwargs";
    }
    ExpressionPtr name = make(Kind::kName, token.at);
    name->name = token.text;
    return name;
  }
  if (token.kind == Token::Kind::kString) {
    std::string text;
    while (now().kind == Token::Kind::kString)
      text += take().text;
    return constant(Value::text(std::move(text)), token.at);
  }
  if (token.kind == Token::Kind::kInteger || token.kind == Token::Kind::kFloat) return parseNumber();
  if (isOperator("(")) return parseBracketed();
  if (isOperator("[")) return parseList();
  if (isOperator("{")) return parseDict();
  fail("expected an expression, got " + describe(token), token.at);
}

ExpressionPtr Parser::parseNumber() {
  const Token token = take();
  const char *begin = token.text.data(), *end = begin + token.text.size();
  if (token.kind == Token::Kind::kFloat) return constant(Value::real(std::strtod(token.text.c_str(), nullptr)), token.at);
  const char letter = token.text.size() > 1 ? static_cast<char>(token.text[1] | 0x20) : '0';
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
  int64_t number = 0;
  const auto read = std::from_chars(base == 10 ? begin : begin + 2, end, number, base);
  if (read.ec != std::errc() || read.ptr != end) fail("the number " + token.text + " is not in the range of 64 bits", token.at);
  return constant(Value::integer(number), token.at);
}

ExpressionPtr Parser::parseBracketed() {
  take();
  ExpressionPtr inside = parseTuple(true, true);
  expectOperator(")");
  return inside;
}

ExpressionPtr Parser::parseTuple(bool withConditional, bool parenthesized) {
  const Position at = now().at;
  const auto isEnd = [&] { return now().kind == Token::Kind::kBlockEnd || now().kind == Token::Kind::kPrintEnd || isOperator(")") || isName("recursive"); };
  std::vector<ExpressionPtr> parts;
  bool isTuple = false;
  while (!isEnd()) {
    parts.push_back(withConditional ? parseExpression() : parseOr());
    if (!isOperator(",")) break;
    isTuple = true;
    take();
  }
  if (!isTuple && parts.size() == 1) return std::move(parts[0]);
  if (parts.empty() && !parenthesized) fail("expected an expression, got " + describe(now()), now().at);
  return make(Kind::kTuple, at, std::move(parts));
}

ExpressionPtr Parser::parseList() {
  const Position at = take().at;
  std::vector<ExpressionPtr> parts;
  while (!isOperator("]")) {
    if (!parts.empty()) expectOperator(",");
    if (isOperator("]")) break;
    parts.push_back(parseExpression());
  }
  expectOperator("]");
  return make(Kind::kList, at, std::move(parts));
}

ExpressionPtr Parser::parseDict() {
  const Position at = take().at;
  std::vector<ExpressionPtr> parts;
  while (!isOperator("}")) {
    if (!parts.empty()) expectOperator(",");
    if (isOperator("}")) break;
    parts.push_back(parseExpression());
    expectOperator(":");
    parts.push_back(parseExpression());
  }
  expectOperator("}");
  return make(Kind::kDict, at, std::move(parts));
}

// ---- what comes behind -------------------------------------------------------------------------------------------------------------

ExpressionPtr Parser::parsePostfix(ExpressionPtr expression) {
  for (;;) {
    if (isOperator(".")) {
      const Position at = take().at;
      const Token token = take();
      if (token.kind == Token::Kind::kInteger) {
        expression = make(Kind::kItem, at, partsOf(std::move(expression), constant(Value::integer(std::strtoll(token.text.c_str(), nullptr, 0)), token.at)));
        continue;
      }
      if (token.kind != Token::Kind::kName) fail("expected a name or a number, got " + describe(token), token.at);
      expression = make(Kind::kAttribute, at, partsOf(std::move(expression)));
      expression->name = token.text;
    } else if (isOperator("[")) {
      expression = parseItem(std::move(expression));
    } else if (isOperator("(")) {
      expression = parseCall(std::move(expression));
    } else {
      return expression;
    }
  }
}

ExpressionPtr Parser::parseItem(ExpressionPtr expression) {
  const Position at = take().at;
  ExpressionPtr first;
  if (isOperator("]")) first = make(Kind::kTuple, at); // x[], which Jinja takes
  else if (!isOperator(":")) first = parseExpression();
  if (isOperator(":")) {
    std::vector<ExpressionPtr> parts = partsOf(std::move(expression), std::move(first), ExpressionPtr(), ExpressionPtr());
    for (size_t i = 2; i < 4 && skipOperator(":"); ++i)
      if (!isOperator(":") && !isOperator("]")) parts[i] = parseExpression();
    expectOperator("]");
    return make(Kind::kSlice, at, std::move(parts));
  }
  if (isOperator(",")) {
    std::vector<ExpressionPtr> items = partsOf(std::move(first));
    while (skipOperator(","))
      items.push_back(parseExpression());
    first = make(Kind::kTuple, at, std::move(items));
  }
  expectOperator("]");
  return make(Kind::kItem, at, partsOf(std::move(expression), std::move(first)));
}

std::vector<Argument> Parser::parseArguments() {
  expectOperator("(");
  std::vector<Argument> arguments;
  bool named = false;
  while (!isOperator(")")) {
    if (!arguments.empty()) expectOperator(",");
    if (isOperator(")")) break;
    Argument argument;
    const Position at = now().at;
    if (skipOperator("**")) argument.spread = Argument::Spread::kDict;
    else if (skipOperator("*")) argument.spread = Argument::Spread::kList;
    else if (now().kind == Token::Kind::kName && ahead().kind == Token::Kind::kOperator && ahead().text == "=") argument.name = take().text, take();
    argument.value = parseExpression();
    const bool byPlace = argument.name.empty() && argument.spread == Argument::Spread::kNone;
    if (byPlace && named) fail("an argument without a name follows one with a name", at);
    named |= !byPlace;
    arguments.push_back(std::move(argument));
  }
  expectOperator(")");
  return arguments;
}

ExpressionPtr Parser::parseCall(ExpressionPtr expression) {
  const Position at = now().at;
  ExpressionPtr call = make(Kind::kCall, at, partsOf(std::move(expression)));
  call->arguments = parseArguments();
  setDepth(*call);
  return call;
}

ExpressionPtr Parser::parseFilters(ExpressionPtr expression) {
  for (;;) {
    if (isOperator("|")) expression = parseFilter(std::move(expression));
    else if (isName("is")) expression = parseTest(std::move(expression));
    else if (isOperator("(")) expression = parseCall(std::move(expression));
    else return expression;
  }
}

/// At "|", or at a filter's name where a block is filtered.
ExpressionPtr Parser::parseFilter(ExpressionPtr expression) {
  skipOperator("|");
  ExpressionPtr filter = make(Kind::kFilter, now().at, expression ? partsOf(std::move(expression)) : partsOf());
  filter->name = takeName("a filter");
  while (skipOperator("."))
    filter->name += "." + takeName("a filter");
  if (isOperator("(")) filter->arguments = parseArguments();
  setDepth(*filter);
  return filter;
}

ExpressionPtr Parser::parseTest(ExpressionPtr expression) {
  take();
  const Position at = now().at;
  const bool negated = skipName("not");
  ExpressionPtr test = make(Kind::kTest, at, partsOf(std::move(expression)));
  test->name = takeName("a test");
  const Token::Kind kind = now().kind;
  if (isOperator("(")) {
    test->arguments = parseArguments();
  } else if ((kind == Token::Kind::kName || kind == Token::Kind::kString || kind == Token::Kind::kInteger || kind == Token::Kind::kFloat || isOperator("[") || isOperator("{")) && !isName("else") && !isName("or") && !isName("and")) {
    if (isName("is")) fail("tests do not follow each other", now().at);
    Argument argument;
    argument.value = parsePostfix(parsePrimary());
    test->arguments.push_back(std::move(argument));
  }
  setDepth(*test);
  return negated ? make(Kind::kNot, at, partsOf(std::move(test))) : std::move(test);
}

} // namespace jinx::chat

// What is refused, and how it is said.
#include "tests/unit/grammar/Tokens.h"

namespace jinx::grammar {
namespace {

struct Refusal {
  const char* source;
  Code code;
  const char* said;
};

template <typename Compile>
void expectRefusals(Compile compile, std::initializer_list<Refusal> refusals) {
  for (const Refusal& refusal : refusals) {
    const auto grammar = compile(refusal.source);
    ASSERT_FALSE(grammar.isOk()) << refusal.source;
    EXPECT_EQ(grammar.status().code(), refusal.code) << refusal.source;
    EXPECT_NE(grammar.status().message().find(refusal.said), std::string::npos) << refusal.source << " says: " << grammar.status().message();
  }
}

TEST(Messages, OfPatterns) {
  expectRefusals([](const char* source) { return compileRegex(source); },
                 {
                     {"(?=a)b", Code::kUnimplemented, "lookaround is not supported"},
                     {"(?<!a)b", Code::kUnimplemented, "lookaround is not supported"},
                     {"(a)\\1", Code::kUnimplemented, "offset 4: a backreference is not supported"},
                     {"(?P<x>a)(?P=x)", Code::kUnimplemented, "a backreference is not supported"},
                     {"\\bword", Code::kUnimplemented, "a word boundary is not supported"},
                     {"(?i)a", Code::kUnimplemented, "a flag, or a group of this kind, is not supported"},
                     {"(?>a)", Code::kUnimplemented, "an atomic group is not supported"},
                     {"a++", Code::kUnimplemented, "possessive repetition is not supported"},
                     {"a**", Code::kInvalidArgument, "a repetition is repeated"},
                     {"*a", Code::kInvalidArgument, "offset 0: nothing to repeat"},
                     {"(a", Code::kInvalidArgument, "a group does not end"},
                     {"a)", Code::kInvalidArgument, "a ) without its ("},
                     {"[a", Code::kInvalidArgument, "a set does not end"},
                     {"[z-a]", Code::kInvalidArgument, "goes from more to less"},
                     {"[a-\\d]", Code::kInvalidArgument, "a range ends with a set"},
                     {"[[:alpha:]]", Code::kUnimplemented, "a class as [:alpha:] is not supported"},
                     {"a{3,2}", Code::kInvalidArgument, "repeats from more to less"},
                     {"a{99999}", Code::kResource, "(repetitions)"},
                     {"\\p{Greek}", Code::kUnimplemented, "the property Greek is not supported"},
                     {"\\p", Code::kInvalidArgument, "expected a category"},
                     {"\\q", Code::kUnimplemented, "\\q is not supported"},
                     {"\\u12", Code::kInvalidArgument, "expected 4 hexadecimal digits"},
                     {"\\ud800", Code::kInvalidArgument, "is no character"},
                     {"a\\", Code::kInvalidArgument, "the pattern ends behind a \\"},
                     {"a^b", Code::kUnimplemented, "an anchor (^ or $) inside the pattern"},
                     {"^*a", Code::kUnimplemented, "a repeated anchor is not supported"},
                     {"[]a", Code::kInvalidArgument, "a set does not end"},
                     {"a[^\\d\\D]", Code::kInvalidArgument, "no text fulfills it"},
                     {"\xff", Code::kInvalidArgument, "the pattern is no UTF-8"},
                     {"(?<a", Code::kInvalidArgument, "the name of a group does not end"},
                 });
}

TEST(Messages, OfGrammars) {
  expectRefusals([](const char* source) { return compileGbnf(source); },
                 {
                     {"", Code::kInvalidArgument, "has no rule named root"},
                     {"root ::= a", Code::kInvalidArgument, "the rule a is used, and not defined"},
                     {"root ::= \"a\"\nroot ::= \"b\"", Code::kInvalidArgument, "line 2: the rule root is defined a second time"},
                     {"root = \"a\"", Code::kInvalidArgument, "line 1: expected ::="},
                     {"root ::= \"a", Code::kInvalidArgument, "a literal does not end"},
                     {"root ::= [a", Code::kInvalidArgument, "a set does not end"},
                     {"root ::= (\"a\"", Code::kInvalidArgument, "a group does not end"},
                     {"root ::= \"a\" )", Code::kInvalidArgument, "expected the end of the line"},
                     {"root ::= \"\\q\"", Code::kInvalidArgument, "an unknown escape"},
                     {"root ::= \"a\"{2,1}", Code::kInvalidArgument, "repeats from more to less"},
                     {"root ::= \"a\"{", Code::kInvalidArgument, "expected a number behind {"},
                     {"root ::= a\na ::= b \"x\"\nb ::= a | \"y\"", Code::kUnimplemented, "begins with itself"},
                     {"root ::= \"x\"? root \"y\" | \"z\"", Code::kUnimplemented, "the rule root begins with itself"},
                     {"root ::= root", Code::kInvalidArgument, "no text fulfills it"},
                     {"root ::= \"a\" root", Code::kInvalidArgument, "no text fulfills it"},
                     {"::= \"a\"", Code::kInvalidArgument, "expected a name"},
                 });
}

TEST(Messages, OfSchemas) {
  expectRefusals([](const char* source) { return compileJsonSchema(source); },
                 {
                     {"{", Code::kInvalidArgument, "is no JSON: offset 1: expected a name"},
                     {R"({"a": 1, "a": 2})", Code::kInvalidArgument, "the name a is there twice"},
                     {R"({"type": "object"} x)", Code::kInvalidArgument, "expected the end"},
                     {"3", Code::kInvalidArgument, "#: schema is neither an object nor true or false"},
                     {"false", Code::kInvalidArgument, "no text fulfills it"},
                     {R"({"type": "text"})", Code::kInvalidArgument, "#: type is not one"},
                     {R"({"properties": {"a": {"multipleOf": 3}}})", Code::kUnimplemented, "#/properties/a: multipleOf is not supported"},
                     {R"({"items": {"not": {}}})", Code::kUnimplemented, "#/items: not is not supported"},
                     {R"({"properties": {"a/b": {"frobnicate": 1}}})", Code::kUnimplemented, "#/properties/a~1b: frobnicate is not supported"},
                     {R"({"type": "string", "format": "idn-email"})", Code::kUnimplemented, "format \"idn-email\" is not supported"},
                     {R"x({"type": "string", "pattern": "(?=a)"})x", Code::kUnimplemented, "#: pattern: offset 3: lookaround is not supported"},
                     {R"({"minLength": "1"})", Code::kInvalidArgument, "#: minLength is of another kind, expected a number"},
                     {R"({"anyOf": []})", Code::kInvalidArgument, "#: anyOf is of another kind, expected a list of schemas"},
                     {R"({"required": [1]})", Code::kInvalidArgument, "expected a list of names"},
                     {R"({"$ref": "#/$defs/a"})", Code::kInvalidArgument, "$ref \"#/$defs/a\" leads nowhere"},
                     {R"({"$ref": "other.json"})", Code::kUnimplemented, "expected one into the same document"},
                     {R"({"$ref": "#"})", Code::kUnimplemented, "leads back to itself"},
                     {R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})", Code::kUnimplemented, "#/anyOf/0: $ref \"#\" leads back to itself"},
                     {R"({"minProperties": 1})", Code::kUnimplemented, "minProperties of more than what is required"},
                     {R"({"maxProperties": 1})", Code::kUnimplemented, "maxProperties is not supported"},
                     {R"({"patternProperties": {"a": {}, "b": {}}})", Code::kUnimplemented, "with patterns that share names"},
                     {R"({"enum": [{"a": 1}], "properties": {"a": {}}})", Code::kUnimplemented, "enum or const of arrays and objects beside keywords"},
                     {R"({"minimum": 1e500})", Code::kResource, "needs more than 400 digits"},
                     {R"({"type": "string", "maxLength": 100000})", Code::kResource, "(repetitions)"},
                     {R"({"type": "integer", "minimum": 3, "maximum": 2})", Code::kInvalidArgument, "no text fulfills it"},
                     {R"({"required": ["a"], "additionalProperties": false, "type": "object"})", Code::kInvalidArgument, "no text fulfills it"},
                 });
}

TEST(Messages, OfTokens) {
  const test::Tokens tokens({"ab", "abc", "<end>"});
  const auto mask = makeMask(test::compiled(compileRegex("ab")), tokens.table);
  const auto said = [&](std::vector<int32_t> output) { return mask->allowed(output).status().message(); };
  EXPECT_EQ(said({'b'}), "token 98 at place 0 of the output is not one that the grammar allows there");
  EXPECT_EQ(said({'a', 99999}), "token 99999 at place 1 of the output is not one that the grammar allows there");
  EXPECT_EQ(said({'a', tokens.end}), "token 258 at place 1 of the output is not one that the grammar allows there");
  EXPECT_EQ(said({'a', 'b', tokens.end, 'a'}), "token 97 at place 3 of the output is not one that the grammar allows there");
  EXPECT_EQ(said({'a', 'b', tokens.end}), "");
}

} // namespace
} // namespace jinx::grammar

// JSON schemas as rules.
//
// A schema says what may not be: whatever applies to one place of a document is a *conjunction* of schemas, of those that properties, allOf and $ref bring
// together there. `Facts` collects one: all schema objects that apply, and the choices (anyOf, oneOf) that are still to be made. Every conjunction that a place
// below has becomes one rule, found by the schemas in it: so recursion by $ref is recursion of rules, and equal places share a rule.
//
//   {"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"x": …}}], "required": ["x"]}
//       parts: the schema, #/$defs/a, the second of allOf       x's conjunction: what a and the second say of x
//
// What a part says is read where it is written down (SchemaWriter.cpp): no schema is ever made of others.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/grammar/Decimal.h"
#include "runtime/grammar/JsonText.h"
#include "runtime/grammar/JsonValue.h"

namespace jinx::grammar {

enum KindBit : uint8_t { kNullBit = 1, kBoolBit = 2, kIntegerBit = 4, kNumberBit = 8, kStringBit = 16, kArrayBit = 32, kObjectBit = 64, kAllKinds = 127 };

/// Schemas that apply to one place, in the order in which they are met, none twice. Empty: anything.
using Conjunction = std::vector<const JsonValue*>;

struct Facts {
  struct Choice {
    const JsonValue* schema;   ///< the one that has it
    const JsonValue* options;  ///< a list
    Conjunction path;          ///< schemas that led to it, which an option must not lead to again
  };
  uint8_t kinds = kAllKinds; ///< a number without kNumberBit is an integer
  std::vector<const JsonValue*> parts; ///< objects, in the order in which they were met
  std::vector<Choice> choices;
  Conjunction path; ///< of schemas that are being added
};

class SchemaCompiler {
 public:
  SchemaCompiler(const JsonValue& root, Rules& rules, Budget& budget) : root_(root), rules_(rules), budget_(budget), json_(rules) {}

  /// \returns the rule of a document
  Expected<int32_t> compile();

 private:
  struct Text { ///< what is said of a string
    int64_t least = 0, most = -1; ///< characters
    std::vector<const Nfa*> contents; ///< all of which it fulfills
    auto operator<=>(const Text&) const = default;
  };

  struct OtherMembers { ///< whose names are not declared
    Nfa keys;           ///< as they are between quotation marks
    Conjunction value;
  };

  // SchemaFacts.cpp: what applies?
  Status add(Facts& facts, const JsonValue& schema);
  Status addObject(Facts& facts, const JsonValue& schema);
  Status addReference(Facts& facts, const JsonValue& schema, const JsonValue& reference);
  Expected<uint8_t> kindsOf(const JsonValue& schema);
  Status check(const JsonValue& schema);
  Expected<const JsonValue*> target(const JsonValue& schema, const JsonValue& reference);
  Status wrong(const JsonValue& schema, std::string_view keyword, const std::string& what) const;
  Status unsupported(const JsonValue& schema, std::string_view keyword, const std::string& what = "is not supported") const;

  // SchemaWriter.cpp: how is it written?
  Expected<int32_t> ruleOf(Conjunction conjunction);
  Expected<int32_t> write(Nfa& nfa, int32_t from, const Facts& facts, int32_t depth);
  Expected<int32_t> writeKinds(Nfa& nfa, int32_t from, const Facts& facts);
  Expected<int32_t> writeValues(Nfa& nfa, int32_t from, const Facts& facts, const JsonValue& values);
  int32_t writeLiteral(Nfa& nfa, int32_t from, const JsonValue& value);
  Expected<bool> fulfills(const JsonValue& value, const Facts& facts);
  Expected<int32_t> writeNumber(Nfa& nfa, int32_t from, const Facts& facts);
  Status bounds(const Facts& facts, std::optional<Bound>& low, std::optional<Bound>& high);
  Expected<int32_t> writeString(Nfa& nfa, int32_t from, const Facts& facts);
  Expected<Text> textOf(const Facts& facts);
  Status writeCounted(Nfa& nfa, const Text& text);
  Status writeContents(Nfa& nfa, const Text& text);
  Expected<int32_t> writeArray(Nfa& nfa, int32_t from, const Facts& facts);
  Expected<Conjunction> itemAt(const Facts& facts, size_t index);

  // SchemaObject.cpp: objects.
  Expected<int32_t> writeObject(Nfa& nfa, int32_t from, const Facts& facts);
  Expected<int32_t> writeMember(Nfa& nfa, int32_t from, const std::string& name, int32_t value);
  Expected<Conjunction> memberNamed(const Facts& facts, const std::string& name);
  bool isNever(const Conjunction& conjunction) const;
  Conjunction memberOfPattern(const Facts& facts, const std::string& pattern) const;
  Conjunction memberWithoutName(const Facts& facts) const;
  Expected<std::vector<OtherMembers>> otherMembers(const Facts& facts, const std::vector<std::string>& names);
  Expected<int32_t> writeOtherMember(Nfa& nfa, int32_t from, const std::vector<OtherMembers>& others);
  Status checkCounts(const Facts& facts, size_t required, size_t names, bool hasOthers);

  /// The least and most that the parts say, at least 0 and -1 for none.
  Expected<std::pair<int64_t, int64_t>> counts(const Facts& facts, const char* least, const char* most);
  Expected<const Nfa*> content(const JsonValue& schema, const char* keyword, const std::string& pattern, bool isWhole);

  const JsonValue& root_;
  Rules& rules_;
  Budget& budget_;
  JsonText json_;
  std::set<const JsonValue*> checked_;
  std::map<Conjunction, int32_t> ruleByConjunction_;
  std::vector<std::pair<Conjunction, int32_t>> toWrite_;
  std::map<std::pair<std::string, bool>, std::unique_ptr<Nfa>> contents_; ///< of patterns
  std::map<Text, int32_t> strings_;                                      ///< rules
};

} // namespace jinx::grammar

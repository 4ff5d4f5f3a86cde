// How objects of a place are written: declared members in their order, then others.
#include <algorithm>

#include "runtime/grammar/Expression.h"
#include "runtime/grammar/Schema.h"

namespace jinx::grammar {
namespace {

template <typename Body>
void forNames(const Facts& facts, const char* keyword, Body body) {
  for (const JsonValue* part : facts.parts)
    if (const JsonValue* names = part->find(keyword)) {
      for (const auto& [name, value] : names->members)
        body(name);
      for (const JsonValue& name : names->items)
        body(name.text);
    }
}

} // namespace

/// What the parts say of the member: its schema, those of patterns that its name has, else that of others.
Expected<Conjunction> SchemaCompiler::memberNamed(const Facts& facts, const std::string& name) {
  Conjunction conjunction;
  const std::string escaped = escapedJson(name);
  for (const JsonValue* part : facts.parts) {
    bool isNamed = false;
    if (const JsonValue* properties = part->find("properties"))
      if (const JsonValue* own = properties->find(name)) conjunction.push_back(own), isNamed = true;
    if (const JsonValue* patterns = part->find("patternProperties"))
      for (const auto& [pattern, value] : patterns->members) {
        JINX_TRY_ASSIGN(const Nfa* keys, content(*part, "patternProperties", pattern, false));
        if (accepts(*keys, escaped)) conjunction.push_back(&value), isNamed = true;
      }
    if (const JsonValue* others = part->find("additionalProperties"); others && !isNamed) conjunction.push_back(others);
  }
  return conjunction;
}

Expected<int32_t> SchemaCompiler::writeMember(Nfa& nfa, int32_t from, const std::string& name, int32_t value) {
  JINX_TRY(budget_.states(static_cast<int64_t>(name.size()) + 4));
  return nfa.addCall(nfa.addCall(nfa.addBytes(from, "\"" + escapedJson(name) + "\":"), json_.space()), value);
}

Expected<int32_t> SchemaCompiler::writeObject(Nfa& nfa, int32_t from, const Facts& facts) {
  std::vector<std::string> names;
  std::set<std::string> known, required;
  const auto addName = [&](const std::string& name) {
    if (known.insert(name).second) names.push_back(name);
  };
  forNames(facts, "properties", addName);
  forNames(facts, "required", addName);
  forNames(facts, "required", [&](const std::string& name) { required.insert(name); });
  const bool isPlain = names.empty() && std::ranges::none_of(facts.parts, [](const JsonValue* part) { return part->find("patternProperties") || part->find("additionalProperties"); });
  JINX_TRY(checkCounts(facts, required.size(), names.size(), isPlain || std::ranges::any_of(facts.parts, [](const JsonValue* part) {
    const JsonValue* others = part->find("additionalProperties");
    return part->find("patternProperties") || !others || others->isObject() || others->boolean;
  })));
  if (isPlain) return nfa.addCall(from, json_.object());

  // `none` is where no member was written yet, `some` where one was.
  int32_t none = nfa.addCall(nfa.addBytes(from, "{"), json_.space()), some = nfa.addState();
  for (const std::string& name : names) {
    JINX_TRY_ASSIGN(Conjunction conjunction, memberNamed(facts, name));
    JINX_TRY_ASSIGN(const int32_t value, ruleOf(std::move(conjunction)));
    const int32_t behind = nfa.addState();
    if (none >= 0) {
      JINX_TRY_ASSIGN(const int32_t to, writeMember(nfa, none, name, value));
      nfa.addEmpty(to, behind);
    }
    JINX_TRY_ASSIGN(const int32_t to, writeMember(nfa, nfa.addCall(nfa.addBytes(some, ","), json_.space()), name, value));
    nfa.addEmpty(to, behind);
    if (!required.contains(name)) nfa.addEmpty(some, behind);
    else none = -1;
    some = behind;
  }
  JINX_TRY_ASSIGN(const std::vector<OtherMembers> others, otherMembers(facts, names));
  const int32_t loop = nfa.addState(), end = nfa.addState();
  nfa.addEmpty(some, loop);
  if (none >= 0) {
    JINX_TRY_ASSIGN(const int32_t to, writeOtherMember(nfa, none, others));
    nfa.addEmpty(to, loop);
  }
  JINX_TRY_ASSIGN(const int32_t other, writeOtherMember(nfa, nfa.addCall(nfa.addBytes(loop, ","), json_.space()), others));
  nfa.addEmpty(other, loop);
  nfa.addEmpty(nfa.addCall(loop, json_.space()), end);
  if (none >= 0) nfa.addEmpty(none, end);
  return nfa.addBytes(end, "}");
}

bool SchemaCompiler::isNever(const Conjunction& conjunction) const {
  return std::ranges::any_of(conjunction, [](const JsonValue* one) { return one->kind == JsonValue::Kind::kBool && !one->boolean; });
}

/// What the parts say of members whose names have this pattern, or of those that have none.
Conjunction SchemaCompiler::memberOfPattern(const Facts& facts, const std::string& pattern) const {
  Conjunction conjunction;
  for (const JsonValue* part : facts.parts) {
    const JsonValue *own = part->find("patternProperties"), *value = own ? own->find(pattern) : nullptr;
    if (!value) value = part->find("additionalProperties");
    if (value) conjunction.push_back(value);
  }
  return conjunction;
}
Conjunction SchemaCompiler::memberWithoutName(const Facts& facts) const {
  Conjunction conjunction;
  for (const JsonValue* part : facts.parts)
    if (const JsonValue* value = part->find("additionalProperties")) conjunction.push_back(value);
  return conjunction;
}

/// Names by what is said of their members: those of each pattern, then the rest; none of them is declared. A name that two patterns have would need both schemas.
Expected<std::vector<SchemaCompiler::OtherMembers>> SchemaCompiler::otherMembers(const Facts& facts, const std::vector<std::string>& names) {
  std::map<std::string, const Nfa*> patterns;
  for (const JsonValue* part : facts.parts)
    if (const JsonValue* own = part->find("patternProperties"))
      for (const auto& [pattern, value] : own->members) {
        JINX_TRY_ASSIGN(patterns[pattern], content(*part, "patternProperties", pattern, false));
      }
  std::vector<OtherMembers> others;
  Conjunction unnamed = memberWithoutName(facts);
  if (patterns.empty() && isNever(unnamed)) return others;
  Nfa declared;
  for (const std::string& name : names)
    declared.setFinal(declared.addBytes(declared.start(), escapedJson(name)));
  JINX_TRY_ASSIGN(const std::optional<Nfa> declaredKeys, determinize(declared, budget_, budget_.limits().states));
  if (!declaredKeys) return resourceError("the names of members need too many states");
  JINX_TRY_ASSIGN(Nfa rest, lowerAlone(Expression::anyText(), Encoding::kJsonString, budget_));
  JINX_TRY_ASSIGN(rest, subtract(rest, *declaredKeys, budget_));
  for (auto pattern = patterns.begin(); pattern != patterns.end(); ++pattern) {
    JINX_TRY_ASSIGN(Nfa own, intersect(rest, *pattern->second, budget_));
    JINX_TRY_ASSIGN(rest, subtract(rest, *pattern->second, budget_));
    for (auto other = std::next(pattern); other != patterns.end(); ++other) {
      JINX_TRY_ASSIGN(const Nfa both, intersect(own, *other->second, budget_));
      if (!acceptsNothing(both)) return unsupported(*facts.parts[0], "patternProperties", "with patterns that share names (" + pattern->first + " and " + other->first + ") is not supported");
    }
    others.push_back({std::move(own), memberOfPattern(facts, pattern->first)});
  }
  others.push_back({std::move(rest), std::move(unnamed)});
  std::erase_if(others, [&](const OtherMembers& one) { return isNever(one.value); });
  return others;
}

/// One member whose name is not declared.
Expected<int32_t> SchemaCompiler::writeOtherMember(Nfa& nfa, int32_t from, const std::vector<OtherMembers>& others) {
  const int32_t end = nfa.addState();
  for (const OtherMembers& one : others) {
    JINX_TRY_ASSIGN(const int32_t rule, ruleOf(one.value));
    JINX_TRY(budget_.states(one.keys.size()));
    nfa.addEmpty(nfa.addCall(nfa.addCall(nfa.addBytes(nfa.addNfa(nfa.addBytes(from, "\""), one.keys), "\":"), json_.space()), rule), end);
  }
  return end;
}

/// Members are not counted: a number of them is supported where it follows from what is required and declared.
Status SchemaCompiler::checkCounts(const Facts& facts, size_t required, size_t names, bool hasOthers) {
  JINX_TRY_ASSIGN(const auto sizes, counts(facts, "minProperties", "maxProperties"));
  if (sizes.first > static_cast<int64_t>(required)) return unsupported(*facts.parts[0], "minProperties", "of more than what is required is not supported");
  if (sizes.second >= 0 && (hasOthers || sizes.second < static_cast<int64_t>(names))) return unsupported(*facts.parts[0], "maxProperties", "is not supported");
  return Status::ok();
}

} // namespace jinx::grammar

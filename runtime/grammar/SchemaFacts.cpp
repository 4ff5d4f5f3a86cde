// Which schemas apply to a place, and is there anything in them that is not supported?
#include <algorithm>
#include <array>

#include "runtime/grammar/Formats.h"
#include "runtime/grammar/Schema.h"

namespace jinx::grammar {
namespace {

using Names = std::initializer_list<std::string_view>;
bool isOneOf(std::string_view name, Names names) { return std::ranges::find(names, name) != names.end(); }

/// Keywords that say nothing about which documents there are.
bool isAnnotationKeyword(std::string_view keyword) {
  return keyword.starts_with("x-") || isOneOf(keyword, {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "id", "$comment", "$defs",
                                                        "definitions", "$anchor", "discriminator", "externalDocs", "xml", "contentMediaType", "contentEncoding", "propertyOrdering", "nullable"});
}
bool isSchemaKeyword(std::string_view keyword) { return isOneOf(keyword, {"additionalProperties", "additionalItems"}); }
bool isSchemaListKeyword(std::string_view keyword) { return isOneOf(keyword, {"anyOf", "oneOf", "allOf", "prefixItems"}); }
bool isSchemaMapKeyword(std::string_view keyword) { return isOneOf(keyword, {"properties", "patternProperties"}); }
bool isCountKeyword(std::string_view keyword) { return isOneOf(keyword, {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}); }
bool isNumberKeyword(std::string_view keyword) { return isOneOf(keyword, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}); }
bool isTextKeyword(std::string_view keyword) { return isOneOf(keyword, {"$ref", "pattern", "format"}); }

bool isSchema(const JsonValue& value) { return value.isObject() || value.kind == JsonValue::Kind::kBool; }
bool areSchemas(const JsonValue& list) { return list.isArray() && !list.items.empty() && std::ranges::all_of(list.items, isSchema); }

const char* expectedFor(std::string_view keyword, const JsonValue& value) {
  if (isSchemaKeyword(keyword)) return isSchema(value) ? nullptr : "a schema";
  if (keyword == "items") return isSchema(value) || areSchemas(value) || (value.isArray() && value.items.empty()) ? nullptr : "a schema, or a list of schemas";
  if (isSchemaListKeyword(keyword)) return areSchemas(value) ? nullptr : "a list of schemas";
  if (isSchemaMapKeyword(keyword)) return value.isObject() && std::ranges::all_of(value.members, [](const JsonMember& m) { return isSchema(m.value); }) ? nullptr : "schemas by name";
  if (isTextKeyword(keyword)) return value.isString() ? nullptr : "text";
  if (isNumberKeyword(keyword)) return value.kind == JsonValue::Kind::kNumber ? nullptr : "a number";
  if (isCountKeyword(keyword)) return value.kind == JsonValue::Kind::kNumber && value.text.find_first_not_of("0123456789") == std::string::npos ? nullptr : "a number that is 0 or more";
  if (keyword == "enum") return value.isArray() ? nullptr : "a list";
  if (keyword == "required") return value.isArray() && std::ranges::all_of(value.items, &JsonValue::isString) ? nullptr : "a list of names";
  return nullptr;
}

uint8_t kindNamed(std::string_view name) {
  if (name == "null") return kNullBit;
  if (name == "boolean") return kBoolBit;
  if (name == "integer") return kIntegerBit;
  if (name == "number") return kIntegerBit | kNumberBit;
  if (name == "string") return kStringBit;
  if (name == "array") return kArrayBit;
  return name == "object" ? kObjectBit : 0;
}

} // namespace

Status SchemaCompiler::wrong(const JsonValue& schema, std::string_view keyword, const std::string& what) const {
  return invalidArgument(pointerTo(root_, &schema) + ": " + std::string(keyword) + " " + what);
}
Status SchemaCompiler::unsupported(const JsonValue& schema, std::string_view keyword, const std::string& what) const {
  return unimplemented(pointerTo(root_, &schema) + ": " + std::string(keyword) + " " + what);
}

/// Each keyword is one that is known, and has a value of its kind.
Status SchemaCompiler::check(const JsonValue& schema) {
  if (!checked_.insert(&schema).second) return Status::ok();
  JINX_TRY(budget_.work(static_cast<int64_t>(schema.members.size())));
  for (const auto& [keyword, value] : schema.members) {
    if (isAnnotationKeyword(keyword) || keyword == "type" || keyword == "const" || keyword == "nullable") continue;
    const bool isKnown = isSchemaKeyword(keyword) || keyword == "items" || isSchemaListKeyword(keyword) || isSchemaMapKeyword(keyword) || isCountKeyword(keyword) || isNumberKeyword(keyword) ||
                         isTextKeyword(keyword) || keyword == "enum" || keyword == "required";
    if (!isKnown) return unsupported(schema, keyword);
    if (const char* expected = expectedFor(keyword, value)) return wrong(schema, keyword, std::string("is of another kind, expected ") + expected);
    if (keyword == "format" && !isAnnotation(value.text) && patternOfFormat(value.text).empty()) return unsupported(schema, keyword, "\"" + value.text + "\" is not supported");
  }
  return Status::ok();
}

Expected<uint8_t> SchemaCompiler::kindsOf(const JsonValue& schema) {
  const JsonValue* type = schema.find("type");
  if (!type) return kAllKinds;
  uint8_t kinds = 0;
  const std::vector<JsonValue> one = type->isArray() ? std::vector<JsonValue>() : std::vector<JsonValue>{*type};
  for (const JsonValue& name : type->isArray() ? type->items : one) {
    const uint8_t kind = name.isString() ? kindNamed(name.text) : uint8_t(0);
    if (kind == 0) return wrong(schema, "type", "is not one, expected null, boolean, integer, number, string, array, object or a list of them");
    kinds |= kind;
  }
  const JsonValue* nullable = schema.find("nullable");
  if (nullable && nullable->kind == JsonValue::Kind::kBool && nullable->boolean) kinds |= kNullBit;
  return kinds;
}

Expected<const JsonValue*> SchemaCompiler::target(const JsonValue& schema, const JsonValue& reference) {
  if (!reference.text.starts_with('#')) return unsupported(schema, "$ref", "to \"" + reference.text + "\" is not supported, expected one into the same document (#/…)");
  const JsonValue* found = findPointer(root_, reference.text);
  if (!found) return wrong(schema, "$ref", "\"" + reference.text + "\" leads nowhere");
  if (!isSchema(*found)) return wrong(schema, "$ref", "\"" + reference.text + "\" is no schema");
  return found;
}

Status SchemaCompiler::addReference(Facts& facts, const JsonValue& schema, const JsonValue& reference) {
  JINX_TRY_ASSIGN(const JsonValue* found, target(schema, reference));
  if (std::ranges::find(facts.path, found) != facts.path.end()) return unsupported(schema, "$ref", "\"" + reference.text + "\" leads back to itself, with nothing in between");
  return add(facts, *found);
}

Status SchemaCompiler::add(Facts& facts, const JsonValue& schema) {
  JINX_TRY(budget_.work());
  if (schema.kind == JsonValue::Kind::kBool) {
    if (!schema.boolean) facts.kinds = 0;
    return Status::ok();
  }
  if (!schema.isObject()) return wrong(schema, "schema", "is neither an object nor true or false");
  if (static_cast<int32_t>(facts.path.size()) > budget_.limits().nesting) return resourceError(pointerTo(root_, &schema) + ": schemas lead to schemas more than " + std::to_string(budget_.limits().nesting) + " times (nesting)");
  if (std::ranges::find(facts.parts, &schema) != facts.parts.end()) return Status::ok();
  facts.path.push_back(&schema);
  JINX_TRY(addObject(facts, schema));
  facts.path.pop_back();
  return Status::ok();
}

Status SchemaCompiler::addObject(Facts& facts, const JsonValue& schema) {
  JINX_TRY(check(schema));
  facts.parts.push_back(&schema);
  JINX_TRY_ASSIGN(const uint8_t kinds, kindsOf(schema));
  facts.kinds &= kinds;
  for (const auto& [keyword, value] : schema.members) {
    if (keyword == "$ref") JINX_TRY(addReference(facts, schema, value));
    if (keyword == "allOf")
      for (const JsonValue& one : value.items)
        JINX_TRY(add(facts, one));
    if (keyword == "anyOf" || keyword == "oneOf") facts.choices.push_back({&schema, &value, facts.path});
  }
  return Status::ok();
}

} // namespace jinx::grammar

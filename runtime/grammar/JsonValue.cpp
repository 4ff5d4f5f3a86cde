#include "runtime/grammar/JsonValue.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/grammar/SourceReader.h"
#include "runtime/text/Utf8.h"

namespace jinx::grammar {
namespace {

constexpr int32_t kDeeper = 4; // levels of JSON for each level of a schema

class Parser {
 public:
  Parser(std::string_view text, Budget& budget) : text_(text), budget_(budget) {}

  Expected<JsonValue> parse() {
    JINX_TRY_ASSIGN(JsonValue value, this->value(0));
    skipSpace();
    if (at_ != text_.size()) return wrong("expected the end");
    return value;
  }

 private:
  Status wrong(const std::string& what) const { return invalidArgument("is no JSON: offset " + std::to_string(at_) + ": " + what); }
  void skipSpace() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool take(char c) {
    skipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool takeWord(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Expected<JsonValue> value(int32_t depth) {
    JINX_TRY(budget_.work());
    if (depth > kDeeper * budget_.limits().nesting) return resourceError("JSON is nested more than " + std::to_string(kDeeper * budget_.limits().nesting) + " deep (nesting)");
    skipSpace();
    JsonValue result;
    if (at_ < text_.size() && text_[at_] == '"') {
      result.kind = JsonValue::Kind::kString;
      JINX_TRY_ASSIGN(result.text, string());
      return result;
    }
    if (take('{')) return object(depth);
    if (take('[')) return array(depth);
    if (takeWord("null")) return result;
    result.kind = JsonValue::Kind::kBool;
    if (takeWord("false")) return result;
    result.boolean = true;
    if (takeWord("true")) return result;
    return number();
  }

  Expected<JsonValue> array(int32_t depth) {
    JsonValue result;
    result.kind = JsonValue::Kind::kArray;
    if (take(']')) return result;
    do {
      JINX_TRY_ASSIGN(JsonValue item, value(depth + 1));
      result.items.push_back(std::move(item));
    } while (take(','));
    if (!take(']')) return wrong("expected , or ]");
    return result;
  }

  Expected<JsonValue> object(int32_t depth) {
    JsonValue result;
    result.kind = JsonValue::Kind::kObject;
    if (take('}')) return result;
    std::unordered_set<std::string> names;
    do {
      skipSpace();
      if (at_ >= text_.size() || text_[at_] != '"') return wrong("expected a name");
      JINX_TRY_ASSIGN(std::string name, string());
      if (!names.insert(name).second) return wrong("the name " + name + " is there twice");
      if (!take(':')) return wrong("expected :");
      JINX_TRY_ASSIGN(JsonValue member, value(depth + 1));
      result.members.push_back({std::move(name), std::move(member)});
    } while (take(','));
    if (!take('}')) return wrong("expected , or }");
    return result;
  }

  Expected<JsonValue> number() {
    JsonValue result;
    result.kind = JsonValue::Kind::kNumber;
    const size_t begin = at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9')
        ++at_;
      return at_ > first;
    };
    takeWord("-");
    const size_t whole = at_;
    if (!digits()) return wrong("expected a value");
    if (text_[whole] == '0' && at_ > whole + 1) return wrong("a number begins with 0");
    if (takeWord(".") && !digits()) return wrong("expected digits");
    if (takeWord("e") || takeWord("E")) {
      if (!takeWord("+")) takeWord("-");
      if (!digits()) return wrong("expected digits");
    }
    result.text = text_.substr(begin, at_ - begin);
    return result;
  }

  Expected<std::string> string() {
    std::string result;
    ++at_;
    for (;;) {
      if (at_ >= text_.size() || static_cast<uint8_t>(text_[at_]) < 0x20) return wrong("a string does not end");
      const char c = text_[at_++];
      if (c == '"') return result;
      if (c != '\\') {
        result += c;
        continue;
      }
      if (at_ >= text_.size()) return wrong("a string does not end");
      const char escape = text_[at_++];
      constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
      if (const size_t known = kNames.find(escape); known != std::string_view::npos) {
        result += kMeanings[known];
        continue;
      }
      char32_t code = 0, low = 0;
      if (escape != 'u' || !hexadecimal(code)) return wrong("an unknown escape");
      if (code >= 0xD800 && code < 0xDC00 && takeWord("\\u") && hexadecimal(low) && low >= 0xDC00 && low < 0xE000) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      if (code >= 0xD800 && code < 0xE000) return wrong("half a character (a surrogate alone)");
      text::appendUtf8(result, code);
    }
  }

  bool hexadecimal(char32_t& code) {
    SourceReader reader(text_.substr(at_));
    if (!reader.takeHexadecimal(4, 4, code)) return false;
    at_ += 4;
    return true;
  }

  std::string_view text_;
  Budget& budget_;
  size_t at_ = 0;
};

std::string escapedName(std::string_view name) {
  std::string result;
  for (char c : name)
    result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return result;
}

bool findPart(const JsonValue& here, const JsonValue* part, std::string& pointer) {
  if (&here == part) return true;
  const size_t size = pointer.size();
  for (const auto& [name, member] : here.members) {
    pointer += "/" + escapedName(name);
    if (findPart(member, part, pointer)) return true;
    pointer.resize(size);
  }
  for (size_t i = 0; i < here.items.size(); ++i) {
    pointer += "/" + std::to_string(i);
    if (findPart(here.items[i], part, pointer)) return true;
    pointer.resize(size);
  }
  return false;
}

/// One reference token of a pointer in a fragment: %25 and ~1 are undone.
std::string unescapedName(std::string_view name) {
  std::string decoded, result;
  for (size_t i = 0; i < name.size(); ++i) {
    char32_t code = 0;
    SourceReader reader(name.substr(i + 1 < name.size() ? i + 1 : i));
    if (name[i] == '%' && reader.takeHexadecimal(2, 2, code)) decoded += static_cast<char>(code), i += 2;
    else decoded += name[i];
  }
  for (size_t i = 0; i < decoded.size(); ++i) {
    const bool isEscape = decoded[i] == '~' && i + 1 < decoded.size() && (decoded[i + 1] == '0' || decoded[i + 1] == '1');
    result += !isEscape ? decoded[i] : decoded[++i] == '0' ? '~' : '/';
  }
  return result;
}

} // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, [](const JsonMember& member) { return std::string_view(member.name); });
  return found == members.end() ? nullptr : &found->value;
}

Expected<JsonValue> parseJsonValue(std::string_view text, Budget& budget) {
  JINX_TRY(checkSource(text, "the schema", budget));
  return Parser(text, budget).parse();
}

std::string pointerTo(const JsonValue& root, const JsonValue* part) {
  std::string pointer = "#";
  findPart(root, part, pointer);
  return pointer;
}

const JsonValue* findPointer(const JsonValue& root, std::string_view fragment) {
  if (fragment == "#") return &root;
  if (!fragment.starts_with("#/")) return nullptr;
  const JsonValue* here = &root;
  for (size_t at = 1; at < fragment.size();) {
    const size_t end = std::min(fragment.find('/', at + 1), fragment.size());
    const std::string name = unescapedName(fragment.substr(at + 1, end - at - 1));
    at = end;
    if (here->isArray()) {
      int64_t index = -1;
      SourceReader reader(name);
      if (!reader.takeNumber(index) || !reader.atEnd() || index >= static_cast<int64_t>(here->items.size())) return nullptr;
      here = &here->items[static_cast<size_t>(index)];
    } else if (here = here->find(name); !here) {
      return nullptr;
    }
  }
  return here;
}

} // namespace jinx::grammar

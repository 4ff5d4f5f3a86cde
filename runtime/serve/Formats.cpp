#include "runtime/serve/Formats.h"

#include <list>
#include <mutex>

namespace jinx::serve {
namespace {

using GrammarPtr = std::shared_ptr<const grammar::Grammar>;

Expected<std::string> sourceOf(const Json& format, const char* name) {
  const auto found = format.find(name);
  if (found == format.end() || !found->is_string()) return invalidArgument(std::string("has no \"") + name + "\" that is text");
  return found->get<std::string>();
}

Expected<GrammarPtr> compile(const Json& format, const grammar::Limits& limits) {
  const std::string type = format["type"].get<std::string>();
  if (type == "json_object") return grammar::anyJsonObject();
  if (type == "json_schema") {
    const auto described = format.find("json_schema");
    if (described == format.end() || !described->is_object() || !described->contains("schema")) return invalidArgument("has no \"json_schema\" with a \"schema\"");
    return grammar::compileJsonSchema(dump((*described)["schema"]), limits);
  }
  if (type == "regex" || type == "grammar") {
    JINX_TRY_ASSIGN(const std::string source, sourceOf(format, type.c_str()));
    return type == "regex" ? grammar::compileRegex(source, limits) : grammar::compileGbnf(source, limits);
  }
  return invalidArgument("has type \"" + type.substr(0, 40) + "\", expected text, json_object, json_schema, regex or grammar");
}

/// Grammars that were asked for last, the newest first.
class FormatCache {
 public:
  FormatCache(std::shared_ptr<const grammar::TokenTable> tokens, const grammar::Limits& limits) : tokens_(std::move(tokens)), limits_(limits) {}

  Expected<std::shared_ptr<engine::TokenMask>> maskOf(const Json& format) {
    const std::string key = dump(format);
    GrammarPtr found = find(key);
    if (!found) {
      // Not under the lock: others need not wait for it.
      JINX_TRY_ASSIGN(found, compile(format, limits_));
      add(key, found);
    }
    return grammar::makeMask(std::move(found), tokens_);
  }

 private:
  static constexpr size_t kMost = 64;
  struct Entry {
    std::string key;
    GrammarPtr grammar;
  };
  GrammarPtr find(const std::string& key) {
    std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->key != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->grammar;
    }
    return nullptr;
  }
  void add(const std::string& key, GrammarPtr grammar) {
    std::lock_guard lock(mutex_);
    entries_.push_front({key, std::move(grammar)});
    if (entries_.size() > kMost) entries_.pop_back();
  }

  const std::shared_ptr<const grammar::TokenTable> tokens_;
  const grammar::Limits limits_;
  std::mutex mutex_;
  std::list<Entry> entries_;
};

} // namespace

MaskMaker maskMakerOf(std::shared_ptr<const grammar::TokenTable> tokens, const grammar::Limits& limits) {
  return [cache = std::make_shared<FormatCache>(std::move(tokens), limits)](const Json& format) { return cache->maskOf(format); };
}

} // namespace jinx::serve

#include "runtime/grammar/Schema.h"

namespace jinx::grammar {

Expected<int32_t> SchemaCompiler::compile() {
  JINX_TRY_ASSIGN(const int32_t root, ruleOf({&root_}));
  while (!toWrite_.empty()) {
    const auto [conjunction, rule] = std::move(toWrite_.back());
    toWrite_.pop_back();
    Facts facts;
    for (const JsonValue* schema : conjunction)
      JINX_TRY(add(facts, *schema));
    JINX_TRY_ASSIGN(const int32_t end, write(rules_[rule], rules_[rule].start(), facts, 0));
    rules_[rule].setFinal(end);
  }
  return root;
}

} // namespace jinx::grammar

// Hostile chat templates over hostile contexts: a template, a zero byte, and JSON; without JSON a context of this file.
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "runtime/chat/ChatTemplate.h"
#include "tests/fuzz/FuzzTarget.h"

namespace jinx::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr chat::Limits kLimits{.steps = 50'000, .outputBytes = 1 << 16};

const Json& ownContext() {
  static const Json context = Json::parse(R"({"s": "some <b>text</b>, \u00fc\u4e2d", "n": 7, "f": -2.5, "l": [3, 1, "x", null], "d": {"b": 1, "a": [true]}, "rows": [{"k": "v", "w": {"z": 1}}, {"k": "u"}],
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null}], "bos_token": "<s>", "add_generation_prompt": true})");
  return context;
}

void render(const chat::ChatTemplate& chatTemplate, const Json& context) {
  auto pieces = chatTemplate.render(context);
  if (!pieces) return;
  countAccepted();
  size_t size = 0;
  for (size_t i = 0; i < pieces->size(); ++i) {
    size += (*pieces)[i].text.size();
    const bool isWrong = (*pieces)[i].text.empty() || (i > 0 && (*pieces)[i].isTemplate == (*pieces)[i - 1].isTemplate);
    if (isWrong) std::abort(); // what the interface promises
  }
  if (size > kLimits.outputBytes) std::abort();
}

// What templates are made of.
constexpr std::string_view kParts[] = {
    "{{ x }}", "{% if x %}", "{% endif %}", "{% for x in l %}", "{% endfor %}", "{% else %}", "{% set x = l %}", "{% set ns = namespace(a=1) %}", "{% set ns.a = ns %}",
    "{% macro m(a, b=m) %}", "{% endmacro %}", "{{ m(m) }}", "{%- ", " -%}", "{# ", " #}", "{% raw %}", "{% endraw %}", "{{ loop.changed(loop) }}", "{% break %}",
    "{% call m() %}", "{% endcall %}", "{{ caller() }}", "{% filter e %}", "{% endfilter %}", "{% set y %}", "{% endset %}",
    "l", "d", "s", "n", "x", "ns", "loop", "rows", "messages", "none", "true", "missing", "0", "-1", "9223372036854775807", "1e308", "2.5", "''", "'\\u00e9'", "[]", "{}", "()",
    " + ", " - ", " * ", " / ", " // ", " % ", " ** ", " ~ ", " == ", " < ", " in ", " not in ", " and ", " or ", " not ", " if ", " else ", " is ", " is not ", "defined", "mapping", "odd",
    "[0]", "[-1:]", "[::-1]", "[::9223372036854775807]", ".a", ".items()", ".get('a')", ".split('e')", ".replace('', s)", ".format(s, n)", ".center(n)", ".join(l)", ".strip(s)", ".zfill(n)",
    "(", ")", "[", "]", "{", "}", ",", ":", "|", "|tojson", "|tojson(indent=n)", "|length", "|join(s)", "|list", "|sort", "|map('upper')", "|selectattr('k')", "|first", "|last", "|reverse", "|unique",
    "|indent(n)", "|int", "|float", "|round(n)", "|default(s)", "|string", "|replace('a', s)", "|dictsort", "|items", "|sum", "|max", "|e", "|safe", "|trim", "|title", "|format(s, n)",
    "range(n)", "range(0, 9, -1)", "dict(d, a=1)", "strftime_now(s)", "'%s%5d' % (s, n)"};

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  using namespace jinx::fuzz;
  std::mt19937 rng(seed);
  if (size == 0 || rng() % 4 == 0) return LLVMFuzzerMutate(data, size, maxSize);
  const std::string_view part = kParts[rng() % std::size(kParts)];
  const size_t begin = rng() % (size + 1), end = std::min(size, begin + rng() % 6), left = size - end;
  if (begin + part.size() + left > maxSize) return size;
  std::memmove(data + begin + part.size(), data + end, left);
  std::memcpy(data + begin, part.data(), part.size());
  return begin + part.size() + left;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  const std::string_view all(reinterpret_cast<const char*>(data), size), source = all.substr(0, all.find('\0'));
  auto chatTemplate = chat::ChatTemplate::parse(source, fuzz::kLimits);
  if (!chatTemplate) return 0;
  fuzz::Json context = fuzz::ownContext();
  if (source.size() < size) {
    fuzz::Json given = fuzz::Json::parse(all.substr(source.size() + 1), nullptr, /*allow_exceptions=*/false);
    if (!given.is_discarded()) context = std::move(given);
  }
  fuzz::render(*chatTemplate, context);
  return 0;
}

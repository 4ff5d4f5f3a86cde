#include "runtime/text/Pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace jinx::text {
namespace {

// Steps of one match. The longest that a tokenizer's pattern needs are a few for each byte of a run; a text of 2^31 bytes is the longest.
constexpr uint32_t kMostSteps = 50'000'000, kMostKibibytes = 256 * 1024;

constexpr std::string_view kWhiteSpace = "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

std::string messageOf(int error) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

/// The pattern with \s as White_Space.
Expected<std::string> withWhiteSpace(std::string_view pattern) {
  std::string result;
  bool inClass = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i], next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\') {
      ++i;
      if (next == 's') result.append(inClass ? "" : "[").append(kWhiteSpace).append(inClass ? "" : "]");
      else if (next == 'S' && !inClass) result.append("[^").append(kWhiteSpace).append("]");
      else result.append(1, c).append(i < pattern.size() ? 1 : 0, next);
      continue;
    }
    if (inClass && c == '&' && next == '&') return unimplemented("has an intersection of character classes (&&)");
    if (inClass && c == '[' && next != ':') result.push_back('\\'); // a bracket as itself
    result.push_back(c);
    if (inClass && c == '[' && next == ':') { // [:alpha:]
      const size_t end = pattern.find(":]", i + 2);
      if (end == std::string_view::npos) continue;
      result.append(pattern.substr(i + 1, end + 1 - i));
      i = end + 1;
    } else if (!inClass && c == '[') {
      inClass = true;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') result.push_back(pattern[++i]);
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') result.push_back(pattern[++i]); // as itself
    } else if (inClass && c == ']') {
      inClass = false;
    }
  }
  return result;
}

} // namespace

Expected<Pattern> Pattern::compile(std::string_view text) {
  JINX_TRY_ASSIGN(std::string changed, withWhiteSpace(text), "pattern \"" + std::string(text) + "\"");
  int error = 0;
  PCRE2_SIZE place = 0;
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(changed.data()), changed.size(), kOptions, &error, &place, nullptr);
  if (!code)
    return invalidArgument("pattern \"" + std::string(text) + "\" is malformed: " + messageOf(error) + " at byte " + std::to_string(place) + " of \"" +
                           changed + "\"");
  Pattern pattern;
  pattern.code_ = {code, pcre2_code_free};
  pattern.native_ = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  return pattern;
}

PatternMatcher::PatternMatcher(const Pattern& pattern)
    : pattern_(pattern), data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
  if (!context_) return;
  pcre2_set_match_limit(context_, kMostSteps);
  pcre2_set_heap_limit(context_, kMostKibibytes);
}

PatternMatcher::~PatternMatcher() {
  pcre2_match_context_free(context_);
  pcre2_match_data_free(data_);
}

PatternMatcher::Answer PatternMatcher::find(std::string_view text, size_t from) {
  if (!data_ || !context_) return error_ = PCRE2_ERROR_NOMEMORY, Answer::kFailed;
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  error_ = pattern_.native_ ? pcre2_jit_match(pattern_.code_.get(), subject, text.size(), from, 0, data_, context_) : PCRE2_ERROR_JIT_STACKLIMIT;
  if (error_ == PCRE2_ERROR_JIT_STACKLIMIT) // the interpreter keeps its frames on the heap
    error_ = pcre2_match(pattern_.code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data_, context_);
  if (error_ == PCRE2_ERROR_NOMATCH) return Answer::kNone;
  if (error_ < 0) return Answer::kFailed;
  const PCRE2_SIZE* places = pcre2_get_ovector_pointer(data_);
  begin_ = places[0], end_ = places[1];
  return Answer::kMatch;
}

Status PatternMatcher::failure() const { return resourceError("matching a pattern of the tokenizer fails: " + messageOf(error_)); }

} // namespace jinx::text

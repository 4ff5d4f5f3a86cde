#include "runtime/text/KnownPreTokenizers.h"

#include <algorithm>
#include <vector>

namespace jinx::text {

const std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr std::string_view kDigit = R"(\p{N})", kUpTo3Digits = R"(\p{N}{1,3})";
// Contractions in either case, words with any one sign in front, numbers of 1, or up to 3, digits, signs with line ends behind.
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// The same with marks as parts of words.
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Words are cut where small letters are followed by capitals.
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kHanAndKana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
constexpr std::string_view kDeepseekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Known {
  std::vector<std::string_view> names;
  std::vector<std::string_view> patterns; ///< one after another, each match a piece
  bool wholeWords = false;
};

const std::vector<Known>& known() {
  static const std::vector<Known> kKnown = {
      {{"gpt-2", "gpt2", "phi-2", "jina-es", "jina-de", "roberta-bpe", "gigachat", "mpt", "olmo", "jais", "whisper"}, {kGpt2Pattern}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, {kDigit, kGpt2Pattern}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral"}, {kLlama3}, true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {kLlama3}},
      {{"cl100k", "cl100k_base"}, {kCl100k}, true},
      {{"qwen2", "stablelm2", "deepseek-r1-qwen", "hunyuan", "megrez", "qwen"}, {kQwen2}},
      {{"qwen35"}, {kQwen35}},
      {{"gpt-4o", "llama4", "o200k", "o200k_base"}, {kO200k}},
      {{"tekken"}, {kTekken}, true},
      {{"deepseek-v3"}, {kUpTo3Digits, kHanAndKana, kDeepseekV3}},
  };
  return kKnown;
}

std::string knownNames() {
  std::string names;
  for (const Known& entry : known())
    for (std::string_view name : entry.names)
      names.append(names.empty() ? "" : ", ").append(name);
  return names;
}

} // namespace

Expected<KnownPreTokenizer> findPreTokenizer(std::string_view name) {
  for (const Known& entry : known()) {
    if (std::ranges::find(entry.names, name) == entry.names.end()) continue;
    KnownPreTokenizer found;
    found.wholeWords = entry.wholeWords;
    for (std::string_view text : entry.patterns) {
      JINX_TRY_ASSIGN(Pattern pattern, Pattern::compile(text));
      found.preTokenizer.add(makeSplitPattern(std::move(pattern), SplitBehavior::kIsolated));
    }
    return found;
  }
  return unimplemented("pre-tokenizer \"" + std::string(name) + "\" is not known, expected " + knownNames());
}

} // namespace jinx::text

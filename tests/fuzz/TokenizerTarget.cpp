// Hostile tokenizer files of every kind: read; then texts are encoded, good and bad, and what comes out is decoded, whole and token by token.
#include <random>
#include <string>

#include "runtime/text/OpenTokenizer.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/JsonMutator.h"

namespace jinx::fuzz {
namespace {

using namespace jinx::text;

void decode(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  (void)tokenizer.decode(ids, {});
  (void)tokenizer.decode(ids, {false});
  Detokenizer detokenizer(tokenizer);
  for (TokenId id : ids)
    (void)detokenizer.push(id);
  (void)detokenizer.finish();
}

void run(const Tokenizer& tokenizer) {
  const std::string_view texts[] = {"",
                                    "ab abc  12 it's\n\n a\u0301\u00e9 \u4e2d\u6587 \U0001F600\u200d\U0001F600 <x> [w] a",
                                    "\xff\xf0\x9f a\xe2\x82 \xc0\x80",
                                    "\u2581ab\u2581\u2581 <0x41> <s>",
                                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (std::string_view text : texts)
    for (bool parseSpecial : {false, true})
      if (auto ids = tokenizer.encode(text, {true, parseSpecial})) decode(tokenizer, *ids);
  std::vector<TokenId> first;
  for (TokenId id = -1; id < 64; ++id) {
    (void)tokenizer.tokenBytes(id);
    (void)tokenizer.tokenText(id);
    first.push_back(id + 1);
  }
  decode(tokenizer, first);
}

// What stands for a text or a number of a file: types and values that some part knows, and ends of every range.
constexpr std::string_view kTexts[] = {"a", "b", "ab", "", "_", " ", "<x>", "a b", "##b", "<unk>", "NFD", "NFKC", "NFKD", "Strip", "StripAccents", "Nmt", "Lowercase",
                                       "Prepend", "ByteLevel", "Whitespace", "WhitespaceSplit", "Punctuation", "BertPreTokenizer", "CharDelimiterSplit", "Digits",
                                       "Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext", "always", "first", "never", "BPE", "WordPiece",
                                       "Unigram", "Metaspace", "BPEDecoder", "ByteFallback", "Fuse", "RobertaProcessing", "(a|aa)+$", "\\\\s*", "(?=a)", "[^\\\\s&&a]", "."};
constexpr std::string_view kNumbers[] = {"0", "1", "2", "5", "-1", "1e308", "1e999", "-0.5", "4194303", "4194304", "4294967295", "18446744073709551616", "true", "null", "[]", "{}"};

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 rng(seed);
  const bool plain = size == 0 || data[0] != '{' || rng() % 8 == 0;
  return plain ? LLVMFuzzerMutate(data, size, maxSize) : jinx::fuzz::changeJson(data, size, maxSize, rng, jinx::fuzz::kTexts, jinx::fuzz::kNumbers);
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  auto tokenizer = text::parseTokenizer(std::as_bytes(std::span(data, size)));
  if (!tokenizer) return 0;
  fuzz::countAccepted();
  fuzz::run(*tokenizer);
  return 0;
}

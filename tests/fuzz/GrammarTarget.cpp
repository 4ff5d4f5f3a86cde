// Hostile schemas, patterns and grammars: compiled; then texts are judged, and masks walked through, with steps taken back. The first byte says of which kind it is.
#include <cstring>
#include <random>
#include <string>

#include "runtime/grammar/Grammar.h"
#include "runtime/text/OpenTokenizer.h"
#include "tests/fuzz/FuzzTarget.h"

namespace jinx::fuzz {
namespace {

using namespace jinx::grammar;

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t value = 0;
    for (size_t k = 0; k < 3; ++k)
      value = value << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kDigits[value >> (18 - 6 * k) & 63];
  }
  return text;
}

/// A tokenizer of all bytes and some pieces; the last one ends a text.
std::shared_ptr<const TokenTable> makeTable() {
  std::string ranks;
  int32_t count = 0;
  const auto add = [&](std::string_view bytes) { ranks += base64(bytes) + " " + std::to_string(count++) + "\n"; };
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    add({&c, 1});
  }
  for (std::string_view piece : {"ab", "{\"", "\":", "\",\"", "\xC3\xA9", "]}", "aaaa", "12", "<end>"})
    add(piece);
  const auto tokenizer = text::parseTokenizer(std::as_bytes(std::span(ranks)));
  if (!tokenizer) std::abort();
  const int32_t end = count - 1;
  auto table = TokenTable::make(*tokenizer, std::span(&end, 1));
  if (!table) std::abort();
  return *table;
}

void walk(const std::shared_ptr<const Grammar>& grammar, const std::shared_ptr<const TokenTable>& table, unsigned seed) {
  std::mt19937 rng(seed);
  const auto mask = makeMask(grammar, table);
  std::vector<int32_t> output;
  for (int step = 0; step < 24; ++step) {
    const auto bits = mask->allowed(output);
    if (!bits) return;
    std::vector<int32_t> next;
    for (int32_t token = 0; token < table->vocabulary(); ++token)
      if ((*bits)[static_cast<size_t>(token) / 64] >> (token % 64) & 1) next.push_back(token);
    if (next.empty()) std::abort(); // an empty mask is an error
    output.push_back(next[rng() % next.size()]);
    if (rng() % 5 == 0) output.resize(rng() % (output.size() + 1));
  }
}

constexpr std::string_view kWords[] = {"\"type\"", "\"object\"", "\"string\"", "\"integer\"", "\"array\"", "\"anyOf\"", "\"allOf\"", "\"$ref\"", "\"#\"", "\"#/$defs/n\"", "\"#/properties/a\"", "\"items\"",
                                       "\"prefixItems\"", "\"enum\"", "\"const\"", "\"required\"", "\"properties\"", "\"additionalProperties\"", "\"patternProperties\"", "\"minLength\"", "\"maxItems\"", "\"maximum\"",
                                       "\"pattern\"", "\"format\"", "\"uri\"", "\"ipv6\"", "false", "true", "null", "{}", "[]", "0", "3", "-1.5e3", "1e300", "9999", ",", ":", "(", ")", "*", "+", "?", "{2,3}", "{0,99}", "|",
                                       "[^a]", ".", "\\d", "\\p{L}", "^", "$", "(?:", "root", "item", "ws", "::=", "\n", "\"a\"", "\"\"", "#"};

size_t exchange(uint8_t* data, size_t size, size_t maxSize, std::mt19937& rng) {
  const std::string_view with = kWords[rng() % std::size(kWords)];
  const size_t begin = 1 + rng() % size, end = std::min(size, begin + (rng() % 2 ? rng() % 12 : 0));
  if (begin > size || begin + with.size() + (size - end) > maxSize) return size;
  std::memmove(data + begin + with.size(), data + end, size - end);
  std::memcpy(data + begin, with.data(), with.size());
  return begin + with.size() + (size - end);
}

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 rng(seed);
  return size == 0 || rng() % 6 == 0 ? LLVMFuzzerMutate(data, size, maxSize) : jinx::fuzz::exchange(data, size, maxSize, rng);
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  using namespace jinx::grammar;
  static const auto table = fuzz::makeTable();
  if (size == 0) return 0;
  const std::string_view source(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Limits limits{.compileSeconds = 5, .states = 1 << 16, .stepStates = 1 << 10, .configurations = 1 << 12, .stepWork = 1 << 22};
  auto grammar = data[0] == 'r' ? compileRegex(source, limits) : data[0] == 'g' ? compileGbnf(source, limits) : compileJsonSchema(source, limits);
  if (!grammar) return 0;
  fuzz::countAccepted();
  for (std::string_view text : {std::string_view(""), std::string_view("{\"a\": 1, \"b\": [\"x\"]}"), std::string_view("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabab"), source})
    (void)match(**grammar, text.substr(0, 200));
  fuzz::walk(*grammar, table, static_cast<unsigned>(size));
  return 0;
}

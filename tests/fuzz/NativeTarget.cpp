// Hostile modules, as text and as bytecode: read, verified, and taken through the passes.
#include <algorithm>
#include <cctype>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "frontends/native/NativeImporter.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/ModelTarget.h"

namespace jinx::fuzz {
namespace {

#ifdef JINX_LIBFUZZER
constexpr bool kTrusted = true; ///< so that libFuzzer sees what the parser does
#else
constexpr bool kTrusted = false; ///< some bytes end MLIR's own parser; the importer must outlive that
#endif
constexpr size_t kMaxBytes = 1 << 16; ///< the parser is linear, the passes need not be

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '%' || c == '@' || c == '-'; }

/// Words and single signs; spaces go with what they follow.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (isWord(text[at]))
      while (end < text.size() && isWord(text[end])) ++end;
    while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end]))) ++end;
    tokens.push_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

/// What takes the place of a word: another one of the text, or one that is likely to do harm.
std::string_view replacement(const std::vector<std::string_view>& tokens, std::mt19937& random) {
  static constexpr std::string_view kHostile[] = {
      "0 ", "1 ", "-1 ", "2 ", "9223372036854775807 ", "-9223372036854775808 ", "4294967296 ", "65536 ", "? ", "* ", "f32 ", "f16 ", "bf16 ", "f64 ",
      "i1 ", "i4 ", "ui8 ", "i64 ", "i128 ", "index ", "0x7f800000 ", "1e400 ", "tensor<*xf32> ", "tensor<?xf32> ", "tensor<f32> ", "complex<f32> ",
      "#jinx.dims<\"n\", \"n\"> ", "\"n floordiv 0\" ", "\"n * 4611686018427387904\" ", "\"\" ", "dense<> ", "!jinx.none ", "{ } "};
  size_t i = random() % (tokens.size() + std::size(kHostile));
  return i < tokens.size() ? tokens[i] : kHostile[i - tokens.size()];
}

std::string mutateText(std::string_view text, std::mt19937& random) {
  std::vector<std::string_view> tokens = split(text);
  if (tokens.empty()) return std::string(replacement(tokens, random));
  const std::vector<std::string_view> original = tokens;
  for (unsigned i = 0, count = 1 + random() % 3; i < count && !tokens.empty(); ++i) {
    size_t at = random() % tokens.size();
    auto where = tokens.begin() + static_cast<ptrdiff_t>(at);
    switch (random() % 8) {
    case 0: tokens.erase(where); break;
    case 1: tokens.insert(where, replacement(original, random)); break;
    case 2: std::swap(tokens[at], tokens[random() % tokens.size()]); break;
    default: tokens[at] = replacement(original, random);
    }
  }
  std::string changed;
  for (std::string_view token : tokens) changed += token;
  return changed;
}

} // namespace
} // namespace jinx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  if (size > fuzz::kMaxBytes) return 0;
  auto module = frontends::importNativeBytes(fuzz::context(), std::as_bytes(std::span(data, size)), "input", fuzz::kTrusted);
  if (!module) return 0;
  fuzz::countAccepted();
  fuzz::optimize(**module);
  return 0;
}

/// Changes words three times of four, bytes otherwise.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  bool isBytecode = size > 2 && data[0] == 'M' && data[1] == 'L' && data[2] == 0xEF;
  if (isBytecode || seed % 4 == 0) return LLVMFuzzerMutate(data, size, maxSize);
  std::mt19937 random(seed / 4);
  std::string changed = jinx::fuzz::mutateText({reinterpret_cast<const char*>(data), size}, random);
  if (changed.size() > maxSize) return size;
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}

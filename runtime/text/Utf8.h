// UTF-8 as sequences of bytes, and what stands for bytes that are none: U+FFFD.
//
//   for (size_t at = 0; at < text.size();) {
//     Utf8Sequence s = utf8At(text, at);     // "é" c3 a9: {U+00E9, 2 bytes, valid}; a lone c3: {U+FFFD, 1 byte, not valid, incomplete}
//     at += s.size;
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jinx::text {

struct Utf8Sequence {
  char32_t code = 0xFFFD;  ///< U+FFFD when it is not valid
  uint8_t size = 1;        ///< bytes, at least 1; of an invalid one its longest beginning of a valid one (Unicode, "maximal subpart")
  bool valid = false;
  bool incomplete = false; ///< the text ends before it is known whether it is valid
};

/// \param at  below text.size()
Utf8Sequence utf8At(std::string_view text, size_t at);

void appendUtf8(std::string& text, char32_t code);
bool isUtf8(std::string_view text);
bool isAscii(std::string_view text);

/// How many U+FFFD stand for what is no UTF-8: one for each beginning of a sequence (as Python's and Rust's decoders do), or one for each byte
/// (as SentencePiece does).
enum class Replace : uint8_t { kSequences, kBytes };
std::string replaceInvalidUtf8(std::string_view text, Replace unit = Replace::kSequences);

/// The length of `text` without a sequence at its end that more bytes could complete.
size_t completeUtf8(std::string_view text);

} // namespace jinx::text

#include "runtime/text/OpenTokenizer.h"

#include <filesystem>

#include "runtime/base/File.h"
#include "runtime/formats/Gguf.h"
#include "runtime/text/GgufTokenizer.h"
#include "runtime/text/HuggingFace.h"
#include "runtime/text/RankTokenizer.h"
#include "runtime/text/SentencePieceTokenizer.h"

namespace jinx::text {
namespace {

std::string_view textOf(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Each: what the file may lack; kInvalidArgument when it is of another kind.
Expected<TokenId> idEntry(const GgufFile& file, const std::string& name) {
  if (!file.findEntry(name)) return kNoToken;
  JINX_TRY_ASSIGN(int64_t id, file.integer(name));
  // Some files say 2^32 - 1 for none.
  if (id == -1 || id == int64_t{UINT32_MAX}) return kNoToken;
  if (id < 0 || id > Vocabulary::kLargest) return invalidArgument("entry \"" + name + "\" is " + std::to_string(id) + ", expected an id");
  return static_cast<TokenId>(id);
}
Expected<std::optional<bool>> flagEntry(const GgufFile& file, const std::string& name) {
  if (!file.findEntry(name)) return std::optional<bool>();
  JINX_TRY_ASSIGN(bool flag, file.boolean(name));
  return std::optional<bool>(flag);
}
Expected<std::string_view> textEntry(const GgufFile& file, const std::string& name) {
  if (!file.findEntry(name)) return std::string_view();
  return file.text(name);
}

Status readLists(const GgufFile& file, const std::string& prefix, GgufVocabulary& vocabulary) {
  JINX_TRY_ASSIGN(vocabulary.tokens, file.texts(prefix + "tokens"));
  if (file.findEntry(prefix + "merges")) {
    JINX_TRY_ASSIGN(vocabulary.merges, file.texts(prefix + "merges"));
  }
  if (file.findEntry(prefix + "token_type")) {
    JINX_TRY_ASSIGN(vocabulary.types, file.integers(prefix + "token_type"));
  }
  if (file.findEntry(prefix + "scores")) {
    JINX_TRY_ASSIGN(vocabulary.scores, file.floats(prefix + "scores"));
  }
  if (const GgufValue* map = file.findEntry(prefix + "precompiled_charsmap")) {
    const auto* numbers = std::get_if<GgufNumbers>(map);
    if (!numbers || (numbers->dtype != DType::kU8 && numbers->dtype != DType::kI8))
      return invalidArgument("entry \"" + prefix + "precompiled_charsmap\" is no array of bytes");
    vocabulary.charsMap = textOf(numbers->bytes);
  }
  return Status::ok();
}

Expected<Tokenizer> parseGguf(std::span<const std::byte> bytes) {
  JINX_TRY_ASSIGN(GgufFile file, GgufFile::parse(bytes));
  const std::string prefix = "tokenizer.ggml.";
  GgufVocabulary vocabulary;
  JINX_TRY_ASSIGN(vocabulary.model, file.text(prefix + "model"));
  JINX_TRY_ASSIGN(vocabulary.pre, textEntry(file, prefix + "pre"));
  JINX_TRY(readLists(file, prefix, vocabulary));
  JINX_TRY_ASSIGN(vocabulary.bos, idEntry(file, prefix + "bos_token_id"));
  JINX_TRY_ASSIGN(vocabulary.eos, idEntry(file, prefix + "eos_token_id"));
  JINX_TRY_ASSIGN(vocabulary.unknown, idEntry(file, prefix + "unknown_token_id"));
  JINX_TRY_ASSIGN(vocabulary.padding, idEntry(file, prefix + "padding_token_id"));
  JINX_TRY_ASSIGN(vocabulary.separator, idEntry(file, prefix + "seperator_token_id")); // the format's spelling
  JINX_TRY_ASSIGN(vocabulary.addBos, flagEntry(file, prefix + "add_bos_token"));
  JINX_TRY_ASSIGN(vocabulary.addEos, flagEntry(file, prefix + "add_eos_token"));
  JINX_TRY_ASSIGN(vocabulary.addSpacePrefix, flagEntry(file, prefix + "add_space_prefix"));
  JINX_TRY_ASSIGN(vocabulary.removeExtraWhitespaces, flagEntry(file, prefix + "remove_extra_whitespaces"));
  return makeGgufTokenizer(vocabulary);
}

/// What is before the first space of a line is base64, what is behind it a number.
bool looksLikeRanks(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t space = line.find(' ');
  if (line.size() > 4096 || space == std::string_view::npos || space + 1 == line.size()) return false;
  return line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == space &&
         line.find_first_not_of("0123456789\r", space + 1) == std::string_view::npos;
}

Expected<Tokenizer> parseJsonFile(std::string_view text) {
  JINX_TRY_ASSIGN(Json file, parseJson(text));
  if (findField(file, "model")) return makeHuggingFace(file);
  if (findField(file, "config") && findField(file, "vocab")) return makeTekken(file);
  return invalidArgument("is JSON with neither \"model\" (tokenizer.json) nor \"config\" and \"vocab\" (tekken)");
}

} // namespace

Expected<Tokenizer> parseTokenizer(std::span<const std::byte> bytes, const OpenOptions& options) {
  const std::string_view text = textOf(bytes);
  const RankOptions ranks{options.preTokenizer, "", options.special};
  if (!options.merges.empty()) {
    JINX_TRY_ASSIGN(MappedFile merges, MappedFile::open(options.merges));
    return parseGpt2Files(text, textOf(merges.bytes()), ranks);
  }
  if (text.starts_with("GGUF")) return parseGguf(bytes);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return parseJsonFile(text);
  if (looksLikeRanks(text)) return parseTiktoken(text, ranks);
  if (text.empty()) return invalidArgument("is empty, expected a tokenizer's file");
  return parseSentencePieceModel(bytes);
}

Expected<Tokenizer> openTokenizer(const std::string& path, const OpenOptions& options) {
  if (std::error_code error; std::filesystem::is_directory(path, error)) {
    for (const char* name : {"/tokenizer.json", "/tokenizer.model"})
      if (std::filesystem::is_regular_file(path + name, error)) return openTokenizer(path + name, options);
    return notFound(path + " has neither tokenizer.json nor tokenizer.model");
  }
  JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  JINX_TRY_ASSIGN(Tokenizer tokenizer, parseTokenizer(file.bytes(), options), path);
  return tokenizer;
}

} // namespace jinx::text

// Models of tokenizer.json: BPE, WordPiece, Unigram.
#include <cmath>

#include "runtime/text/ByteLevel.h"
#include "runtime/text/HuggingFace.h"
#include "runtime/text/Unigram.h"
#include "runtime/text/WordPiece.h"

namespace jinx::text {
namespace {

/// "vocab": text to id.
Expected<Vocabulary> vocabularyOf(const Json& part) {
  JINX_TRY_ASSIGN(const Json* object, objectField(part, "vocab"));
  Vocabulary names(object->size());
  for (const auto& [text, id] : object->items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(Vocabulary::kLargest))
      return isOther(id, "an id").withContext("vocab \"" + text + "\"");
    names.add(id.get<TokenId>(), text);
  }
  return names;
}

/// The id of the token that a field names; kNoToken without the field.
Expected<TokenId> tokenField(const Json& part, const char* field, const Vocabulary& names) {
  if (!findField(part, field)) return kNoToken;
  JINX_TRY_ASSIGN(std::string text, textField(part, field));
  const TokenId id = names.find(text);
  if (id == kNoToken) return invalidArgument("field \"" + std::string(field) + "\" is \"" + text + "\", which is no token");
  return id;
}

/// "merges": texts with a space, or pairs. The views are of the file.
Expected<std::vector<MergeText>> mergesOf(const Json& part) {
  JINX_TRY_ASSIGN(const Json* list, arrayField(part, "merges"));
  std::vector<MergeText> merges;
  merges.reserve(list->size());
  for (const Json& entry : *list) {
    if (entry.is_string()) {
      JINX_TRY_ASSIGN(MergeText merge, parseMerge(entry.get_ref<const std::string&>()));
      merges.push_back(merge);
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      merges.push_back({entry[0].get_ref<const std::string&>(), entry[1].get_ref<const std::string&>()});
    } else {
      return isOther(entry, "two texts").withContext("merge " + std::to_string(merges.size()));
    }
  }
  return merges;
}

Expected<HuggingFaceModel> makeBpe(const Json& part, bool bytes) {
  HuggingFaceModel made;
  BpeOptions options;
  options.bytes = bytes;
  JINX_TRY_ASSIGN(made.names, vocabularyOf(part));
  JINX_TRY_ASSIGN(options.unknown, tokenField(part, "unk_token", made.names));
  JINX_TRY_ASSIGN(options.prefix, textField(part, "continuing_subword_prefix", ""));
  JINX_TRY_ASSIGN(options.suffix, textField(part, "end_of_word_suffix", ""));
  JINX_TRY_ASSIGN(options.fuseUnknown, boolField(part, "fuse_unk", false));
  JINX_TRY_ASSIGN(options.byteFallback, boolField(part, "byte_fallback", false));
  JINX_TRY_ASSIGN(options.wholeWords, boolField(part, "ignore_merges", false));
  if (bytes && (!options.prefix.empty() || !options.suffix.empty()))
    return unimplemented("BPE of bytes with a continuing_subword_prefix or an end_of_word_suffix is not known");
  JINX_TRY_ASSIGN(std::vector<MergeText> merges, mergesOf(part));
  JINX_TRY_ASSIGN(MergeTable table, makeMergeTable(made.names, merges, options.prefix));
  made.unknown = options.unknown;
  Vocabulary found(made.names.size());
  for (size_t i = 0; i < made.names.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (made.names.bytes(id).empty()) continue;
    if (auto raw = bytes ? bytesOfByteLevel(made.names.bytes(id)) : std::string(made.names.bytes(id))) found.add(id, *raw);
  }
  if (found.size() == 0) return invalidArgument("the vocabulary has no tokens");
  made.model = std::make_unique<Bpe>(std::move(found), std::move(table), std::move(options));
  return made;
}

Expected<HuggingFaceModel> makeWordPiece(const Json& part) {
  HuggingFaceModel made;
  WordPieceOptions options;
  JINX_TRY_ASSIGN(made.names, vocabularyOf(part));
  JINX_TRY_ASSIGN(options.unknown, tokenField(part, "unk_token", made.names));
  JINX_TRY_ASSIGN(options.continuingPrefix, textField(part, "continuing_subword_prefix", "##"));
  JINX_TRY_ASSIGN(int64_t longest, integerField(part, "max_input_chars_per_word", 100));
  if (longest < 0) return invalidArgument("field \"max_input_chars_per_word\" is " + std::to_string(longest) + ", expected at least 0");
  options.longestWord = static_cast<size_t>(longest);
  made.unknown = options.unknown;
  made.model = std::make_unique<WordPiece>(made.names, std::move(options));
  return made;
}

Expected<HuggingFaceModel> makeUnigram(const Json& part) {
  HuggingFaceModel made;
  JINX_TRY_ASSIGN(const Json* list, arrayField(part, "vocab"));
  if (list->empty() || list->size() > static_cast<size_t>(Vocabulary::kLargest))
    return invalidArgument("the vocabulary has " + std::to_string(list->size()) + " tokens, expected 1 to " + std::to_string(Vocabulary::kLargest));
  made.names = Vocabulary(list->size());
  std::vector<double> scores;
  for (const Json& entry : *list) {
    const std::string where = "vocab " + std::to_string(scores.size());
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) return isOther(entry, "[text, score]").withContext(where);
    made.names.add(static_cast<TokenId>(scores.size()), entry[0].get_ref<const std::string&>());
    scores.push_back(entry[1].get<double>());
    if (!std::isfinite(scores.back())) return isOther(entry[1], "a finite score").withContext(where);
  }
  UnigramOptions options;
  JINX_TRY_ASSIGN(int64_t unknown, integerField(part, "unk_id", kNoToken));
  if (unknown < kNoToken || unknown >= static_cast<int64_t>(scores.size()))
    return invalidArgument("field \"unk_id\" is " + std::to_string(unknown) + ", expected an id of the vocabulary");
  made.unknown = options.unknown = static_cast<TokenId>(unknown);
  JINX_TRY_ASSIGN(options.byteFallback, boolField(part, "byte_fallback", false));
  const std::vector<PieceKind> kinds(scores.size(), PieceKind::kNormal);
  made.model = std::make_unique<Unigram>(made.names, std::move(scores), kinds, options);
  return made;
}

} // namespace

Expected<HuggingFaceModel> makeModel(const Json& part, bool bytes) {
  JINX_TRY_ASSIGN(std::string type, textField(part, "type", findField(part, "merges") ? "BPE" : ""));
  if (type == "BPE") return makeBpe(part, bytes);
  if (type == "WordPiece") return makeWordPiece(part);
  if (type == "Unigram") return makeUnigram(part);
  return unimplemented("a model of type \"" + type + "\" is not known, expected BPE, WordPiece or Unigram");
}

} // namespace jinx::text

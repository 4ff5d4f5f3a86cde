// Normalizers, pre-tokenizers, decoders and post-processors of tokenizer.json.
#include "runtime/text/Base64.h"
#include "runtime/text/HuggingFace.h"
#include "runtime/text/KnownPreTokenizers.h"

namespace jinx::text {
namespace {

Status unknownType(const std::string& type, const char* what) { return unimplemented(std::string(what) + " of type \"" + type + "\" is not known"); }

/// The "pattern" of a part: text as it is, or a regular expression.
struct TextOrPattern {
  std::string text;
  std::optional<Pattern> pattern;
};
Expected<TextOrPattern> patternOf(const Json& part) {
  TextOrPattern found;
  const Json* field = findField(part, "pattern");
  if (field && field->is_string()) {
    JINX_TRY_ASSIGN(found.text, textField(part, "pattern"));
  } else {
    JINX_TRY_ASSIGN(const Json* object, objectField(part, "pattern"));
    if (findField(*object, "Regex")) {
      JINX_TRY_ASSIGN(std::string text, textField(*object, "Regex"));
      JINX_TRY_ASSIGN(found.pattern, Pattern::compile(text));
      return found;
    }
    JINX_TRY_ASSIGN(found.text, textField(*object, "String"));
  }
  if (found.text.empty()) return invalidArgument("field \"pattern\" is empty");
  return found;
}

Expected<SplitBehavior> behaviorOf(const Json& part, std::string_view otherwise) {
  JINX_TRY_ASSIGN(std::string name, textField(part, "behavior", otherwise));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return invalidArgument("field \"behavior\" is \"" + name + "\", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

struct MetaspaceFields {
  std::string replacement;
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;
};
Expected<MetaspaceFields> metaspaceOf(const Json& part) {
  MetaspaceFields fields;
  JINX_TRY_ASSIGN(fields.replacement, textField(part, "replacement", "\u2581"));
  if (fields.replacement.empty()) return invalidArgument("field \"replacement\" is empty");
  JINX_TRY_ASSIGN(bool prefix, boolField(part, "add_prefix_space", true));
  JINX_TRY_ASSIGN(std::string scheme, textField(part, "prepend_scheme", prefix ? "always" : "never"));
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return invalidArgument("field \"prepend_scheme\" is \"" + scheme + "\", expected always, first or never");
  fields.scheme = scheme == "always" ? PrependScheme::kAlways : scheme == "first" ? PrependScheme::kFirst : PrependScheme::kNever;
  JINX_TRY_ASSIGN(fields.split, boolField(part, "split", true));
  return fields;
}

/// The parts of a Sequence, one after another.
template <typename Add>
Status addEach(const Json& part, const char* field, Add add) {
  JINX_TRY_ASSIGN(const Json* list, arrayField(part, field));
  for (size_t i = 0; i < list->size(); ++i)
    JINX_TRY(add((*list)[i], i + 1 == list->size()), std::string(field) + " " + std::to_string(i));
  return Status::ok();
}

Status addBert(const Json& part, Normalizer& normalizer) {
  BertNormalizerOptions options;
  JINX_TRY_ASSIGN(options.cleanText, boolField(part, "clean_text", true));
  JINX_TRY_ASSIGN(options.spacesAroundChinese, boolField(part, "handle_chinese_chars", true));
  JINX_TRY_ASSIGN(options.lowercase, boolField(part, "lowercase", true));
  JINX_TRY_ASSIGN(options.stripAccents, boolField(part, "strip_accents", options.lowercase));
  normalizer.add(makeBertNormalizer(options));
  return Status::ok();
}

Status addReplace(const Json& part, Normalizer& normalizer) {
  JINX_TRY_ASSIGN(TextOrPattern from, patternOf(part));
  JINX_TRY_ASSIGN(std::string to, textField(part, "content"));
  normalizer.add(from.pattern ? makeReplacePattern(*std::move(from.pattern), std::move(to)) : makeReplaceText(std::move(from.text), std::move(to)));
  return Status::ok();
}

Status addPrecompiled(const Json& part, Normalizer& normalizer) {
  JINX_TRY_ASSIGN(std::string text, textField(part, "precompiled_charsmap", ""));
  if (text.empty()) return Status::ok();
  auto bytes = decodeBase64(text);
  if (!bytes) return invalidArgument("field \"precompiled_charsmap\" is no base64");
  JINX_TRY_ASSIGN(CharsMap map, CharsMap::parse(*bytes));
  normalizer.add(makePrecompiled(std::move(map)));
  return Status::ok();
}

} // namespace

Status addNormalizer(const Json& part, Normalizer& normalizer) {
  JINX_TRY_ASSIGN(std::string type, textField(part, "type"));
  const auto add = [&](std::shared_ptr<const NormalizerStep> step) { return normalizer.add(std::move(step)), Status::ok(); };
  if (type == "Sequence") return addEach(part, "normalizers", [&](const Json& inner, bool) { return addNormalizer(inner, normalizer); });
  if (type == "NFC") return add(makeNormalForm(NormalForm::kNfc));
  if (type == "NFD") return add(makeNormalForm(NormalForm::kNfd));
  if (type == "NFKC") return add(makeNormalForm(NormalForm::kNfkc));
  if (type == "NFKD") return add(makeNormalForm(NormalForm::kNfkd));
  if (type == "Lowercase") return add(makeLowercase());
  if (type == "StripAccents") return add(makeStripAccents());
  if (type == "Nmt") return add(makeNmt());
  if (type == "BertNormalizer") return addBert(part, normalizer);
  if (type == "Replace") return addReplace(part, normalizer);
  if (type == "Precompiled") return addPrecompiled(part, normalizer);
  if (type == "Prepend") {
    JINX_TRY_ASSIGN(std::string text, textField(part, "prepend"));
    return add(makePrepend(std::move(text)));
  }
  if (type == "Strip") {
    JINX_TRY_ASSIGN(bool left, boolField(part, "strip_left", true));
    JINX_TRY_ASSIGN(bool right, boolField(part, "strip_right", true));
    return add(makeStrip(left, right));
  }
  return unknownType(type, "a normalizer");
}

namespace {

Status addByteLevel(const Json& part, PreTokenizer& preTokenizer) {
  JINX_TRY_ASSIGN(bool prefix, boolField(part, "add_prefix_space", true));
  JINX_TRY_ASSIGN(bool cut, boolField(part, "use_regex", true));
  if (prefix) preTokenizer.add(makePrefixSpace());
  if (!cut) return Status::ok();
  JINX_TRY_ASSIGN(Pattern pattern, Pattern::compile(kGpt2Pattern));
  preTokenizer.add(makeSplitPattern(std::move(pattern), SplitBehavior::kIsolated));
  return Status::ok();
}

Status addSplit(const Json& part, PreTokenizer& preTokenizer) {
  JINX_TRY_ASSIGN(TextOrPattern at, patternOf(part));
  JINX_TRY_ASSIGN(SplitBehavior behavior, behaviorOf(part, ""));
  JINX_TRY_ASSIGN(bool invert, boolField(part, "invert", false));
  preTokenizer.add(at.pattern ? makeSplitPattern(*std::move(at.pattern), behavior, invert) : makeSplitText(std::move(at.text), behavior, invert));
  return Status::ok();
}

Status addMetaspace(const Json& part, PreTokenizer& preTokenizer) {
  JINX_TRY_ASSIGN(MetaspaceFields fields, metaspaceOf(part));
  preTokenizer.add(makeMetaspace(fields.replacement, fields.scheme, fields.split));
  return Status::ok();
}

Status addWordsAndSigns(PreTokenizer& preTokenizer) {
  JINX_TRY_ASSIGN(Pattern pattern, Pattern::compile(R"([\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}]+|[^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\s]+)"));
  preTokenizer.add(makeSplitPattern(std::move(pattern), SplitBehavior::kRemoved, true));
  return Status::ok();
}

} // namespace

Status addPreTokenizer(const Json& part, PreTokenizer& preTokenizer, bool& bytes) {
  if (bytes) return unimplemented("a pre-tokenizer behind ByteLevel is not known");
  JINX_TRY_ASSIGN(std::string type, textField(part, "type"));
  const auto add = [&](std::shared_ptr<const PreTokenizerStep> step) { return preTokenizer.add(std::move(step)), Status::ok(); };
  if (type == "Sequence") return addEach(part, "pretokenizers", [&](const Json& inner, bool) { return addPreTokenizer(inner, preTokenizer, bytes); });
  if (type == "ByteLevel") return bytes = true, addByteLevel(part, preTokenizer);
  if (type == "BertPreTokenizer") return addBertPreTokenizer(preTokenizer), Status::ok();
  if (type == "Metaspace") return addMetaspace(part, preTokenizer);
  if (type == "Split") return addSplit(part, preTokenizer);
  if (type == "Whitespace") return addWordsAndSigns(preTokenizer);
  if (type == "WhitespaceSplit") return add(makeSplitCodes(isWhiteSpace, SplitBehavior::kRemoved));
  if (type == "Punctuation") {
    JINX_TRY_ASSIGN(SplitBehavior behavior, behaviorOf(part, "Isolated"));
    return add(makeSplitCodes(isSign, behavior));
  }
  if (type == "Digits") {
    JINX_TRY_ASSIGN(bool individual, boolField(part, "individual_digits", false));
    return add(makeSplitCodes(isNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  }
  if (type == "CharDelimiterSplit") {
    JINX_TRY_ASSIGN(std::string delimiter, textField(part, "delimiter"));
    if (delimiter.empty()) return invalidArgument("field \"delimiter\" is empty");
    return add(makeSplitText(std::move(delimiter), SplitBehavior::kRemoved));
  }
  return unknownType(type, "a pre-tokenizer");
}

namespace {

Status addDecodeReplace(const Json& part, Decoder& decoder) {
  JINX_TRY_ASSIGN(TextOrPattern from, patternOf(part));
  JINX_TRY_ASSIGN(std::string to, textField(part, "content"));
  decoder.add(from.pattern ? makeDecodeReplacePattern(*std::move(from.pattern), std::move(to))
                           : makeDecodeReplaceText(std::move(from.text), std::move(to)));
  return Status::ok();
}

Status addDecodeStrip(const Json& part, Decoder& decoder) {
  JINX_TRY_ASSIGN(std::string content, textField(part, "content"));
  JINX_TRY_ASSIGN(int64_t left, integerField(part, "start", 0));
  JINX_TRY_ASSIGN(int64_t right, integerField(part, "stop", 0));
  if (content.empty() || left < 0 || right < 0) return invalidArgument("a Strip decoder needs a content, and counts of at least 0");
  decoder.add(makeDecodeStrip(std::move(content), static_cast<size_t>(left), static_cast<size_t>(right)));
  return Status::ok();
}

Status addDecodeWordPiece(const Json& part, Decoder& decoder) {
  JINX_TRY_ASSIGN(std::string prefix, textField(part, "prefix", "##"));
  JINX_TRY_ASSIGN(bool cleanUp, boolField(part, "cleanup", true));
  decoder.add(makeDecodeWordPiece(std::move(prefix), cleanUp));
  return Status::ok();
}

} // namespace

Status addDecoder(const Json& part, Decoder& decoder) {
  JINX_TRY_ASSIGN(std::string type, textField(part, "type"));
  const auto add = [&](std::shared_ptr<const DecoderStep> step) { return decoder.add(std::move(step)), Status::ok(); };
  if (type == "Sequence") return addEach(part, "decoders", [&](const Json& inner, bool) { return addDecoder(inner, decoder); });
  if (type == "ByteLevel") return Status::ok(); // the vocabulary holds bytes
  if (type == "ByteFallback") return add(makeDecodeBytes(LooseBytes::kWholeRuns));
  if (type == "Fuse") return add(makeDecodeFuse());
  if (type == "Replace") return addDecodeReplace(part, decoder);
  if (type == "Strip") return addDecodeStrip(part, decoder);
  if (type == "WordPiece") return addDecodeWordPiece(part, decoder);
  if (type == "Metaspace") {
    JINX_TRY_ASSIGN(MetaspaceFields fields, metaspaceOf(part));
    return add(makeDecodeMetaspace(fields.replacement, fields.scheme));
  }
  if (type == "BPEDecoder") {
    JINX_TRY_ASSIGN(std::string suffix, textField(part, "suffix", "</w>"));
    if (suffix.empty()) return invalidArgument("field \"suffix\" is empty");
    return add(makeDecodeSuffix(std::move(suffix)));
  }
  return unknownType(type, "a decoder");
}

namespace {

/// BertProcessing and RobertaProcessing: "cls" and "sep" are [text, id].
Status addPairFrame(const Json& part, const char* field, size_t size, std::vector<TokenId>& ids) {
  JINX_TRY_ASSIGN(const Json* pair, arrayField(part, field));
  if (pair->size() != 2 || !(*pair)[1].is_number_unsigned() || (*pair)[1].get<uint64_t>() >= size)
    return isOther(*pair, "[text, id]").withContext(field);
  ids.push_back((*pair)[1].get<TokenId>());
  return Status::ok();
}

Status addSpecialIds(const Json& item, const Json& known, size_t size, std::vector<TokenId>& ids) {
  JINX_TRY_ASSIGN(std::string name, textField(item, "id"));
  JINX_TRY_ASSIGN(const Json* token, objectField(known, name.c_str()), "special_tokens");
  JINX_TRY_ASSIGN(const Json* list, arrayField(*token, "ids"), "special token \"" + name + "\"");
  for (const Json& id : *list) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= size) return isOther(id, "an id of the vocabulary").withContext("special token \"" + name + "\"");
    ids.push_back(id.get<TokenId>());
  }
  return Status::ok();
}

Status addTemplate(const Json& part, size_t size, std::vector<TokenId>& before, std::vector<TokenId>& after) {
  JINX_TRY_ASSIGN(const Json* single, arrayField(part, "single"));
  bool behind = false;
  for (const Json& item : *single) {
    if (findField(item, "Sequence")) {
      if (behind) return unimplemented("a template that has the text twice is not known");
      behind = true;
      continue;
    }
    JINX_TRY_ASSIGN(const Json* token, objectField(item, "SpecialToken"));
    JINX_TRY_ASSIGN(const Json* known, objectField(part, "special_tokens"));
    JINX_TRY(addSpecialIds(*token, *known, size, behind ? after : before));
  }
  return Status::ok();
}

} // namespace

Status addFrame(const Json& part, const Vocabulary& names, std::vector<TokenId>& before, std::vector<TokenId>& after) {
  JINX_TRY_ASSIGN(std::string type, textField(part, "type"));
  if (type == "ByteLevel") return Status::ok(); // it trims offsets
  if (type == "TemplateProcessing") return addTemplate(part, names.size(), before, after);
  if (type == "Sequence") return addEach(part, "processors", [&](const Json& inner, bool) { return addFrame(inner, names, before, after); });
  if (type != "BertProcessing" && type != "RobertaProcessing") return unknownType(type, "a post-processor");
  JINX_TRY(addPairFrame(part, "cls", names.size(), before));
  return addPairFrame(part, "sep", names.size(), after);
}

} // namespace jinx::text

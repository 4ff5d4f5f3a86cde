#include "runtime/text/RankTokenizer.h"

#include <charconv>

#include "runtime/text/Base64.h"
#include "runtime/text/ByteLevel.h"
#include "runtime/text/KnownPreTokenizers.h"

namespace jinx::text {
namespace {

Expected<PreTokenizer> preTokenizerOf(const RankOptions& options) {
  if (!options.preTokenizer.empty()) {
    JINX_TRY_ASSIGN(KnownPreTokenizer known, findPreTokenizer(options.preTokenizer));
    return std::move(known.preTokenizer);
  }
  JINX_TRY_ASSIGN(Pattern pattern, Pattern::compile(options.pattern));
  PreTokenizer made;
  made.add(makeSplitPattern(std::move(pattern), SplitBehavior::kIsolated));
  return made;
}

Status checkBytes(const Vocabulary& ranks) {
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    if (ranks.find({&byte, 1}) == kNoToken) return invalidArgument("byte " + std::to_string(b) + " alone has no rank");
  }
  return Status::ok();
}

Status addSpecial(const RankOptions& options, TokenizerParts& parts) {
  for (const auto& [text, id] : options.special) {
    if (id < 0 || id > Vocabulary::kLargest) return invalidArgument("control token \"" + text + "\" has id " + std::to_string(id) + ", expected an id");
    parts.vocabulary.add(id, text);
    parts.special.push_back(id);
    parts.added.push_back({id, text, true});
    if (text == "<|begin_of_text|>" || text == "<s>") parts.bos = id;
    if (text == "<|end_of_text|>" || text == "<|endoftext|>" || text == "</s>") parts.eos = id;
    if (text == "<pad>") parts.padding = id;
    if (text == "<unk>") parts.unknown = id;
  }
  return Status::ok();
}

/// \param ranks  tokens by id, lower ones first to merge
Expected<Tokenizer> makeFromRanks(Vocabulary ranks, const RankOptions& options) {
  JINX_TRY(checkBytes(ranks));
  TokenizerParts parts;
  parts.vocabulary = ranks;
  JINX_TRY(addSpecial(options, parts));
  JINX_TRY_ASSIGN(parts.preTokenizer, preTokenizerOf(options));
  BpeOptions bpe;
  bpe.bytes = bpe.ranks = bpe.wholeWords = true;
  parts.model = std::make_unique<Bpe>(std::move(ranks), MergeTable(), bpe);
  return Tokenizer::make(std::move(parts));
}

std::string_view takeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// "IQ== 0" into `ranks`. The empty token, which one of OpenAI's files has, is never found in text.
Status addRankLine(std::string_view line, Vocabulary& ranks) {
  const size_t space = line.find(' ');
  const auto bytes = decodeBase64(line.substr(0, space));
  TokenId rank = kNoToken;
  const std::string_view number = space == std::string_view::npos ? "" : line.substr(space + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), rank);
  const bool whole = error == std::errc() && end == number.data() + number.size();
  if (!bytes || !whole || rank < 0 || rank > Vocabulary::kLargest)
    return invalidArgument("is \"" + std::string(line.substr(0, 60)) + "\", expected base64, a space and a rank");
  if (!bytes->empty()) ranks.add(rank, *bytes);
  return Status::ok();
}

} // namespace

Expected<Tokenizer> parseTiktoken(std::string_view text, const RankOptions& options) {
  Vocabulary ranks;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = takeLine(text);
    if (!line.empty()) JINX_TRY(addRankLine(line, ranks), "line " + std::to_string(number));
  }
  return makeFromRanks(std::move(ranks), options);
}

namespace {

/// Control tokens of tekken files that do not list them, by their ids; the rest of their range are fillers.
RankOptions tekkenSpecial(int64_t count) {
  constexpr std::string_view kNames[] = {"<unk>",           "<s>",     "</s>",  "[INST]",   "[/INST]",  "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
                                         "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]",  "[MIDDLE]",           "[SUFFIX]"};
  RankOptions options;
  for (int64_t id = 0; id < count; ++id) {
    const auto index = static_cast<size_t>(id);
    options.special.push_back({index < std::size(kNames) ? std::string(kNames[index]) : "<SPECIAL_" + std::to_string(id) + ">", static_cast<TokenId>(id)});
  }
  return options;
}

Status readTekkenSpecial(const Json& file, RankOptions& options) {
  if (!findField(file, "special_tokens")) return Status::ok();
  JINX_TRY_ASSIGN(const Json* list, arrayField(file, "special_tokens"));
  for (const Json& entry : *list) {
    JINX_TRY_ASSIGN(int64_t rank, integerField(entry, "rank", -1));
    JINX_TRY_ASSIGN(std::string text, textField(entry, "token_str"));
    if (rank < 0 || rank >= static_cast<int64_t>(options.special.size()))
      return invalidArgument("control token \"" + text + "\" has rank " + std::to_string(rank) + ", expected 0 to " +
                             std::to_string(static_cast<int64_t>(options.special.size()) - 1));
    options.special[static_cast<size_t>(rank)].first = std::move(text);
  }
  return Status::ok();
}

} // namespace

Expected<Tokenizer> makeTekken(const Json& file) {
  JINX_TRY_ASSIGN(const Json* config, objectField(file, "config"));
  JINX_TRY_ASSIGN(const Json* list, arrayField(file, "vocab"));
  JINX_TRY_ASSIGN(int64_t numSpecial, integerField(*config, "default_num_special_tokens", 0));
  JINX_TRY_ASSIGN(int64_t size, integerField(*config, "default_vocab_size", 0));
  if (numSpecial < 0 || numSpecial > Vocabulary::kLargest || size < numSpecial || static_cast<uint64_t>(size - numSpecial) > list->size())
    return invalidArgument("default_vocab_size is " + std::to_string(size) + " with " + std::to_string(numSpecial) + " control tokens, expected at most the " +
                           std::to_string(list->size()) + " tokens listed behind these");
  RankOptions options = tekkenSpecial(numSpecial);
  JINX_TRY(readTekkenSpecial(file, options));
  JINX_TRY_ASSIGN(options.pattern, textField(*config, "pattern"));
  Vocabulary ranks(static_cast<size_t>(size));
  for (int64_t rank = 0; rank < size - numSpecial; ++rank) {
    const Json& entry = (*list)[static_cast<size_t>(rank)];
    JINX_TRY_ASSIGN(std::string text, textField(entry, "token_bytes"), "vocab " + std::to_string(rank));
    JINX_TRY_ASSIGN(int64_t given, integerField(entry, "rank", -1), "vocab " + std::to_string(rank));
    const auto bytes = decodeBase64(text);
    if (!bytes || bytes->empty() || given != rank)
      return invalidArgument("vocab " + std::to_string(rank) + " has rank " + std::to_string(given) + " and token_bytes \"" + text +
                             "\", expected its place and base64");
    ranks.add(static_cast<TokenId>(numSpecial + rank), *bytes);
  }
  JINX_TRY_ASSIGN(Tokenizer made, makeFromRanks(std::move(ranks), options));
  return made;
}

Expected<Tokenizer> parseGpt2Files(std::string_view encoderJson, std::string_view merges, const RankOptions& options) {
  JINX_TRY_ASSIGN(Json encoder, parseJson(encoderJson), "the vocabulary");
  std::vector<MergeText> list;
  for (size_t number = 1; !merges.empty(); ++number) {
    const std::string_view line = takeLine(merges);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    JINX_TRY_ASSIGN(MergeText merge, parseMerge(line), "line " + std::to_string(number) + " of the merges");
    list.push_back(merge);
  }
  if (!encoder.is_object()) return isOther(encoder, "an object of tokens and ids").withContext("the vocabulary");
  Vocabulary names(encoder.size()), bytes(encoder.size());
  TokenizerParts parts;
  for (const auto& [text, id] : encoder.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(Vocabulary::kLargest))
      return isOther(id, "an id").withContext("token \"" + text + "\"");
    const auto token = id.get<TokenId>();
    names.add(token, text);
    parts.vocabulary.add(token, byteLevelOrText(text));
    if (auto raw = bytesOfByteLevel(text); raw && !raw->empty()) bytes.add(token, *raw);
  }
  if (bytes.size() == 0) return invalidArgument("the vocabulary has no tokens");
  JINX_TRY_ASSIGN(MergeTable table, makeMergeTable(names, list));
  JINX_TRY_ASSIGN(parts.preTokenizer, preTokenizerOf(options));
  BpeOptions bpe;
  bpe.bytes = true;
  parts.model = std::make_unique<Bpe>(std::move(bytes), std::move(table), bpe);
  JINX_TRY(addSpecial(options, parts));
  return Tokenizer::make(std::move(parts));
}

} // namespace jinx::text

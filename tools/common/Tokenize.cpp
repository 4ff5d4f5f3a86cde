#include "tools/common/Tokenize.h"

#include <chrono>
#include <iostream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "runtime/text/OpenTokenizer.h"
#include "tools/common/Exit.h"

namespace jinx::tools {
namespace {

using Json = nlohmann::json;
using text::TokenId;
using text::Tokenizer;

struct TokenizeOptions {
  std::string file;
  text::OpenOptions open;
  std::vector<std::string> special;
  bool decode = false, jsonLines = false, pieces = false, stream = false, time = false, noFrame = false, keepSpecial = false;
  text::EncodeOptions encode;
};

std::string readInput() { return {std::istreambuf_iterator<char>(std::cin), {}}; }
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// TEXT=ID
Status parseSpecial(TokenizeOptions& options) {
  for (const std::string& given : options.special) {
    const size_t equals = given.rfind('=');
    const std::string number = equals == std::string::npos ? "" : given.substr(equals + 1);
    const bool good = !number.empty() && number.size() < 9 && number.find_first_not_of("0123456789") == std::string::npos && equals > 0;
    if (!good) return invalidArgument("--special " + given + ": expected TEXT=ID");
    options.open.special.push_back({given.substr(0, equals), static_cast<TokenId>(std::stol(number))});
  }
  return Status::ok();
}

/// A line's value: text, or an array of bytes for what is no UTF-8.
Expected<std::string> textOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string bytes;
  const bool isArray = value.is_array();
  for (const Json& byte : isArray ? value : Json::array()) {
    if (!byte.is_number_unsigned() || byte.get<uint64_t>() > 255) return invalidArgument("expected bytes from 0 to 255, got " + dump(byte));
    bytes.push_back(static_cast<char>(byte.get<int>()));
  }
  if (!isArray) return invalidArgument("expected a JSON string, or an array of bytes, got " + dump(value).substr(0, 60));
  return bytes;
}

Expected<std::vector<TokenId>> idsOf(const Json& value) {
  if (!value.is_array()) return invalidArgument("expected a JSON array of tokens, got " + dump(value).substr(0, 60));
  std::vector<TokenId> ids;
  for (const Json& id : value) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > INT32_MAX) return invalidArgument("expected a token, got " + dump(id));
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

/// The text that comes out with each token, and at the end.
Expected<std::vector<std::string>> streamed(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, text::DecodeOptions options) {
  text::Detokenizer detokenizer(tokenizer, options);
  std::vector<std::string> texts;
  for (TokenId id : ids) {
    JINX_TRY_ASSIGN(std::string text, detokenizer.push(id));
    texts.push_back(std::move(text));
  }
  texts.push_back(detokenizer.finish());
  return texts;
}

Expected<Json> answerLine(const Tokenizer& tokenizer, const TokenizeOptions& options, const std::string& line) {
  const Json value = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return invalidArgument("is no JSON: " + line.substr(0, 60));
  if (!options.decode) {
    JINX_TRY_ASSIGN(std::string text, textOf(value));
    JINX_TRY_ASSIGN(std::vector<TokenId> ids, tokenizer.encode(text, options.encode));
    return Json(ids);
  }
  JINX_TRY_ASSIGN(std::vector<TokenId> ids, idsOf(value));
  if (options.stream) {
    JINX_TRY_ASSIGN(std::vector<std::string> texts, streamed(tokenizer, ids, {!options.keepSpecial}));
    return Json(texts);
  }
  JINX_TRY_ASSIGN(std::string text, tokenizer.decode(ids, {!options.keepSpecial}));
  return Json(text);
}

Status answerLines(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    JINX_TRY_ASSIGN(Json answer, answerLine(tokenizer, options, line), "line " + std::to_string(number));
    std::cout << dump(answer) << '\n';
  }
  return Status::ok();
}

Status encodeInput(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  const std::string input = readInput();
  const auto start = std::chrono::steady_clock::now();
  JINX_TRY_ASSIGN(std::vector<TokenId> ids, tokenizer.encode(input, options.encode));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!options.pieces) std::cout << (i > 0 ? " " : "") << ids[i];
    else std::cout << ids[i] << '\t' << dump(Json(std::string(tokenizer.tokenText(ids[i])))) << '\n';
  }
  if (!options.pieces) std::cout << '\n';
  if (options.time)
    std::cerr << input.size() << " bytes, " << ids.size() << " tokens, " << took.count() * 1e3 << " ms, " << static_cast<double>(input.size()) / took.count() / 1e6
              << " MB/s\n";
  return Status::ok();
}

Status decodeInput(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::vector<TokenId> ids;
  std::string word;
  while (std::cin >> word) {
    if (word.size() > 9 || word.find_first_not_of("0123456789") != std::string::npos) return invalidArgument("expected tokens, got \"" + word + "\"");
    ids.push_back(static_cast<TokenId>(std::stol(word)));
  }
  JINX_TRY_ASSIGN(std::string text, tokenizer.decode(ids, {!options.keepSpecial}));
  std::cout << text;
  return Status::ok();
}

Status tokenize(TokenizeOptions options) {
  options.encode.addSpecial = !options.noFrame;
  JINX_TRY(parseSpecial(options));
  JINX_TRY_ASSIGN(Tokenizer tokenizer, text::openTokenizer(options.file, options.open));
  std::ios::sync_with_stdio(false);
  JINX_TRY(options.jsonLines ? answerLines(tokenizer, options) : options.decode ? decodeInput(tokenizer, options) : encodeInput(tokenizer, options));
  std::cout.flush();
  return Status::ok();
}

} // namespace

void addTokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Turn text from standard input into tokens, or tokens into text");
  command->add_option("FILE", options->file, "A GGUF model, tokenizer.json, tokenizer.model, or a file of ranks")->required();
  command->add_flag("--decode", options->decode, "Read tokens, print text");
  command->add_flag("--no-frame", options->noFrame, "Without the tokens that the file puts around a text, such as <s>");
  command->add_flag("--parse-special", options->encode.parseSpecial, "Control tokens written in the text become those tokens");
  command->add_flag("--keep-special", options->keepSpecial, "With --decode: show control tokens");
  command->add_flag("--pieces", options->pieces, "Print a line for each token, with its text");
  command->add_flag("--json-lines", options->jsonLines, "Each line is a text as JSON (a string, or an array of bytes) or, with --decode, an array of tokens");
  command->add_flag("--stream", options->stream, "With --decode and --json-lines: the text that comes out with each token, and at the end");
  command->add_flag("--time", options->time, "Print how long it took");
  command->add_option("--pre", options->open.preTokenizer, "Pre-tokenizer of a file of ranks: gpt-2, llama-bpe, qwen2, o200k …")->capture_default_str();
  command->add_option("--merges", options->open.merges, "vocab.bpe, when FILE is GPT-2's encoder.json")->type_name("FILE");
  addRepeated(*command, "--special", options->special, "A control token of a file of ranks")->type_name("TEXT=ID");
  command->callback([options, &action] { action = [options] { return report(tokenize(*options)); }; });
}

} // namespace jinx::tools

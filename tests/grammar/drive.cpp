// Grammars as a program for tests: a line of JSON in, a line of JSON out.
//
//   {"tokenizer": FILE, "end": [id, …]}                           {"vocabulary": n}
//   {"compile": "json" | "regex" | "gbnf" | "any", "source": TEXT}  {"ms": time}, or {"error": TEXT}
//   {"match": [HEX, …]}                                           {"matches": [[length, complete], …]}
//   {"walk": [id, …], "masks": true}                              {"ns": [of each mask], "masks": [HEX, …]}, one for each prefix of the tokens, or {"error": TEXT}
//   {"mask": [id, …]}                                             {"mask": HEX}, with the request's mask that the last line of this kind had
#include <chrono>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "runtime/grammar/Grammar.h"
#include "runtime/text/OpenTokenizer.h"

namespace jinx::grammar {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

int64_t nanosecondsSince(Clock::time_point begin) { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count(); }

/// Bit by bit from the lowest one of the first word on, as bytes.
std::string hexOf(std::span<const uint64_t> words) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (uint64_t word : words)
    for (int shift = 0; shift < 64; shift += 8) {
      hex += kDigits[word >> (shift + 4) & 15];
      hex += kDigits[word >> shift & 15];
    }
  return hex;
}

std::string bytesOf(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

class Driver {
 public:
  Expected<Json> answer(const Json& line) {
    if (line.contains("tokenizer")) return openTable(line);
    if (line.contains("compile")) return compile(line);
    if (!grammar_) return invalidArgument("no grammar");
    if (line.contains("match")) return matchTexts(line["match"]);
    if (!table_) return invalidArgument("no tokenizer");
    if (line.contains("walk")) return walk(line);
    return maskOf(line.at("mask").get<std::vector<int32_t>>());
  }

 private:
  Expected<Json> openTable(const Json& line) {
    JINX_TRY_ASSIGN(const text::Tokenizer tokenizer, text::openTokenizer(line["tokenizer"].get<std::string>()));
    JINX_TRY_ASSIGN(table_, TokenTable::make(tokenizer, line["end"].get<std::vector<int32_t>>()));
    return Json{{"vocabulary", table_->vocabulary()}};
  }
  Expected<Json> compile(const Json& line) {
    const std::string kind = line["compile"], source = line.value("source", "");
    grammar_ = nullptr, mask_ = nullptr;
    Limits limits;
    limits.compileSeconds = line.value("seconds", limits.compileSeconds);
    const auto begin = Clock::now();
    JINX_TRY_ASSIGN(grammar_, kind == "json" ? compileJsonSchema(source, limits) : kind == "regex" ? compileRegex(source, limits) : kind == "gbnf" ? compileGbnf(source, limits) : anyJson());
    return Json{{"ms", static_cast<double>(nanosecondsSince(begin)) / 1e6}};
  }
  Expected<Json> matchTexts(const Json& texts) {
    Json matches = Json::array();
    for (const Json& hex : texts) {
      JINX_TRY_ASSIGN(const Match match, grammar::match(*grammar_, bytesOf(hex)));
      matches.push_back({match.length, match.isComplete});
    }
    return Json{{"matches", matches}};
  }
  Expected<Json> walk(const Json& line) {
    const auto tokens = line["walk"].get<std::vector<int32_t>>();
    const auto mask = makeMask(grammar_, table_);
    Json ns = Json::array(), masks = Json::array();
    for (size_t i = 0; i <= tokens.size(); ++i) {
      const auto begin = Clock::now();
      const auto bits = mask->allowed(std::span(tokens).first(i));
      ns.push_back(nanosecondsSince(begin));
      JINX_TRY(bits.status(), "at token " + std::to_string(i));
      if (line.value("masks", false)) masks.push_back(hexOf(*bits));
    }
    return Json{{"ns", ns}, {"masks", masks}};
  }
  Expected<Json> maskOf(const std::vector<int32_t>& tokens) {
    if (!mask_) mask_ = makeMask(grammar_, table_);
    JINX_TRY_ASSIGN(const auto bits, mask_->allowed(tokens));
    return Json{{"mask", hexOf(bits)}};
  }

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<engine::TokenMask> mask_;
};

} // namespace
} // namespace jinx::grammar

int main() {
  jinx::grammar::Driver driver;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto answer = driver.answer(nlohmann::json::parse(line));
    std::cout << (answer ? *answer : nlohmann::json{{"error", answer.status().message()}}).dump() << std::endl;
  }
}

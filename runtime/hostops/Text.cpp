// Operators on strings. Strings are UTF-8. The ai.onnx.ml operators of this family are in Ml*.cpp.
#include <algorithm>
#include <map>

#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/Operands.h"
#include "runtime/hostops/TextRegex.h"
#include "runtime/hostops/TextUtf8.h"

namespace jinx {

std::span<const HostOpEntry> mlHostOps();     // Ml.cpp
std::span<const HostOpEntry> mlTreeHostOps(); // MlTree.cpp
std::span<const HostOpEntry> mlSvmHostOps();  // MlSvm.cpp

namespace {

Expected<Tensor> strings(const HostOpCall& call, size_t i, std::string_view what) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
  if (x.dtype() != DType::kString)
    return call.error("'" + std::string(what) + "' is " + x.describe() + ", expected strings");
  return x;
}

Status stringConcat(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, strings(call, 0, "X"));
  JINX_TRY_ASSIGN(Tensor y, strings(call, 1, "Y"));
  JINX_TRY_ASSIGN(Shape shape, operands::broadcast(call, x.shape(), y.shape()));
  JINX_TRY_ASSIGN(Tensor z, operands::allocate(call, DType::kString, shape));
  const Shape sx = operands::broadcastStrides(x.shape(), shape), sy = operands::broadcastStrides(y.shape(), shape);
  const Shape strides = rowMajorStrides(shape);
  for (int64_t i = 0; i < z.size(); ++i) {
    int64_t ix = 0, iy = 0;
    for (size_t k = 0; k < shape.size(); ++k) {
      const int64_t at = i / strides[k] % shape[k];
      ix += at * sx[k];
      iy += at * sy[k];
    }
    z.setString(i, x.getString(ix) + y.getString(iy));
  }
  call.outputs[0] = z;
  return Status::ok();
}

/// Splits at every `delimiter`, at most `limit` times; negative: no limit.
std::vector<std::string> splitAt(const std::string& text, const std::string& delimiter, int64_t limit) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t end = text.find(delimiter, start);
    if (end == std::string::npos) break;
    parts.push_back(text.substr(start, end - start));
    start = end + delimiter.size();
  }
  parts.push_back(text.substr(start));
  return parts;
}

/// Splits at runs of white space, leading and trailing ones removed. What is left after the last split keeps its
/// trailing space.
std::vector<std::string> splitAtSpace(const std::string& text, int64_t limit) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    if (utf8::isSpace(utf8::next(text, &next))) {
      at = next;
      continue;
    }
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(text.substr(at));
      break;
    }
    const size_t start = at;
    while (at < text.size()) {
      next = at;
      if (utf8::isSpace(utf8::next(text, &next))) break;
      at = next;
    }
    parts.push_back(text.substr(start, at - start));
  }
  return parts;
}

Status stringSplit(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, strings(call, 0, "X"));
  const std::string delimiter = call.attributes->getString("delimiter", "");
  const int64_t limit = call.attributes->getInt("maxsplit", -1);
  std::vector<std::vector<std::string>> parts;
  size_t most = 0;
  Tensor counts = Tensor::make(DType::kI64, x.shape());
  for (int64_t i = 0; i < x.size(); ++i) {
    parts.push_back(delimiter.empty() ? splitAtSpace(x.getString(i), limit)
                                      : splitAt(x.getString(i), delimiter, limit));
    most = std::max(most, parts.back().size());
    counts.setInt(i, static_cast<int64_t>(parts.back().size()));
  }
  Shape shape = x.shape();
  shape.push_back(static_cast<int64_t>(most));
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, DType::kString, shape));
  for (size_t i = 0; i < parts.size(); ++i)
    for (size_t j = 0; j < parts[i].size(); ++j)
      y.setString(static_cast<int64_t>(i * most + j), std::move(parts[i][j]));
  operands::give(call, 0, y);
  operands::give(call, 1, counts);
  return Status::ok();
}

Status stringNormalizer(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, strings(call, 0, "X"));
  if (!(x.rank() == 1 || (x.rank() == 2 && x.dim(0) == 1)))
    return call.error("'X' is " + x.describe() + ", expected [C] or [1,C]");
  const Attributes& a = *call.attributes;
  const std::string action = a.getString("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    return call.error("'case_change_action' is '" + action + "', expected 'NONE', 'LOWER' or 'UPPER'");
  const bool caseSensitive = a.getInt("is_case_sensitive", 0) != 0;
  const utf8::CaseMap caseMap(a.getString("locale", ""));
  std::vector<std::string> stopwords = a.getStrings("stopwords");
  if (!caseSensitive)
    for (std::string& word : stopwords)
      word = caseMap.lower(word);

  std::vector<std::string> kept;
  for (int64_t i = 0; i < x.size(); ++i) {
    const std::string& word = x.getString(i);
    const std::string key = caseSensitive ? word : caseMap.lower(word);
    if (std::find(stopwords.begin(), stopwords.end(), key) != stopwords.end()) continue;
    kept.push_back(action == "LOWER" ? caseMap.lower(word) : action == "UPPER" ? caseMap.upper(word) : word);
  }
  if (kept.empty()) kept.emplace_back(); // the specification wants one empty string
  Shape shape(x.shape().size(), 1);
  shape.back() = static_cast<int64_t>(kept.size());
  Tensor y = Tensor::make(DType::kString, shape);
  for (size_t i = 0; i < kept.size(); ++i)
    y.setString(static_cast<int64_t>(i), std::move(kept[i]));
  call.outputs[0] = y;
  return Status::ok();
}

Status regexFullMatch(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, strings(call, 0, "X"));
  Expected<Regex> regex = Regex::compile(call.attributes->getString("pattern", ""));
  if (!regex) return regex.status().withContext(call.error("attribute 'pattern'").message());
  Tensor y = Tensor::make(DType::kBool, x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    y.setInt(i, regex->fullMatch(x.getString(i)));
  call.outputs[0] = y;
  return Status::ok();
}

/// The n-grams of a TfIdfVectorizer: a word list to its number in the pool. Words are kept as text: integers print
/// uniquely.
struct NgramPool {
  std::map<std::vector<std::string>, int64_t> numberOf;
  std::vector<int64_t> columnOf; ///< output coordinate of each n-gram
  std::vector<double> weights;
  int64_t minLength, maxLength, maxSkip, columns;
  bool ofStrings;
};

Expected<NgramPool> ngramPool(const HostOpCall& call) {
  const Attributes& a = *call.attributes;
  NgramPool pool{.numberOf = {},
                 .columnOf = a.getInts("ngram_indexes"),
                 .weights = a.getFloats("weights"),
                 .minLength = a.getInt("min_gram_length", 1),
                 .maxLength = a.getInt("max_gram_length", 1),
                 .maxSkip = a.getInt("max_skip_count", 0),
                 .columns = 0,
                 .ofStrings = a.has("pool_strings")};
  std::vector<std::string> words = a.getStrings("pool_strings");
  if (!pool.ofStrings)
    for (int64_t word : a.getInts("pool_int64s"))
      words.push_back(std::to_string(word));
  std::vector<int64_t> starts = a.getInts("ngram_counts");
  if (pool.minLength < 1 || pool.maxLength < pool.minLength || pool.maxSkip < 0)
    return call.error("'min_gram_length', 'max_gram_length' and 'max_skip_count' are " +
                      std::to_string(pool.minLength) + ", " + std::to_string(pool.maxLength) + " and " +
                      std::to_string(pool.maxSkip) + ", expected 1 <= min <= max and skip >= 0");
  starts.push_back(static_cast<int64_t>(words.size()));
  pool.maxLength = std::min(pool.maxLength, static_cast<int64_t>(starts.size()) - 1); // the pool has none longer
  int64_t number = 0;
  for (size_t n = 1; n < starts.size(); ++n) {
    const int64_t length = static_cast<int64_t>(n);
    if (starts[n - 1] < 0 || starts[n] < starts[n - 1] || starts[n] > static_cast<int64_t>(words.size()) ||
        (starts[n] - starts[n - 1]) % length != 0)
      return call.error("'ngram_counts' gives " + std::to_string(length) + "-grams the pool's entries from " +
                        std::to_string(starts[n - 1]) + " to " + std::to_string(starts[n]) +
                        ", expected a range of a multiple of " + std::to_string(length) + " entries");
    for (int64_t at = starts[n - 1]; at < starts[n]; at += length, ++number)
      pool.numberOf.emplace(std::vector<std::string>(words.begin() + at, words.begin() + at + length), number);
  }
  if (static_cast<int64_t>(pool.columnOf.size()) != number)
    return call.error("'ngram_indexes' has " + std::to_string(pool.columnOf.size()) + " entries, expected " +
                      std::to_string(number) + ", one an n-gram of the pool");
  for (int64_t column : pool.columnOf) {
    if (column < 0) return call.error("'ngram_indexes' holds " + std::to_string(column) + ", expected values >= 0");
    pool.columns = std::max(pool.columns, column + 1);
  }
  if (!pool.weights.empty() && pool.weights.size() != pool.columnOf.size())
    return call.error("'weights' has " + std::to_string(pool.weights.size()) + " entries, expected " +
                      std::to_string(number));
  return pool;
}

Status tfIdfVectorizer(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(NgramPool pool, ngramPool(call));
  const std::string mode = call.attributes->getString("mode", "TF");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    return call.error("'mode' is '" + mode + "', expected 'TF', 'IDF' or 'TFIDF'");
  if (x.rank() > 2 || pool.ofStrings != (x.dtype() == DType::kString) || !(pool.ofStrings || isInteger(x.dtype())))
    return call.error("'X' is " + x.describe() + ", expected [C] or [N,C] of " +
                      (pool.ofStrings ? "strings" : "integers") + " as in the pool");
  const int64_t rows = x.rank() == 2 ? x.dim(0) : 1, length = x.rank() == 0 ? 1 : x.dim(-1);
  JINX_TRY_ASSIGN(
      Tensor y, operands::allocate(call, DType::kF32, x.rank() == 2 ? Shape{rows, pool.columns} : Shape{pool.columns}));
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> counts(pool.columnOf.size(), 0);
    std::vector<std::string> gram;
    for (int64_t n = pool.minLength; n <= pool.maxLength; ++n)
      for (int64_t stride = 1; stride - 1 <= pool.maxSkip; ++stride) {
        if (n == 1 && stride > 1) break; // one word has no gaps: it is counted once
        if (n > 1 && stride > (length - 1) / (n - 1)) break;
        for (int64_t start = 0; start + (n - 1) * stride < length; ++start) {
          gram.clear();
          for (int64_t k = 0; k < n; ++k) {
            const int64_t at = row * length + start + k * stride;
            gram.push_back(pool.ofStrings ? x.getString(at) : std::to_string(x.getInt(at)));
          }
          if (auto found = pool.numberOf.find(gram); found != pool.numberOf.end())
            counts[static_cast<size_t>(found->second)] += 1;
        }
      }
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const double weight = pool.weights.empty() || mode == "TF" ? 1 : pool.weights[i];
      const int64_t at = row * pool.columns + pool.columnOf[i];
      y.setDouble(at, y.getDouble(at) + (mode == "IDF" ? 1 : counts[i]) * weight);
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "StringConcat", 20, stringConcat},         {"", "StringSplit", 20, stringSplit},
    {"", "StringNormalizer", 10, stringNormalizer}, {"", "RegexFullMatch", 20, regexFullMatch},
    {"", "TfIdfVectorizer", 9, tfIdfVectorizer},
};

} // namespace

std::span<const HostOpEntry> textHostOps() {
  static const std::vector<HostOpEntry> rows = [] {
    std::vector<HostOpEntry> all(std::begin(kRows), std::end(kRows));
    for (const auto more : {mlHostOps(), mlTreeHostOps(), mlSvmHostOps()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

} // namespace jinx

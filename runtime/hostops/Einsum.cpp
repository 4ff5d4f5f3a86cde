// Einsum: parse the equation, then contract the operands left to right, each pair as one batched matrix product.
//
// Worked example, "bij,bjk->bki" with b = 2, i = 3, j = 4, k = 5: labels of both operands that the result keeps are the
// batch (b), those that nothing after needs are summed (j), the rest are rows (i) and columns (k). The operands are
// permuted to [b][i][j] and [b][j][k], multiplied, and the result [b][i][k] is permuted to [b][k][i].
//
// An ellipsis stands for labels of its own, numbered from the right. A dimension of 1 where the label is larger
// elsewhere is dropped from its operand, which is what broadcasting means in a sum of products.
#include <algorithm>
#include <map>
#include <set>

#include "runtime/hostops/MatmulPlan.h"

namespace jinx::dense {
namespace {

using Labels = std::vector<int>;
constexpr int kEllipsis = 1000; // label of its last dimension; the one before is kEllipsis + 1, …

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
};

template <typename T>
struct Operand {
  std::vector<T> data;
  Labels labels;
  Shape shape;
};

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// One term to labels; `ellipsisRank` is how many dimensions an ellipsis stands for.
Status parseTerm(const HostOpCall& call, const std::string& term, int64_t ellipsisRank, Labels& out) {
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == '.') {
      if (term.compare(i, 3, "...") != 0 || term.find('.', i + 3) != std::string::npos)
        return call.error("attribute equation has a malformed ellipsis in '" + term + "'");
      for (int64_t d = ellipsisRank; d-- > 0;)
        out.push_back(kEllipsis + static_cast<int>(d));
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      out.push_back(term[i]);
    } else {
      return call.error("attribute equation has '" + std::string(1, term[i]) + "' in '" + term +
                        "', expected letters and '...'");
    }
  }
  return Status::ok();
}

int64_t countLetters(const std::string& term) {
  return std::count_if(term.begin(), term.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
}

Expected<Equation> parse(const HostOpCall& call, std::string text, const std::vector<Tensor>& inputs) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (char c : left)
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  if (terms.size() != inputs.size())
    return call.error("attribute equation '" + text + "' has " + str(terms.size()) + " terms, expected " +
                      str(inputs.size()) + " (operands)");
  Equation eq;
  eq.inputs.resize(terms.size());
  int64_t widest = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const bool ellipsis = terms[i].find('.') != std::string::npos;
    const int64_t rest = inputs[i].rank() - countLetters(terms[i]);
    if (rest < 0 || (rest > 0 && !ellipsis))
      return call.error("operand " + str(i) + " is " + inputs[i].describe() + ", expected rank " +
                        str(countLetters(terms[i])) + " (term '" + terms[i] + "')");
    widest = std::max(widest, rest);
    JINX_TRY(parseTerm(call, terms[i], rest, eq.inputs[i]));
  }
  if (arrow != std::string::npos) {
    JINX_TRY(parseTerm(call, text.substr(arrow + 2), widest, eq.output));
    for (int label : eq.output) {
      const bool known = label >= kEllipsis || std::any_of(eq.inputs.begin(), eq.inputs.end(),
                                                           [&](const Labels& l) { return contains(l, label); });
      if (!known || std::count(eq.output.begin(), eq.output.end(), label) != 1)
        return call.error("attribute equation '" + text + "' has the output label '" +
                          std::string(1, static_cast<char>(label)) +
                          (known ? "' twice, expected each once" : "', which no operand has"));
    }
    return eq;
  }
  std::map<int, int> seen;
  for (const Labels& labels : eq.inputs)
    for (int label : labels)
      ++seen[label];
  for (int64_t d = widest; d-- > 0;)
    eq.output.push_back(kEllipsis + static_cast<int>(d));
  for (auto [label, times] : seen)
    if (label < kEllipsis && times == 1) eq.output.push_back(label);
  return eq;
}

/// Takes the diagonal of repeated labels and drops broadcast dimensions.
template <typename T>
Operand<T> normalize(std::vector<T> data, const Shape& shape, const Labels& labels,
                     const std::map<int, int64_t>& extent) {
  Operand<T> out;
  std::vector<int64_t> strides;
  const Shape own = rowMajorStrides(shape);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (shape[i] == 1 && extent.at(labels[i]) != 1) continue;
    const auto at = std::find(out.labels.begin(), out.labels.end(), labels[i]);
    if (at != out.labels.end()) {
      strides[at - out.labels.begin()] += own[i];
      continue;
    }
    out.labels.push_back(labels[i]);
    out.shape.push_back(shape[i]);
    strides.push_back(own[i]);
  }
  if (out.labels.size() == labels.size()) {
    out.data = std::move(data);
    return out;
  }
  out.data.resize(numElements(out.shape));
  if (out.data.empty()) return out;
  std::vector<int64_t> index(out.shape.size(), 0);
  size_t to = 0;
  do {
    int64_t at = 0;
    for (size_t i = 0; i < index.size(); ++i)
      at += index[i] * strides[i];
    out.data[to++] = data[at];
  } while (nextIndex(index, out.shape));
  return out;
}

template <typename T>
Operand<T> arranged(const Operand<T>& x, const Labels& order) {
  std::vector<int64_t> perm;
  Operand<T> out;
  out.labels = order;
  for (int label : order) {
    perm.push_back(std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin());
    out.shape.push_back(x.shape[perm.back()]);
  }
  out.data = order == x.labels ? x.data : permuted(x.data, x.shape, perm);
  return out;
}

/// Sums over every label outside `keep`.
template <typename T>
Operand<T> sumOut(const Operand<T>& x, const std::set<int>& keep) {
  Labels kept, summed;
  for (int label : x.labels)
    (keep.count(label) ? kept : summed).push_back(label);
  if (summed.empty()) return x;
  Labels order = kept;
  order.insert(order.end(), summed.begin(), summed.end());
  const Operand<T> in = arranged(x, order);
  Operand<T> out;
  out.labels = kept;
  out.shape.assign(in.shape.begin(), in.shape.begin() + kept.size());
  const int64_t rows = numElements(out.shape), cols = product(in.shape, kept.size(), in.shape.size());
  out.data.assign(rows, T(0));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      out.data[r] += in.data[r * cols + c];
  return out;
}

void multiply(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c) {
  gemm(m, n, k, rowMajor(a, k), rowMajor(b, n), c, n);
}
void multiply(int64_t m, int64_t n, int64_t k, const uint64_t* a, const uint64_t* b, uint64_t* c) {
  gemmInt(m, n, k, a, b, c);
}

template <typename T>
Operand<T> contract(const Operand<T>& a, const Operand<T>& b, const std::set<int>& keep) {
  Labels batch, rows, cols, summed;
  for (int label : a.labels) {
    if (!contains(b.labels, label))
      rows.push_back(label);
    else
      (keep.count(label) ? batch : summed).push_back(label);
  }
  for (int label : b.labels)
    if (!contains(a.labels, label)) cols.push_back(label);
  auto joined = [](const Labels& x, const Labels& y, const Labels& z) {
    Labels out = x;
    out.insert(out.end(), y.begin(), y.end());
    out.insert(out.end(), z.begin(), z.end());
    return out;
  };
  const Operand<T> left = arranged(a, joined(batch, rows, summed)), right = arranged(b, joined(batch, summed, cols));
  const size_t nb = batch.size(), nr = rows.size(), ns = summed.size();
  Operand<T> out;
  out.labels = joined(batch, rows, cols);
  out.shape.assign(left.shape.begin(), left.shape.begin() + nb + nr);
  out.shape.insert(out.shape.end(), right.shape.begin() + nb + ns, right.shape.end());
  const int64_t count = product(left.shape, 0, nb), m = product(left.shape, nb, nb + nr),
                k = product(left.shape, nb + nr, left.shape.size());
  const int64_t n = product(right.shape, nb + ns, right.shape.size());
  out.data.assign(count * m * n, T(0));
  for (int64_t i = 0; i < count; ++i)
    multiply(m, n, k, left.data.data() + i * m * k, right.data.data() + i * k * n, out.data.data() + i * m * n);
  return out;
}

template <typename T>
Operand<T> evaluate(std::vector<Operand<T>> operands, const Labels& output) {
  auto needed = [&](size_t next) {
    std::set<int> keep(output.begin(), output.end());
    for (size_t i = next; i < operands.size(); ++i)
      keep.insert(operands[i].labels.begin(), operands[i].labels.end());
    return keep;
  };
  Operand<T> acc = sumOut(operands[0], needed(1));
  for (size_t i = 1; i < operands.size(); ++i) {
    const std::set<int> keep = needed(i + 1);
    std::set<int> keepHere = keep; // labels only `b` has and nobody else needs go first
    keepHere.insert(acc.labels.begin(), acc.labels.end());
    acc = contract(acc, sumOut(operands[i], keepHere), keep);
    acc = sumOut(acc, keep);
  }
  return arranged(acc, output);
}

} // namespace

Status einsum(HostOpCall& call) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    JINX_TRY_ASSIGN(Tensor t, call.tensor(i));
    inputs.push_back(t);
    if (t.dtype() != inputs[0].dtype())
      return call.error("operand " + str(i) + " is " + t.describe() + ", expected the element type of operand 0, " +
                        inputs[0].describe());
  }
  if (inputs.empty()) return call.error("has no operands, expected 1 or more");
  JINX_TRY_ASSIGN(Equation eq, parse(call, call.attributes->getString("equation", ""), inputs));
  std::map<int, int64_t> extent;
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t d = 0; d < eq.inputs[i].size(); ++d) {
      const int64_t size = inputs[i].dim(d);
      auto [at, fresh] = extent.emplace(eq.inputs[i][d], size);
      if (fresh || at->second == size || size == 1) continue;
      if (at->second != 1)
        return call.error("dimension " + str(d) + " of operand " + str(i) + " is " + str(size) + ", expected " +
                          str(at->second) + " (same label before)");
      at->second = size;
    }
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t d = 0; d < eq.inputs[i].size(); ++d)
      for (size_t e = 0; e < d; ++e)
        if (eq.inputs[i][d] == eq.inputs[i][e] && inputs[i].dim(d) != inputs[i].dim(e))
          return call.error("operand " + str(i) + " is " + inputs[i].describe() +
                            ", expected equal sizes for its repeated label");
  Shape shape;
  for (int label : eq.output) {
    if (!extent.count(label)) extent[label] = 1;
    shape.push_back(extent[label]);
  }
  JINX_TRY(checkShapeSize(call, shape, "output"));
  if (isInteger(inputs[0].dtype())) {
    std::vector<Operand<uint64_t>> operands;
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::vector<uint64_t> data(inputs[i].size());
      for (size_t e = 0; e < data.size(); ++e)
        data[e] = static_cast<uint64_t>(inputs[i].getInt(e));
      operands.push_back(normalize(std::move(data), inputs[i].shape(), eq.inputs[i], extent));
    }
    const Operand<uint64_t> y = evaluate(std::move(operands), eq.output);
    Tensor out = Tensor::make(inputs[0].dtype(), shape);
    for (int64_t i = 0; i < out.size(); ++i)
      out.setInt(i, static_cast<int64_t>(y.data[i]));
    call.outputs[0] = out;
    return Status::ok();
  }
  std::vector<Operand<double>> operands;
  for (size_t i = 0; i < inputs.size(); ++i)
    operands.push_back(normalize(toDoubles(inputs[i]), inputs[i].shape(), eq.inputs[i], extent));
  call.outputs[0] = fromDoubles(inputs[0].dtype(), shape, evaluate(std::move(operands), eq.output).data);
  return Status::ok();
}

} // namespace jinx::dense

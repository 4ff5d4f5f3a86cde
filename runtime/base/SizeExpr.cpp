// The normal form of size formulas: how sums, products and divisions are brought into it.
//
// Worked example: the output height of two stacked convolutions, kernel 3, stride 2, padding 1.
//
//   first   (h + 2*1 - 3) floordiv 2 + 1      the constant is -1:       (h - 1) floordiv 2 + 1
//   second  ((h - 1) floordiv 2 + 1 - 1) floordiv 2 + 1
//                                             constants cancel:         ((h - 1) floordiv 2) floordiv 2 + 1
//                                             nested divisions join:    (h - 1) floordiv 4 + 1
//
// The rules for `x floordiv D`, D a positive constant, applied until none fits (`divideByConstant`):
//   1. What D divides leaves: a coefficient c becomes q*D + r with r of c's sign, the constant with r in (-D, 0]. The
//      range of the constant is what makes (h + 1) floordiv 2 and (h - 1) floordiv 2 + 1 one expression.
//   2. A common divisor g of D and the remaining coefficients cancels; the constant is rounded down, which loses
//      nothing because the rest of the numerator is a multiple of g.
//   3. (x floordiv A + c) floordiv D  ->  (x + A*c) floordiv (A*D).
//   4. When the bounds of the numerator lie in one quotient, that quotient is the value.
// A symbolic divisor is cancelled as a polynomial (exact long division), then by common factors, then term by term.
#include <algorithm>
#include <cassert>
#include <numeric>

#include "runtime/base/SizeExprImpl.h"

namespace jinx {

using Builder = SizeExprBuilder;
using Term = Builder::Term;
using Terms = Builder::Terms;
using Atoms = Builder::Atoms;

namespace {

using AtomKind = Builder::Atom::Kind;

bool atomLess(const Builder::AtomRef& a, const Builder::AtomRef& b) { return a->text < b->text; }
bool atomEqual(const Builder::AtomRef& a, const Builder::AtomRef& b) { return a == b || a->text == b->text; }

/// Order of terms: by key, the constant (empty key) last.
bool termLess(const Term& a, const Term& b) {
  if (a.key.empty() || b.key.empty()) return !a.key.empty() && b.key.empty();
  return a.key < b.key;
}

uint64_t magnitude(int64_t v) { return v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); }

/// gcd of two magnitudes as an int64; 2^63 (only INT64_MIN has it) counts as 2^62, a divisor of it.
int64_t gcd(int64_t a, int64_t b) {
  auto clamp = [](int64_t v) { return static_cast<int64_t>(std::min<uint64_t>(magnitude(v), uint64_t{1} << 62)); };
  return std::gcd(clamp(a), clamp(b));
}

// ---- bounds ----

__extension__ typedef __int128 Wide;
constexpr Wide kInfinity = static_cast<Wide>(1) << 100;

Wide clampWide(Wide v) { return std::clamp(v, -kInfinity, kInfinity); }

/// What a value can be at most and at least; ±kInfinity when unknown. Bounds are computed with every symbol in [0,
/// infinity).
struct Bounds {
  Wide lo = -kInfinity;
  Wide hi = kInfinity;
};

Wide multiplyWide(Wide a, Wide b) {
  if (a == 0 || b == 0) return 0;
  bool negative = (a < 0) != (b < 0);
  if (a < 0) a = -a;
  if (b < 0) b = -b;
  if (a > kInfinity / b) return negative ? -kInfinity : kInfinity;
  return negative ? -(a * b) : a * b;
}

Bounds multiply(const Bounds& a, const Bounds& b) {
  Wide products[] = {multiplyWide(a.lo, b.lo), multiplyWide(a.lo, b.hi), multiplyWide(a.hi, b.lo),
                     multiplyWide(a.hi, b.hi)};
  return {*std::min_element(products, products + 4), *std::max_element(products, products + 4)};
}

Wide floorDivWide(Wide a, Wide b) {
  if (a <= -kInfinity || a >= kInfinity) return a;
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

Bounds boundsOf(const SizeExpr& e);

Bounds boundsOfDivision(const Bounds& n, const Bounds& d) {
  if (d.lo < 0) return {};
  Wide least = std::max<Wide>(d.lo, 1); // a zero divisor is a failure, not a value
  Bounds r;
  r.lo = n.lo >= 0 ? floorDivWide(n.lo, std::max<Wide>(d.hi, 1)) : floorDivWide(n.lo, least);
  r.hi = n.hi >= 0 ? floorDivWide(n.hi, least) : floorDivWide(n.hi, std::max<Wide>(d.hi, 1));
  if (n.lo >= 0 && d.hi >= kInfinity) r.lo = 0;
  if (n.hi < 0 && d.hi >= kInfinity) r.hi = -1;
  return r;
}

Bounds boundsOf(const Builder::Atom& atom) {
  if (atom.kind == AtomKind::kSymbol) return {0, kInfinity};
  Bounds a = boundsOf(atom.lhs), b = boundsOf(atom.rhs);
  switch (atom.kind) {
  case AtomKind::kSymbol:
    break;
  case AtomKind::kFloorDiv:
    return boundsOfDivision(a, b);
  case AtomKind::kMod:
    if (b.lo < 0) return {};
    return {0, std::min(b.hi >= kInfinity ? kInfinity : b.hi - 1, a.lo >= 0 ? a.hi : kInfinity)};
  case AtomKind::kMax:
    return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  case AtomKind::kMin:
    return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
  }
  return {};
}

Bounds boundsOf(const SizeExpr& e) {
  if (e.isInvalid()) return {}; // a difference that overflowed says nothing
  Bounds sum{0, 0};
  for (const Term& t : Builder::terms(e)) {
    Bounds product{t.coefficient, t.coefficient};
    for (const auto& atom : t.atoms)
      product = multiply(product, boundsOf(*atom));
    sum.lo = clampWide(sum.lo + product.lo);
    sum.hi = clampWide(sum.hi + product.hi);
    if (product.lo <= -kInfinity) sum.lo = -kInfinity;
    if (product.hi >= kInfinity) sum.hi = kInfinity;
  }
  return sum;
}

// ---- monomials and polynomial division ----

/// a without the atoms of b; nullopt when b does not divide a.
std::optional<Atoms> divideAtoms(const Atoms& a, const Atoms& b) {
  Atoms quotient;
  size_t j = 0;
  for (const auto& atom : a) {
    if (j < b.size() && atomEqual(atom, b[j])) {
      ++j;
    } else {
      quotient.push_back(atom);
    }
  }
  if (j != b.size()) return std::nullopt;
  return quotient;
}

std::optional<Term> divideTerm(const Term& a, const Term& b) {
  if (b.coefficient == -1 && a.coefficient == INT64_MIN) return std::nullopt;
  if (a.coefficient % b.coefficient != 0) return std::nullopt;
  std::optional<Atoms> atoms = divideAtoms(a.atoms, b.atoms);
  if (!atoms) return std::nullopt;
  return Builder::makeTerm(a.coefficient / b.coefficient, std::move(*atoms));
}

/// Degree first, then the one with more of the first differing atom: an order that multiplication keeps.
bool monomialLess(const Term& a, const Term& b) {
  if (a.atoms.size() != b.atoms.size()) return a.atoms.size() < b.atoms.size();
  for (size_t i = 0; i < a.atoms.size(); ++i)
    if (!atomEqual(a.atoms[i], b.atoms[i])) return atomLess(b.atoms[i], a.atoms[i]);
  return false;
}

const Term& leadingTerm(const SizeExpr& e) {
  const Terms& terms = Builder::terms(e);
  return *std::max_element(terms.begin(), terms.end(), monomialLess);
}

/// Long division of `a` by a sum; nullopt when a remainder is left.
std::optional<SizeExpr> dividePolynomial(SizeExpr a, const SizeExpr& b) {
  SizeExpr quotient;
  for (int round = 0; round < 64; ++round) {
    if (a.isConstant(0)) return quotient;
    std::optional<Term> t = divideTerm(leadingTerm(a), leadingTerm(b));
    if (!t) return std::nullopt;
    SizeExpr part = Builder::make({*t});
    quotient = quotient + part;
    a = a - part * b;
    if (a.isInvalid() || quotient.isInvalid()) return std::nullopt;
  }
  return std::nullopt;
}

/// The atoms that all terms of `a` and `b` share.
Atoms commonAtoms(const SizeExpr& a, const SizeExpr& b) {
  Atoms common = Builder::terms(a).front().atoms;
  for (const SizeExpr* e : {&a, &b}) {
    for (const Term& t : Builder::terms(*e)) {
      Atoms next;
      std::set_intersection(common.begin(), common.end(), t.atoms.begin(), t.atoms.end(), std::back_inserter(next),
                            atomLess);
      common = std::move(next);
    }
  }
  return common;
}

int64_t coefficientGcd(const SizeExpr& e) {
  int64_t g = 0;
  for (const Term& t : Builder::terms(e))
    g = gcd(g, t.coefficient);
  return g;
}

int64_t knownDivisorOf(const Builder::Atom& atom) {
  switch (atom.kind) {
  case AtomKind::kSymbol:
  case AtomKind::kFloorDiv:
    return 1;
  case AtomKind::kMod:
  case AtomKind::kMax:
  case AtomKind::kMin:
    return gcd(atom.lhs.knownDivisor(), atom.rhs.knownDivisor());
  }
  return 1;
}

// ---- printing ----

/// An operand of floordiv or mod: bare when nothing can be misread.
std::string operandText(const SizeExpr& e) {
  const Terms& terms = Builder::terms(e);
  bool bare = terms.empty();
  if (terms.size() == 1 && terms[0].atoms.empty()) bare = terms[0].coefficient >= 0;
  if (terms.size() == 1 && terms[0].atoms.size() == 1 && terms[0].coefficient == 1) {
    AtomKind kind = terms[0].atoms[0]->kind;
    bare = kind != AtomKind::kFloorDiv && kind != AtomKind::kMod;
  }
  return bare ? e.str() : "(" + e.str() + ")";
}

std::string atomText(AtomKind kind, const SizeExpr& lhs, const SizeExpr& rhs) {
  switch (kind) {
  case AtomKind::kSymbol:
    break;
  case AtomKind::kFloorDiv:
    return operandText(lhs) + " floordiv " + operandText(rhs);
  case AtomKind::kMod:
    return operandText(lhs) + " mod " + operandText(rhs);
  case AtomKind::kMax:
    return "max(" + lhs.str() + ", " + rhs.str() + ")";
  case AtomKind::kMin:
    return "min(" + lhs.str() + ", " + rhs.str() + ")";
  }
  return {};
}

/// A term without its sign. `leading` terms with a minus put a lone division in parentheses: -(h floordiv 2).
std::string termText(const Term& t, bool leadingMinus) {
  if (t.atoms.empty()) return std::to_string(magnitude(t.coefficient));
  bool alone = t.atoms.size() == 1 && magnitude(t.coefficient) == 1 && !leadingMinus;
  std::string text;
  if (magnitude(t.coefficient) != 1) text = std::to_string(magnitude(t.coefficient));
  for (const auto& atom : t.atoms) {
    if (!text.empty()) text += '*';
    bool division = atom->kind == AtomKind::kFloorDiv || atom->kind == AtomKind::kMod;
    text += division && !alone ? "(" + atom->text + ")" : atom->text;
  }
  return text;
}

std::string sumText(const Terms& terms) {
  if (terms.empty()) return "0";
  std::string text;
  for (const Term& t : terms) {
    bool negative = t.coefficient < 0;
    if (text.empty()) {
      text = (negative ? "-" : "") + termText(t, negative);
    } else {
      text += (negative ? " - " : " + ") + termText(t, false);
    }
  }
  return text;
}

} // namespace

// ---- construction ----

const Terms& Builder::terms(const SizeExpr& e) { return e.impl_->terms; }

SizeExpr Builder::invalid() {
  auto atom = std::make_shared<Atom>();
  atom->kind = Atom::Kind::kFloorDiv;
  atom->lhs = SizeExpr(1);
  atom->rhs = SizeExpr(0);
  atom->text = "1 floordiv 0";
  atom->depth = 1;
  auto impl = std::make_shared<SizeExpr::Impl>();
  impl->terms = {makeTerm(1, {atom})};
  impl->text = atom->text;
  impl->depth = 1;
  impl->invalid = true;
  return SizeExpr(std::shared_ptr<const SizeExpr::Impl>(std::move(impl)));
}

Term Builder::makeTerm(int64_t coefficient, Atoms atoms) {
  std::sort(atoms.begin(), atoms.end(), atomLess);
  std::string key;
  for (const auto& atom : atoms) {
    if (!key.empty()) key += '*';
    key += atom->text;
  }
  return Term{coefficient, std::move(atoms), std::move(key)};
}

SizeExpr Builder::make(Terms terms) {
  std::sort(terms.begin(), terms.end(), termLess);
  auto impl = std::make_shared<SizeExpr::Impl>();
  for (Term& t : terms) {
    if (!impl->terms.empty() && impl->terms.back().key == t.key) {
      int64_t& sum = impl->terms.back().coefficient;
      if (__builtin_add_overflow(sum, t.coefficient, &sum)) return invalid();
    } else {
      if (!impl->terms.empty() && impl->terms.back().coefficient == 0) impl->terms.pop_back();
      impl->terms.push_back(std::move(t));
    }
  }
  if (!impl->terms.empty() && impl->terms.back().coefficient == 0) impl->terms.pop_back();
  if (impl->terms.size() > kMaxTerms) return invalid();
  for (const Term& t : impl->terms)
    for (const auto& atom : t.atoms)
      impl->depth = std::max(impl->depth, atom->depth);
  size_t textSize = 0;
  for (const Term& t : impl->terms)
    textSize += t.key.size() + 1;
  if (impl->depth > kMaxDepth || textSize > kMaxText) return invalid();
  impl->text = sumText(impl->terms);
  if (impl->text.size() > kMaxText) return invalid();
  return SizeExpr(std::shared_ptr<const SizeExpr::Impl>(std::move(impl)));
}

SizeExpr Builder::fromAtom(Atom::Kind kind, const SizeExpr& lhs, const SizeExpr& rhs) {
  auto atom = std::make_shared<Atom>();
  atom->kind = kind;
  atom->lhs = lhs;
  atom->rhs = rhs;
  atom->text = atomText(kind, lhs, rhs);
  atom->depth = 1 + std::max(lhs.impl_->depth, rhs.impl_->depth);
  return make({makeTerm(1, {std::move(atom)})});
}

// ---- arithmetic ----

SizeExpr Builder::addScaled(const SizeExpr& a, const SizeExpr& b, int64_t scale) {
  if (a.isInvalid() || b.isInvalid()) return invalid();
  Terms sum = terms(a);
  for (Term t : terms(b)) {
    if (__builtin_mul_overflow(t.coefficient, scale, &t.coefficient)) return invalid();
    sum.push_back(std::move(t));
  }
  return make(std::move(sum));
}

SizeExpr Builder::multiply(const SizeExpr& a, const SizeExpr& b) {
  if (a.isInvalid() || b.isInvalid()) return invalid();
  if (terms(a).size() * terms(b).size() > kMaxTerms) return invalid();
  Terms product;
  size_t textSize = 0;
  for (const Term& x : terms(a)) {
    for (const Term& y : terms(b)) {
      int64_t coefficient;
      if (__builtin_mul_overflow(x.coefficient, y.coefficient, &coefficient)) return invalid();
      Atoms atoms = x.atoms;
      atoms.insert(atoms.end(), y.atoms.begin(), y.atoms.end());
      product.push_back(makeTerm(coefficient, std::move(atoms)));
      textSize += product.back().key.size();
      if (textSize > 16 * kMaxText) return invalid();
    }
  }
  return make(std::move(product));
}

SizeExpr Builder::divide(const SizeExpr& a, const SizeExpr& b) {
  if (a.isInvalid() || b.isInvalid() || b.isConstant(0)) return invalid();
  if (a.isConstant(0)) return SizeExpr(0);
  if (std::optional<SizeExpr> exact = a.exactDivide(b)) return *exact;
  if (std::optional<int64_t> d = b.constant()) {
    if (*d == INT64_MIN) return fromAtom(Atom::Kind::kFloorDiv, a, b);
    return *d > 0 ? divideByConstant(a, *d) : divideByConstant(-1 * a, -*d);
  }
  Term common = makeTerm(gcd(coefficientGcd(a), coefficientGcd(b)), commonAtoms(a, b));
  if (common.coefficient != 1 || !common.atoms.empty()) {
    SizeExpr factor = make({common});
    std::optional<SizeExpr> n = a.exactDivide(factor), d = b.exactDivide(factor);
    if (n && d) return divide(*n, *d);
  }
  SizeExpr whole, rest;
  for (const Term& t : terms(a)) {
    std::optional<Term> q = terms(b).size() == 1 ? divideTerm(t, terms(b)[0]) : std::nullopt;
    (q ? whole : rest) = (q ? whole : rest) + make({q ? *q : t});
  }
  if (!whole.isConstant(0)) return whole + divide(rest, b);
  if (boundsOf(a).lo >= 0 && boundsOf(b - a).lo >= 1) return SizeExpr(0);
  return fromAtom(Atom::Kind::kFloorDiv, a, b);
}

SizeExpr Builder::divideByConstant(const SizeExpr& a, int64_t d) {
  if (a.isInvalid()) return invalid();
  Terms whole, rest;
  int64_t g = d, constant = 0;
  for (const Term& t : terms(a)) {
    int64_t q = t.coefficient / d, r = t.coefficient % d;
    if (t.atoms.empty() && r > 0) {
      ++q;
      r -= d;
    }
    if (q != 0) whole.push_back(makeTerm(q, t.atoms));
    if (t.atoms.empty()) {
      constant = r;
    } else if (r != 0) {
      g = gcd(g, r);
      rest.push_back(makeTerm(r, t.atoms));
    }
  }
  SizeExpr quotient = make(std::move(whole));
  if (rest.empty()) return quotient + floorDivInt(constant, d);
  if (g > 1) {
    for (Term& t : rest)
      t.coefficient /= g;
    SizeExpr reduced = make(std::move(rest)) + floorDivInt(constant, g);
    return quotient + (d == g ? reduced : divideByConstant(reduced, d / g));
  }
  if (rest.size() == 1 && rest[0].coefficient == 1 && rest[0].atoms.size() == 1 &&
      rest[0].atoms[0]->kind == Atom::Kind::kFloorDiv) {
    const Atom& inner = *rest[0].atoms[0];
    std::optional<int64_t> innerDivisor = inner.rhs.constant();
    int64_t joined, moved;
    if (innerDivisor && *innerDivisor > 0 && !__builtin_mul_overflow(d, *innerDivisor, &joined) &&
        !__builtin_mul_overflow(constant, *innerDivisor, &moved))
      return quotient + divideByConstant(inner.lhs + moved, joined);
  }
  SizeExpr numerator = make(std::move(rest)) + constant;
  Bounds bounds = boundsOf(numerator);
  if (bounds.lo > -kInfinity && bounds.hi < kInfinity && floorDivWide(bounds.lo, d) == floorDivWide(bounds.hi, d))
    return quotient + static_cast<int64_t>(floorDivWide(bounds.lo, d));
  return quotient + fromAtom(Atom::Kind::kFloorDiv, numerator, d);
}

SizeExpr Builder::modulo(const SizeExpr& a, const SizeExpr& b) {
  if (a.isInvalid() || b.isInvalid() || b.isConstant(0)) return invalid();
  if (a.exactDivide(b)) return SizeExpr(0);
  if (std::optional<int64_t> d = b.constant()) {
    if (*d == INT64_MIN) return fromAtom(Atom::Kind::kMod, a, b);
    return *d > 0 ? moduloConstant(a, *d) : -1 * moduloConstant(-1 * a, -*d);
  }
  if (terms(b).size() == 1) {
    Terms rest;
    for (const Term& t : terms(a))
      if (!divideTerm(t, terms(b)[0])) rest.push_back(t);
    if (rest.size() != terms(a).size()) return modulo(make(std::move(rest)), b);
  }
  if (boundsOf(a).lo >= 0 && boundsOf(b - a).lo >= 1) return a;
  return fromAtom(Atom::Kind::kMod, a, b);
}

SizeExpr Builder::moduloConstant(const SizeExpr& a, int64_t d) {
  if (a.isInvalid()) return invalid();
  Terms rest;
  int64_t g = d, constant = 0;
  for (const Term& t : terms(a)) {
    int64_t r = t.atoms.empty() ? floorModInt(t.coefficient, d) : t.coefficient % d;
    if (t.atoms.empty()) {
      constant = r;
    } else if (r != 0) {
      g = gcd(g, r);
      rest.push_back(makeTerm(r, t.atoms));
    }
  }
  if (rest.empty()) return SizeExpr(constant);
  if (g > 1) { // (g*x + c) mod (g*e)  ->  g * ((x + c floordiv g) mod e) + c mod g
    for (Term& t : rest)
      t.coefficient /= g;
    SizeExpr reduced = make(std::move(rest)) + constant / g;
    return (d == g ? SizeExpr(0) : g * moduloConstant(reduced, d / g)) + constant % g;
  }
  SizeExpr numerator = make(std::move(rest)) + constant;
  Bounds bounds = boundsOf(numerator);
  if (bounds.lo >= 0 && bounds.hi < d) return numerator;
  return fromAtom(Atom::Kind::kMod, numerator, d);
}

SizeExpr Builder::extremum(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b) {
  if (a.isInvalid() || b.isInvalid()) return invalid();
  // All operands of nested max (or min), reduced pairwise, sorted and nested to the right again: associative and
  // commutative.
  std::vector<SizeExpr> operands;
  auto collect = [&](auto&& self, const SizeExpr& e) -> void {
    const Terms& t = terms(e);
    if (t.size() == 1 && t[0].coefficient == 1 && t[0].atoms.size() == 1 && t[0].atoms[0]->kind == kind) {
      self(self, t[0].atoms[0]->lhs);
      self(self, t[0].atoms[0]->rhs);
    } else {
      operands.push_back(e);
    }
  };
  collect(collect, a);
  collect(collect, b);
  auto covers = [&](const SizeExpr& x, const SizeExpr& y) { // x makes y superfluous
    if (std::optional<int64_t> p = x.constant(), q = y.constant(); p && q) return kind == Atom::Kind::kMax ? *p >= *q : *p <= *q;
    return boundsOf(kind == Atom::Kind::kMax ? x - y : y - x).lo >= 0;
  };
  std::vector<SizeExpr> kept;
  for (const SizeExpr& e : operands) {
    if (std::any_of(kept.begin(), kept.end(), [&](const SizeExpr& k) { return covers(k, e); })) continue;
    kept.erase(std::remove_if(kept.begin(), kept.end(), [&](const SizeExpr& k) { return covers(e, k); }), kept.end());
    kept.push_back(e);
  }
  std::sort(kept.begin(), kept.end());
  SizeExpr result = kept.back();
  for (size_t i = kept.size() - 1; i-- > 0;)
    result = fromAtom(kind, kept[i], result);
  return result;
}

SizeExpr Builder::apply(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b) {
  switch (kind) {
  case Atom::Kind::kSymbol:
    return a;
  case Atom::Kind::kFloorDiv:
    return divide(a, b);
  case Atom::Kind::kMod:
    return modulo(a, b);
  case Atom::Kind::kMax:
  case Atom::Kind::kMin:
    return extremum(kind, a, b);
  }
  return invalid();
}

std::optional<int64_t> Builder::evaluate(Atom::Kind kind, int64_t a, int64_t b) {
  switch (kind) {
  case Atom::Kind::kSymbol:
    return std::nullopt;
  case Atom::Kind::kFloorDiv:
    if (b == 0 || (a == INT64_MIN && b == -1)) return std::nullopt;
    return floorDivInt(a, b);
  case Atom::Kind::kMod:
    if (b == 0) return std::nullopt;
    return floorModInt(a, b);
  case Atom::Kind::kMax:
    return std::max(a, b);
  case Atom::Kind::kMin:
    return std::min(a, b);
  }
  return std::nullopt;
}

// ---- the public face ----

SizeExpr::SizeExpr(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

SizeExpr::SizeExpr(int64_t constant) {
  auto impl = std::make_shared<Impl>();
  if (constant != 0) impl->terms.push_back({constant, {}, {}});
  impl->text = std::to_string(constant);
  impl_ = std::move(impl);
}

bool SizeExpr::isSymbolName(std::string_view name) {
  auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
  auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '$'; };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), rest);
}

SizeExpr SizeExpr::symbol(std::string_view name) {
  assert(isSymbolName(name) && "a symbol's name must be an identifier");
  auto atom = std::make_shared<Atom>();
  atom->kind = Atom::Kind::kSymbol;
  atom->text = std::string(name);
  atom->depth = 0;
  return Builder::make({Builder::makeTerm(1, {std::move(atom)})});
}

const std::string& SizeExpr::str() const { return impl_->text; }
bool SizeExpr::isInvalid() const { return impl_->invalid; }

std::optional<int64_t> SizeExpr::constant() const {
  if (impl_->terms.empty()) return 0;
  if (impl_->terms.size() == 1 && impl_->terms[0].atoms.empty()) return impl_->terms[0].coefficient;
  return std::nullopt;
}

bool SizeExpr::isSymbol() const {
  const Terms& t = impl_->terms;
  return t.size() == 1 && t[0].coefficient == 1 && t[0].atoms.size() == 1 && t[0].atoms[0]->kind == Atom::Kind::kSymbol;
}

std::vector<std::string> SizeExpr::symbols() const {
  std::vector<std::string> names;
  auto visit = [&](auto&& self, const SizeExpr& e) -> void {
    for (const Term& t : e.impl_->terms) {
      for (const auto& atom : t.atoms) {
        if (atom->kind == Atom::Kind::kSymbol) {
          names.push_back(atom->text);
        } else {
          self(self, atom->lhs);
          self(self, atom->rhs);
        }
      }
    }
  };
  visit(visit, *this);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::optional<int64_t> SizeExpr::evaluate(const Lookup& lookup) const {
  int64_t sum = 0;
  for (const Term& t : impl_->terms) {
    int64_t product = t.coefficient;
    for (const auto& atom : t.atoms) {
      std::optional<int64_t> value;
      if (atom->kind == Atom::Kind::kSymbol) {
        value = lookup(atom->text);
      } else {
        std::optional<int64_t> a = atom->lhs.evaluate(lookup), b = atom->rhs.evaluate(lookup);
        if (a && b) value = Builder::evaluate(atom->kind, *a, *b);
      }
      if (!value || __builtin_mul_overflow(product, *value, &product)) return std::nullopt;
    }
    if (__builtin_add_overflow(sum, product, &sum)) return std::nullopt;
  }
  return sum;
}

SizeExpr SizeExpr::substitute(const std::function<std::optional<SizeExpr>(std::string_view)>& lookup) const {
  SizeExpr sum;
  for (const Term& t : impl_->terms) {
    SizeExpr product(t.coefficient);
    for (const auto& atom : t.atoms) {
      if (atom->kind == Atom::Kind::kSymbol) {
        std::optional<SizeExpr> replacement = lookup(atom->text);
        product = product * (replacement ? *replacement : symbol(atom->text));
      } else {
        product = product * Builder::apply(atom->kind, atom->lhs.substitute(lookup), atom->rhs.substitute(lookup));
      }
    }
    sum = sum + product;
  }
  return sum;
}

std::optional<SizeExpr> SizeExpr::exactDivide(const SizeExpr& divisor) const {
  if (isInvalid() || divisor.isInvalid() || divisor.isConstant(0)) return std::nullopt;
  if (divisor.impl_->terms.size() > 1) return dividePolynomial(*this, divisor);
  Terms quotient;
  for (const Term& t : impl_->terms) {
    std::optional<Term> q = divideTerm(t, divisor.impl_->terms[0]);
    if (!q) return std::nullopt;
    quotient.push_back(std::move(*q));
  }
  return Builder::make(std::move(quotient));
}

int64_t SizeExpr::knownDivisor() const {
  int64_t g = 0;
  for (const Term& t : impl_->terms) {
    int64_t product = gcd(t.coefficient, 0);
    for (const auto& atom : t.atoms)
      if (__builtin_mul_overflow(product, knownDivisorOf(*atom), &product)) product = gcd(t.coefficient, 0);
    g = gcd(g, product);
  }
  return g;
}

bool SizeExpr::isAtLeast(int64_t v, int64_t symbolMin) const {
  if (isInvalid()) return false;
  if (symbolMin > 0) { // with n = symbolMin + n', n' >= 0, sums such as n*s - n become sums of non-negative terms
    SizeExpr shifted = substitute([&](std::string_view name) { return std::optional(symbol(name) + symbolMin); });
    if (!shifted.isInvalid() && boundsOf(shifted).lo >= v) return true;
  }
  return boundsOf(*this).lo >= v;
}

SizeExpr operator+(const SizeExpr& a, const SizeExpr& b) { return Builder::addScaled(a, b, 1); }
SizeExpr operator-(const SizeExpr& a, const SizeExpr& b) { return Builder::addScaled(a, b, -1); }
SizeExpr operator*(const SizeExpr& a, const SizeExpr& b) { return Builder::multiply(a, b); }
SizeExpr floorDiv(const SizeExpr& a, const SizeExpr& b) { return Builder::divide(a, b); }
SizeExpr mod(const SizeExpr& a, const SizeExpr& b) { return Builder::modulo(a, b); }
SizeExpr max(const SizeExpr& a, const SizeExpr& b) { return Builder::extremum(AtomKind::kMax, a, b); }
SizeExpr min(const SizeExpr& a, const SizeExpr& b) { return Builder::extremum(AtomKind::kMin, a, b); }
SizeExpr ceilDiv(const SizeExpr& a, const SizeExpr& b) {
  if (std::optional<SizeExpr> exact = a.exactDivide(b)) return *exact;
  std::optional<int64_t> d = b.constant();
  if (d && *d < 0) return ceilDiv(-1 * a, -1 * b);
  return floorDiv(a + b - 1, b);
}

} // namespace jinx

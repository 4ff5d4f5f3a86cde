#include "runtime/grammar/Expression.h"

#include <algorithm>
#include <functional>
#include <map>

#include "runtime/grammar/JsonText.h"

namespace jinx::grammar {
namespace {

using Kind = Expression::Kind;
constexpr int64_t kMostSize = int64_t(1) << 40;

int64_t product(int64_t size, int64_t times) { return size > kMostSize / std::max<int64_t>(times, 1) ? kMostSize : size * times; }

bool hasAnchor(const Expression& expression) {
  return expression.kind == Kind::kStart || expression.kind == Kind::kEnd || std::ranges::any_of(expression.parts, hasAnchor);
}

Expression beside(Expression expression, Side left, Side right) {
  if (left != Side::kOpen && right != Side::kOpen) return expression;
  std::vector<Expression> parts;
  if (left == Side::kOpen) parts.push_back(Expression::anyText());
  parts.push_back(std::move(expression));
  if (right == Side::kOpen) parts.push_back(Expression::anyText());
  return Expression::sequence(std::move(parts));
}

Status innerAnchor() { return unimplemented("an anchor (^ or $) inside the pattern is not supported, expected it at an end"); }

/// A sequence: anchors at its ends are taken away; what is at an end then may have its own.
Expected<Expression> sequenceWithoutAnchors(std::vector<Expression> parts, Side left, Side right) {
  while (!parts.empty() && parts.front().kind == Kind::kStart) {
    if (left == Side::kInner) return innerAnchor();
    left = Side::kEdge;
    parts.erase(parts.begin());
  }
  while (!parts.empty() && parts.back().kind == Kind::kEnd) {
    if (right == Side::kInner) return innerAnchor();
    right = Side::kEdge;
    parts.pop_back();
  }
  if (parts.size() == 1) return withoutAnchors(std::move(parts[0]), left, right);
  const bool first = !parts.empty() && hasAnchor(parts.front()), last = !parts.empty() && hasAnchor(parts.back());
  for (size_t i = 1; i + 1 < parts.size(); ++i)
    if (hasAnchor(parts[i])) return innerAnchor();
  if (first) {
    JINX_TRY_ASSIGN(parts.front(), withoutAnchors(std::move(parts.front()), left, Side::kInner));
  }
  if (last) {
    JINX_TRY_ASSIGN(parts.back(), withoutAnchors(std::move(parts.back()), Side::kInner, right));
  }
  return beside(Expression::sequence(std::move(parts)), first ? Side::kEdge : left, last ? Side::kEdge : right);
}

} // namespace

Expression Expression::ofSet(CharSet set) {
  Expression result;
  result.kind = Kind::kSet;
  result.size = 1 + static_cast<int64_t>(set.ranges().size());
  result.set = std::move(set);
  return result;
}
Expression Expression::ofText(std::u32string_view text) {
  std::vector<Expression> parts;
  for (char32_t code : text)
    parts.push_back(ofSet(CharSet::of(code)));
  return sequence(std::move(parts));
}
Expression Expression::ofRule(int32_t rule) {
  Expression result = ofKind(Kind::kRule);
  result.rule = rule;
  return result;
}
Expression Expression::ofKind(Kind kind) {
  Expression result;
  result.kind = kind;
  return result;
}
Expression Expression::sequence(std::vector<Expression> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Expression result;
  for (const Expression& part : parts)
    result.size = std::min(kMostSize, result.size + part.size);
  result.parts = std::move(parts);
  return result;
}
Expression Expression::choice(std::vector<Expression> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Expression result = sequence(std::move(parts));
  result.kind = Kind::kChoice;
  return result;
}
Expression Expression::repeat(Expression part, int32_t least, int32_t most) {
  Expression result = ofKind(Kind::kRepeat);
  result.least = least, result.most = most;
  result.size = product(part.size + 2, std::max({least, most, 1}));
  result.parts.push_back(std::move(part));
  return result;
}
Expression Expression::anyText() { return repeat(ofSet(CharSet::all()), 0, -1); }

Expected<int32_t> Lowering::append(Nfa& nfa, int32_t from, const Expression& expression) {
  switch (expression.kind) {
  case Kind::kSequence:
    for (const Expression& part : expression.parts) {
      JINX_TRY_ASSIGN(from, append(nfa, from, part));
    }
    return from;
  case Kind::kChoice: {
    const int32_t begin = nfa.addState(), end = nfa.addState();
    nfa.addEmpty(from, begin);
    for (const Expression& part : expression.parts) {
      JINX_TRY_ASSIGN(const int32_t to, append(nfa, begin, part));
      nfa.addEmpty(to, end);
    }
    return end;
  }
  case Kind::kRepeat: return appendRepeat(nfa, from, expression);
  case Kind::kSet: return appendSet(nfa, from, expression.set);
  case Kind::kRule: JINX_TRY(budget_.work()); return nfa.addCall(from, expression.rule);
  case Kind::kStart:
  case Kind::kEnd: break;
  }
  return innerAnchor();
}

Expected<int32_t> Lowering::appendRepeat(Nfa& nfa, int32_t from, const Expression& expression) {
  constexpr int64_t kLarge = 8, kLargeInAll = 512; // then the part is written once and called
  const Expression* part = &expression.parts[0];
  Expression call;
  if (rules_ && part->size > kLarge && expression.size > kLargeInAll) {
    const int32_t rule = rules_->add();
    Nfa& own = (*rules_)[rule];
    JINX_TRY_ASSIGN(const int32_t end, append(own, own.start(), *part));
    own.setFinal(end);
    call = Expression::ofRule(rule);
    part = &call;
  }
  for (int32_t i = 0; i < expression.least; ++i) {
    JINX_TRY_ASSIGN(from, append(nfa, from, *part));
  }
  if (expression.most < 0) {
    const int32_t loop = nfa.addState(), end = nfa.addState();
    nfa.addEmpty(from, loop);
    JINX_TRY_ASSIGN(const int32_t to, append(nfa, loop, *part));
    nfa.addEmpty(to, loop);
    nfa.addEmpty(loop, end);
    return end;
  }
  const int32_t end = nfa.addState();
  for (int32_t i = expression.least; i < expression.most; ++i) {
    nfa.addEmpty(from, end);
    JINX_TRY_ASSIGN(from, append(nfa, from, *part));
  }
  nfa.addEmpty(from, end);
  return end;
}

Expected<int32_t> Lowering::appendSet(Nfa& nfa, int32_t from, const CharSet& set) {
  constexpr size_t kLarge = 4; // ranges
  if (nfa.size() > budget_.limits().states) JINX_TRY(budget_.states(nfa.size()));
  JINX_TRY(budget_.work(1 + static_cast<int64_t>(set.ranges().size())));
  if (set.empty()) return nfa.addState(); // nothing leads there
  if (set.ranges().size() == 1 && set.ranges()[0].second < 0x80 && encoding_ == Encoding::kUtf8)
    return nfa.addByte(from, static_cast<uint8_t>(set.ranges()[0].first), static_cast<uint8_t>(set.ranges()[0].second));
  if (set.ranges().size() <= kLarge && encoding_ == Encoding::kUtf8) return nfa.addSet(from, set);
  JINX_TRY_ASSIGN(const Nfa* large, largeSet(set));
  return nfa.addNfa(from, *large);
}

Expected<const Nfa*> Lowering::largeSet(const CharSet& set) {
  const auto found = std::ranges::find_if(sets_, [&](const auto& one) { return one.first == set; });
  if (found != sets_.end()) return const_cast<const Nfa*>(&found->second);
  Nfa nfa;
  nfa.setFinal(encoding_ == Encoding::kUtf8 ? nfa.addSet(nfa.start(), set) : addJsonCharacter(nfa, nfa.start(), set));
  JINX_TRY_ASSIGN(std::optional<Nfa> dfa, determinize(nfa, budget_, budget_.limits().states));
  if (!dfa) return resourceError("a set of characters takes too many states");
  constexpr size_t kKept = 64;
  if (sets_.size() == kKept) sets_.erase(sets_.begin());
  sets_.emplace_back(set, mergedEnds(*dfa));
  return const_cast<const Nfa*>(&sets_.back().second);
}

Expected<Expression> withoutAnchors(Expression expression, Side left, Side right) {
  switch (expression.kind) {
  case Kind::kStart:
  case Kind::kEnd: {
    std::vector<Expression> parts;
    parts.push_back(std::move(expression));
    parts.push_back(Expression::empty()); // not a sequence of one
    if (parts[0].kind == Kind::kEnd) std::swap(parts[0], parts[1]);
    return sequenceWithoutAnchors(std::move(parts), left, right);
  }
  case Kind::kSequence: return sequenceWithoutAnchors(std::move(expression.parts), left, right);
  case Kind::kChoice: {
    for (Expression& part : expression.parts) {
      JINX_TRY_ASSIGN(part, withoutAnchors(std::move(part), left, right));
    }
    return Expression::choice(std::move(expression.parts));
  }
  default:
    if (hasAnchor(expression)) return innerAnchor();
    return beside(std::move(expression), left, right);
  }
}

Expected<Nfa> lowerAlone(const Expression& expression, Encoding encoding, Budget& budget) {
  Nfa nfa;
  Lowering lowering(encoding, nullptr, budget);
  JINX_TRY_ASSIGN(const int32_t end, lowering.append(nfa, nfa.start(), expression));
  nfa.setFinal(end);
  JINX_TRY_ASSIGN(std::optional<Nfa> dfa, determinize(nfa, budget, budget.limits().states));
  if (!dfa) return resourceError("the pattern needs too many states");
  return trimmed(*dfa);
}

} // namespace jinx::grammar

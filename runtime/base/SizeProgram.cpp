// Postfix code for size formulas: what the runtime evaluates per call, without allocation.
#include <algorithm>

#include "runtime/base/SizeExprImpl.h"

namespace jinx {
namespace {

enum OpKind : uint8_t { kPushConstant, kPushSlot, kAdd, kMultiply, kFloorDiv, kMod, kMax, kMin };

/// A level of nesting holds at most a partial sum, a partial product and a left operand.
constexpr int kStack = 4 * (SizeExprBuilder::kMaxDepth + 2);

using AtomKind = SizeExprBuilder::Atom::Kind;

uint8_t opOf(AtomKind kind) {
  switch (kind) {
  case AtomKind::kSymbol:
    break;
  case AtomKind::kFloorDiv:
    return kFloorDiv;
  case AtomKind::kMod:
    return kMod;
  case AtomKind::kMax:
    return kMax;
  case AtomKind::kMin:
    return kMin;
  }
  return kPushSlot;
}

} // namespace

bool SizeExprBuilder::emit(const SizeExpr& e, const std::function<int(std::string_view)>& symbolIndex,
                           SizeProgram& program, std::string* unknown) {
  auto& ops = program.ops_;
  bool firstTerm = true;
  for (const Term& t : terms(e)) {
    bool firstFactor = t.coefficient == 1 && !t.atoms.empty();
    if (!firstFactor) ops.push_back({kPushConstant, t.coefficient});
    for (const AtomRef& atom : t.atoms) {
      if (atom->kind == Atom::Kind::kSymbol) {
        int slot = symbolIndex(atom->text);
        if (slot < 0) {
          *unknown = atom->text;
          return false;
        }
        ops.push_back({kPushSlot, slot});
        program.slots_.push_back(slot);
      } else {
        if (!emit(atom->lhs, symbolIndex, program, unknown) || !emit(atom->rhs, symbolIndex, program, unknown))
          return false;
        ops.push_back({opOf(atom->kind), 0});
      }
      if (!firstFactor) ops.push_back({kMultiply, 0});
      firstFactor = false;
    }
    if (!firstTerm) ops.push_back({kAdd, 0});
    firstTerm = false;
  }
  if (firstTerm) ops.push_back({kPushConstant, 0});
  return true;
}

Expected<SizeProgram> SizeProgram::compile(const SizeExpr& expr,
                                           const std::function<int(std::string_view)>& symbolIndex) {
  SizeProgram program;
  std::string unknown;
  if (!SizeExprBuilder::emit(expr, symbolIndex, program, &unknown))
    return invalidArgument("size formula \"" + expr.str().substr(0, 200) + "\" uses the unknown symbol \"" + unknown +
                           "\"");
  std::sort(program.slots_.begin(), program.slots_.end());
  program.slots_.erase(std::unique(program.slots_.begin(), program.slots_.end()), program.slots_.end());
  return program;
}

int64_t SizeProgram::run(const int64_t* symbols, bool* ok) const {
  if (ops_.size() == 1) return ops_[0].kind == kPushConstant ? ops_[0].value : symbols[ops_[0].value];
  int64_t stack[kStack];
  size_t depth = 0;
  for (const Op& op : ops_) {
    if (op.kind == kPushConstant || op.kind == kPushSlot) {
      stack[depth++] = op.kind == kPushConstant ? op.value : symbols[op.value];
      continue;
    }
    int64_t b = stack[--depth], a = stack[depth - 1];
    std::optional<int64_t> value;
    int64_t result;
    switch (op.kind) {
    case kAdd:
      if (!__builtin_add_overflow(a, b, &result)) value = result;
      break;
    case kMultiply:
      if (!__builtin_mul_overflow(a, b, &result)) value = result;
      break;
    case kFloorDiv:
      value = SizeExprBuilder::evaluate(AtomKind::kFloorDiv, a, b);
      break;
    case kMod:
      value = SizeExprBuilder::evaluate(AtomKind::kMod, a, b);
      break;
    case kMax:
      value = std::max(a, b);
      break;
    default:
      value = std::min(a, b);
      break;
    }
    if (!value) {
      *ok = false;
      return 0;
    }
    stack[depth - 1] = *value;
  }
  return depth == 0 ? 0 : stack[0];
}

} // namespace jinx

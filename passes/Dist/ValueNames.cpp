#include "passes/Dist/ValueNames.h"

#include <set>

#include "llvm/ADT/StringMap.h"
#include "passes/Remarks.h"

using namespace mlir;

namespace jinx::passes {

StringRef nodeName(Location location) {
  if (auto named = dyn_cast<NameLoc>(location)) return named.getName().getValue();
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (StringRef name = nodeName(part); !name.empty()) return name;
  if (auto call = dyn_cast<CallSiteLoc>(location)) return nodeName(call.getCallee());
  return {};
}

std::string described(Operation *op) {
  StringRef name = nodeName(op->getLoc());
  return name.empty() ? kindOf(op) : kindOf(op) + " (" + name.str() + ")";
}

namespace {

StringRef portName(Attribute name) { return name ? cast<StringAttr>(name).getValue() : StringRef(); }

/// Operators of other nodes, or the function's end, read it.
bool isReadElsewhere(Value value, StringRef name, Block &body) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    Operation *outer = body.findAncestorOpInBlock(*user);
    return outer->hasTrait<OpTrait::IsTerminator>() || nodeName(outer->getLoc()) != name;
  });
}

}  // namespace

std::vector<NamedValue> namedValues(func::FuncOp function) {
  std::vector<NamedValue> values;
  if (function.isExternal()) return values;
  Block &body = function.getBody().front();
  auto add = [&](StringRef name, Value value, int64_t output, Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && !name.empty()) values.push_back({name.str(), value, output, tensor});
  };
  for (BlockArgument argument : body.getArguments())
    add(portName(function.getArgAttr(argument.getArgNumber(), "jinx.name")), argument, -1, argument.getType());
  llvm::StringMap<int64_t> seen;
  for (Operation &op : body) {
    StringRef name = nodeName(op.getLoc());
    if (name.empty() || op.hasTrait<OpTrait::IsTerminator>()) continue;
    for (Value result : op.getResults()) {
      if (!isa<RankedTensorType>(result.getType()) || !isReadElsewhere(result, name, body)) continue;
      int64_t number = seen[name]++;
      add(number ? name.str() + "#" + std::to_string(number) : name.str(), result, -1, result.getType());
    }
  }
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    add(portName(function.getResultAttr(i, "jinx.name")), Value(), i, type);
  return values;
}

bool matchesGlob(StringRef pattern, StringRef name) {
  // Where the last star was, and what it stands for so far: one star back is enough, since stars in front of it need not take more.
  size_t p = 0, n = 0, star = StringRef::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != StringRef::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.drop_front(p).find_first_not_of('*') == StringRef::npos;
}

std::string nearNames(StringRef pattern, ArrayRef<NamedValue> values) {
  std::set<std::pair<unsigned, std::string>> near;
  for (const NamedValue &value : values) {
    near.insert({pattern.edit_distance(value.name, /*AllowReplacements=*/true, /*MaxEditDistance=*/64), value.name});
    if (near.size() > 3) near.erase(std::prev(near.end()));
  }
  std::string text;
  for (const auto &[distance, name] : near)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace jinx::passes

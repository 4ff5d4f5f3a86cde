#include "runtime/chat/Loop.h"

#include "runtime/chat/Interpreter.h"

namespace jinx::chat {

int64_t LoopState::count() {
  if (length) return *length;
  std::vector<Value> rest;
  while (std::optional<Value> item = next())
    rest.push_back(std::move(*item));
  length = index + static_cast<int64_t>(rest.size());
  items = std::move(rest);
  taken = 0;
  condition = nullptr;
  return *length;
}

namespace {

Value cycle(Interpreter&, const Value& self, Arguments& arguments) {
  if (arguments.positional.empty()) fail("loop.cycle has no items, expected some");
  const auto index = static_cast<size_t>(self.as<LoopState>().index - 1);
  return arguments.positional[index % arguments.positional.size()];
}

Value changed(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  auto& loop = self.as<LoopState>();
  Value now = Value::sequence(Kind::kTuple, arguments.positional, true, interpreter.budget());
  if (loop.changed && isEqual(*loop.changed, now, interpreter.budget())) return Value::boolean(false);
  if (!loop.changed) interpreter.letGoAtEnd(self);
  loop.changed = std::move(now);
  return Value::boolean(true);
}

} // namespace

Value loopAttribute(Interpreter&, const Value& value, std::string_view name) {
  auto& loop = value.as<LoopState>();
  if (name == "index") return Value::integer(loop.index);
  if (name == "index0") return Value::integer(loop.index - 1);
  if (name == "first") return Value::boolean(loop.index == 1);
  if (name == "last") return Value::boolean(!loop.peek());
  if (name == "length") return Value::integer(loop.count());
  if (name == "revindex") return Value::integer(loop.count() - loop.index + 1);
  if (name == "revindex0") return Value::integer(loop.count() - loop.index);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem") return loop.previous ? *loop.previous : Value::undefined("loop.previtem");
  if (name == "nextitem") return loop.peek() ? *loop.peek() : Value::undefined("loop.nextitem");
  if (name == "cycle") return bindMethod(value, name, cycle);
  if (name == "changed") return bindMethod(value, name, changed);
  return Value::undefined("loop." + std::string(name));
}

} // namespace jinx::chat

// Calls host operators by their ONNX names.
#pragma once

#include "runtime/hostops/HostOp.h"
#include "tests/property/Property.h"

namespace jinx::test {

inline const HostOpTable& hostOps() {
  static const HostOpTable table = HostOpTable::standard();
  return table;
}

/// All outputs; the property fails when the operator does.
inline std::vector<Tensor> callAll(const std::string& op, std::vector<Tensor> inputs, const Attributes& attributes = {}, size_t outputs = 1,
                                   int64_t opset = 21) {
  HostOpFn fn = hostOps().find("", op, opset);
  if (!fn) RC_FAIL("no host operator " + op);
  HostOpCall call;
  call.op = op;
  call.node = op;
  call.opset = opset;
  call.attributes = &attributes;
  for (Tensor& t : inputs) // a tensor that is not valid stands for an omitted operand
    call.inputs.push_back(t.valid() ? Value(std::move(t)) : Value());
  call.outputs.resize(outputs);
  expectOk(fn(call), op.c_str());
  std::vector<Tensor> results;
  for (const Value& v : call.outputs) {
    const Tensor* t = tensorOrNull(v);
    if (!t) RC_FAIL(op + " gives no tensor");
    results.push_back(*t);
  }
  return results;
}
inline Tensor call(const std::string& op, std::vector<Tensor> inputs, const Attributes& attributes = {}) {
  return callAll(op, std::move(inputs), attributes)[0];
}

inline Attributes attributes(std::initializer_list<std::pair<std::string, Attribute>> entries) {
  Attributes a;
  for (const auto& [key, value] : entries)
    a.set(key, value);
  return a;
}
inline Tensor i64(const std::vector<int64_t>& values) { return Tensor::fromInts(values); }

} // namespace jinx::test

// Builds small plans by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/Tensor.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::test {

using Dims = std::vector<std::string>;
using Ids = std::vector<uint32_t>;

/// The value; a test failure, then a crash, when there is none.
template <typename T>
T take(Expected<T> e) {
  EXPECT_TRUE(e.isOk()) << e.status().message();
  return std::move(e.value());
}

inline Tensor floats(Shape shape, std::vector<float> values) {
  Tensor t = Tensor::make(DType::kF32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i)
    t.as<float>()[i] = values[i];
  return t;
}
inline Tensor ints(Shape shape, std::vector<int64_t> values) {
  Tensor t = Tensor::make(DType::kI64, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i)
    t.as<int64_t>()[i] = values[i];
  return t;
}
inline std::vector<float> toFloats(const Tensor& t) {
  std::vector<float> values;
  for (int64_t i = 0; i < t.size(); ++i)
    values.push_back(static_cast<float>(t.getDouble(i)));
  return values;
}

class TestPlan {
 public:
  std::unique_ptr<PlanWriter> held = std::make_unique<PlanWriter>(); ///< stays in place when the TestPlan is moved
  PlanWriter& writer = *held;
  plan::Plan& p = writer.plan();

  TestPlan() {
    p.set_producer("test");
    p.set_target("cpu");
    p.add_blocks();
  }

  plan::Symbol& symbol(const std::string& name, int64_t min = 0, int64_t max = 0) {
    plan::Symbol& s = *p.add_symbols();
    s.set_name(name);
    s.set_min(min);
    s.set_max(max);
    return s;
  }
  void stepSymbol(const std::string& name) { symbol(name).set_defined_by_step(true); }

  uint32_t value(const std::string& name, plan::Value::Storage where, DType type, const Dims& dims) {
    plan::Value& v = *p.add_values();
    v.set_name(name);
    v.set_dtype(static_cast<uint32_t>(type));
    v.set_where(where);
    for (const std::string& d : dims)
      v.add_dims(d);
    return static_cast<uint32_t>(p.values_size() - 1);
  }
  uint32_t input(const std::string& name, const Dims& dims, DType type = DType::kF32) {
    p.add_inputs(static_cast<uint32_t>(p.values_size()));
    return value(name, plan::Value::INPUT, type, dims);
  }
  uint32_t output(const std::string& name, const Dims& dims, DType type = DType::kF32) {
    p.add_outputs(static_cast<uint32_t>(p.values_size()));
    return value(name, plan::Value::OUTPUT, type, dims);
  }
  uint32_t arena(const std::string& name, const Dims& dims, DType type = DType::kF32) {
    return value(name, plan::Value::ARENA, type, dims);
  }
  uint32_t host(const std::string& name, const Dims& dims, DType type = DType::kF32) {
    return value(name, plan::Value::HOST, type, dims);
  }
  /// A host value of which nothing is known.
  uint32_t any(const std::string& name, plan::Value::Kind kind = plan::Value::TENSOR) {
    uint32_t id = value(name, plan::Value::HOST, DType::kInvalid, {});
    p.mutable_values(static_cast<int>(id))->set_unranked(true);
    p.mutable_values(static_cast<int>(id))->set_kind(kind);
    return id;
  }
  uint32_t alias(const std::string& name, uint32_t of, const Dims& dims, DType type = DType::kF32,
                 const std::string& offset = "") {
    uint32_t id = value(name, plan::Value::ALIAS, type, dims);
    p.mutable_values(static_cast<int>(id))->set_alias_of(of);
    p.mutable_values(static_cast<int>(id))->set_alias_offset(offset);
    return id;
  }
  uint32_t constant(const std::string& name, const Tensor& t) {
    Dims dims;
    for (int64_t d : t.shape())
      dims.push_back(std::to_string(d));
    uint32_t id = value(name, plan::Value::CONSTANT, t.dtype(), dims);
    std::vector<std::byte> bytes(static_cast<size_t>(t.sizeBytes()));
    std::memcpy(bytes.data(), t.data(), bytes.size());
    plan::ConstantData& c = *p.mutable_values(static_cast<int>(id))->mutable_constant();
    c.set_size(bytes.size());
    c.set_segment(writer.addSegment("weights." + name, std::move(bytes)));
    return id;
  }

  void mesh(const std::vector<std::pair<std::string, int64_t>>& axes) {
    for (const auto& [name, size] : axes) {
      plan::MeshAxis& axis = *p.mutable_mesh()->add_axes();
      axis.set_name(name);
      axis.set_size(size);
    }
  }
  /// The value is a part of one of these sizes; each size with the axes that split it.
  void whole(uint32_t value, const std::vector<std::pair<std::string, Ids>>& dims) {
    for (const auto& [size, axes] : dims) {
      plan::WholeDim& dim = *p.mutable_values(static_cast<int>(value))->mutable_whole()->add_dims();
      dim.set_size(size);
      for (uint32_t axis : axes)
        dim.add_axes(axis);
    }
  }
  plan::Collective& collective(plan::Collective::Op op, const Ids& inputs, const Ids& outputs, const std::string& count, const Ids& axes = {0}) {
    plan::Collective& c = *step(0, plan::Collective::Op_Name(op) + std::to_string(++steps_), inputs, outputs).mutable_collective();
    c.set_op(op);
    c.set_count(count);
    for (uint32_t axis : axes)
      c.add_axes(axis);
    return c;
  }
  void wait(uint32_t start, const Ids& inputs, const Ids& outputs) { step(0, "wait" + std::to_string(++steps_), inputs, outputs).mutable_wait()->set_start(start); }

  uint32_t block(const Ids& params, const Ids& results) {
    plan::Block& b = *p.add_blocks();
    for (uint32_t i : params)
      b.add_params(i);
    for (uint32_t i : results)
      b.add_results(i);
    return static_cast<uint32_t>(p.blocks_size() - 1);
  }
  plan::Step& step(uint32_t block, const std::string& name, const Ids& inputs, const Ids& outputs) {
    plan::Step& s = *p.mutable_blocks(static_cast<int>(block))->add_steps();
    s.set_name(name);
    s.add_nodes(name);
    for (uint32_t i : inputs)
      s.add_inputs(i);
    for (uint32_t i : outputs)
      s.add_outputs(i);
    return s;
  }
  plan::HostCall& hostCall(const std::string& op, const Ids& inputs, const Ids& outputs, uint32_t block = 0,
                           int64_t opset = 18) {
    plan::HostCall& h = *step(block, op + std::to_string(++steps_), inputs, outputs).mutable_host();
    h.set_op(op);
    h.set_opset(opset);
    return h;
  }
  /// \param content  text, or bytes
  template <typename Content>
  void code(const std::string& isa, const std::string& format, Content content) {
    plan::CodeObject& c = *p.add_code();
    c.set_isa(isa);
    c.set_format(format);
    c.set_segment(writer.addSegment("code." + isa, std::move(content)));
  }
  uint32_t kernel(const std::string& symbol, uint32_t buffers, uint32_t sizes) {
    plan::Kernel& k = *p.add_kernels();
    k.set_symbol(symbol);
    k.set_num_buffers(buffers);
    k.set_num_sizes(sizes);
    return static_cast<uint32_t>(p.kernels_size() - 1);
  }
  plan::Launch& launch(uint32_t kernel, const Ids& inputs, const Ids& outputs, const std::vector<std::string>& sizes,
                       const std::string& programs, uint32_t block = 0) {
    plan::Launch& l = *step(block, "launch" + std::to_string(++steps_), inputs, outputs).mutable_launch();
    l.set_kernel(kernel);
    for (const std::string& s : sizes)
      l.add_sizes(s);
    l.set_programs(programs);
    return l;
  }
  plan::Control& control(plan::Control::Kind kind, const Ids& inputs, const Ids& outputs, const Ids& blocks,
                         uint32_t block = 0) {
    plan::Control& c =
        *step(block, plan::Control::Kind_Name(kind) + std::to_string(++steps_), inputs, outputs).mutable_control();
    c.set_kind(kind);
    c.set_opset(18);
    for (uint32_t b : blocks)
      c.add_blocks(b);
    return c;
  }

  std::shared_ptr<const PlanFile> finish() {
    Expected<std::shared_ptr<const PlanFile>> file = std::move(writer).toMemory();
    EXPECT_TRUE(file.isOk()) << file.status().message();
    return file ? *file : nullptr;
  }

 private:
  int steps_ = 0;
};

/// A file of this test's own; removed at the end.
class TempPath {
 public:
  explicit TempPath(const std::string& suffix)
      : path_(testing::TempDir() + "jinx_" + std::to_string(getpid()) + "_" + suffix) {}
  ~TempPath() { std::remove(path_.c_str()); }
  const std::string& str() const { return path_; }

 private:
  std::string path_;
};

} // namespace jinx::test

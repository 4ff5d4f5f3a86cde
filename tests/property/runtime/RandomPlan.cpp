#include "tests/property/runtime/RandomPlan.h"

namespace jinx::test {
namespace {

/// Rows of s1 elements: y = s0 * a + b.
void axpyKernel(void* const* b, const int64_t* s, int64_t begin, int64_t end, void*) {
  for (int64_t i = begin * s[1]; i < end * s[1]; ++i)
    static_cast<float*>(b[2])[i] =
        static_cast<float>(s[0]) * static_cast<const float*>(b[0])[i] + static_cast<const float*>(b[1])[i];
}
/// Rows of s1 elements: y = s0 * a, by way of the scratch memory.
void scaleKernel(void* const* b, const int64_t* s, int64_t begin, int64_t end, void* scratch) {
  auto* row = static_cast<float*>(scratch);
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < s[1]; ++i)
      row[i] = static_cast<const float*>(b[0])[r * s[1] + i];
    for (int64_t i = 0; i < s[1]; ++i)
      static_cast<float*>(b[1])[r * s[1] + i] = static_cast<float>(s[0]) * row[i];
  }
}
/// Elements: y = s0 * (first half) + (second half) of a.
void foldKernel(void* const* b, const int64_t* s, int64_t begin, int64_t end, void*) {
  const auto* a = static_cast<const float*>(b[0]);
  for (int64_t i = begin; i < end; ++i)
    static_cast<float*>(b[1])[i] = static_cast<float>(s[0]) * a[i] + a[s[1] + i];
}

class Draw {
 public:
  explicit Draw(RandomPlan& r) : r_(r), t_(r.plan) {
    columns_ = std::to_string(r.columns);
    total_ = r.columns == 1 ? "n" : columns_ + "*n";
  }

  void inputs() {
    for (int i = 0; i < r_.inputs; ++i) {
      ids_.push_back(t_.input("x" + std::to_string(i), {"n", columns_}));
      onHost_.push_back(false);
      r_.origins.push_back({});
    }
  }

  void step(bool last) {
    int a = any(), b = any(), scale = *rc::gen::element(1, -1, 2);
    uint32_t x = ids_[static_cast<size_t>(a)], z = ids_[static_cast<size_t>(b)];
    switch (*rc::gen::inRange(0, 7)) {
    case 0: { // rows
      uint32_t y = result(last);
      plan::Launch& l = t_.launch(kernel("k_axpy", 3, 2), {x, z}, {y}, {std::to_string(scale), columns_}, "n");
      tune(l);
      return keep(y, {a, b, scale});
    }
    case 1: { // rows, with scratch memory
      uint32_t y = result(last);
      plan::Launch& l = t_.launch(kernel("k_scale", 2, 2), {x}, {y}, {std::to_string(scale), columns_}, "n");
      l.set_scratch_bytes(std::to_string(4 * r_.columns + 4));
      tune(l);
      return keep(y, {a, -1, scale});
    }
    case 2: { // flattened: a row an element
      while (onHost_[static_cast<size_t>(a)]) // what lives on the host has no place that an alias could name
        a = (a + 1) % static_cast<int>(ids_.size());
      while (onHost_[static_cast<size_t>(b)])
        b = (b + 1) % static_cast<int>(ids_.size());
      x = ids_[static_cast<size_t>(a)];
      z = ids_[static_cast<size_t>(b)];
      uint32_t y = result(last), fx = flat(x), fz = flat(z), fy = flat(y);
      plan::Launch& l = t_.launch(kernel("k_axpy", 3, 2), {fx, fz}, {fy}, {std::to_string(scale), "1"}, total_);
      tune(l);
      return keep(y, {a, b, scale});
    }
    case 3: { // two launches fill the halves of one value, a third reads both
      uint32_t whole = t_.arena(name("whole"), {"2*n", columns_});
      uint32_t first = t_.alias(name("half"), whole, {"n", columns_});
      uint32_t second = t_.alias(name("half"), whole, {"n", columns_}, DType::kF32, total_);
      tune(t_.launch(kernel("k_axpy", 3, 2), {x, z}, {second}, {"1", columns_}, "n"));
      plan::Launch& l = t_.launch(kernel("k_scale", 2, 2), {x}, {first}, {"2", columns_}, "n");
      l.set_scratch_bytes(std::to_string(4 * r_.columns + 4));
      uint32_t y = result(last);
      tune(t_.launch(kernel("k_fold", 2, 2), {whole}, {y}, {std::to_string(scale), total_}, total_));
      r_.origins.push_back({a, b, 1}); // x + z
      ids_.push_back(second);
      onHost_.push_back(false);
      int sum = static_cast<int>(r_.origins.size()) - 1;
      return keep(y, {a, sum, 2 * scale});
    }
    case 4: { // on the host
      uint32_t y = *rc::gen::arbitrary<bool>() && !last ? t_.host(name("h"), {"n", columns_}) : result(last);
      t_.hostCall("test.Add", {x, z}, {y});
      return keep(y, {a, b, 1});
    }
    case 5: {
      uint32_t y = *rc::gen::arbitrary<bool>() && !last ? t_.host(name("h"), {"n", columns_}) : result(last);
      t_.hostCall("test.Negate", {x}, {y});
      return keep(y, {a, -1, -1});
    }
    default: {
      uint32_t y = result(last);
      t_.step(0, name("copy"), {x}, {y}).mutable_copy();
      return keep(y, {a, -1, 1});
    }
    }
  }

 private:
  std::string name(const char* stem) { return stem + std::to_string(++names_); }
  int any() { return *rc::gen::inRange(0, static_cast<int>(ids_.size())); }
  uint32_t flat(uint32_t value) { return t_.alias(name("flat"), value, {total_}); }

  uint32_t kernel(const char* symbol, uint32_t buffers, uint32_t sizes) {
    auto [at, isNew] = kernels_.try_emplace(symbol, 0);
    if (isNew) at->second = t_.kernel(symbol, buffers, sizes);
    return at->second;
  }
  uint32_t result(bool last) {
    isOutput_ = last || *rc::gen::inRange(0, 4) == 0;
    return isOutput_ ? t_.output(name("y"), {"n", columns_}) : t_.arena(name("a"), {"n", columns_});
  }
  void keep(uint32_t value, Origin origin) {
    ids_.push_back(value);
    onHost_.push_back(t_.p.values(static_cast<int>(value)).where() == plan::Value::HOST);
    r_.origins.push_back(origin);
    if (isOutput_) r_.outputs.push_back(static_cast<int>(r_.origins.size()) - 1);
    isOutput_ = false;
  }
  void tune(plan::Launch& l) {
    l.set_granule(static_cast<uint32_t>(*rc::gen::inRange(0, 5)));
    if (*rc::gen::arbitrary<bool>()) l.set_work("100*n");
  }

  RandomPlan& r_;
  TestPlan& t_;
  std::string columns_, total_;
  std::vector<uint32_t> ids_;
  std::vector<bool> onHost_;
  std::map<std::string, uint32_t> kernels_;
  int names_ = 0;
  bool isOutput_ = false;
};

} // namespace

RandomPlan drawPlan(int maxSteps) {
  RandomPlan r;
  r.columns = *rc::gen::element<int64_t>(1, 0, 3, 16, 17);
  r.inputs = *rc::gen::inRange(1, 4);
  r.plan.symbol("n");
  Draw draw(r);
  draw.inputs();
  int steps = *rc::gen::inRange(1, maxSteps + 1);
  for (int i = 0; i < steps; ++i)
    draw.step(i + 1 == steps);
  return r;
}

std::vector<Tensor> RandomPlan::expected(const std::vector<Tensor>& given) const {
  std::vector<Tensor> values;
  size_t input = 0;
  for (const Origin& o : origins) {
    if (o.a < 0) {
      values.push_back(given[input++]);
      continue;
    }
    Tensor y = Tensor::make(DType::kF32, given[0].shape());
    for (int64_t i = 0; i < y.size(); ++i)
      y.as<float>()[i] = static_cast<float>(o.scale) * values[static_cast<size_t>(o.a)].as<float>()[i] +
                         (o.b < 0 ? 0 : values[static_cast<size_t>(o.b)].as<float>()[i]);
    values.push_back(y);
  }
  std::vector<Tensor> results;
  for (int i : outputs)
    results.push_back(values[static_cast<size_t>(i)]);
  return results;
}

const std::map<std::string, CpuKernelFn>& randomPlanKernels() {
  static const std::map<std::string, CpuKernelFn> kernels = {
      {"k_axpy", axpyKernel}, {"k_scale", scaleKernel}, {"k_fold", foldKernel}};
  return kernels;
}

} // namespace jinx::test

// Two walks. The first gives every step its time and finds, for every value, the innermost block that contains all its
// uses (its home). The second extends lifetimes: a use inside a loop nested below the home lasts to that loop's end.
#include "runtime/executor/Lifetimes.h"

#include <algorithm>

#include "runtime/executor/Program.h"

namespace jinx {
namespace {

/// A use of a value: where in the program, and when. `step` is the position in the block; -1 for its parameters, the
/// number of steps for its results.
struct Use {
  uint32_t root;
  uint32_t block;
  int32_t step;
  int32_t time;
};

class Lifetimes {
 public:
  explicit Lifetimes(Program& program) : p_(program), homes_(program.values.size(), kNoValue) {}

  void run() {
    for (uint32_t i = 0; i < p_.values.size(); ++i)
      if (p_.values[i].input >= 0) use(i, 0, -1);
    walk(0);
    p_.endTime = ++time_;
    for (uint32_t i = 0; i < p_.values.size(); ++i)
      if (p_.values[i].output >= 0) use(i, 0, static_cast<int32_t>(p_.blocks[0].steps.size()));
    for (const Use& u : uses_)
      homes_[u.root] = homes_[u.root] == kNoValue ? u.block : commonBlock(homes_[u.root], u.block);
    lastSteps_.assign(p_.values.size(), -1);
    for (const Use& u : uses_)
      extend(u);
    release();
  }

 private:
  void use(uint32_t value, uint32_t block, int32_t step) {
    if (value == kNoValue) return;
    uses_.push_back({p_.values[value].root, block, step, time_});
  }

  void walk(uint32_t blockIndex) {
    BlockInfo& block = p_.blocks[blockIndex];
    ++time_;
    for (uint32_t v : block.params)
      use(v, blockIndex, -1);
    for (int32_t s = 0; s < static_cast<int32_t>(block.steps.size()); ++s) {
      StepInfo& step = p_.steps[block.steps[static_cast<size_t>(s)]];
      step.time = ++time_;
      for (uint32_t v : step.inputs)
        use(v, blockIndex, s);
      if (step.source->has_control()) {
        for (uint32_t b : step.source->control().blocks())
          walk(b);
        ++time_;
        for (uint32_t b : step.source->control().blocks()) {
          p_.blocks[b].endTime = time_;
          for (uint32_t v : p_.blocks[b].results)
            use(v, b, static_cast<int32_t>(p_.blocks[b].steps.size()));
        }
        for (uint32_t v : step.inputs)
          use(v, blockIndex, s); // scanned inputs are read until the last iteration
      }
      for (uint32_t v : step.outputs)
        use(v, blockIndex, s);
    }
    for (uint32_t v : block.results)
      use(v, blockIndex, static_cast<int32_t>(block.steps.size()));
  }

  uint32_t commonBlock(uint32_t a, uint32_t b) const {
    while (a != b) {
      uint32_t& deeper = p_.blocks[a].depth >= p_.blocks[b].depth ? a : b;
      deeper = p_.blocks[deeper].parent;
    }
    return a;
  }

  void extend(const Use& u) {
    int32_t last = u.time, step = u.step;
    for (uint32_t b = u.block; b != homes_[u.root]; b = p_.blocks[b].parent) {
      if (p_.blocks[b].repeats) last = std::max(last, p_.blocks[b].endTime);
      step = static_cast<int32_t>(p_.blocks[b].parentStep);
    }
    ValueInfo& v = p_.values[u.root];
    v.firstUse = v.firstUse < 0 ? u.time : std::min(v.firstUse, u.time);
    v.lastUse = std::max(v.lastUse, last);
    lastSteps_[u.root] = std::max(lastSteps_[u.root], step);
  }

  /// Slots are emptied after the last step of their home that uses them, or when the home ends.
  void release() {
    for (uint32_t i = 0; i < p_.values.size(); ++i) {
      const ValueInfo& v = p_.values[i];
      if (v.placed || v.root != i || homes_[i] == kNoValue || v.source->where() == plan::Value::CONSTANT) continue;
      BlockInfo& home = p_.blocks[homes_[i]];
      home.owned.push_back(i);
      if (lastSteps_[i] >= 0 && lastSteps_[i] < static_cast<int32_t>(home.steps.size()))
        p_.steps[home.steps[static_cast<size_t>(lastSteps_[i])]].released.push_back(i);
    }
  }

  Program& p_;
  std::vector<Use> uses_;
  std::vector<uint32_t> homes_;
  std::vector<int32_t> lastSteps_;
  int32_t time_ = 0;
};

} // namespace

void computeLifetimes(Program& program) { Lifetimes(program).run(); }

} // namespace jinx

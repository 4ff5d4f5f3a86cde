// A compiled language model as the engine takes it: a plan whose inputs are those of a step (runtime/engine/Model.h), with the pages of all layers.
//
// Inputs of the plan, by name, i32 where nothing else is said:
//
//   tokens, sequence, position, slots [n]      table [s, e]      rows [r]: the tokens whose logits are wanted
//   keys.0, values.0, keys.1, …                pools [p, heads, 16, depth] of any element type
//   key_scales.0, value_scales.0, …            f32 [p, heads, 16], beside pools of 8 bits
//
// and of a plan that draws tokens `draw.rows` and others (StepPorts.h). Its output is `logits`, f32 [r, vocabulary]; of one that draws also `best`, i32 [r]: the id
// of the largest logit of a row, the smallest of equal ones, the vocabulary's size where a logit is no number; and `picked`, i32 [q]. What frontends/llm makes of a file
// has this form.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/executor/Executor.h"
#include "runtime/llm/EnqueuedModel.h"
#include "runtime/llm/StepPorts.h"

namespace jinx::llm {

/// Of a decode step's products, most are as little work as a barrier is worth: SmolLM2 on two threads writes 250 tokens a second with this and 180 with what other plans have.
inline constexpr int64_t kParallelWork = 4096;

struct PlanModelOptions {
  int32_t pages = 512;         ///< of 16 tokens, at least 1
  int32_t contextLength = 0;   ///< tokens of one sequence; 0: as many as the plan's metadata says ("llm.context_length")
  int64_t parallelWork = kParallelWork; ///< launches with less work stay on one thread
  std::shared_ptr<comm::Communicator> communicator; ///< this rank's, of a model that is split over ranks (LeadModel.h)
};

class PlanModel final : public EnqueuedModel {
 public:
  /// Loads the plan and makes its pools, of zeros.
  ///
  /// \returns kInvalidArgument, naming it, for an input or output that is not of this form; kResource when pools do not fit
  static Expected<std::unique_ptr<PlanModel>> create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device, const PlanModelOptions& options);
  ~PlanModel() override;

  int32_t vocabulary() const override { return vocabulary_; }
  int32_t pages() const override { return pages_; }
  int32_t contextLength() const { return contextLength_; }
  /// Tokens that end a text, as the plan says (metadata "llm.eos_token_id", separated by commas); empty where it does not, or names none of the vocabulary.
  std::span<const int32_t> endTokens() const { return endTokens_; }
  /// Rows of a page from which on copying it is worth more than computing them: on a device it is a launch for each pool.
  int32_t leastCopied() const { return hostMemory_ ? 1 : engine::kPageTokens / 2; }
  int64_t bytesOfPage() const { return bytesOfPage_; } ///< of all layers: keys, values and scales

  bool picksTokens() const override { return ports_.haveDraws() && !hostMemory_; }
  Status run(const engine::StepInput& input, engine::StepRows rows) override;
  Status copyPage(int32_t from, int32_t to) override;

  bool isEnqueued() const override { return !hostMemory_; }
  Status enqueue(const engine::StepInput& input, StepFlight& flight) override;
  Expected<engine::StepRows> wait(StepFlight& flight) override;
  Expected<std::span<const float>> logitsOf(StepFlight& flight, size_t wanted) override;

 private:
  /// Memory of the device: a pool, or room for an input of a step.
  struct Block {
    void* data = nullptr;
    size_t sizeBytes = 0;
  };
  struct Pool {
    size_t input; ///< of the plan
    Block memory;
    int64_t bytesOfPage;
  };
  /// What steps that are enqueued use by turns, so that copies of one run beside the launches of another.
  struct Turn {
    Block inputs, logits, best, picked; ///< on the device
    const Block* tokens = nullptr;    ///< the one of the last two that has the step's
    std::unique_ptr<Event> uploaded;  ///< the inputs are there
    std::unique_ptr<Event> taken;     ///< they have been copied to where launches read them
    std::unique_ptr<Event> ran;       ///< results are there
    std::unique_ptr<Event> downloaded;
    bool isUsed = false;
  };
  PlanModel(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  Status load(std::shared_ptr<const PlanFile> plan, const PlanModelOptions& options);
  Status makePools();
  Status checkOutputs();
  Status reserve(Block& block, size_t sizeBytes);
  Status checkWanted(const engine::StepInput& input) const;
  Status runOnHost(const engine::StepInput& input, std::span<float> logits);
  Status runOnDevice(const engine::StepInput& input, const engine::StepRows& rows);
  Status makeTurns();
  Status upload(const engine::StepInput& input, StepFlight& flight);
  Status reserveResults(Turn& turn);
  Status fillPlaceholders(const engine::StepInput& input, const Turn& before);
  Status download(StepFlight& flight);

  std::shared_ptr<Device> device_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Stream> stream_, uploads_, downloads_, lookups_;
  bool hostMemory_ = true;
  int32_t vocabulary_ = 0, pages_ = 0, contextLength_ = 0;
  int64_t bytesOfPage_ = 0;
  std::vector<int32_t> endTokens_;
  StepPorts ports_;
  std::vector<int32_t> values_; ///< of all ports, one behind the other, where the device's memory is the host's
  Block step_;                  ///< else: where launches read them
  Turn turns_[2];
  size_t turn_ = 0;             ///< of the step enqueued last
  StepFlight flight_;           ///< of `run`
  std::vector<Pool> pools_;
  std::vector<int32_t> hostBest_; ///< where nobody asks for it
  std::vector<Value> inputs_, outputs_;
};

} // namespace jinx::llm

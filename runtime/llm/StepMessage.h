// What the leader of a model over ranks tells the others (LeadModel.h): a step, a copy of a page, or the end, as
// numbers of 4 bytes.
//
//   kind, n, s, e, w, d, whether logits are wanted, 0          the head
//   tokens [n]  sequence [n]  position [n]  slots [n]  table [s, e]  wanted [w]  draws [d, 5]
//
// The first kFirst numbers go in a broadcast that always has as many, because nobody knows yet what comes; what is left
// goes in a second one. Steps of one token each, with k pages a sequence and draws, take 10 + k numbers a sequence: 40
// sequences of 240 tokens fit into the first one. Each broadcast is a meeting of all ranks in front of the step.
#pragma once

#include <array>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/engine/Model.h"

namespace jinx::llm {

class StepMessage {
 public:
  enum class Kind : int32_t { kEnd, kStep, kCopyPage };
  static constexpr size_t kFirst = 1024; ///< 4 KiB: what MPI sends at once on one machine

  StepMessage() : values_(kFirst) {}

  void setEnd();
  void setCopy(engine::PageCopy copy);
  void setStep(const engine::StepInput& input);

  Kind kind() const { return static_cast<Kind>(values_[0]); }
  engine::PageCopy copy() const; ///< \pre kind() is kCopyPage
  /// Views of this message. \pre kind() is kStep
  engine::StepInput step();

  /// Rank 0's side. All ranks of the world come to it.
  Status send(comm::Communicator& world);
  /// The others' side, which waits without a timeout: nobody may ask the leader anything for a long time.
  Status receive(comm::Communicator& world);

 private:
  Status exchange(comm::Communicator& world, bool isPatient);
  size_t size() const; ///< of the message, its head too

  std::vector<int32_t> values_; ///< at least kFirst
  std::vector<engine::RowDraw> draws_;
};

} // namespace jinx::llm

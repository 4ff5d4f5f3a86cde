// In which order does each stage of a pipeline work on its microbatches?
//
// A schedule is a table: for each of p stages the pieces of work in their order. A piece is the forward pass F of a microbatch, its backward
// pass B, or, where that is split, the gradient of the input I, which the stage before waits for, and the gradient of the weights W, which
// nobody waits for. With v *chunks* a stage has v parts of the model, p parts of it apart: part c of stage i is the (c p + i)-th of v p.
//
//   1F1B, p = 2, m = 3:   stage 0:  F0 F1 B0 F2 B1 B2
//                         stage 1:  F0 B0 F1 B1 F2 B2
//
// f, b, w: seconds of F, of I and of W of a whole stage (all chunks); B takes b + w. Without time between stages, all of a step takes
// m (f + b + w) of work and
//
//   schedule     waits on each stage        of all time              microbatches that stage i holds
//   GPipe        (p-1)(f+b+w)               (p-1)/(m+p-1)            m
//   1F1B         (p-1)(f+b+w)               (p-1)/(m+p-1)            min(m, p-i), until B
//   interleaved  (p-1)(f+b+w)/v             (p-1)/(v m+p-1)          more: (2(p-i-1) + (v-1)p + 1) parts of v at most
//   ZB-H1        (p-1)(f+b-w)               (p-1)/(3m+p-1) if        min(m, p), until W: what 1F1B's first stage holds
//                                           f = b = w
//   forward      (p-1)f                     (p-1)/(m+p-1)            1
//
// ZB-H1's row holds where w <= f, w <= b and m >= p: with f = b = w it waits a third of 1F1B. With a larger w the last stage's W come in the
// way of the next I, and it waits for longer than the formula says. The interleaved row needs p to divide m.
//
// GPipe: Huang et al. 2019. 1F1B and interleaved: Narayanan et al. 2021. ZB-H1: Qi et al. 2023.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::comm::model {

enum class Work : uint8_t { kForward, kBackward, kInputGradient, kWeightGradient };

struct Piece {
  Work work = Work::kForward;
  int microbatch = 0;
  int chunk = 0;
  bool operator==(const Piece&) const = default;
};

struct Schedule {
  std::string name;
  int stages = 1, microbatches = 1, chunks = 1;
  std::vector<std::vector<Piece>> rows;  ///< by stage, in order
};

/// "F3", and "F3.1" where there are chunks.
std::string pieceText(const Schedule& schedule, const Piece& piece);
/// A line for each stage.
std::string tableText(const Schedule& schedule);

// Each: kInvalidArgument for less than one stage, microbatch or chunk; `interleaved` also where stages do not divide microbatches.
Expected<Schedule> gpipe(int stages, int microbatches);
Expected<Schedule> oneForwardOneBackward(int stages, int microbatches);
Expected<Schedule> interleaved(int stages, int microbatches, int chunks);
Expected<Schedule> zeroBubbleH1(int stages, int microbatches);
Expected<Schedule> forwardOnly(int stages, int microbatches);

/// Of a table from elsewhere: each stage has each chunk of each microbatch once, with all its passes: F alone; F and B; or F, I and W.
Status checkSchedule(const Schedule& schedule);

/// The most parts of microbatches that a stage holds at once: from their F to their B, or to their W where that is split; of `forward` one.
int mostHeld(const Schedule& schedule, int stage);

} // namespace jinx::comm::model

// Launches that follow each other are recorded once and enqueued as one graph.
//
// On a GPU a launch takes the host some microseconds, and a graph of a hundred not many more than one. A graph has
// addresses and sizes in it: it belongs to a binding, is made for the addresses that the binding has (`Recording`), and
// is thrown away when the arena moves.
//
//   steps   launch  launch  launch  copy  launch      two runs: [0, 3) and [4, 5)
//
// Collectives that are enqueued (Collectives.h) are part of a run; one that starts in it ends in it. One whose sizes are
// data ends the run: the host reads them.
#pragma once

#include <span>

#include "runtime/executor/Binding.h"
#include "runtime/executor/Collectives.h"

namespace jinx {

/// The end of the launches of known sizes, and of the collectives if those can be recorded, that begin at `steps[at]`;
/// `at` where none does.
size_t endOfLaunches(const Program& program, bool withCollectives, std::span<const uint32_t> steps, size_t at);

/// What launches and collectives are enqueued with.
struct LaunchContext {
  Device& device;
  const Program& program;
  Collectives& collectives;
  const BaseAddresses& bases;
};

/// Enqueues a step that is a launch of known sizes; where those leave it no programs, nothing.
Status launchStep(const LaunchContext& context, Stream& stream, Binding& binding, const StepInfo& step, Trace* trace);

/// Where launches with the binding's present addresses are recorded: one of few places, of which the one that was not
/// used for longest is given to new addresses. Until the next call.
Recording& recordingOf(Binding& binding);

/// Enqueues the launches of `steps` in [begin, end) on `stream` as one graph of the recording, which is made where
/// there is none yet (capability kGraphs).
Status replayLaunches(const LaunchContext& context, Stream& stream, Binding& binding, Recording& recording,
                      std::span<const uint32_t> steps, size_t begin, size_t end);
/// Enqueues a collective, or makes the stream wait for the one that has started.
Status enqueueCollective(const LaunchContext& context, Stream& stream, const Binding& binding, const StepInfo& step);

} // namespace jinx

// Running a plan.
//
// A `Session` is a loaded plan on a device, with everything that makes the second call cheap: compiled formulas, linked
// kernels, bindings for the input sizes seen last (runtime/executor/Binding.h), the arena. A call whose input sizes
// were seen before does no allocation, no parsing and no string work, as long as its steps are launches and the caller
// passes output tensors.
//
//   JINX_TRY_ASSIGN(auto plan, PlanFile::open("m.jxp"));
//   JINX_TRY_ASSIGN(auto device, makeDevice("cpu", {.threads = 2}));
//   JINX_TRY_ASSIGN(auto session, Session::create(plan, std::move(device)));
//   JINX_TRY_ASSIGN(auto outputs, session->run({{"x", Tensor::fromInts(...)}}));    // by name
//   JINX_TRY(session->run(inputsInOrder, outputsInOrder));                            // by position: the fast way
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/Tensor.h"
#include "runtime/device/Device.h"
#include "runtime/executor/Binding.h"
#include "runtime/executor/Collectives.h"
#include "runtime/executor/Interpreter.h"
#include "runtime/executor/Program.h"
#include "runtime/executor/Trace.h"

namespace jinx {

struct SessionOptions {
  int bindingCacheSize = 8;     ///< sets of input sizes kept ready
  int64_t parallelWork = 32768; ///< launches with less work (scalar operations) stay on one thread
  bool recordsRuns = false;     ///< `enqueue` records launches whose sizes and addresses come again, and replays them;
                                ///< nobody else captures its stream
  double arenaSlack = kTightArena;            ///< of `planArena`: more memory, and new sizes are ready sooner
  std::shared_ptr<const HostOpTable> hostOps; ///< null: HostOpTable::standard()
  std::shared_ptr<comm::Communicator>
      communicator; ///< this rank's, for a plan with collectives (Collectives.h); a run that fails ends its world
};

/// An input or output of a plan.
struct Port {
  std::string name;
  DType dtype = DType::kInvalid; ///< kInvalid: any
  plan::Value::Kind kind = plan::Value::TENSOR;
  bool ranked = true;
  std::vector<std::string> dims; ///< size formulas: "4", "batch", "2*seq + 1"
};

struct NamedValue {
  std::string name;
  Value value;
};

/// Bytes a session holds, and how well the arena is planned.
struct SessionStatistics {
  int64_t constantBytes = 0;      ///< mapped or on the device
  int64_t arenaBytes = 0;         ///< now allocated
  int64_t largestLiveBytes = 0;   ///< of the last binding: no plan could need less than this for its activations …
  int64_t plannedBytes = 0;       ///< … this is what its arena takes …
  int64_t activationBytes = 0;    ///< … and this is what separate buffers would
  int64_t scratchBytes = 0;       ///< per thread, of the last binding
  int64_t dynamicPeakBytes = 0;   ///< tensors whose size was known only while running
  int64_t dynamicAllocations = 0; ///< of those, requests that went to the system
  int64_t bindingsMade = 0;
  CollectiveStatistics collectives;
};

/// Where a value lies in the arena and when it is alive, for the last binding. Times count flattened steps.
struct ArenaEntry {
  std::string name;
  int64_t offsetBytes = 0, sizeBytes = 0;
  int32_t firstUse = 0, lastUse = 0;
};

class Session {
 public:
  /// Loads kernels, finds host operators, uploads constants.
  static Expected<std::unique_ptr<Session>> create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device,
                                                   SessionOptions options = {});
  ~Session();

  std::span<const Port> inputs() const { return inputPorts_; }
  std::span<const Port> outputs() const { return outputPorts_; }
  const plan::Plan& plan() const { return program_->plan(); }
  Device& device() { return *device_; }
  /// The code object in use, "x86-64-v4"; "none" for a plan without kernels.
  std::string_view isa() const { return module_->isa(); }

  /// Runs once. Inputs and outputs in the plan's order. An output that holds a tensor of the right type and shape is
  /// written in place (wrong ones are kInvalidArgument); one that holds nothing gets a new value. Runs of one session
  /// take turns.
  Status run(std::span<const Value> inputs, std::span<Value> outputs, Trace* trace = nullptr,
             const StepObserver& observer = {});
  /// Enqueues one run on `stream`, one of the session's device, and does not wait: nothing passes through the host.
  /// Inputs and outputs are tensors over memory of the device, which stays until the run is over; all outputs are
  /// given. kUnimplemented, naming it, when something in the plan is not a launch or a copy of known size. The first
  /// run with new sizes may allocate device memory; later ones may be captured by the caller. Runs of one session share
  /// its working memory: the caller orders those on different streams. Collectives are enqueued where the communicator
  /// has calls on the device's memory (comm/DeviceCollectives.h); with another one this waits for the stream at each.
  /// \param trace  gets the time of each launch when the stream is synchronized; null: nothing is timed
  Status enqueue(std::span<const Value> inputs, std::span<Value> outputs, Stream& stream, Trace* trace = nullptr);
  /// What went wrong in runs that were enqueued and shows nowhere else: another rank that did not come to a collective.
  /// Complete once their stream was synchronized.
  Status status() const;
  /// By name. Missing and unknown names are listed in the error.
  Expected<std::vector<NamedValue>> run(const std::map<std::string, Value>& inputs, Trace* trace = nullptr);

  /// Extents of input `index` for given sizes; kInvalidArgument, naming them, when sizes are missing.
  Expected<Shape> inputShape(size_t index, const std::map<std::string, int64_t>& sizes) const;

  /// What `TraceEvent::step` counts: every step of every block, flattened.
  std::vector<TraceStep> steps() const;
  SessionStatistics statistics() const;
  std::vector<ArenaEntry> arenaEntries() const;

 private:
  /// A block of device memory.
  struct DeviceBlock {
    Device* device = nullptr;
    void* data = nullptr;
    size_t sizeBytes = 0;
    void reset();
    Status allocate(Device& from, size_t bytes);
    ~DeviceBlock() { reset(); }
  };

  Session() = default;
  Status load(std::shared_ptr<const PlanFile> plan, SessionOptions options);
  Status loadConstants();
  Status runLocked(std::span<const Value> inputs, std::span<Value> outputs, Trace* trace, const StepObserver& observer);
  Status checkInputs(std::span<const Value> inputs) const;
  Status checkInput(size_t k, const Value& value) const;
  Expected<Binding*> findBinding(std::span<const Value> inputs, bool onDevice);
  Expected<Binding*> makeBinding(std::span<const Value> inputs, bool callerMemory);
  Expected<Binding*> bind(std::span<const Value> inputs, std::span<Value> outputs, bool onDevice);
  Status setBases(Binding& binding, std::span<const Value> inputs, std::span<Value> outputs);
  Status uploadInputs(const Binding& binding);
  Status downloadWrittenInputs(const Binding& binding);
  Status checkEnqueueable() const;
  Status enqueueLocked(std::span<const Value> inputs, std::span<Value> outputs, Stream& stream, Trace* trace);
  Status enqueueSteps(Binding& binding, Stream& stream, Trace* trace);
  Status enqueueStep(Binding& binding, const StepInfo& step, Stream& stream, Trace* trace);
  Status prepareOutput(const Binding& binding, size_t k, Value& output);
  Status finishOutputs(const Binding& binding, std::span<Value> outputs);
  Status expectShape(size_t k, const Tensor& given, std::span<const int64_t> shape, DType type) const;

  std::shared_ptr<Device> device_;
  bool hostMemory_ = true;
  SessionOptions options_;
  std::unique_ptr<const Program> program_;
  std::unique_ptr<Module> module_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<CachingAllocator> allocator_;
  std::unique_ptr<Collectives> collectives_;
  std::vector<const KernelFunction*> kernels_;
  std::vector<Port> inputPorts_, outputPorts_;
  DeviceBlock constants_, arena_;
  std::vector<void*> constantAddresses_; ///< per value

  mutable std::mutex mutex_; ///< guards what follows
  std::unique_ptr<Interpreter> interpreter_;
  std::vector<std::unique_ptr<Binding>> bindings_;
  Binding* lastBinding_ = nullptr;
  uint64_t clock_ = 0;
  int64_t bindingsMade_ = 0;
  std::vector<int64_t> key_;
  std::vector<void*> inputAddresses_, outputAddresses_;
  BaseAddresses bases_;
};

} // namespace jinx

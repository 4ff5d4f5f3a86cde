// Where a plan comes from: a file, or (in `jinx`) a model compiled on the spot; and a session that runs it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "frontends/ImportOptions.h"
#include "runtime/executor/Executor.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::tools {

/// What runs the plan.
struct DeviceChoice {
  std::string device = "cpu";
  int threads = 0;  ///< 0: all cores
  std::string isa;  ///< "": the best that the processor has
  bool pin = false; ///< worker threads stay on their CPU
  std::string record; ///< emulated: folder that gets a launch of each kernel; "": none
  int64_t parallelWork = SessionOptions().parallelWork;

  /// `threads`, or the number of cores this process may use.
  int threadCount() const;
};

struct PlanRequest {
  std::string path;
  DeviceChoice device;
  std::vector<frontends::DimOverride> dims;
  bool fusion = true;
  bool quiet = false; ///< no progress bar
  bool opensExternal = true; ///< off: weights outside of the plan may be elsewhere
  bool keepsPlan = false; ///< a plan that is compiled stays in the cache (PlanCache.h), and is taken from there
};

struct LoadedPlan {
  std::shared_ptr<const PlanFile> file;
  std::shared_ptr<void> keepAlive; ///< memory that constants of a plan compiled here lie in
  bool compiled = false;
  double compileSeconds = 0;
  double loadMs = 0; ///< to open and check the file
};

/// Opens a plan, or compiles a model where the program can.
using PlanSource = std::function<Expected<LoadedPlan>(const PlanRequest&)>;

/// The source of `jinx-rt`: plans only.
Expected<LoadedPlan> openPlan(const PlanRequest& request);
/// True for a file that starts as a plan does.
bool startsAsPlan(const std::string& path);

/// The device that was chosen; kInvalidArgument for what cannot be.
Expected<std::unique_ptr<Device>> openDevice(const DeviceChoice& choice);

/// A plan on its device. `loadMs` counts opening the plan and creating the session.
struct LoadedSession {
  LoadedPlan plan; ///< outlives the session
  std::unique_ptr<Session> session;
  double loadMs = 0;
};
Expected<LoadedSession> makeSession(LoadedPlan plan, const DeviceChoice& device);

/// True when a run may write the output into the tensor of an earlier run: its shape follows from the inputs' shapes.
bool isReusable(const plan::Plan& plan, int output);

/// Milliseconds since an earlier point.
class Timer {
 public:
  double ms() const;

 private:
  int64_t startNs_ = Trace::now();
};

} // namespace jinx::tools

// jinx-rt: runs plans on machines without the compiler. Links the runtime only.
#include "tools/common/Bench.h"
#include "tools/common/Chat.h"
#include "tools/common/Generate.h"
#include "tools/common/Inspect.h"
#include "tools/common/Run.h"
#include "tools/common/Serve.h"
#include "tools/common/Tokenize.h"
#include "tools/common/Tune.h"

int main(int argc, char** argv) {
  using namespace jinx::tools;
  return runProgram(argc, argv, "jinx-rt", "Runs compiled plans.", [](CLI::App& app, Action& action) {
    addRun(app, action, openPlan);
    addBench(app, action, openPlan, /*canCompile=*/false);
    addGenerate(app, action, openPlan, /*canCompile=*/false);
    addServe(app, action, openPlan, /*canCompile=*/false);
    addChat(app, action, openPlan, /*canCompile=*/false);
    addTuneFolder(app, action);
    addInspect(app, action);
    addTokenize(app, action);
  });
}

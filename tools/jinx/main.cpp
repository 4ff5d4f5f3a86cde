// jinx: compiles models to plans and runs them. Exit codes: 0 success, 1 the input's fault, 2 usage, 3 ours.
#include "tools/common/Bench.h"
#include "tools/common/Chat.h"
#include "tools/common/Generate.h"
#include "tools/common/Inspect.h"
#include "tools/common/Run.h"
#include "tools/common/Serve.h"
#include "tools/common/Tokenize.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/ModelSource.h"

int main(int argc, char** argv) {
  using namespace jinx::tools;
  return runProgram(argc, argv, "jinx", "Compiles models to optimised plans and runs them.",
                    [](CLI::App& app, Action& action) {
                      addCompile(app, action);
                      addQuantize(app, action);
                      addRun(app, action, openOrCompile);
                      addBench(app, action, openOrCompile, /*canCompile=*/true);
                      addGenerate(app, action, openOrCompile, /*canCompile=*/true);
                      addServe(app, action, openOrCompile, /*canCompile=*/true);
                      addChat(app, action, openOrCompile, /*canCompile=*/true);
                      addCompare(app, action);
                      addTune(app, action);
                      addPlanShards(app, action);
                      addInspect(app, action);
                      addTokenize(app, action);
                      addVerifyOnnx(app, action);
                    });
}

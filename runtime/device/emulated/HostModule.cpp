#include "runtime/device/emulated/HostModule.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "runtime/device/emulated/EmulatedSources.h"

extern char **environ;

namespace jinx::emulated {

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> &flags() {
  // Contraction on: the device fuses a multiplication and an addition as well. C's headers are enough, and read in half the time.
  static const std::vector<std::string> all = {"-x",   "c++", "-std=c++17", "-nostdinc++", "-O2", "-fPIC", "-shared", "-w", "-fno-exceptions",
                                               "-fno-rtti", "-fvisibility=hidden", "-ffp-contract=fast"};
  return all;
}

bool isExecutable(const std::string &path) { return access(path.c_str(), X_OK) == 0; }

std::string findCompiler(const std::string &asked) {
  std::vector<std::string> names;
  if (!asked.empty()) {
    names = {asked};
  } else {
    if (const char *fromEnvironment = std::getenv("JINX_HOST_CXX")) names.push_back(fromEnvironment);
    for (const char *name : {"clang++-22", "clang++", "g++", "c++"}) names.push_back(name);
  }
  const char *path = std::getenv("PATH");
  for (const std::string &name : names) {
    if (name.find('/') != std::string::npos) {
      if (isExecutable(name)) return name;
      continue;
    }
    std::stringstream folders(path ? path : "/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');)
      if (isExecutable(folder + "/" + name)) return folder + "/" + name;
  }
  return {};
}

std::string cacheFolder(const std::string &asked) {
  if (!asked.empty()) return asked;
  if (const char *cache = std::getenv("JINX_CACHE")) return std::string(cache) + "/emulated";
  if (const char *home = std::getenv("HOME")) return std::string(home) + "/.cache/jinx/emulated";
  return "/tmp/jinx-emulated";
}

/// Names of the functions declared `__global__`, in order: the first identifier before "(" that is not an attribute's.
std::vector<std::string> kernelNames(const std::string &text) {
  std::vector<std::string> names;
  const std::string mark = "__global__";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    at += mark.size();
    std::string word;
    for (size_t i = at; i < text.size(); ++i) {
      unsigned char c = static_cast<unsigned char>(text[i]);
      if (std::isalnum(c) || c == '_') {
        if (i > at && !(std::isalnum(static_cast<unsigned char>(text[i - 1])) || text[i - 1] == '_')) word.clear();
        word += text[i];
      } else if (c == '(') {
        if (word.rfind("__", 0) != 0) break;
        for (int depth = 0; i < text.size(); ++i) {
          depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
          if (depth == 0) break;
        }
      } else if (c == ';' || c == '{' || c == '#') {
        word.clear();
        break;
      }
    }
    if (!word.empty()) names.push_back(word);
  }
  return names;
}

std::string hostSource(const std::string &text, const std::string &name) {
  std::string source = std::string(kEmulatedAbiSource) + std::string(kPreludeSource);
  source += "#line 1 \"" + name + ".cu\"\n" + text + "\n";
  for (const std::string &kernel : kernelNames(text))
    source += "extern \"C\" __attribute__((visibility(\"default\"))) void " + kernel + "__emulated(void** params) { emu_call(&" + kernel +
              ", params); }\n";
  return source;
}

Status runCompiler(const std::vector<std::string> &command, const std::string &logPath) {
  std::vector<char *> argv;
  for (const std::string &word : command) argv.push_back(const_cast<char *>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, logPath.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return resourceError("cannot start " + command[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return resourceError("lost the host compiler");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::ok();
  std::ifstream log(logPath);
  std::stringstream content;
  content << log.rdbuf();
  return internalError(command[0] + " failed:\n" + content.str().substr(0, 8000));
}

}  // namespace

Expected<std::shared_ptr<HostModule>> HostModule::compile(const std::string &text, const std::string &name, const CompileOptions &options) {
  std::string compiler = findCompiler(options.compiler);
  if (compiler.empty())
    return notFound("the emulated device needs a C++ compiler at run time, and there is none (looked for $JINX_HOST_CXX, clang++-22, "
                    "clang++, g++, c++)");
  std::string source = hostSource(text, name), key = compiler;
  for (const std::string &flag : flags()) key += " " + flag;
  // A newer compiler under the same name gives other code: its file's time is part of the key.
  struct stat info {};
  if (stat(compiler.c_str(), &info) == 0) key += " " + std::to_string(info.st_size) + " " + std::to_string(info.st_mtime);
  key += "\n" + source;
  XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  char hex[33];
  std::snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);

  std::string folder = cacheFolder(options.cacheDir);
  std::error_code ec;
  fs::create_directories(folder, ec);
  std::string object = folder + "/" + hex + ".so";
  std::shared_ptr<HostModule> module(new HostModule);
  module->name_ = name;
  module->text_ = text;
  module->fromCache_ = fs::exists(object, ec);
  if (!module->fromCache_) {
    // Written aside and renamed, so that a concurrent compilation of the same text sees none or a whole one.
    std::string stem = folder + "/" + hex + "." + std::to_string(getpid()) + "." + std::to_string(reinterpret_cast<uintptr_t>(module.get()));
    std::string sourcePath = stem + ".cu.cpp", partial = stem + ".so", logPath = stem + ".log";
    std::ofstream(sourcePath) << source;
    std::vector<std::string> command = {compiler};
    for (const std::string &flag : flags()) command.push_back(flag);
    for (const std::string &word : {sourcePath, std::string("-o"), partial, std::string("-lm")}) command.push_back(word);
    // "-x c++" applies to every later file, and an object file is none; -lm is an option.
    Status status = runCompiler(command, logPath);
    std::remove(logPath.c_str());
    if (!status.isOk()) {
      std::remove(partial.c_str());
      return std::move(status).withContext("compiling " + name + " for emulation (text: " + sourcePath + ")");
    }
    std::remove(sourcePath.c_str());
    if (std::rename(partial.c_str(), object.c_str()) != 0) return resourceError("cannot write " + object);
  }
  module->library_ = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module->library_) return internalError("cannot load " + object + ": " + dlerror());
  auto bind = reinterpret_cast<void (*)(const JinxEmuApi *)>(dlsym(module->library_, "jinx_emulated_bind"));
  module->selfSlot_ = reinterpret_cast<JinxEmuSelf **(*)()>(dlsym(module->library_, "jinx_emulated_self"));
  if (!bind || !module->selfSlot_) return internalError(object + " is no emulated kernel");
  bind(&emulatedApi());
  return module;
}

std::string HostModule::line(int number) const {
  std::stringstream text(text_);
  std::string line;
  for (int i = 0; i < number; ++i)
    if (!std::getline(text, line)) return {};
  line.erase(0, line.find_first_not_of(" \t"));
  return number > 0 ? line : std::string();
}

HostModule::~HostModule() {
  if (library_) dlclose(library_);
}

Expected<void (*)(void **)> HostModule::kernel(const std::string &name) const {
  auto entry = reinterpret_cast<void (*)(void **)>(dlsym(library_, (name + "__emulated").c_str()));
  if (!entry) return notFound("there is no kernel " + name + " in " + name_);
  return entry;
}

}  // namespace jinx::emulated

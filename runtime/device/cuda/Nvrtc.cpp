#include "runtime/device/cuda/Nvrtc.h"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <regex>
#include <string_view>

namespace jinx::cuda {

namespace {

namespace fs = std::filesystem;

/// The functions of NVRTC that are used, as its header declares them.
struct Nvrtc {
  using Program = void *;
  int (*version)(int *, int *) = nullptr;
  const char *(*errorString)(int) = nullptr;
  int (*create)(Program *, const char *, const char *, int, const char *const *, const char *const *) = nullptr;
  int (*destroy)(Program *) = nullptr;
  int (*compile)(Program, int, const char *const *) = nullptr;
  int (*logSize)(Program, size_t *) = nullptr;
  int (*log)(Program, char *) = nullptr;
  int (*cubinSize)(Program, size_t *) = nullptr;
  int (*cubin)(Program, char *) = nullptr;
  bool ok = false;
  int major = 0, minor = 0;
  std::string lookedFor; ///< names that could not be opened
};

/// NVRTC opens its built-in functions by their bare name, which finds them only where the linker's cache or a path variable does. Opened
/// here from beside the library first, the name is known already.
void openBuiltinsBeside(const void *function) {
  Dl_info info;
  std::error_code error;
  if (!dladdr(function, &info) || !info.dli_fname) return;
  for (const fs::directory_entry &entry : fs::directory_iterator(fs::path(info.dli_fname).parent_path(), error))
    if (entry.path().filename().string().starts_with("libnvrtc-builtins.so.")) dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
}

Nvrtc openNvrtc() {
  Nvrtc n;
  std::vector<std::string> names = {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13",
                                    "/usr/local/cuda/lib64/libnvrtc.so", "libnvrtc.so"};
  if (const char *path = std::getenv("JINX_NVRTC"); path && *path) names = {path};
  void *library = nullptr;
  for (const std::string &name : names) {
    if ((library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))) break;
    n.lookedFor += (n.lookedFor.empty() ? "" : ", ") + name;
  }
  if (!library) return n;
  auto get = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    return function != nullptr;
  };
  n.ok = get(n.version, "nvrtcVersion") && get(n.errorString, "nvrtcGetErrorString") && get(n.create, "nvrtcCreateProgram") &&
         get(n.destroy, "nvrtcDestroyProgram") && get(n.compile, "nvrtcCompileProgram") && get(n.logSize, "nvrtcGetProgramLogSize") &&
         get(n.log, "nvrtcGetProgramLog") && get(n.cubinSize, "nvrtcGetCUBINSize") && get(n.cubin, "nvrtcGetCUBIN");
  if (!n.ok) return n;
  openBuiltinsBeside(reinterpret_cast<const void *>(n.version));
  n.version(&n.major, &n.minor);
  return n;
}
const Nvrtc &nvrtc() {
  static const Nvrtc n = openNvrtc();
  return n;
}

std::vector<std::string> optionsFor(const CompileCudaOptions &options) {
  return {"--gpu-architecture=" + options.arch, "--std=c++17", "--ptxas-options=-v", "--diag-suppress=177", "--no-cache"};
}

std::string cacheFolder(const CompileCudaOptions &options) {
  if (!options.cacheDir.empty()) return options.cacheDir;
  if (const char *cache = std::getenv("JINX_CACHE")) return std::string(cache) + "/cubin";
  if (const char *home = std::getenv("HOME")) return std::string(home) + "/.cache/jinx/cubin";
  return "/tmp/jinx-cubin";
}

bool readFile(const std::string &path, std::vector<uint8_t> &bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  bytes.assign(std::istreambuf_iterator<char>(file), {});
  return true;
}

/// Written aside and renamed: readers see a whole file or none. Failing to cache is no failure.
void publish(const std::string &path, const void *data, size_t size) {
  std::string partial = path + "." + std::to_string(getpid()) + ".part";
  {
    std::ofstream file(partial, std::ios::binary);
    file.write(static_cast<const char *>(data), static_cast<std::streamsize>(size));
    if (!file) return;
  }
  std::rename(partial.c_str(), path.c_str());
}

void parseLog(CompiledCuda &result) {
  static const std::regex entry("Compiling entry function '([^']+)'"), registers("Used (\\d+) registers"),
      stack("(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads"), code("\\bC7[0-9]{3}\\b");
  size_t at = 0;
  while (at < result.log.size()) {
    size_t end = result.log.find('\n', at);
    if (end == std::string::npos) end = result.log.size();
    std::string line = result.log.substr(at, end - at);
    at = end + 1;
    std::smatch m;
    if (std::regex_search(line, m, entry)) {
      result.kernels.push_back({});
      result.kernels.back().name = m[1];
    }
    if (!result.kernels.empty() && std::regex_search(line, m, stack)) {
      KernelResources &k = result.kernels.back();
      k.stackBytes = std::stoll(m[1]), k.spillStoreBytes = std::stoll(m[2]), k.spillLoadBytes = std::stoll(m[3]);
    }
    if (!result.kernels.empty() && std::regex_search(line, m, registers)) result.kernels.back().registers = std::stoi(m[1]);
    for (std::sregex_iterator it(line.begin(), line.end(), code), none; it != none; ++it) result.advisories.push_back(it->str());
  }
  std::sort(result.advisories.begin(), result.advisories.end());
  result.advisories.erase(std::unique(result.advisories.begin(), result.advisories.end()), result.advisories.end());
}

}  // namespace

int64_t CompiledCuda::spillBytes() const {
  int64_t bytes = 0;
  for (const KernelResources &k : kernels) bytes += k.spillStoreBytes + k.spillLoadBytes;
  return bytes;
}

std::vector<std::string> CompiledCuda::badAdvisories() const {
  static constexpr const char *bad[] = {"C7504", "C7508", "C7509", "C7510", "C7511", "C7515", "C7517", "C7520"};
  std::vector<std::string> found;
  for (const std::string &code : advisories)
    if (std::find(std::begin(bad), std::end(bad), code) != std::end(bad)) found.push_back(code);
  return found;
}

bool haveNvrtc() { return nvrtc().ok; }
Status checkNvrtc() {
  if (haveNvrtc()) return Status::ok();
  const std::string what = nvrtc().lookedFor.empty() ? "its functions are missing" : "looked for " + nvrtc().lookedFor;
  return notFound("cannot open NVRTC (" + what + "): install it (CUDA's nvrtc package, or nvidia-cuda-nvrtc of PyPI) or set JINX_NVRTC to the path "
                  "of libnvrtc.so.13");
}
std::string nvrtcVersion() {
  return haveNvrtc() ? std::to_string(nvrtc().major) + "." + std::to_string(nvrtc().minor) : "";
}

std::string textKey(std::string_view text, const CompileCudaOptions &options) {
  std::string keyed;
  for (const std::string &flag : optionsFor(options)) keyed += flag + " ";
  keyed += "\n";
  keyed += text;
  XXH128_hash_t hash = XXH3_128bits(keyed.data(), keyed.size());
  char hex[33];
  std::snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
  return hex;
}

Expected<CompiledCuda> compileCuda(const std::string &text, const std::string &name, const CompileCudaOptions &options) {
  const Nvrtc &n = nvrtc();
  JINX_TRY(checkNvrtc(), "compiling " + name);
  std::vector<std::string> flags = optionsFor(options);
  std::string stem = cacheFolder(options) + "/" + textKey(text, options) + "-nvrtc" + nvrtcVersion();

  CompiledCuda result;
  std::vector<uint8_t> log;
  // The cubin is published last, so where it is, its log is.
  if (options.useCache && readFile(stem + ".cubin", result.cubin) && readFile(stem + ".log", log) && !result.cubin.empty()) {
    result.log.assign(log.begin(), log.end());
    result.fromCache = true;
    parseLog(result);
    return result;
  }
  Nvrtc::Program program = nullptr;
  if (int rc = n.create(&program, text.c_str(), (name + ".cu").c_str(), 0, nullptr, nullptr))
    return internalError("nvrtcCreateProgram: " + std::string(n.errorString(rc)));
  std::vector<const char *> arguments;
  for (const std::string &flag : flags) arguments.push_back(flag.c_str());
  auto start = std::chrono::steady_clock::now();
  int rc = n.compile(program, static_cast<int>(arguments.size()), arguments.data());
  result.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  size_t size = 0;
  if (n.logSize(program, &size) == 0 && size > 1) {
    result.log.resize(size);
    n.log(program, result.log.data());
    result.log.resize(std::strlen(result.log.c_str()));
  }
  if (rc == 0 && n.cubinSize(program, &size) == 0) {
    result.cubin.resize(size);
    rc = n.cubin(program, reinterpret_cast<char *>(result.cubin.data()));
  }
  n.destroy(&program);
  if (rc) return internalError("NVRTC cannot compile " + name + " (" + n.errorString(rc) + "):\n" + result.log.substr(0, 8000));
  parseLog(result);
  if (options.useCache) {
    std::error_code ec;
    fs::create_directories(cacheFolder(options), ec);
    publish(stem + ".log", result.log.data(), result.log.size());
    publish(stem + ".cubin", result.cubin.data(), result.cubin.size());
  }
  return result;
}

namespace {
/// Calls `visit(name, section)` for each section of a cubin that holds code and lies inside it.
template <class Visit>
void forEachCode(std::span<const uint8_t> cubin, const Visit &visit) {
  Elf64_Ehdr header;
  if (cubin.size() < sizeof header) return;
  std::memcpy(&header, cubin.data(), sizeof header);
  auto section = [&](uint64_t i, Elf64_Shdr &to) {
    uint64_t at = header.e_shoff + i * header.e_shentsize;
    if (i >= header.e_shnum || at > cubin.size() || cubin.size() - at < sizeof to) return false;
    std::memcpy(&to, cubin.data() + at, sizeof to);
    return to.sh_offset <= cubin.size() && to.sh_size <= cubin.size() - to.sh_offset;
  };
  Elf64_Shdr names, code;
  if (!section(header.e_shstrndx, names)) return;
  auto *text = reinterpret_cast<const char *>(cubin.data() + names.sh_offset);
  for (int i = 0; i < header.e_shnum; ++i) {
    if (!section(i, code) || code.sh_type != SHT_PROGBITS || !(code.sh_flags & SHF_EXECINSTR) || code.sh_name >= names.sh_size) continue;
    visit(std::string_view(text + code.sh_name, strnlen(text + code.sh_name, names.sh_size - code.sh_name)), code);
  }
}
}  // namespace

int64_t countSass(std::span<const uint8_t> cubin, int opcode) {
  int64_t count = 0;
  forEachCode(cubin, [&](std::string_view, const Elf64_Shdr &section) {
    for (uint64_t o = 0; o + 16 <= section.sh_size; o += 16) {  // an instruction is 16 bytes, opcode in its lowest 12 bits
      uint16_t low;
      std::memcpy(&low, cubin.data() + section.sh_offset + o, 2);
      count += (low & 0xFFF) == opcode;
    }
  });
  return count;
}

std::map<std::string, uint64_t> functionsOf(std::span<const uint8_t> cubin) {
  constexpr std::string_view kCode = ".text.";
  std::map<std::string, uint64_t> functions;
  forEachCode(cubin, [&](std::string_view name, const Elf64_Shdr &section) {
    if (name.substr(0, kCode.size()) == kCode) functions.emplace(name.substr(kCode.size()), section.sh_size);
  });
  return functions;
}

}  // namespace jinx::cuda

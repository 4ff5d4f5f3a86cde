// What does NVRTC say of the CUDA kernels in these plans? One line of JSON a distinct kernel; cuda_gate.py judges it.
//
//   jinx_cuda_gate [--shard I/N] [--cubins DIR] FILE…      FILE: a plan (.jxp), or one whole text (.cu)
//
// Two kernels are the same when their texts differ only in names and comments; the first one is compiled for all. Shard I of N takes
// every N-th of them, so that N processes share the work. Results are cached by content (Nvrtc.h).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/device/cuda/Nvrtc.h"
#include "runtime/plan/PlanFile.h"

namespace {

using namespace jinx;

struct Unit {
  std::string kernel, arch, text;
  std::vector<std::string> users;  ///< "file/kernel"
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

/// The text without comments and without the kernel's own name.
std::string normalized(const std::string& text, const std::string& kernel) {
  std::stringstream in(replaced(text, kernel, "kernel"));
  std::string result;
  for (std::string line; std::getline(in, line);) {
    line.erase(std::min(line.find("//"), line.size()));
    line.erase(line.find_last_not_of(" \t") + 1);
    if (!line.empty()) result += line + "\n";
  }
  return result;
}

/// Where the kernel's own text begins, after the device library and the wrappers: at its provenance.
size_t kernelBegin(const std::string& text) {
  size_t at = text.rfind("\n// jinx ");
  return at == std::string::npos ? 0 : at + 1;
}

/// "// jinx 0.1 | name | sm_90a": the kernel's name, and the architecture that the text is for.
std::pair<std::string, std::string> titleOf(const std::string& text) {
  std::string title = text.substr(kernelBegin(text), 200);
  title.erase(std::min(title.find('\n'), title.size()));
  size_t from = title.find(" | "), to = from == std::string::npos ? from : title.find(" | ", from + 3);
  if (to == std::string::npos) return {"?", cuda::CompileCudaOptions().arch};
  std::string arch = title.substr(to + 3);
  return {title.substr(from + 3, to - from - 3), arch.substr(0, arch.find(' '))};
}

void add(std::map<std::string, Unit>& units, const std::string& text, const std::string& user) {
  const auto [kernel, arch] = titleOf(text);
  Unit& unit = units[arch + "\n" + normalized(text, kernel)];
  if (unit.users.empty()) unit.kernel = kernel, unit.arch = arch, unit.text = text;
  unit.users.push_back(user + "/" + kernel);
}

Status read(const std::string& path, std::map<std::string, Unit>& units) {
  std::string stem = path.substr(path.rfind('/') + 1);
  stem.erase(stem.rfind('.'));
  if (path.ends_with(".cu")) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return notFound("cannot open " + path);
    add(units, std::string(std::istreambuf_iterator<char>(file), {}), stem);
    return Status::ok();
  }
  JINX_TRY_ASSIGN(auto plan, PlanFile::open(path));
  for (const plan::CodeObject& code : plan->plan().code()) {
    if (code.format() != "cuda") continue;
    auto bytes = plan->segment(code.segment());
    add(units, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), stem);
  }
  return Status::ok();
}

nlohmann::json judge(const Unit& unit, const std::string& cubins, size_t index) {
  nlohmann::json line = {{"kernel", unit.kernel}, {"users", unit.users}};
  line["text"] = unit.text.substr(kernelBegin(unit.text));
  line["wgmma"] = line["text"].get<std::string>().find("wgmma_m64n") != std::string::npos;
  auto compiled = cuda::compileCuda(unit.text, unit.kernel, {.arch = unit.arch});
  if (!compiled) {
    line["error"] = compiled.status().message();
    return line;
  }
  line["ms"] = compiled->milliseconds;
  line["cached"] = compiled->fromCache;
  line["entries"] = compiled->kernels.size();
  for (const cuda::KernelResources& k : compiled->kernels) {
    line["registers"] = std::max(line.value("registers", 0), k.registers);
    line["stack"] = line.value("stack", int64_t(0)) + k.stackBytes;
  }
  line["spills"] = compiled->spillBytes();
  line["advisories"] = compiled->advisories;
  line["bad"] = compiled->badAdvisories();
  for (int opcode : {cuda::kSassHgmma, cuda::kSassHgmmaRegisters, cuda::kSassIgmma, cuda::kSassQgmma})
    line["hgmma"] = line.value("hgmma", int64_t(0)) + cuda::countSass(compiled->cubin, opcode);
  line["local"] = cuda::countSass(compiled->cubin, cuda::kSassLdl) + cuda::countSass(compiled->cubin, cuda::kSassStl);
  if (!cubins.empty()) {
    std::string path = cubins + "/" + std::to_string(index) + ".cubin";
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(compiled->cubin.data()), std::streamsize(compiled->cubin.size()));
    line["cubin"] = path;
  }
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  size_t shard = 0, shards = 1;
  std::string cubins;
  std::map<std::string, Unit> units;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--shard") && i + 1 < argc) {
      if (std::sscanf(argv[++i], "%zu/%zu", &shard, &shards) != 2 || shards == 0) return 2;
    } else if (!std::strcmp(argv[i], "--cubins") && i + 1 < argc) {
      cubins = argv[++i];
    } else if (jinx::Status status = read(argv[i], units); !status.isOk()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], status.message().c_str());
      return 1;
    }
  }
  if (!cuda::haveNvrtc()) {
    std::fprintf(stderr, "no NVRTC: set JINX_NVRTC to libnvrtc.so.13\n");
    return 77;
  }
  size_t index = 0;
  for (const auto& [text, unit] : units) {
    if (index++ % shards != shard) continue;
    std::printf("%s\n", judge(unit, cubins, index).dump().c_str());
    std::fflush(stdout);
  }
  return 0;
}

#include "passes/Dist/ShardRules.h"

#include <set>

#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;

namespace jinx::passes {

namespace {

constexpr int64_t kMostRanks = int64_t(1) << 24;

std::string quoted(StringRef text) { return "\"" + text.str() + "\""; }

llvm::SmallVector<StringRef> partsOf(StringRef text, char by) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, by, -1, /*KeepEmpty=*/true);
  return parts;
}

}  // namespace

int64_t ShardRules::ranks() const {
  int64_t ranks = 1;
  for (const MeshAxis &axis : mesh)
    ranks *= axis.ranks;
  return ranks;
}

Expected<DimRule> parseDimRule(std::string_view text) {
  DimRule dim;
  for (StringRef word : partsOf(StringRef(text), ' ')) {
    if (word.empty()) continue;
    if (dim.isOpen) return invalidArgument("dimension is " + quoted(StringRef(text)) + ", expected '?' at its end");
    if (word == "?")
      dim.isOpen = true;
    else
      dim.axes.push_back(word.str());
  }
  return dim;
}

std::string describe(const DimRule &dim) {
  std::string text;
  for (const std::string &axis : dim.axes)
    text += (text.empty() ? "" : " ") + axis;
  return dim.isOpen ? text + (text.empty() ? "?" : " ?") : text;
}

std::string describe(const std::vector<MeshAxis> &mesh) {
  std::string text;
  for (const MeshAxis &axis : mesh)
    text += (text.empty() ? "" : ",") + axis.name + "=" + std::to_string(axis.ranks);
  return text;
}

int64_t ranksAlong(const std::vector<MeshAxis> &mesh, std::string_view name) {
  for (const MeshAxis &axis : mesh)
    if (axis.name == name) return axis.ranks;
  return 1;
}

Expected<std::vector<MeshAxis>> parseMesh(std::string_view text) {
  std::vector<MeshAxis> mesh;
  for (StringRef part : partsOf(StringRef(text), ',')) {
    auto [name, number] = part.split('=');
    MeshAxis axis{name.trim().str()};
    if (number.trim().getAsInteger(10, axis.ranks)) return invalidArgument("axis is " + quoted(part) + ", expected NAME=RANKS");
    mesh.push_back(axis);
  }
  JINX_TRY(checkMesh(mesh));
  return mesh;
}

Status checkMesh(const std::vector<MeshAxis> &mesh) {
  if (mesh.empty()) return invalidArgument("the mesh has no axis, expected one at least");
  std::set<std::string> seen;
  int64_t ranks = 1;
  for (const MeshAxis &axis : mesh) {
    bool isName = !axis.name.empty() && !llvm::isDigit(axis.name[0]) && llvm::all_of(axis.name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
    if (!isName) return invalidArgument("axis " + quoted(axis.name) + " is no name, expected letters, digits and '_', and no digit in front");
    if (!seen.insert(axis.name).second) return invalidArgument("axis " + quoted(axis.name) + " is there twice, expected once");
    if (axis.ranks < 1 || axis.ranks > kMostRanks)
      return invalidArgument("axis " + quoted(axis.name) + " has " + std::to_string(axis.ranks) + " ranks, expected 1 to " + std::to_string(kMostRanks));
    if ((ranks *= axis.ranks) > kMostRanks)
      return invalidArgument("the mesh " + describe(mesh) + " has too many ranks, expected " + std::to_string(kMostRanks) + " at most");
  }
  return Status::ok();
}

}  // namespace jinx::passes

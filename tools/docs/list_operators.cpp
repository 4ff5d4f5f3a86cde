// Which ONNX operators do the importer's table and the host operators know? A line a row: kind, domain, name, first opset, last opset
// (0: until a later row takes over), separated by tabs. tools/docs/onnx_operators.py makes a page of it.
#include <cstdio>

#include "frontends/onnx/Handlers.h"
#include "runtime/hostops/HostOp.h"

int main() {
  auto print = [](const char* kind, std::string_view domain, std::string_view name, int64_t since, int64_t until) {
    std::printf("%s\t%.*s\t%.*s\t%lld\t%lld\n", kind, int(domain.size()), domain.data(), int(name.size()), name.data(),
                static_cast<long long>(since), static_cast<long long>(until));
  };
  for (const jinx::frontends::HandlerRow* row : jinx::frontends::handlerRows())
    if (!row->typesOnly) print("handler", row->domain, row->name, row->since, row->until == jinx::frontends::kAnyOpset ? 0 : row->until);
  for (const jinx::HostOpEntry& row : jinx::HostOpTable::standard().rows())
    if (row.domain != "jinx") print("host", row.domain, row.name, row.sinceOpset, 0);
}

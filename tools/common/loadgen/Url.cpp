#include "tools/common/loadgen/Url.h"

#include <algorithm>

namespace jinx::loadgen {

std::string Url::authority() const { return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port; }

Expected<Url> parseUrl(std::string_view text) {
  const Status wrong = invalidArgument("'" + std::string(text) + "' is no address of a server, expected http://HOST:PORT");
  if (text.starts_with("https://")) return unimplemented("'" + std::string(text) + "' asks for TLS, which is not supported: name the server itself, by http://HOST:PORT");
  if (!text.starts_with("http://")) return wrong;
  text.remove_prefix(7);
  const size_t slash = std::min(text.find('/'), text.size());
  std::string_view host = text.substr(0, slash), path = text.substr(slash), port = "80";
  while (path.ends_with('/'))
    path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  const size_t colon = host.rfind(':'), bracket = host.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  const bool isBracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  if (isBracketed) host = host.substr(1, host.size() - 2);
  const bool isPort = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
  const bool isHost = !host.empty() && host.find_first_of(isBracketed ? "@?#[] \t\r\n" : ":@?#[] \t\r\n") == std::string_view::npos;
  if (!isPort || !isHost || path.find_first_of("?# \t\r\n") != std::string_view::npos) return wrong;
  return Url{std::string(host), std::string(port), std::string(path)};
}

} // namespace jinx::loadgen

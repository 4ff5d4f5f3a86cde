#include "runtime/grammar/Formats.h"

#include <algorithm>
#include <array>

namespace jinx::grammar {
namespace {

std::string group(const std::string& pattern) { return "(?:" + pattern + ")"; }

std::string date() {
  const std::string year = "(?:000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})";
  const std::string leap = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
  const std::string day = "(?:0[1-9]|1\\d|2[0-8])";
  return group(year + "-" + group("(?:0[13578]|1[02])-(?:" + day + "|29|30|31)|(?:0[469]|11)-(?:" + day + "|29|30)|02-" + day) + "|" + leap + "-02-29");
}

std::string time() { return "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"; }

std::string duration() {
  const std::string time = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
  const std::string date = "(?:\\d+D|\\d+M(?:\\d+D)?|\\d+Y(?:\\d+M(?:\\d+D)?)?)";
  return "P(?:" + date + "(?:" + time + ")?|" + time + "|\\d+W)";
}

std::string ipv4() {
  const std::string octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  return octet + "(?:\\." + octet + "){3}";
}

std::string ipv6() {
  const std::string part = "[0-9a-fA-F]{1,4}", last = group(part + ":" + part + "|" + ipv4());
  const auto parts = [&](int most) { return "(?:(?:" + part + ":){0," + std::to_string(most) + "}" + part + ")?"; };
  std::string pattern = "(?:" + part + ":){6}" + last + "|::(?:" + part + ":){5}" + last;
  // Something in front of ::, and the fewer parts behind it.
  for (int front = 0; front < 5; ++front)
    pattern += "|" + parts(front) + "::(?:" + part + ":){" + std::to_string(4 - front) + "}" + last;
  return group(pattern + "|" + parts(5) + "::" + part + "|" + parts(6) + "::");
}

std::string hostname() {
  const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  return label + "(?:\\." + label + "){0,31}";
}

std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  return atom + "(?:\\." + atom + ")*@" + hostname();
}

std::string uri() {
  const std::string escaped = "%[0-9A-Fa-f]{2}", plain = "A-Za-z0-9._~!$&'()*+,;=\\-";
  const std::string part = "(?:[" + plain + ":@]|" + escaped + ")", user = "(?:(?:[" + plain + ":]|" + escaped + ")*@)?";
  const std::string host = "(?:\\[" + ipv6() + "\\]|(?:[" + plain + "]|" + escaped + ")*)";
  const std::string path = "(?:/" + part + "*)*";
  const std::string query = "(?:[" + plain + ":@/?]|" + escaped + ")*";
  return "[A-Za-z][A-Za-z0-9+.-]*:(?://" + user + host + "(?::\\d*)?" + path + "|/(?:" + part + "+" + path + ")?|" + part + "+" + path + ")?(?:\\?" + query + ")?(?:#" + query + ")?";
}

} // namespace

std::string patternOfFormat(std::string_view format) {
  if (format == "date") return date();
  if (format == "time") return time();
  if (format == "date-time") return date() + "T" + time();
  if (format == "duration") return duration();
  if (format == "uuid") return "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
  if (format == "ipv4") return ipv4();
  if (format == "ipv6") return ipv6();
  if (format == "hostname") return hostname();
  if (format == "email") return email();
  if (format == "uri") return uri();
  if (format == "json-pointer") return "(?:/(?:[^/~]|~[01])*)*";
  return {};
}

bool isAnnotation(std::string_view format) {
  constexpr std::array<std::string_view, 6> kNames = {"int32", "int64", "float", "double", "password", "unknown"};
  return std::ranges::find(kNames, format) != kNames.end();
}

} // namespace jinx::grammar

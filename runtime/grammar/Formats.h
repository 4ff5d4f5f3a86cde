// Formats of strings, as patterns.
#pragma once

#include <string>
#include <string_view>

namespace jinx::grammar {

/// A pattern (Regex.h) that the whole string matches; empty for a format that is not known.
///
/// Dates are those of the calendar, years from 1 on; times are of RFC 3339, with capital letters and without leap seconds; addresses and URIs are ASCII.
std::string patternOfFormat(std::string_view format);
/// A format that says something of numbers only, or nothing that could be checked.
bool isAnnotation(std::string_view format);

} // namespace jinx::grammar

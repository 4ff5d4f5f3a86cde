// What a `response_format` may ask for: its grammar, compiled within a deadline, and kept for who asks for the same.
#pragma once

#include "runtime/grammar/Grammar.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

/// The masks of formats of these types, safe to call from several threads:
///
///   json_object    any object
///   json_schema    {"type", "json_schema": {"name", "schema", "strict"}}
///   regex          {"type", "regex": "…"}: the whole text matches
///   grammar        {"type", "grammar": "…"}: in llama.cpp's notation
///
/// \param limits  of compiling one
MaskMaker maskMakerOf(std::shared_ptr<const grammar::TokenTable> tokens, const grammar::Limits& limits = {});

} // namespace jinx::serve

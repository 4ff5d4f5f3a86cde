// A tokenizer of a few words, as a file of Hugging Face's library has it, for tests of what reads requests.
#pragma once

#include "runtime/text/HuggingFace.h"

namespace jinx::serve {

/// [UNK] 0, [CLS] 1, [SEP] 2, and words from 3: a text is [CLS] words [SEP].
inline constexpr const char* kToyTokenizer = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
{"id":1,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
{"id":2,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},
"decoder":{"type":"WordPiece","prefix":"##","cleanup":false},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"man":4,"plays":5,"the":6,"guitar":7}}})";

} // namespace jinx::serve

#!/bin/sh
# Seeds for the fuzz targets, from what is in the tree and from ONNX's node tests: make_seeds.sh JINX JINX-OPT SOURCE NODE-TESTS OUT
#
# OUT/native: modules of docs/spec and of the lit tests, one each. OUT/onnx: node tests. OUT/plan: plans of both. OUT/gguf: a
# file written here. OUT/safetensors, OUT/tokenizer: so, too, one of each kind. OUT/language_model: config.json of several kinds, and a whole GGUF file.
# OUT/grammar: schemas, patterns and grammars. OUT/chat: templates, a zero, and the context. OUT/request: a letter for the route, and a body.
set -eu
jinx=$1 jinx_opt=$2 source=$3 node_tests=$4 out=$5

# A few of each kind of thing that an importer does: arithmetic, shapes, windows, recurrence, control flow, sequences, quantities.
onnx_seeds="abs add_bcast argmax_default_axis_example attention_4d averagepool_2d_ceil basic_conv_with_padding batchnorm_example
cast_FLOAT_to_INT4 clip_example compress_0 concat_2d_axis_0 constantofshape_float_ones conv_with_strides_padding
convtranspose_pads cumsum_1d dequantizelinear_blocked einsum_batch_matmul expand_dim_changed gather_0 gather_elements_0
gathernd_example_int32 gelu_default_1 gemm_all_attributes group_normalization_example gru_bidirectional if if_opt if_seq
layer_normalization_2d_axis0 loop11 loop13_seq loop16_seq_none lstm_with_peepholes matmul_bcast maxpool_2d_dilations
maxunpool_export_with_output_shape nonmaxsuppression_limit_output_size nonzero_example onehot_with_axis
optional_get_element_sequence pow_types_float32_int32 qlinearconv quantizelinear_int4 range_int32_type_negative_delta_expanded
reduce_sum_do_not_keepdims_example reshape_negative_dim resize_downsample_sizes_nearest rnn_seq_length roialign_mode_max
scan9_sum scatter_elements_with_axis scatternd_add sequence_insert_at_back sequence_map_add_1_sequence_1_tensor shape_start_1
slice_neg_steps softmax_axis_1 split_to_sequence_1 split_variable_parts_1d_opset18 squeeze string_concat stft tile top_k
transpose_all_permutations_3 unique_sorted_with_axis_3d unsqueeze_three_axes where_example"

rm -rf "$out"
mkdir -p "$out/native" "$out/onnx" "$out/plan"

# Modules: a lit test holds several; the first function of each becomes @main, which a model needs.
for file in "$source"/docs/spec/*.mlir "$source"/tests/lit/ir/Graph/*.mlir "$source"/tests/lit/passes/*.mlir; do
  awk -v stem="$out/native/$(basename "$(dirname "$file")")-$(basename "$file" .mlir)" '
    function start() { name = sprintf("%s-%02d.mlir", stem, ++part); renamed = 0 }
    BEGIN { start() }
    /^\/\/ -----/ { start(); next }
    /^\/\/ (RUN|CHECK)/ { next }
    { if (!renamed && sub(/func\.func @[A-Za-z0-9_]+/, "func.func @main")) renamed = 1; print >name }' "$file"
done

# The same as bytecode, where they are valid.
for file in "$out"/native/*.mlir; do
  "$jinx_opt" --emit-bytecode "$file" -o "$file"bc 2>/dev/null || rm -f "$file"bc
done

missing=""
for name in $onnx_seeds; do
  model=$node_tests/test_$name/model.onnx
  if [ -f "$model" ]; then cp "$model" "$out/onnx/$name.onnx"; else missing="$missing $name"; fi
done
[ -z "$missing" ] || echo "no node tests:$missing"

# Plans for the baseline level: small, and the same on every machine.
for model in "$source"/docs/spec/*.mlir "$out"/onnx/*.onnx; do
  [ -f "$model" ] || continue
  plan=$out/plan/$(basename "$model").jxp
  "$jinx" compile "$model" -o "$plan" --isa x86-64 --threads 1 >/dev/null 2>"$out/log" || { echo "no plan of $model:"; cat "$out/log"; exit 1; }
done
rm -f "$out/log"

# A GGUF file: three entries and two tensors, of numbers and of blocks.
u32() { printf "\\$(printf %03o $(($1 % 256)))\\$(printf %03o $(($1 / 256 % 256)))\\0\\0"; }
u64() { u32 "$1" && u32 0; }
text() { u64 "${#1}" && printf %s "$1"; }
mkdir -p "$out/gguf"
{
  printf GGUF && u32 3 && u64 2 && u64 3
  text general.architecture && u32 8 && text llama
  text llama.block_count && u32 4 && u32 30
  text tokens && u32 9 && u32 8 && u64 2 && text a && text bc
  text norm && u32 1 && u64 4 && u32 0 && u64 0
  text blocks && u32 2 && u64 32 && u64 3 && u32 3 && u64 32
  head -c 160 /dev/zero
} >"$out/gguf/two.gguf"

# A safetensors file: two tensors and an entry.
mkdir -p "$out/safetensors"
header='{"b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "a": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]}, "__metadata__": {"format": "pt"}}'
{ u64 "${#header}" && printf %s "$header" && head -c 28 /dev/zero; } >"$out/safetensors/two.safetensors"

# Language models: small ones, of which the target makes the tensors.
mkdir -p "$out/language_model"
small='"hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 5, "max_position_embeddings": 64, "tie_word_embeddings": true, "eos_token_id": [2, 3]'
config() { printf '{"model_type": "%s", %s%s}' "$1" "$small" "$2" >"$out/language_model/$1.json"; }
config llama ', "attention_bias": true, "mlp_bias": false, "rope_theta": 10000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 32}'
config mistral ', "sliding_window": 8, "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 16}'
config qwen2 ', "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1'
config gemma3_text ', "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16, "rope_local_base_freq": 10000'
config mixtral ', "num_local_experts": 3, "num_experts_per_tok": 2, "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 10000}'
config qwen2_moe ', "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8, "decoder_sparse_step": 1, "mlp_only_layers": [1], "norm_topk_prob": true'
config bert ', "type_vocab_size": 2, "hidden_act": "gelu"'
printf '{"model_type": "gpt2", "n_embd": 16, "n_layer": 2, "n_head": 1, "n_inner": null, "n_positions": 64, "vocab_size": 5}' >"$out/language_model/gpt2.json"
entry() { text "llama.$1" && u32 4 && u32 "$2"; }
vector() { text "$1.weight" && u32 1 && u64 16 && u32 0 && u64 "$2"; }
matrix() { text "$1.weight" && u32 2 && u64 16 && u64 16 && u32 0 && u64 "$2"; }
{
  printf GGUF && u32 3 && u64 11 && u64 8
  text general.architecture && u32 8 && text llama
  entry block_count 1 && entry context_length 64 && entry embedding_length 16 && entry feed_forward_length 16
  entry attention.head_count 1 && entry attention.head_count_kv 1
  text llama.attention.layer_norm_rms_epsilon && u32 6 && printf '\254\305\047\067'
  vector output_norm 0 && vector blk.0.attn_norm 64 && vector blk.0.ffn_norm 128
  at=192
  for name in token_embd blk.0.attn_q blk.0.attn_k blk.0.attn_v blk.0.attn_output blk.0.ffn_gate blk.0.ffn_up blk.0.ffn_down; do matrix $name $at && at=$((at + 1024)); done
  head -c $((at + 31)) /dev/zero # with what the header is padded
} >"$out/language_model/llama.gguf"

# Tokenizers: one of each kind.
mkdir -p "$out/tokenizer"
text32() { u32 8 && text "$1"; }
byte() { printf "\\$(printf %03o "$1")"; }
# A piece of a SentencePiece model, as a protocol buffer: text, a negative score that byte $2 makes, kind 1.
piece() { byte 10 && byte $((${#1} + 9)) && byte 10 && byte ${#1} && printf %s "$1" && printf '\025\0\0' && byte "$2" && printf '\277\030\001'; }
added='"added_tokens": [{"id": 4, "content": "<x>", "special": true}, {"id": 5, "content": "[w]", "lstrip": true, "rstrip": true, "single_word": true}]'
cat >"$out/tokenizer/bpe.json" <<EOF
{$added, "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "x+"}, "content": "a"}]},
"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Split", "pattern": {"Regex": "[^\\\\s]+|\\\\s+(?!\\\\S)"}, "behavior": "MergedWithNext", "invert": false}, {"type": "ByteLevel", "add_prefix_space": true}]},
"decoder": {"type": "ByteLevel"}, "post_processor": {"type": "BertProcessing", "cls": ["<x>", 4], "sep": ["<x>", 4]},
"model": {"type": "BPE", "unk_token": "a", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]}}
EOF
cat >"$out/tokenizer/fallback.json" <<EOF
{$added, "normalizer": {"type": "Prepend", "prepend": "_"}, "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": true},
"decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
"model": {"type": "BPE", "byte_fallback": true, "fuse_unk": true, "unk_token": "c", "end_of_word_suffix": "b", "continuing_subword_prefix": "a", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": [["a", "ab"]]}}
EOF
cat >"$out/tokenizer/wordpiece.json" <<EOF
{$added, "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece"},
"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "it": 3}}}
EOF
cat >"$out/tokenizer/unigram.json" <<EOF
{$added, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "CAAAAAAAAAAAAAAAYQA="}, "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "Metaspace"},
"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5], ["ab", -2], ["b", -3]]}}
EOF
for value in $(seq 0 255); do
  byte "$value" | base64 | tr '\n' ' ' && echo "$value"
done >"$out/tokenizer/ranks.tiktoken"
echo "YWI= 256" >>"$out/tokenizer/ranks.tiktoken"
{ piece _a 128 && piece a 64 && piece b 100 && piece ab 32 && printf '\022\002\030\002'; } >"$out/tokenizer/pieces.model"
{
  printf GGUF && u32 3 && u64 0 && u64 4
  text tokenizer.ggml.model && text32 gpt2
  text tokenizer.ggml.pre && text32 smollm
  text tokenizer.ggml.tokens && u32 9 && u32 8 && u64 3 && text a && text b && text ab
  text tokenizer.ggml.merges && u32 9 && u32 8 && u64 1 && text "a b"
} >"$out/tokenizer/bpe.gguf"

# Grammars: the first letter says of what kind.
mkdir -p "$out/grammar"
printf %s 's{"type": "object", "properties": {"a": {"type": "integer", "minimum": -5, "maximum": 17.5}, "b": {"enum": ["x", 1, null]}}, "required": ["a"], "additionalProperties": {"type": "string", "pattern": "^[ab]+$", "maxLength": 9}}' >"$out/grammar/object"
printf %s 's{"$defs": {"n": {"properties": {"v": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}}}, "allOf": [{"$ref": "#/$defs/n"}, {"required": ["v"]}], "patternProperties": {"^x": {"format": "date-time"}}}' >"$out/grammar/tree"
printf %s 's{"type": "array", "prefixItems": [{"const": {"a": [1]}}, {"type": ["string", "null"], "minLength": 2}], "items": {"type": "number", "exclusiveMinimum": 0.5}, "minItems": 1, "maxItems": 4}' >"$out/grammar/array"
printf %s 'r^(a|[^b-d\d]{2,5})*(?:x|\p{Lu}\w+?)$|\u00e9{3}' >"$out/grammar/pattern"
printf %s 'r(a?){30}a{30}(ab|a|b)*' >"$out/grammar/ambiguous"
printf 'groot ::= "[" ws item ("," ws item)* "]" # list\nitem ::= [0-9]{1,3} | root | item "+" item2\nitem2 ::= "x"? | [^a-z] .\nws ::= [ \\t\\n]*\n' >"$out/grammar/list"
printf 'groot ::= "a" root "b" | "a" b "c" | ""\nb ::= "a" root "b" | "a" b "c"' >"$out/grammar/pairs"

# Chat templates, each of other features. Behind a zero comes the context; without one the target has its own.
mkdir -p "$out/chat"
{
  cat <<'EOF'
{%- set ns = namespace(n=0, seen=[]) -%}
{% for m in messages if m.role != 'x' %}
  {%- if loop.first and m['role'] == "system" %}{{ bos_token }}{% elif not loop.last %}, {% else %}{% continue %}{% endif -%}
  {%- set ns.n = ns.n + 1 %}{% set ns.seen = ns.seen + [m.role] %}
<|{{ m.role }}|>{{ m.content | trim | default('none', true) | upper }}{{ loop.nextitem.role if loop.nextitem is defined else '' }}
{% else %}{{ raise_exception('empty') }}{% endfor %}{{ ns.n }} {{ ns.seen | join(', ') }}
EOF
  printf '\000%s' '{"messages": [{"role": "system", "content": "Hi"}, {"role": "user", "content": "\u00fc<|x|>"}], "bos_token": "<s>"}'
} >"$out/chat/loop"
cat >"$out/chat/macro" <<'EOF'
{% macro show(x, indent=0) %}{% if x is mapping %}{% for k, v in x | dictsort %}{{ ' ' * indent ~ k }}: {{ show(v, indent + 2) }}
{% endfor %}{% else %}{{ x | tojson(indent=2) }}{% endif %}{% endmacro %}{{ show(d) }}{{ show(indent=1, x={'a': [1, none, 2.5e3]}) }}
{% macro around() %}<{{ caller(1) }}>{% endmacro %}{% call(y) around() %}{{ y }}{% endcall %}
EOF
cat >"$out/chat/text" <<'EOF'
{{ s.strip().split(' ')[-1] }}{{ s[::-1] | title }}{{ ('%s %5.1f' % (s, n)).replace('a', 'b', 1) }}{{ s.startswith(('a', 's')) }}{{ s | indent(2, true) }}{{ s.partition('o') }}
{# c -#} {%+ raw %}{{ x }}{% endraw %}{% filter lower | trim %} A{{ s | e }} {% endfilter %}{{ s.center(20, '*') ~ s.find('e') ~ '{0}{1}'.format(1, s) }}
EOF
cat >"$out/chat/list" <<'EOF'
{{ l | map('string') | select('ne', '1') | list }}{{ rows | selectattr('k', 'equalto', 'v') | map(attribute='w.z') | list }}{{ rows | sort(attribute='k', reverse=true) | first }}
{{ l[1:] + [1, 'a', (2,)] }}{{ l | unique | list | length }}{{ range(1, 9, 2) | sum }}{% set a, b = l[0], 1 %}{{ a // b - 7 % -3 ** 2 }}{{ 1 < n <= 9 and n not in l or not n is odd }}
{% set x %}block{% endset %}{% with y = x ~ x %}{{ y }}{% endwith %}{% generation %}{{ dict(d, z=1).z }}{% endgeneration %}{{ d.items() | list | tojson }}{{ strftime_now('%Y') | length }}
EOF
# Bodies of requests: the first letter says of which route.
mkdir -p "$out/request"
printf %s 'c{"model": "toy", "prompt": ["Once upon", "a time"], "n": 2, "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 3, "stop": ["END", "x"], "logit_bias": {"65": -100, "66": 1.5}, "logprobs": 2, "user": "me"}' >"$out/request/completion"
printf %s 'c{"prompt": [72, 105], "stream": true, "stream_options": {"include_usage": true}, "echo": true, "presence_penalty": 1, "frequency_penalty": -1, "repetition_penalty": 1.1, "min_p": 0.1, "ignore_eos": true, "stop_token_ids": [7], "skip_special_tokens": false}' >"$out/request/stream"
printf %s 'c{"prompt": "x", "best_of": 1, "response_format": {"type": "json_schema", "json_schema": {"name": "p", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}}' >"$out/request/schema"
printf %s 'c{"prompt": "x", "response_format": {"type": "regex", "regex": "[ab]{2,3}"}}' >"$out/request/pattern"
printf %s 'm{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi \u00fc"}]}], "max_completion_tokens": 9, "logprobs": true, "top_logprobs": 3, "response_format": {"type": "json_object"}}' >"$out/request/chat"
printf %s 'm{"messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}, {"role": "tool", "tool_call_id": "c1", "content": "Sun"}], "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}], "tool_choice": "auto", "stream": true, "chat_template_kwargs": {"x": [1]}}' >"$out/request/tools"
printf %s 'm{"messages": [{"role": "user", "content": "Weather?"}], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": {"type": "function", "function": {"name": "f"}}, "n": 3}' >"$out/request/call"
printf %s 'e{"model": "toy", "input": ["one", "two \u20ac"], "encoding_format": "base64", "dimensions": 3, "user": "me"}' >"$out/request/vectors"
printf %s 'e{"input": [[1, 2], [3]], "encoding_format": "float"}' >"$out/request/token_vectors"
printf %s 't{"prompt": "a b\u0000", "add_special_tokens": false}' >"$out/request/tokenize"
printf %s 'd{"tokens": [226, 130, 172, 65]}' >"$out/request/detokenize"
echo "$(ls "$out/native" | wc -l) modules, $(ls "$out/onnx" | wc -l) ONNX models, $(ls "$out/plan" | wc -l) plans"
[ -n "$(ls "$out/plan")" ]

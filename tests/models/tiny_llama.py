"""A Llama of two layers with random weights, small enough to compile in a second, and a tokenizer whose first tokens it has.

    model, tokenizer = tiny_llama.write(folder)       a Hugging Face folder, and ranks of tiktoken: "!" to "~" are the tokens 0 to 93 of GPT-2
"""

import shutil

import huggingface_model as folders
import tokenizers_check  # noqa: F401: its table names the tokenizer's file
from packages import data

VOCABULARY = 512


def write(folder, seed=5, width=folders.WIDTH):
    """\\returns the model's folder and the tokenizer's file, both in `folder`. Missing where the tokenizer cannot be had."""
    config = {**folders.llama("llama"), "vocab_size": VOCABULARY, "hidden_size": width}
    folders.VOCABULARY, folders.WIDTH = VOCABULARY, width
    maker = folders.Maker("F32", seed)
    folders.make_llama(config, maker)
    kind, head = maker.tensors["lm_head.weight"]
    maker.tensors["lm_head.weight"] = (kind, head * 2)
    model, tokenizer = folder / "tiny", folder / "gpt2.tiktoken"
    folders.write_folder(model, config, maker.tensors)
    shutil.copyfile(data("whisper.gpt2.tiktoken"), tokenizer)
    return model, tokenizer

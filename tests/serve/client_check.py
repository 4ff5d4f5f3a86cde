#!/usr/bin/env python3
"""Does OpenAI's own Python client, unchanged, get from the server what `jinx generate` says?

Completions and chats, whole and streamed, several prompts and choices, seeds, stop strings within and across tokens, logprobs, biases, tools, formats, usage, and errors as the
client's exceptions. Texts are compared with those of `generate --batch`, which shares the engine and no code of the server; prompts of chats with a rendering written here.

    client_check.py --jinx build/dev/bin/jinx
"""

import json
import math
import re
import subprocess
import sys

from server import NAME, Server, generated, main_over_model

try:
    import openai
except ImportError:
    openai = None

PROMPTS = ["The capital of France is", "Once upon a time", "Q: What is 2 + 2?\nA:"]
CITY = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
                                         "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}}}


def rendered(messages):
    """SmolLM2's template, as its model card describes it."""
    system = "" if messages[0]["role"] == "system" else "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    return system + "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


def check_completions(client, outcomes, wanted, stops):
    for (prompt, extra), (text, finish) in wanted.items():
        options = {"model": NAME, "prompt": prompt, **json.loads(extra)}
        whole = client.completions.create(**options)
        outcomes.expect((whole.choices[0].text, whole.choices[0].finish_reason) == (text, finish), f"{prompt!r} {extra}: {whole.choices[0]}, expected {text!r} {finish}")
        parts = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
        streamed = "".join(part.choices[0].text for part in parts if part.choices)
        outcomes.expect(streamed == text, f"streamed {prompt!r} {extra}: {streamed!r}, expected {text!r}")
        outcomes.expect(parts[-1].usage.completion_tokens == whole.usage.completion_tokens and not parts[-1].choices, f"usage of a stream: {parts[-1]}")
        outcomes.expect({part.choices[0].finish_reason for part in parts if part.choices} - {None} == {finish}, f"a stream's end, {prompt!r}")
        for stop in stops(text):
            expected = text[: text.index(stop)]
            for stream in (False, True):
                got = client.completions.create(**options, stop=[stop, "\0never"], stream=stream)
                got = "".join(part.choices[0].text for part in got) if stream else got.choices[0].text
                outcomes.expect(got == expected, f"stop {stop!r}, stream {stream}: {got!r}, expected {expected!r}")


def check_choices(client, outcomes, jinx, plan, model):
    requests = [{"prompt": prompt, "max_tokens": 12, "temperature": 1, "seed": 40 + k} for prompt in PROMPTS[:2] for k in range(3)]
    wanted = [text for text, _ in generated(jinx, plan, model, requests)]
    got = client.completions.create(model=NAME, prompt=PROMPTS[:2], n=3, max_tokens=12, temperature=1, seed=40)
    outcomes.expect([choice.text for choice in got.choices] == wanted, f"choices {[choice.text for choice in got.choices]}, expected {wanted}")
    texts = [""] * 6
    for part in client.completions.create(model=NAME, prompt=PROMPTS[:2], n=3, max_tokens=12, temperature=1, seed=40, stream=True):
        texts[part.choices[0].index] += part.choices[0].text
    outcomes.expect(texts == wanted, f"streamed choices {texts}, expected {wanted}")
    echoed = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=4, temperature=0, echo=True).choices[0].text
    outcomes.expect(echoed.startswith(PROMPTS[0] + " Paris"), f"echo: {echoed!r}")


def check_logprobs(client, outcomes, server):
    got = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=8, temperature=0, logprobs=3)
    logprobs, text = got.choices[0].logprobs, got.choices[0].text
    outcomes.expect("".join(logprobs.tokens) == text, f"tokens {logprobs.tokens} of {text!r}")
    outcomes.expect([text[offset:].startswith(token) for offset, token in zip(logprobs.text_offset, logprobs.tokens)] == [True] * 8, f"offsets {logprobs.text_offset}")
    for value, top in zip(logprobs.token_logprobs, logprobs.top_logprobs):
        outcomes.expect(value <= 0 and math.isclose(value, max(top.values()), abs_tol=1e-6) and len(top) == 3, f"the greedy token has {value} of {top}")
        outcomes.expect(sum(map(math.exp, top.values())) <= 1 + 1e-5, f"probabilities sum to more than 1: {top}")
    chat = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "Hi"}], max_tokens=6, temperature=0, logprobs=True, top_logprobs=2)
    content = chat.choices[0].logprobs.content
    outcomes.expect(b"".join(bytes(token.bytes) for token in content).decode() == chat.choices[0].message.content, "bytes of a chat's tokens are not its text")
    outcomes.expect(all(len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob for token in content), "top_logprobs of a chat")
    token = server.post("/tokenize", prompt=" Paris")[1]["tokens"][0]
    text = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=4, temperature=0, logit_bias={str(token): -100}).choices[0].text
    outcomes.expect("Paris" not in text, f"a forbidden token: {text!r}")


def check_chat(client, outcomes, jinx, plan, model):
    talks = [[{"role": "user", "content": "What is the capital of France?"}],
             [{"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "Name a color."}],
             [{"role": "user", "content": "Say hi."}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "Again."}]]
    for messages in talks:
        prompt = rendered(messages)
        from_text = client_answer(jinx, plan, model, prompt)
        chat = client.chat.completions.create(model=NAME, messages=messages, max_tokens=24, temperature=0)
        outcomes.expect(chat.choices[0].message.content == from_text, f"chat {messages}: {chat.choices[0].message.content!r}, expected {from_text!r}")
        parts = list(client.chat.completions.create(model=NAME, messages=messages, max_completion_tokens=24, temperature=0, stream=True))
        outcomes.expect("".join(part.choices[0].delta.content or "" for part in parts) == from_text, f"streamed chat {messages}")
        outcomes.expect(parts[0].choices[0].delta.role == "assistant", "the first chunk of a chat has no role")
    again = client.chat.completions.create(model=NAME, messages=talks[0], max_tokens=4, temperature=0)
    outcomes.expect(again.usage.prompt_tokens_details.cached_tokens >= 16, f"a prompt seen before: {again.usage}")
    parts = [{"type": "text", "text": "What is the capital "}, {"type": "text", "text": "of France?"}]
    joined = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": parts}], max_tokens=4, temperature=0)
    outcomes.expect(joined.choices[0].message.content == again.choices[0].message.content, "content in parts")
    # What a user writes never becomes a control token.
    sly = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "<|im_end|>" * 8}], max_tokens=1, temperature=0)
    empty = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": ""}], max_tokens=1, temperature=0)
    outcomes.expect(sly.usage.prompt_tokens > empty.usage.prompt_tokens + 8, "control tokens in a user's text")


def client_answer(jinx, plan, model, prompt):
    """`generate --special` of a rendered conversation."""
    done = subprocess.run([jinx, "generate", plan, "--tokenizer", model, "--special", "--prompt", prompt, "--max-tokens", "24"], capture_output=True, text=True, check=True)
    return done.stdout[:-1]


def check_tools(client, outcomes):
    ask = [{"role": "user", "content": "What is the weather in Paris?"}]
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        got = client.chat.completions.create(model=NAME, messages=ask, tools=[CITY], tool_choice=choice, max_tokens=80, temperature=0)
        message = got.choices[0].message
        good = message.tool_calls and message.tool_calls[0].function.name == "get_weather" and set(json.loads(message.tool_calls[0].function.arguments)) == {"city"}
        outcomes.expect(good and got.choices[0].finish_reason == "tool_calls" and message.content is None, f"tool_choice {choice}: {got.choices[0]}")
        if not good:
            continue
        arguments, names = "", []
        for part in client.chat.completions.create(model=NAME, messages=ask, tools=[CITY], tool_choice=choice, max_tokens=80, temperature=0, stream=True):
            for call in part.choices[0].delta.tool_calls or []:
                names += [call.function.name] if call.function.name else []
                arguments += call.function.arguments
        outcomes.expect(names == ["get_weather"] and arguments == message.tool_calls[0].function.arguments, f"streamed calls: {names} {arguments}")
        answered = ask + [{"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in message.tool_calls]},
                          {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Sunny"}]
        text = client.chat.completions.create(model=NAME, messages=answered, tools=[CITY], tool_choice="none", max_tokens=8).choices[0].message
        outcomes.expect(bool(text.content) and not text.tool_calls, f"after a tool: {text}")
    plain = client.chat.completions.create(model=NAME, messages=ask, tools=[CITY], max_tokens=16, temperature=0)
    outcomes.expect(plain.choices[0].message.role == "assistant", "tools with auto")


def check_formats(client, outcomes):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
              "required": ["name", "age"], "additionalProperties": False}
    formats = [({"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}, lambda t: set(json.loads(t)) == {"name", "age"}),
               ({"type": "regex", "regex": "[A-Z][a-z]{2,5}-[0-9]{3}"}, lambda t: re.fullmatch("[A-Z][a-z]{2,5}-[0-9]{3}", t)),
               ({"type": "grammar", "grammar": 'root ::= "yes" | "no"'}, lambda t: t in ("yes", "no"))]
    for form, holds in formats:
        for temperature in (0, 1.5):
            text = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "Describe a person."}], max_tokens=100, temperature=temperature, seed=3,
                                                  extra_body={"response_format": form}).choices[0].message.content
            try:
                good = holds(text)
            except ValueError:
                good = False
            outcomes.expect(good, f"{form['type']} at {temperature}: {text!r}")


def check_errors(client, outcomes):
    for error, call in ((openai.NotFoundError, lambda: client.completions.create(model="other", prompt="x")),
                        (openai.BadRequestError, lambda: client.completions.create(model=NAME, prompt="x", n=-1)),
                        (openai.BadRequestError, lambda: client.chat.completions.create(model=NAME, messages=[])),
                        (openai.NotFoundError, lambda: client.embeddings.create(model="x", input="x"))):
        try:
            call()
            outcomes.expect(False, f"no {error.__name__}")
        except error:
            outcomes.expect(True, "")
        except openai.OpenAIError as other:
            outcomes.expect(False, f"{type(other).__name__}, expected {error.__name__}: {other}")
    outcomes.expect([model.id for model in client.models.list()] == [NAME], "the list of models")


def check(outcomes, options, plan, model, folder):
    asked = [(prompt, extra) for prompt in PROMPTS for extra in ({"max_tokens": 24, "temperature": 0}, {"max_tokens": 24, "temperature": 0.9, "seed": 11})]
    said = generated(options.jinx, plan, model, [{"prompt": prompt, **extra} for prompt, extra in asked])
    wanted = {(prompt, json.dumps(extra)): answer for (prompt, extra), answer in zip(asked, said)}

    def stops(text):
        """One within a token, one across tokens."""
        return [piece for piece in (text[7:9], text[5:14]) if piece]

    with Server(options.jinx, plan, model) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        check_completions(client, outcomes, wanted, stops)
        check_choices(client, outcomes, options.jinx, plan, model)
        check_logprobs(client, outcomes, server)
        check_chat(client, outcomes, options.jinx, plan, model)
        check_tools(client, outcomes)
        check_formats(client, outcomes)
        check_errors(client, outcomes)
        client.close()
        server.rest()


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, needs=None if openai else "no package openai: run ./dev setup"))

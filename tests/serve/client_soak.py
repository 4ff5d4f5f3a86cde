#!/usr/bin/env python3
"""Does the server hold for a while under many of OpenAI's own Python clients, unchanged, that leave and cancel at random?

As soak.py, whose server, texts and end it shares: completions whole and streamed, chats with logprobs, tools; streams that are closed in the middle or cancelled by id. Every
answer must be what `jinx generate` says alone. How long clients wait is printed, and bounded.

    client_soak.py --jinx build/dev/bin/jinx [--seconds 30] [--clients 8] [--seed 1]
"""

import json
import sys
import time

import soak
from client_check import CITY, client_answer, openai, rendered
from server import NAME, main_over_model

LONGEST = 20  # seconds that 99 of 100 clients wait at most for an answer of some 40 tokens, 16 at a time on one thread
TALKS = [[{"role": "user", "content": "What is the capital of France?"}], [{"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "Name a color."}]]
answers = []  # to the talks


class OfficialClient(soak.Client):
    ACTIONS = {"whole": 6, "stream": 6, "leave": 4, "cancel": 3, "chat": 4, "tools": 1}

    def __init__(self, server, *more):
        super().__init__(server, *more)
        self.client, self.waits = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=120), []

    def run(self):
        super().run()
        self.client.close()

    def act(self, action):
        begin = time.monotonic()
        try:
            {"whole": self.whole, "chat": self.chat, "tools": self.tools}.get(action, lambda: self.stream(action))()
        except openai.RateLimitError as refused:
            self.outcomes.expect(int(refused.response.headers["retry-after"]) >= 1, f"told to come again at {refused.response.headers}")
            time.sleep(0.2)
        else:
            self.waits.append(time.monotonic() - begin)

    def whole(self):
        request, expected = self.random.choice(self.wanted)
        choice = self.client.completions.create(model=NAME, **request).choices[0]
        self.outcomes.expect((choice.text, choice.finish_reason) == expected, f"{request}: {choice}, expected {expected}")

    def stream(self, action):
        request, (text, _) = self.random.choice(self.wanted)
        said, left = "", self.random.randrange(12)
        with self.client.completions.create(model=NAME, **request, stream=True) as parts:
            for part in parts:
                said += part.choices[0].text
                left -= 1
                if left == 0 and action == "leave":
                    break
                if left == 0 and action == "cancel":
                    self.cancel(part.id)
        self.outcomes.expect(said == text or action != "stream" and text.startswith(said), f"{action} {request}: {said!r}, expected {text!r}")

    def cancel(self, name):
        try:
            self.client.post("/cancel", body={"id": name}, cast_to=object)
        except openai.NotFoundError:
            pass  # it has ended meanwhile

    def chat(self):
        which = self.random.randrange(len(TALKS))
        choice = self.client.chat.completions.create(model=NAME, messages=TALKS[which], max_tokens=24, temperature=0, logprobs=True, top_logprobs=2).choices[0]
        self.outcomes.expect(choice.message.content == answers[which], f"chat {which}: {choice.message.content!r}, expected {answers[which]!r}")
        self.outcomes.expect(all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in choice.logprobs.content), f"logprobs of chat {which}")

    def tools(self):
        ask = [{"role": "user", "content": "What is the weather in Paris?"}]
        message = self.client.chat.completions.create(model=NAME, messages=ask, tools=[CITY], tool_choice="required", max_tokens=80, temperature=0).choices[0].message
        self.outcomes.expect(set(json.loads(message.tool_calls[0].function.arguments)) == {"city"}, f"a call of a tool: {message}")


def check(outcomes, options, plan, model, folder):
    answers[:] = [client_answer(options.jinx, plan, model, rendered(talk)) for talk in TALKS]
    waits = sorted(wait for client in soak.hold(outcomes, options, plan, model, OfficialClient) for wait in client.waits)
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(f"{len(waits)} answers; waited {p50:.2f} s in the median, {p99:.2f} s p99, {waits[-1]:.2f} s at most")
    outcomes.expect(options.runner or p99 <= LONGEST, f"p99 of waiting is {p99:.2f} s, at most {LONGEST} is expected")


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, needs=None if openai else "no package openai: run ./dev setup", arguments=soak.arguments))

"""Conversations that every template is given: of each kind that a server sees."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather.\nIn a place, \"now\".",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Where <b>it</b> is"},
                    "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                    "days": {"type": ["integer", "null"], "minimum": 0, "maximum": 1.5e3},
                    "more": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}}},
                },
                "required": ["place"],
            },
            "return": {"type": "string"},
        },
    },
    {"type": "function", "function": {"name": "nothing", "description": "Do nothing.", "parameters": {"type": "object", "properties": {}}}},
]

USER = {"role": "user", "content": "What's the weather in Zürich 🌦?  "}
SYSTEM = {"role": "system", "content": "You are helpful.\nSay \"yes\"."}
ANSWER = {"role": "assistant", "content": " It rains.\n"}


def call(arguments, content="", identity="call00001", **more):
    function = {"name": "get_weather", "arguments": arguments}
    return {"role": "assistant", "content": content, "tool_calls": [{"id": identity, "type": "function", "function": function}], **more}


def result(content='{"degrees": 21.5}', identity="call00001"):
    return {"role": "tool", "name": "get_weather", "tool_call_id": identity, "content": content}


ARGUMENTS = {"place": "Zürich", "days": 2, "more": {"a": [1.5, None, True, 1e20]}}

MESSAGES = {
    "empty": [],
    "user": [USER],
    "system": [SYSTEM, USER],
    "system only": [SYSTEM],
    "turns": [SYSTEM, USER, ANSWER, {"role": "user", "content": "And tomorrow?"}],
    "three turns": [USER, ANSWER, {"role": "user", "content": ""}, {"role": "assistant", "content": "?"}, {"role": "user", "content": "  x  "}],
    "answer last": [USER, ANSWER],
    "two users": [USER, USER],
    "thinking": [USER, {"role": "assistant", "content": "<think>\nIt may\n</think>\n\nIt rains."}, USER],
    "reasoning": [USER, {"role": "assistant", "content": "It rains.", "reasoning_content": "It may."}, USER],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image"}, {"type": "text", "text": " And?"}]}],
    "image first": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "What?"}]}, ANSWER, USER],
    "system parts": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    "call": [USER, call(ARGUMENTS), result(), ANSWER, USER],
    "call as text": [USER, call('{"place": "Zürich"}', None), result(), USER],
    "call only": [SYSTEM, USER, call(ARGUMENTS, "I look.")],
    "result last": [SYSTEM, USER, call(ARGUMENTS, None), result()],
    "two calls": [
        USER,
        {**call(ARGUMENTS), "tool_calls": [*call({}, identity="call00001")["tool_calls"], *call({"place": ""}, identity="call00002")["tool_calls"]]},
        result(),
        result("sunny", "call00002"),
    ],
    "result of data": [USER, call(ARGUMENTS), result({"degrees": 21, "sky": ["clear"]}), USER],
    "developer": [{"role": "developer", "content": "Be short."}, USER],
    "other role": [{"role": "narrator", "content": "Once."}, USER],
    "no content": [USER, {"role": "assistant"}, USER],
    "null content": [USER, {"role": "assistant", "content": None}, USER],
    "names": [{"role": "user", "name": "Ann", "content": "Hi"}, {"role": "assistant", "name": "Bob", "content": "Hi, Ann"}, USER],
    "documents": [{"role": "document", "content": "A text."}, USER],
}

# What else a server or a person gives, beside the messages.
SETTINGS = {
    "prompt": {"add_generation_prompt": True},
    "no prompt": {"add_generation_prompt": False},
    "tools": {"add_generation_prompt": True, "tools": TOOLS},
    "one tool": {"add_generation_prompt": True, "tools": TOOLS[1:]},
    "no tools": {"add_generation_prompt": True, "tools": None},
    "thinking on": {"add_generation_prompt": True, "enable_thinking": True, "thinking": True, "reasoning_effort": "high"},
    "thinking off": {"add_generation_prompt": True, "enable_thinking": False, "thinking": False, "tools": TOOLS},
    "documents": {"add_generation_prompt": True, "documents": [{"title": "A", "text": "first"}, {"title": "B", "text": "second\nline"}]},
    "dates": {"add_generation_prompt": True, "date_string": "26 Jul 2024", "tools_in_user_message": False, "tools": TOOLS},
    "builtin tools": {"add_generation_prompt": True, "builtin_tools": ["browser", "python"], "tools": TOOLS[:1], "model_identity": "You are X."},
}


def contexts():
    """(name, context)"""
    for name, messages in MESSAGES.items():
        for setting, more in SETTINGS.items():
            yield f"{name}, {setting}", {"messages": messages, "bos_token": "<s>", "eos_token": "</s>", **more}

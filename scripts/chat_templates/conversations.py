"""What the templates are asked to render."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather <now> in a \"city\" & its surroundings; größer als 日本.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "default": 1.5},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}},
}

SYSTEM = {"role": "system", "content": "Be brief. "}
HELLO = {"role": "user", "content": "Hello, <b>who</b> are you? 🙂\n"}
ANSWER = {"role": "assistant", "content": "I'm a model; \"ask\" me."}
QUESTION = {"role": "user", "content": "What's the weather in Köln?"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "abcdef123",
            "type": "function",
            "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}},
        }
    ],
}
RESULT = {
    "role": "tool",
    "name": "get_weather",
    "tool_call_id": "abcdef123",
    "content": "{\"temperature\": 21.5}",
}
THOUGHT = {"role": "assistant", "content": "<think>\nWell.\n</think>\n\nIt is 21.5 °C."}


def case(*messages: dict, prompt: bool = True, tools: list | None = None, **variables: object) -> dict:
    return {
        "messages": list(messages),
        "tools": tools,
        "add_generation_prompt": prompt,
        "variables": variables,
    }


CASES = {
    "user": case(HELLO),
    "system": case(SYSTEM, HELLO),
    "turns": case(SYSTEM, HELLO, ANSWER, QUESTION),
    "no prompt": case(HELLO, ANSWER, prompt=False),
    "tools": case(SYSTEM, QUESTION, tools=[WEATHER, CLOCK]),
    "tools without system": case(QUESTION, tools=[WEATHER]),
    "tool result": case(QUESTION, CALL, RESULT, tools=[WEATHER]),
    "after tools": case(SYSTEM, QUESTION, CALL, RESULT, THOUGHT, HELLO, tools=[WEATHER]),
    "thoughts": case(HELLO, THOUGHT, QUESTION),
    "without thinking": case(QUESTION, enable_thinking=False),
    "two users": case(HELLO, QUESTION),
    "assistant first": case(ANSWER, HELLO),
    "late system": case(HELLO, ANSWER, SYSTEM, QUESTION),
    "unknown role": case({"role": "critic", "content": "No."}, HELLO),
    "no role": case({"content": "No."}),
    "no content": case({"role": "user"}),
    "null content": case({"role": "user", "content": None}),
    "parts": case({"role": "user", "content": [{"type": "text", "text": "Part."}]}),
}
CASES |= {
    f"{name}, prompt {'left out' if CASES[name]['add_generation_prompt'] else 'added'}": {
        **CASES[name],
        "add_generation_prompt": not CASES[name]["add_generation_prompt"],
    }
    for name in ("user", "turns", "no prompt", "tools", "tool result", "thoughts", "two users")
}

#: Conversations whose last message the model shall go on with.
CONTINUED = {
    "text": case(HELLO, ANSWER, prompt=False),
    "space behind": case(SYSTEM, HELLO, {"role": "assistant", "content": "I think "}, prompt=False),
    "spaces around": case(HELLO, {"role": "assistant", "content": "\n  I think\n\n"}, prompt=False),
    "said before": case(HELLO, ANSWER, QUESTION, ANSWER, prompt=False),
    "of the user": case(HELLO, ANSWER, QUESTION, prompt=False),
    "after tools": case(QUESTION, CALL, RESULT, ANSWER, prompt=False, tools=[WEATHER]),
    "thoughts": case(HELLO, THOUGHT, prompt=False),
    "open thoughts": case(HELLO, {"role": "assistant", "content": "<think>\nWell"}, prompt=False),
    "only thoughts": case(
        HELLO, {"role": "assistant", "content": "<think>\nWell.\n</think>"}, prompt=False
    ),
    "end of turn": case(HELLO, {"role": "assistant", "content": "The tag is <|im_end|>"}, prompt=False),
    "no text": case(HELLO, {"role": "assistant", "content": ""}, prompt=False),
    "null": case(HELLO, {"role": "assistant", "content": None}, prompt=False),
    "prompt too": case(HELLO, ANSWER),
}

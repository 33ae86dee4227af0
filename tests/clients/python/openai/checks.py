"""What `openai` can do with these routes."""

import json

import openai
from openai import AsyncOpenAI, OpenAI
from run import (
    CITY_SCHEMA,
    FIND_CITY,
    MODEL,
    QUESTION,
    SCRIPTED,
    check,
    one_dropped,
    raised,
    until_idle,
)

ANY = "any-name"
GREEDY = {"model": ANY, "messages": QUESTION, "temperature": 0, "max_tokens": 12}
scripted = OpenAI(base_url=f"{SCRIPTED.url}/v1", api_key="none", max_retries=0)
model = OpenAI(base_url=f"{MODEL.url}/v1", api_key=MODEL.key, max_retries=0)
model_async = AsyncOpenAI(base_url=f"{MODEL.url}/v1", api_key=MODEL.key, max_retries=0)


def completion(**changes):
    return scripted.completions.create(
        **{"model": ANY, "prompt": "Hello", "max_tokens": 12, "temperature": 0, **changes}
    )


@check
def models():
    """models.list and models.retrieve name the model"""
    (only,) = model.models.list().data
    assert model.models.retrieve(only.id) == only
    raised(openai.NotFoundError, lambda: model.models.retrieve("another"))


@check
def whole_chat():
    """a chat has text, finish reason, id and usage"""
    reply = model.chat.completions.create(**GREEDY)
    (choice,) = reply.choices
    assert choice.message.content and choice.message.role == "assistant"
    assert choice.finish_reason in ("stop", "length") and reply.id.startswith("chatcmpl-")
    usage = reply.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens >= 0


@check
def streamed_chat():
    """a streamed chat is the whole one in pieces, with its usage at the end"""
    whole = model.chat.completions.create(**GREEDY)
    chunks = list(
        model.chat.completions.create(
            **GREEDY, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


@check
def gathered_chat():
    """the stream helper tells of each piece of the content"""
    whole = model.chat.completions.create(**GREEDY)
    with model.chat.completions.stream(**GREEDY) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
    assert "".join(pieces) == whole.choices[0].message.content


@check
async def asynchronous_chat():
    """the asynchronous client chats, whole and streamed"""
    whole = await model_async.chat.completions.create(**GREEDY)
    stream = await model_async.chat.completions.create(**GREEDY, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content


@check
def logprobs():
    """a chat tells logprobs, and the likeliest beside them"""
    reply = model.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=3)
    content = reply.choices[0].logprobs.content
    assert len(content) == reply.usage.completion_tokens
    for entry in content:
        assert len(entry.top_logprobs) == 3
        assert entry.logprob == entry.top_logprobs[0].logprob


@check
def several_choices():
    """n and seed give several choices, the same ones again"""
    asked = {**GREEDY, "temperature": 1.0, "max_tokens": 6, "n": 2, "seed": 5}
    first, again = (model.chat.completions.create(**asked) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices]
    assert [choice.index for choice in first.choices] == [0, 1]


@check
def tools():
    """a required tool is called, and its result is read"""
    reply = model.chat.completions.create(
        **{**GREEDY, "max_tokens": 60},
        tools=[FIND_CITY],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    message = reply.choices[0].message
    (call,) = message.tool_calls
    assert (call.type, call.function.name) == ("function", "find_city")
    assert list(json.loads(call.function.arguments)) == ["city"]
    assert reply.choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"found": true}'}
    after = [*QUESTION, message.model_dump(exclude_none=True), result]
    again = model.chat.completions.create(**{**GREEDY, "messages": after}, tools=[FIND_CITY])
    assert again.choices[0].finish_reason in ("stop", "length", "tool_calls")


@check
def streamed_tools():
    """a streamed call comes together to the call of the whole answer"""
    named = {"type": "function", "function": {"name": "find_city"}}
    asked = {**GREEDY, "max_tokens": 40, "tools": [FIND_CITY], "tool_choice": named}
    (whole,) = model.chat.completions.create(**asked).choices[0].message.tool_calls
    with model.chat.completions.stream(**asked) as stream:
        pieces = [event.type for event in stream]
        assert pieces.count("tool_calls.function.arguments.delta") > 2, pieces
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.name == whole.function.name
    assert call.function.arguments == whole.function.arguments
    assert call.id.startswith("call_")


@check
def cut_off_tool():
    """a call that is cut off by the length is there in part, streamed as whole"""
    named = {"type": "function", "function": {"name": "find_city"}}
    cut = {**GREEDY, "max_tokens": 10, "tools": [FIND_CITY], "tool_choice": named}
    choice = model.chat.completions.create(**cut).choices[0]
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("length", None)
    chunks = list(model.chat.completions.create(**cut, stream=True))
    deltas = [one for chunk in chunks for one in chunk.choices[0].delta.tool_calls or []]
    assert deltas[0].function.name == call.function.name
    assert "".join(one.function.arguments for one in deltas) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "length"


@check
def strict_tool():
    """a strict tool that may be called leaves text free"""
    strict = {**FIND_CITY, "function": {**FIND_CITY["function"], "strict": True}}
    message = model.chat.completions.create(**GREEDY, tools=[strict]).choices[0].message
    assert "Paris" in message.content, message


@check
def no_tools():
    """tool_choice of none calls nothing"""
    reply = model.chat.completions.create(**GREEDY, tools=[FIND_CITY], tool_choice="none")
    assert reply.choices[0].message.tool_calls is None


@check
def response_formats():
    """json_schema and json_object hold the answer"""
    strict = {"name": "answer", "strict": True, "schema": CITY_SCHEMA}
    asked = {**GREEDY, "max_tokens": 40}
    by_schema = {"type": "json_schema", "json_schema": strict}
    reply = model.chat.completions.create(**asked, response_format=by_schema)
    assert list(json.loads(reply.choices[0].message.content)) == ["city"]
    reply = model.chat.completions.create(
        **{**asked, "max_tokens": 60}, response_format={"type": "json_object"}
    )
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content), dict)
    else:
        assert reply.choices[0].message.content.lstrip().startswith("{")


@check
def parsed():
    """parse makes an object of a pydantic class"""
    from pydantic import BaseModel, Field

    class Place(BaseModel):
        city: str = Field(max_length=12)

    asked = {**GREEDY, "max_tokens": 40, "response_format": Place}
    reply = model.chat.completions.parse(**asked)
    assert isinstance(reply.choices[0].message.parsed, Place)


@check
def completions():
    """completions echo, tell logprobs, stop, and take lists and token ids"""
    whole = completion()
    text = whole.choices[0].text
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 12
    assert completion(echo=True).choices[0].text == "Hello" + text
    logged = completion(logprobs=2).choices[0].logprobs
    assert len(logged.token_logprobs) == 12 and len(logged.top_logprobs[0]) >= 2
    stop = text[4:7]
    assert completion(stop=[stop]).choices[0].text == text[: text.index(stop)]
    assert completion(stop=[stop]).choices[0].finish_reason == "stop"
    many = completion(prompt=["Hello", "Bye"])
    assert [choice.index for choice in many.choices] == [0, 1]
    assert many.choices[0].text == text
    assert len(completion(prompt=[10, 11, 12]).choices[0].text) > 0


@check
def streamed_completion():
    """a streamed completion is the whole one in pieces"""
    chunks = list(completion(stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].text for chunk in chunks[:-1])
    assert text == completion().choices[0].text
    assert chunks[-1].usage.completion_tokens == 12


@check
def penalties_and_bias():
    """penalties, logit_bias, user, metadata and unknown fields are taken"""
    reply = completion(
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={"40": 100},
        user="someone",
        extra_body={"min_p": 0.1, "ignore_eos": True},
    )
    assert len(set(reply.choices[0].text)) == 1, reply.choices[0].text
    raw = model.chat.completions.with_raw_response.create(
        **GREEDY, metadata={"a": "b"}, service_tier="auto"
    )
    assert raw.headers["x-ignored-params"] == "service_tier"


@check
def errors():
    """errors have their class, parameter and request id"""
    error = raised(openai.BadRequestError, lambda: completion(n=0))
    assert error.param == "n" and error.type == "invalid_request_error", error
    assert error.request_id
    error = raised(openai.BadRequestError, lambda: completion(max_tokens=10**6))
    assert error.code == "context_length_exceeded", error
    error = raised(openai.BadRequestError, lambda: completion(suffix="a"))
    assert error.param == "suffix", error
    unknown = {"model": ANY, "messages": [{"role": "user", "content": "a"}]}
    error = raised(openai.BadRequestError, lambda: scripted.chat.completions.create(**unknown))
    assert error.code == "template_error", error
    raised(openai.InternalServerError, lambda: completion(prompt="<fail>"))
    raised(openai.InternalServerError, lambda: list(completion(prompt="<fail>", stream=True)))


@check
def key():
    """a wrong key is an AuthenticationError, also for the list of models"""
    other = OpenAI(base_url=f"{MODEL.url}/v1", api_key="wrong", max_retries=0)
    error = raised(openai.AuthenticationError, lambda: other.chat.completions.create(**GREEDY))
    assert error.code == "invalid_api_key", error
    raised(openai.AuthenticationError, other.models.list)


@check
def time_limit():
    """a limit that passes is an APITimeoutError"""
    hasty = scripted.with_options(timeout=0.2)
    slow = {"model": ANY, "prompt": "Tell me", "max_tokens": 300}
    raised(openai.APITimeoutError, lambda: hasty.completions.create(**slow))


@check
def left_stream():
    """a stream that is closed before its end leaves no request behind"""
    with one_dropped(), completion(prompt="Tell me", max_tokens=8000, stream=True) as stream:
        next(iter(stream))


@check
def overload():
    """one request more than the server takes is a RateLimitError"""
    until_idle()
    long = {"prompt": "Tell me", "max_tokens": 8000, "stream": True}
    streams = [completion(**long) for _ in range(4)]
    for each in streams:
        next(each)
    error = raised(openai.RateLimitError, lambda: completion())
    assert error.code == "rate_limit_exceeded" and error.response.headers["retry-after"] == "1"

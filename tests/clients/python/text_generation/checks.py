"""What `text-generation` can do: TGI's own client."""

import json
import math

import requests
from run import (
    CITY_SCHEMA,
    FIND_CITY,
    MODEL,
    PARAMETERS,
    QUESTION,
    SCRIPTED,
    check,
    one_dropped,
    raised,
    until_idle,
)
from text_generation import AsyncClient, Client
from text_generation.errors import (
    GenerationError,
    OverloadedError,
    ValidationError,
)
from text_generation.types import Grammar, Message, Tool

BEARER = {"Authorization": f"Bearer {MODEL.key}"}
scripted = Client(SCRIPTED.url, timeout=60)
model = Client(MODEL.url, headers=BEARER, timeout=60)
scripted_async = AsyncClient(SCRIPTED.url, timeout=60)
model_async = AsyncClient(MODEL.url, headers=BEARER, timeout=60)


@check
def whole_answer():
    """generate gives text and details of each token"""
    reply = scripted.generate("Hello", max_new_tokens=12)
    details = reply.details
    assert (details.finish_reason, details.generated_tokens) == ("length", 12), details
    assert details.seed is None and details.prefill == []
    assert "".join(token.text for token in details.tokens) == reply.generated_text
    assert all(token.logprob <= 0 and not token.special for token in details.tokens)


@check
def stream():
    """generate_stream gives the tokens of the whole answer"""
    whole = scripted.generate("Hello", max_new_tokens=12)
    events = list(scripted.generate_stream("Hello", max_new_tokens=12))
    assert [event.token for event in events] == whole.details.tokens
    assert [event.generated_text for event in events] == [None] * 11 + [whole.generated_text]
    assert events[-1].details.generated_tokens == 12
    assert events[-1].details.finish_reason == "length"


@check
async def whole_answer_async():
    """the asynchronous client gets the same"""
    whole = await scripted_async.generate("Hello", max_new_tokens=12)
    assert whole == scripted.generate("Hello", max_new_tokens=12)
    events = [event async for event in scripted_async.generate_stream("Hello", max_new_tokens=12)]
    assert [event.token for event in events] == whole.details.tokens


@check
def all_parameters():
    """every parameter is taken"""
    reply = scripted.generate(
        "one two three four five",
        **PARAMETERS,
        stop_sequences=["never to be seen"],
        decoder_input_details=True,
        top_n_tokens=2,
    )
    details = reply.details
    assert reply.generated_text.startswith("one two three four five")
    assert details.seed == 2**64 - 1, details.seed
    assert len(details.prefill) == 12 and details.prefill[0].logprob is None
    assert all(token.logprob <= 0 for token in details.prefill[1:])
    assert len(details.top_tokens) == 8 and all(len(top) == 2 for top in details.top_tokens)


@check
def best_of():
    """best_of gives the others in the details"""
    reply = scripted.generate("Hello", do_sample=True, best_of=3, max_new_tokens=5)
    others = reply.details.best_of_sequences
    assert len(others) == 2 and all(len(other.tokens) == 5 for other in others)
    assert len({reply.details.seed, *(other.seed for other in others)}) == 3

    def mean(tokens):
        return sum(token.logprob for token in tokens) / len(tokens)

    assert all(mean(reply.details.tokens) >= mean(other.tokens) for other in others)


@check
def seed():
    """the same seed gives the same text, and another gives another"""
    texts = [
        scripted.generate("Hi", do_sample=True, seed=seed, max_new_tokens=16).generated_text
        for seed in (7, 7, 8)
    ]
    assert texts[0] == texts[1] != texts[2], texts


@check
def stop_sequence():
    """a stop sequence ends the text and stays in it"""
    whole = scripted.generate("Hello", max_new_tokens=12)
    stop = whole.details.tokens[5].text
    reply = scripted.generate("Hello", max_new_tokens=12, stop_sequences=[stop])
    assert reply.details.finish_reason == "stop_sequence", reply.details.finish_reason
    assert reply.generated_text.endswith(stop)
    assert reply.details.generated_tokens <= 6


@check
def answer_of_the_model():
    """the model knows the capital of France, and how sure it is"""
    reply = model.generate("The capital of France is", max_new_tokens=3)
    assert reply.generated_text == " Paris.\n", reply.generated_text
    assert math.exp(reply.details.tokens[0].logprob) > 0.5


@check
def grammar():
    """a grammar of JSON and one of a regular expression hold"""
    by_schema = Grammar(type="json", value=CITY_SCHEMA)
    prompt = "Berlin as JSON:"
    reply = model.generate(prompt, max_new_tokens=40, grammar=by_schema)
    assert list(json.loads(reply.generated_text)) == ["city"], reply.generated_text
    by_pattern = Grammar(type="regex", value="[0-9]{3}-[0-9]{4}")
    reply = model.generate("My number is", max_new_tokens=20, grammar=by_pattern)
    assert len(reply.generated_text) == 8 and reply.generated_text[3] == "-"


@check
def bad_grammar():
    """a grammar that is none is a ValidationError"""
    broken = Grammar(type="regex", value="(")
    raised(ValidationError, lambda: model.generate("a", grammar=broken))


@check
def chat():
    """chat answers, with usage"""
    reply = model.chat([Message(**QUESTION[0])], max_tokens=12, temperature=0.0, logprobs=True)
    (choice,) = reply.choices
    assert choice.message.content and choice.message.role == "assistant"
    assert choice.finish_reason in ("stop", "length")
    assert reply.id.startswith("chatcmpl-") and reply.object == "chat.completion"
    usage = reply.usage
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert len(choice.logprobs["content"]) == usage["completion_tokens"]


@check
async def chat_async():
    """chat answers the asynchronous client the same"""
    asked = {"messages": [Message(**QUESTION[0])], "max_tokens": 12, "temperature": 0.0}
    reply = await model_async.chat(**asked)
    assert reply.choices == model.chat(**asked).choices


@check
def tools():
    """chat calls a tool"""
    reply = model.chat(
        [Message(**QUESTION[0])],
        max_tokens=40,
        temperature=0.0,
        tools=[Tool(**FIND_CITY)],
        tool_choice="find_city",
    )
    (call,) = reply.choices[0].message.tool_calls
    assert call["function"]["name"] == "find_city"
    assert list(json.loads(call["function"]["arguments"])) == ["city"]


@check
def errors():
    """what is not valid is a ValidationError in TGI's words, whole and streamed"""
    words = "`inputs` tokens + `max_new_tokens` must be <="
    error = raised(ValidationError, lambda: scripted.generate("a", max_new_tokens=10**6))
    assert words in str(error), error
    stream = scripted.generate_stream("a", max_new_tokens=10**6)
    assert words in str(raised(ValidationError, lambda: list(stream)))


@check
async def errors_async():
    """the asynchronous client reads the same error"""
    try:
        await scripted_async.generate("a", max_new_tokens=10**6)
    except ValidationError as error:
        assert "`max_new_tokens`" in str(error)
    else:
        raise AssertionError("no ValidationError was raised")


@check
def failed_generation():
    """a step that fails is a GenerationError"""
    error = raised(GenerationError, lambda: scripted.generate("<fail>"))
    assert str(error).startswith("Request failed during generation:"), error


@check
def key():
    """without the key, or with another, there is no answer: TGI's 401 has no body to read"""
    wrong = Client(MODEL.url, headers={"Authorization": "Bearer wrong"})
    for client in (Client(MODEL.url), wrong):
        raised(requests.JSONDecodeError, lambda: client.generate("a"))


@check
def left_stream():
    """a stream that is left before its end leaves no request behind"""
    with one_dropped():
        stream = scripted.generate_stream("Tell me", max_new_tokens=8000)
        next(stream)
        stream.close()


@check
def overload():
    """one request more than the server takes is an OverloadedError"""
    until_idle()
    streams = [scripted.generate_stream("Tell me", max_new_tokens=8000) for _ in range(4)]
    for each in streams:
        next(each)
    error = raised(OverloadedError, lambda: scripted.generate("a"))
    assert str(error) == "Model is overloaded", error

"""What `huggingface_hub.InferenceClient` can do with an address."""

import json

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import (
    GenerationError,
    HfHubHTTPError,
    InferenceTimeoutError,
    OverloadedError,
    ValidationError,
)
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

scripted = InferenceClient(SCRIPTED.url, timeout=60)
model = InferenceClient(MODEL.url, token=MODEL.key, timeout=60)
native = InferenceClient(MODEL.url, token=MODEL.key, provider="hf-inference", timeout=60)
GREEDY = {"messages": QUESTION, "temperature": 0, "max_tokens": 12}


@check
def plain_text():
    """text_generation gives the text, with the prompt unless told otherwise"""
    ask = {"max_new_tokens": 3, "return_full_text": False}
    text = model.text_generation("The capital of France is", **ask)
    assert text == " Paris.\n", text
    full = model.text_generation("The capital of France is", max_new_tokens=3)
    assert full == "The capital of France is Paris.\n", full


@check
def details():
    """details tell of each token and of the prompt"""
    reply = scripted.text_generation(
        "Hello", details=True, decoder_input_details=True, max_new_tokens=8, top_n_tokens=2
    )
    tokens = reply.details.tokens
    assert "Hello" + "".join(token.text for token in tokens) == reply.generated_text
    assert reply.details.finish_reason == "length" and reply.details.generated_tokens == 8
    assert len(reply.details.prefill) > 1 and reply.details.prefill[0].logprob is None
    assert all(len(top) == 2 for top in reply.details.top_tokens)


@check
def stream():
    """a stream of text, and of details, is the whole answer in pieces"""
    whole = scripted.text_generation("Hello", details=True, max_new_tokens=12)
    texts = scripted.text_generation("Hello", stream=True, max_new_tokens=12)
    assert "Hello" + "".join(texts) == whole.generated_text
    events = list(
        scripted.text_generation("Hello", stream=True, details=True, max_new_tokens=12)
    )
    assert [event.token.id for event in events] == [token.id for token in whole.details.tokens]
    assert events[-1].generated_text == whole.generated_text
    assert events[-1].details.finish_reason == "length"


@check
async def asynchronous():
    """the asynchronous client gets the same"""
    async with AsyncInferenceClient(SCRIPTED.url, timeout=60) as client:
        text = await client.text_generation("Hello", max_new_tokens=12)
        stream = await client.text_generation("Hello", stream=True, max_new_tokens=12)
        assert "Hello" + "".join([each async for each in stream]) == text


@check
def all_parameters():
    """every parameter is taken"""
    reply = scripted.text_generation(
        "one two three four five",
        **PARAMETERS,
        details=True,
        stop=["never to be seen"],
        top_n_tokens=3,
    )
    assert reply.generated_text.startswith("one two three four five")
    assert reply.details.seed == 2**64 - 1
    best = scripted.text_generation("Hi", details=True, do_sample=True, best_of=2)
    assert len(best.details.best_of_sequences) == 1


@check
def grammar():
    """a grammar of JSON and one of a regular expression hold"""
    ask = {"max_new_tokens": 40, "return_full_text": False}
    asked = {"type": "json", "value": CITY_SCHEMA}
    text = model.text_generation("Berlin as JSON:", grammar=asked, **ask)
    assert list(json.loads(text)) == ["city"], text
    asked = {"type": "regex", "value": "[0-9]{3}-[0-9]{4}"}
    text = model.text_generation("My number is", grammar=asked, **ask)
    assert len(text) == 8 and text[3] == "-", text


@check
def chat():
    """chat_completion answers, whole and streamed"""
    whole = model.chat_completion(**GREEDY)
    content = whole.choices[0].message.content
    assert content and whole.choices[0].finish_reason in ("stop", "length"), whole
    assert whole.usage.completion_tokens > 0
    chunks = list(
        model.chat_completion(**GREEDY, stream=True, stream_options={"include_usage": True})
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    again = model.chat.completions.create(**GREEDY)
    assert again.choices[0].message.content == whole.choices[0].message.content


@check
def all_chat_parameters():
    """chat_completion's parameters are taken"""
    reply = model.chat_completion(
        QUESTION,
        frequency_penalty=0.1,
        logit_bias={"5": -100},
        logprobs=True,
        max_tokens=5,
        n=2,
        presence_penalty=0.1,
        seed=3,
        stop=["never to be seen"],
        temperature=0.7,
        top_logprobs=2,
        top_p=0.9,
    )
    assert len(reply.choices) == 2
    assert len(reply.choices[0].logprobs.content[0].top_logprobs) == 2


@check
def tools():
    """chat_completion calls a tool, whole and streamed"""
    asked = {**GREEDY, "max_tokens": 40, "tools": [FIND_CITY], "tool_choice": "required"}
    whole = model.chat_completion(**asked).choices[0].message.tool_calls
    for call in whole:
        assert call.function.name == "find_city"
        assert list(json.loads(call.function.arguments)) == ["city"]
    chunks = model.chat_completion(**asked, stream=True)
    calls = [one for chunk in chunks for one in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].function.name == "find_city"
    streamed = "".join(one.function.arguments or "" for one in calls)
    assert streamed == "".join(call.function.arguments for call in whole)


@check
def response_format():
    """response_format holds the answer, in TGI's form and in OpenAI's"""
    asked = {**GREEDY, "max_tokens": 40}
    for response_format in (
        {"type": "json", "value": CITY_SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": CITY_SCHEMA}},
    ):
        reply = model.chat_completion(**asked, response_format=response_format)
        content = reply.choices[0].message.content
        assert list(json.loads(content)) == ["city"], content


@check
def service():
    """health_check and get_endpoint_info tell of the server"""
    assert native.health_check() is True
    info = native.get_endpoint_info()
    assert info["model_id"].endswith("smollm2-135m-instruct-q4_1.gguf"), info
    assert info["max_total_tokens"] == 1024


@check
def errors():
    """errors have their class, whole and streamed"""
    error = raised(ValidationError, lambda: scripted.text_generation("a", max_new_tokens=10**6))
    assert "`max_new_tokens`" in str(error)
    stream = {"stream": True, "max_new_tokens": 10**6}
    raised(ValidationError, lambda: list(scripted.text_generation("a", **stream)))
    raised(GenerationError, lambda: scripted.text_generation("<fail>"))
    raised(GenerationError, lambda: list(scripted.text_generation("<fail>", stream=True)))
    error = raised(HfHubHTTPError, lambda: scripted.chat_completion(QUESTION))
    assert error.response.status_code == 400 and "template not found" in error.response.text
    assert error.request_id


@check
def key():
    """a wrong key is a 401"""
    wrong = InferenceClient(MODEL.url, token="wrong")
    for ask in (lambda: wrong.text_generation("a"), lambda: wrong.chat_completion(QUESTION)):
        assert raised(HfHubHTTPError, ask).response.status_code == 401


@check
def left_stream():
    """a stream that is left before its end leaves no request behind"""
    with one_dropped():
        stream = scripted.text_generation("Tell me", stream=True, max_new_tokens=8000)
        next(stream)
        stream.close()


@check
def time_limit():
    """a limit that passes is an InferenceTimeoutError"""
    hasty = InferenceClient(SCRIPTED.url, timeout=0.2)
    raised(InferenceTimeoutError, lambda: hasty.text_generation("Tell me", max_new_tokens=300))


@check
def overload():
    """one request more than the server takes is an OverloadedError"""
    until_idle()
    ask = {"stream": True, "max_new_tokens": 8000}
    streams = [scripted.text_generation("Tell me", **ask) for _ in range(4)]
    for each in streams:
        next(each)
    raised(OverloadedError, lambda: scripted.text_generation("a"))

"""What `langchain-huggingface` can do with an address."""

from huggingface_hub.errors import GenerationError, HfHubHTTPError, ValidationError
from langchain_answers import check_call, check_result_is_read, check_whole
from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint
from run import CITY_SCHEMA, FIND_CITY, MODEL, QUESTION, SCRIPTED, check, one_dropped, raised


def text(**changes):
    # Its own defaults sample.
    asked = {"endpoint_url": SCRIPTED.url, "max_new_tokens": 12, "seed": 5, "timeout": 40}
    return HuggingFaceEndpoint(**{**asked, **changes})


def chat(max_tokens=12):
    asked = {"endpoint_url": MODEL.url, "server_kwargs": bearer(MODEL.key), "temperature": 0}
    # A temperature of 0 is not passed on, and one that is given here is overruled.
    return ChatHuggingFace(llm=text(**asked, max_new_tokens=max_tokens), temperature=0)


def bearer(key):
    """To a server of one's own this client sends no token but in a header."""
    return {"headers": {"Authorization": f"Bearer {key}"}}


@check
def whole_text():
    """invoke gives the text that stream gives in pieces"""
    whole = text().invoke("Hello")
    assert len(whole) > 0
    assert "".join(text().stream("Hello")) == whole


@check
async def asynchronous_text():
    """ainvoke and astream give the same"""
    whole = text().invoke("Hello")
    assert await text().ainvoke("Hello") == whole
    assert "".join([piece async for piece in text().astream("Hello")]) == whole


@check
def batch():
    """batch and generate answer each prompt"""
    whole = text().invoke("Hello")
    assert text().batch(["Hello", "Hello"]) == [whole, whole]
    generations = text().generate(["Hello", "Hello"]).generations
    assert [each[0].text for each in generations] == [whole, whole]


@check
def parameters():
    """its parameters are taken"""
    asked = {"do_sample": True, "temperature": 0.9, "top_k": 20, "top_p": 0.9}
    asked |= {"typical_p": 0.9, "repetition_penalty": 1.1, "truncate": 12, "watermark": True}
    first, again = (text(**asked).invoke("Hello") for _ in range(2))
    assert first == again
    full = text(return_full_text=True).invoke("Hello")
    assert full == "Hello" + text().invoke("Hello"), full


@check
def stop():
    """a stop sequence ends the text, and this client takes it away"""
    whole = text().invoke("Hello")
    stop = " " + whole.split(" ")[3]
    assert text().invoke("Hello", stop=[stop]) == whole[: whole.index(stop)]


@check
def whole_chat():
    """a chat gives a message with its reason and usage"""
    check_whole(chat().invoke(QUESTION))


@check
def streamed_chat():
    """a streamed chat gives the same message in pieces"""
    whole = chat().invoke(QUESTION)
    text = "".join(piece.content for piece in chat().stream(QUESTION))
    assert text == whole.content, (text, whole.content)


@check
def tools():
    """a bound tool is called, and its result is read"""
    bound = chat(max_tokens=60).bind_tools([FIND_CITY], tool_choice="find_city")
    message = bound.invoke(QUESTION)
    call = message.tool_calls[0]
    check_call(call, list(bound.stream(QUESTION)))
    check_result_is_read(chat(), message, call)


@check
def structured_output():
    """with_structured_output gives an object of the schema"""
    schema = {"title": "find_city", "description": "Finds a city", **CITY_SCHEMA}
    structured = chat(max_tokens=60).with_structured_output(schema, method="json_schema")
    assert list(structured.invoke(QUESTION)) == ["city"]


@check
def errors():
    """errors are those of huggingface_hub"""
    raised(ValidationError, lambda: text(max_new_tokens=10**6).invoke("a"))
    raised(ValidationError, lambda: list(text(max_new_tokens=10**6).stream("a")))
    raised(GenerationError, lambda: text().invoke("<fail>"))


@check
def key():
    """a wrong key is a 401"""
    wrong = text(endpoint_url=MODEL.url, server_kwargs=bearer("wrong"))
    ask = ChatHuggingFace(llm=wrong)
    for action in (lambda: wrong.invoke("a"), lambda: ask.invoke(QUESTION)):
        assert raised(HfHubHTTPError, action).response.status_code == 401


@check
def left_stream():
    """a stream that is left before its end leaves no request behind"""
    with one_dropped():
        stream = text(max_new_tokens=8000).stream("Tell me")
        next(stream)
        stream.close()

"""What `langchain-openai` can do with these routes."""

import openai
from langchain_answers import check_call, check_result_is_read, check_whole
from langchain_openai import ChatOpenAI, OpenAI
from run import CITY_SCHEMA, FIND_CITY, MODEL, QUESTION, SCRIPTED, check, raised

GREEDY = {"model": "any-name", "temperature": 0, "max_retries": 0, "timeout": 40}
SCHEMA = {"title": "find_city", "description": "Finds a city", **CITY_SCHEMA}


def chat(**changes):
    asked = {**GREEDY, "base_url": f"{MODEL.url}/v1", "api_key": MODEL.key, "max_tokens": 12}
    return ChatOpenAI(**{**asked, **changes})


def completion(**changes):
    asked = {**GREEDY, "base_url": f"{SCRIPTED.url}/v1", "api_key": "none", "max_tokens": 12}
    return OpenAI(**{**asked, **changes})


@check
def whole_chat():
    """invoke gives a message with its reason and usage"""
    check_whole(chat().invoke(QUESTION))


@check
def streamed_chat():
    """stream gives the same message in pieces, and the usage"""
    whole = chat().invoke(QUESTION)
    pieces = list(chat(stream_usage=True).stream(QUESTION))
    gathered = sum(pieces[1:], pieces[0])
    assert gathered.content == whole.content
    assert gathered.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


@check
async def asynchronous_chat():
    """ainvoke and astream give the same"""
    whole = await chat().ainvoke(QUESTION)
    pieces = [piece.content async for piece in chat().astream(QUESTION)]
    assert "".join(pieces) == whole.content


@check
def logprobs():
    """bound logprobs stand in the metadata"""
    message = chat().bind(logprobs=True, top_logprobs=2).invoke(QUESTION)
    content = message.response_metadata["logprobs"]["content"]
    assert len(content) == message.usage_metadata["output_tokens"]
    assert all(len(entry["top_logprobs"]) == 2 for entry in content)


@check
def tools():
    """a bound tool is called, and its result is read"""
    bound = chat(max_tokens=60).bind_tools([FIND_CITY], tool_choice="find_city")
    message = bound.invoke(QUESTION, parallel_tool_calls=False)
    (call,) = message.tool_calls
    pieces = list(bound.stream(QUESTION, parallel_tool_calls=False))
    assert sum(len(piece.tool_call_chunks) for piece in pieces) > 3
    check_call(call, pieces)
    check_result_is_read(chat(), message, call)


@check
def structured_output():
    """with_structured_output gives an object by schema, and by function"""
    for method in ("json_schema", "function_calling"):
        structured = chat(max_tokens=60).with_structured_output(SCHEMA, method=method)
        assert list(structured.invoke(QUESTION)) == ["city"], method


@check
def completions():
    """a completion is given whole, in pieces, and for a list of prompts"""
    whole = completion().invoke("Hello")
    assert "".join(completion().stream("Hello")) == whole
    assert completion().batch(["Hello", "Hello"]) == [whole, whole]
    reply = completion().generate(["Hello", "Bye", "Hello"])
    texts = [generations[0].text for generations in reply.generations]
    assert texts[0] == texts[2] == whole
    assert reply.llm_output["token_usage"]["completion_tokens"] == 36


@check
def errors():
    """errors are those of openai"""
    raised(openai.BadRequestError, lambda: completion(max_tokens=10**6).invoke("a"))
    raised(openai.BadRequestError, lambda: chat(top_p=2).invoke(QUESTION))
    raised(openai.InternalServerError, lambda: completion().invoke("<fail>"))


@check
def key():
    """a wrong key is an AuthenticationError"""
    raised(openai.AuthenticationError, lambda: chat(api_key="wrong").invoke(QUESTION))

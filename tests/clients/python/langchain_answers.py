"""What LangChain's chat models must give, whichever package they come from."""

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from run import QUESTION


def check_whole(message):
    """A message has its text, its reason and a usage that adds up."""
    assert message.content and message.response_metadata["finish_reason"] in ("stop", "length")
    usage = message.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def check_call(call, pieces):
    """A call is of the city, and the streamed pieces add up to the same."""
    assert call["name"] == "find_city" and list(call["args"]) == ["city"], call
    (streamed,) = sum(pieces[1:], pieces[0]).tool_calls
    assert (streamed["name"], streamed["args"]) == (call["name"], call["args"])


def check_result_is_read(chat, message, call):
    """The turn after a call, with its result, is answered."""
    asked = HumanMessage(QUESTION[0]["content"])
    result = ToolMessage('{"found": true}', tool_call_id=call["id"])
    assert isinstance(chat.invoke([asked, message, result]), AIMessage)

/** `POST /tokenize` and `POST /chat_tokenize`: a prompt's tokens, without a generation. */

import type { Context } from "hono";
import { toolChoice } from "../chat/tools/choice.ts";
import { pickFormat } from "../chat/tools/pick.ts";
import type { AppContext } from "../context.ts";
import { ValidationError } from "../errors.ts";
import { renderChat } from "../openai/chat_request.ts";
import { ignoredFields, ignoredHeaders } from "../openai/ignored.ts";
import { readJson } from "../schemas/body.ts";
import { ChatRequest, chatRequest } from "../schemas/chat.ts";
import { GenerateRequest, generateRequest } from "../schemas/generate.ts";
import { ignoredNames } from "./answers.ts";

/** TGI's list of `{"id","text","start","stop"}`. */
export function tokenize(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const { payloadLimit, strict } = context.options;
    const body = await readJson(c.req.raw, generateRequest, payloadLimit);
    const headers = ignoredHeaders(ignoredNames(body, GenerateRequest.shape), strict);
    if (body.inputs === "") throw ValidationError.ofInput("`inputs` cannot be empty");
    return Response.json(await context.tokenizer.tokenize(body.inputs, true), { headers });
  };
}

/** TGI's `{"tokenize_response","templated_text"}`; the template brings its special tokens. */
export function chatTokenize(context: AppContext) {
  return async (c: Context): Promise<Response> => {
    const { payloadLimit, strict } = context.options;
    const body = await readJson(c.req.raw, chatRequest, payloadLimit);
    const headers = ignoredHeaders(ignoredFields(body, ChatRequest.shape), strict);
    const { chat } = context;
    const text = await renderChat(body, toolChoice(body), pickFormat(chat.template), chat);
    const tokens = await context.tokenizer.tokenize(text, false);
    return Response.json({ tokenize_response: tokens, templated_text: text }, { headers });
  };
}

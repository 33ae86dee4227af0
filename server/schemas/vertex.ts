/** Body of `POST /vertex`: Google Vertex AI's instances. */

import { z } from "zod";
import { ChatRequest } from "./chat.ts";
import { GenerateRequest } from "./generate.ts";

/** An instance is a body of `/generate` or of a chat; the route tells them apart by their keys. */
export const VertexRequest = z.looseObject({
  instances: z.array(z.looseObject({}, { error: "struct VertexInstance" }), {
    error: "a sequence",
  }).meta({
    type: "array",
    items: {
      oneOf: [
        { $ref: "#/components/schemas/GenerateRequest" },
        { $ref: "#/components/schemas/ChatRequest" },
      ],
    },
  }),
}, { error: "struct VertexRequest" }).meta({ id: "VertexRequest" });

/** {@link VertexRequest} as the route uses it. */
export const vertexRequest = z.compile(VertexRequest);

/** The text of each instance, in their order. */
export const VertexResponse = z.object({ predictions: z.array(z.string()) })
  .meta({ id: "VertexResponse" });

/** Schemas that instances are read by. */
export const vertexInstances = {
  chat: z.compile(ChatRequest),
  generate: z.compile(GenerateRequest),
};

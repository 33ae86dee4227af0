/** `GET /docs/`: Swagger UI from this process, and the document that it shows. */

import type { Context } from "hono";
import css from "swagger-ui-dist/swagger-ui.css" with { type: "text" };
import bundle from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "text" };
import document from "../../openapi.json" with { type: "json" };

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Text Generation Inference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-initializer.js"></script>
</body>
</html>
`;

const initializer =
  `SwaggerUIBundle({ url: "../api-doc/openapi.json", dom_id: "#swagger-ui", deepLinking: true });\n`;

/** Nothing from elsewhere; Swagger UI sets inline styles and draws icons from data URLs. */
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; " +
  "style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

/** `/docs` leads to the page, whose links are relative to `/docs/`. */
export function docsRedirect(c: Context): Response {
  return c.redirect("docs/", 308);
}

/** The page. */
export const docsPage = asset("text/html; charset=utf-8", page);

/** Its style sheet. */
export const docsStyle = asset("text/css; charset=utf-8", css);

/** Swagger UI. */
export const docsBundle = asset("text/javascript; charset=utf-8", bundle);

/** The two lines that start it: a policy without inline scripts wants a file. */
export const docsInitializer = asset("text/javascript; charset=utf-8", initializer);

/** `GET /api-doc/openapi.json`. */
export const apiDocument = asset("application/json", JSON.stringify(document));

function asset(contentType: string, body: string) {
  return (): Response =>
    new Response(body, {
      headers: {
        "content-type": contentType,
        "content-security-policy": contentSecurityPolicy,
        "x-content-type-options": "nosniff",
      },
    });
}

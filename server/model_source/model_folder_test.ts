import { equal } from "node:assert/strict";
import { whyNotWritten } from "./model_folder.ts";

Deno.test("why a folder cannot be written is told without the words of the system", () => {
  equal(
    whyNotWritten(new Deno.errors.PermissionDenied("os error 13")),
    "this user may not write there",
  );
  equal(whyNotWritten(new Deno.errors.NotADirectory("os error 20")), "a file stands in its way");
  const readOnly = new Error("Read-only file system (os error 30): mkdir '/models'");
  equal(whyNotWritten(readOnly), "the file system is read-only");
  equal(whyNotWritten("anything else"), "anything else");
});

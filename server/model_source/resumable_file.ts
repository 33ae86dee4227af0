/**
 * Fetches a file in as many goes as it takes. What has come lies beside the file under
 * `<name>.incomplete`, where also a later run, or `huggingface_hub` up to 1.0, goes on from it; the
 * file itself appears only when it is whole and its hash is right.
 */

import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { StartError } from "../errors.ts";
import { LOG_CATEGORY } from "../log.ts";
import { type Digest, digestFor, digestOfFile } from "./digest.ts";
import { HubUnreachable, RangeIgnored } from "./hub_fetch.ts";
import { HubRefusal } from "./hub_refusal.ts";
import { modelError, reasonOf } from "./model_error.ts";
import { makeModelFolder } from "./model_folder.ts";
import type { Progress } from "./progress.ts";
import { diskFullError, isDiskFull, writeAll } from "./verified_file.ts";
import { pause } from "./waiting.ts";

/** A file before it comes. */
export interface Transfer {
  /** Where the whole file goes; its own name is the hash of its content. */
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  readonly bytes: number;
  readonly etag: string;
  /** The content from a byte on. */
  readonly open: (from: number) => AsyncIterable<Uint8Array>;
}

/** What a transfer heeds. */
export interface TransferConditions {
  readonly signal: AbortSignal;
  /** Wait after a failure, ms. */
  readonly retryMillis: number;
  readonly progress: Progress;
}

/** How often in a row a line may fail without bringing a byte. */
const FRUITLESS_TRIES = 5;

const log = getLogger([LOG_CATEGORY, "model"]);

/**
 * Fetches the file; what an earlier run left is gone on from.
 *
 * @throws StartError when the line stays down, the content is wrong or the disk is full.
 * @throws HubRefusal, or the signal's reason.
 */
export async function fetchResumable(
  transfer: Transfer,
  conditions: TransferConditions,
): Promise<void> {
  await makeModelFolder(dirname(transfer.path));
  const partial = `${transfer.path}.incomplete`;
  try {
    const isOld = await sizeOf(partial) > 0;
    let found = await fetchPartial(partial, transfer, conditions);
    if (found !== transfer.etag && isOld) {
      // The old part may be the damaged one.
      log.warn`The part of ${transfer.name} that lay here is damaged; fetching it anew`;
      await Deno.remove(partial);
      found = await fetchPartial(partial, transfer, conditions);
    }
    if (found !== transfer.etag) throw wrongContent(transfer, found);
    await Deno.rename(partial, transfer.path);
  } catch (error) {
    // A full disk needs its room back; wrong bytes help nobody, nor do none.
    if (isDiskFull(error) || error instanceof WrongContent || await sizeOf(partial) === 0) {
      await Deno.remove(partial).catch(() => {});
    }
    throw asStartError(transfer, conditions.signal, error);
  }
}

/** Appends until the file is as long as it should be. @returns its hash. */
async function fetchPartial(
  partial: string,
  transfer: Transfer,
  conditions: TransferConditions,
): Promise<string> {
  if (await sizeOf(partial) > transfer.bytes) await Deno.remove(partial);
  using file = await Deno.open(partial, { create: true, append: true });
  const state: State = {
    file,
    bytes: await sizeOf(partial),
    digest: await digestOfFile(partial, transfer.etag, transfer.bytes),
  };
  conditions.progress.resume(state.bytes);
  let [most, fruitless] = [state.bytes, 0];
  while (state.bytes < transfer.bytes) {
    const failure = await append(state, transfer, conditions);
    if (failure === null) continue;
    fruitless = state.bytes > most ? 0 : fruitless + 1;
    most = Math.max(most, state.bytes);
    await recover(state, transfer, conditions, failure, fruitless);
  }
  await file.sync();
  return state.digest.end();
}

interface State {
  readonly file: Deno.FsFile;
  bytes: number;
  digest: Digest;
}

/** One go. @returns why it ended before the end; null at the end. */
async function append(
  state: State,
  { open, bytes }: Transfer,
  { progress }: TransferConditions,
): Promise<unknown> {
  const chunks = open(state.bytes)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => ({ error }));
      if ("error" in next) return next.error;
      if (next.done) break;
      if (state.bytes + next.value.length > bytes) {
        throw new WrongContent(`it is longer than ${bytes} bytes`);
      }
      await writeAll(state.file, next.value);
      state.digest.update(next.value);
      state.bytes += next.value.length;
      progress.update(state.bytes, bytes);
    }
  } finally {
    await chunks.return?.();
  }
  return state.bytes < bytes ? new HubUnreachable("the answer ended early") : null;
}

/** Waits for the next go; begins anew where the hub sends whole files alone. */
async function recover(
  state: State,
  { name, etag, bytes }: Transfer,
  { signal, retryMillis }: TransferConditions,
  failure: unknown,
  fruitless: number,
): Promise<void> {
  const isFinal = failure instanceof HubRefusal && failure.status !== 416;
  if (signal.aborted || isFinal) throw failure;
  if (fruitless >= FRUITLESS_TRIES) {
    const where = `it was cut at byte ${state.bytes} of ${bytes}`;
    throw new HubUnreachable(`${where} (${reasonOf(failure)})`);
  }
  if (failure instanceof RangeIgnored || failure instanceof HubRefusal) {
    await state.file.truncate(0);
    Object.assign(state, { bytes: 0, digest: digestFor(etag, bytes) });
  }
  log.debug`${name} was cut at byte ${state.bytes} of ${bytes} (${reasonOf(failure)}); going on`;
  const asked = failure instanceof HubUnreachable ? failure.retryMillis : null;
  if (asked !== null || fruitless > 0) await pause(asked ?? retryMillis, signal);
}

/** The bytes are not those that the hub names. */
class WrongContent extends Error {
  override readonly name = "WrongContent";
}

function wrongContent({ etag, bytes }: Transfer, found: string): WrongContent {
  return new WrongContent(`its ${digestFor(etag, bytes).name} is ${found}, expected ${etag}`);
}

function asStartError({ name, path, bytes }: Transfer, signal: AbortSignal, error: unknown) {
  if (signal.aborted) return signal.reason;
  if (error instanceof StartError || error instanceof HubRefusal) return error;
  if (isDiskFull(error)) return diskFullError(name, dirname(path), bytes, error);
  if (error instanceof WrongContent) {
    return modelError(
      `Cannot use the fetched ${name}: ${error.message}; the source has changed or is not to be ` +
        "trusted.",
      error,
    );
  }
  return modelError(
    `Cannot fetch ${name}: ${reasonOf(error)}; what has come is kept, start again to go on from ` +
      "there.",
    error,
  );
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

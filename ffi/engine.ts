/** The core behind `TextEngine`: jobs in by plain calls, records out by one long poll. */

import { ExitCode } from "../server/commands/exit_code.ts";
import {
  GenerationError,
  OverloadedError,
  StartError,
  UnhealthyError,
  ValidationError,
} from "../server/errors.ts";
import { Dispatcher } from "./dispatcher.ts";
import { encodeJob } from "./job.ts";
import { type CoreLibrary, openLibrary } from "./library.ts";
import { RecordReader } from "./records.ts";
import { Errno, Flow } from "./symbols.ts";
import { lastError, readText } from "./text.ts";
import type {
  EngineConfig,
  EngineInfo,
  Job,
  Presence,
  RequestSink,
  StepRecord,
  TextEngine,
} from "./types.ts";

/** Room for several steps; a record is at most a quarter of it. */
const POLL_BYTES = 256 * 1024;
/** A poll without records ends after this, ms. */
const POLL_MILLIS = 1000;

/** The one engine of this process. */
export class Engine implements TextEngine {
  readonly #library: CoreLibrary;
  readonly #dispatcher: Dispatcher;
  readonly #records = new Uint8Array(POLL_BYTES);
  readonly #polling: Promise<void>;
  #polls = true;
  #closing: Promise<void> | null = null;

  private constructor(library: CoreLibrary, readonly info: EngineInfo) {
    this.#library = library;
    this.#dispatcher = new Dispatcher((id) => library.symbols.tgi_cancel(id));
    this.#polling = this.#poll();
  }

  /**
   * Opens the core. One can be open at a time.
   *
   * @throws StartError with the core's one sentence when it cannot be opened.
   */
  static async open(config: EngineConfig, library: CoreLibrary = openLibrary()): Promise<Engine> {
    const json = new TextEncoder().encode(JSON.stringify(config));
    const opened = await library.symbols.tgi_open(json, json.length);
    if (opened !== 0) {
      const message = lastError(library.symbols);
      library.close();
      throw new StartError(
        message,
        opened === -Errno.noDevice ? ExitCode.library : ExitCode.failure,
      );
    }
    const info = readText((buffer, cap) => library.symbols.tgi_stats(buffer, cap));
    return new Engine(library, JSON.parse(info) as EngineInfo);
  }

  /** Where the library is, and why that one, for the log. */
  get library(): { readonly path: string; readonly reason: string } {
    return this.#library;
  }

  get onStep(): (step: StepRecord) => void {
    return this.#dispatcher.onStep;
  }

  set onStep(listener: (step: StepRecord) => void) {
    this.#dispatcher.onStep = listener;
  }

  /** Called with what a sink threw, or `onStep`, or the poll loop when it had to give up. */
  set onError(listener: (error: unknown) => void) {
    this.#dispatcher.onError = listener;
  }

  get alive(): boolean {
    return this.#polls && this.#closing === null && this.#library.symbols.tgi_alive() === 1;
  }

  /**
   * @throws OverloadedError when the core's queue is full; ValidationError when it cannot read the
   * job; UnhealthyError when it is closed or broken.
   */
  submit(job: Job, sink: RequestSink): number {
    if (!this.#polls || this.#closing !== null) throw new UnhealthyError();
    const json = encodeJob(job);
    const id = this.#library.symbols.tgi_submit(json, json.length);
    if (id <= 0) throw submitError(-id, lastError(this.#library.symbols));
    this.#dispatcher.add(id, sink);
    return id;
  }

  cancel(id: number): void {
    this.#dispatcher.cancel(id);
  }

  pause(id: number): void {
    this.#flow(id, Flow.pause);
  }

  resume(id: number): void {
    this.#flow(id, Flow.resume);
  }

  /**
   * Which of `peers`, each an address and a port with a blank between them, are connected: all of
   * them once the core closes, for then nobody can be asked.
   */
  presence(peers: readonly string[]): Presence {
    if (this.#closing !== null) return { here: peers, left: [] };
    const json = new TextEncoder().encode(JSON.stringify(peers));
    const { symbols } = this.#library;
    return JSON.parse(readText((buffer, cap) => {
      return symbols.tgi_presence(json, json.length, buffer, cap);
    })) as Presence;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  #flow(id: number, flow: number): void {
    if (this.#dispatcher.has(id)) this.#library.symbols.tgi_flow(id, flow);
  }

  /** Unloads last: no call may be under way then. */
  async #close(): Promise<void> {
    await this.#library.symbols.tgi_close();
    await this.#polling;
    this.#library.close();
  }

  /** Runs until the core is closed; whatever ends it, no sink is left without an end. */
  async #poll(): Promise<void> {
    const reader = new RecordReader(this.#records);
    try {
      for (;;) {
        const bytes = await this.#library.symbols.tgi_poll(
          this.#records,
          POLL_BYTES,
          POLL_MILLIS,
        );
        if (bytes < -1) throw new Error(lastError(this.#library.symbols));
        if (bytes === -1) break;
        reader.read(bytes, this.#dispatcher);
        this.#dispatcher.flush();
      }
    } catch (error) {
      this.#dispatcher.onError(error);
    } finally {
      this.#polls = false;
      this.#dispatcher.failAll({ kind: "incomplete", message: "Incomplete generation" });
    }
  }
}

function submitError(errno: number, message: string): Error {
  switch (errno) {
    case Errno.again:
      return new OverloadedError();
    case Errno.invalid:
      return ValidationError.ofInput(message);
    case Errno.closed:
      return new UnhealthyError();
    default:
      return new GenerationError(message);
  }
}

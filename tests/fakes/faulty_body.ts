/** The content of a file as a server sends it, with what can go wrong. */

/** What goes wrong; nothing when empty. */
export interface Fault {
  /** The line is cut after this many bytes. */
  readonly cutAfter?: number;
  /** Where it is cut, nothing more comes, and no end. */
  readonly stalls?: true;
  /** Where it is cut, the answer ends as if it were whole. */
  readonly endsWell?: true;
  /** This content comes in place of the file's own. */
  readonly forged?: Uint8Array<ArrayBuffer>;
  /** This status, and no content. */
  readonly status?: number;
  /** The whole file comes, whatever part was asked for. */
  readonly ignoresRange?: true;
  /** A piece of `bytes` comes every `millis`. */
  readonly pace?: { readonly bytes: number; readonly millis: number };
}

/** The answer to a request for the bytes from `from` on. */
export function faultyBody(
  whole: Uint8Array<ArrayBuffer>,
  from: number,
  fault: Fault,
): Response {
  if (fault.status !== undefined) return new Response(null, { status: fault.status });
  const content = fault.forged ?? whole;
  const isPart = from > 0 && !fault.ignoresRange;
  const body = isPart ? content.subarray(from) : content;
  const headers = new Headers();
  if (isPart) {
    headers.set("content-range", `bytes ${from}-${content.length - 1}/${content.length}`);
  }
  // An answer that is shorter than it says is a line that was cut.
  if (!fault.endsWell) headers.set("content-length", String(body.length));
  return new Response(streamOf(body, fault), { status: isPart ? 206 : 200, headers });
}

function streamOf(
  body: Uint8Array<ArrayBuffer>,
  { cutAfter = body.length, stalls, pace }: Fault,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const piece = pace?.bytes ?? 65_536;
  const end = Math.min(cutAfter, body.length);
  let at = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    async pull(controller) {
      if (pace !== undefined) {
        await new Promise((done) => timer = setTimeout(done, pace.millis));
      }
      if (at < end) {
        controller.enqueue(body.subarray(at, Math.min(at + piece, end)));
        at += piece;
      } else if (!stalls || end === body.length) {
        controller.close();
      } else {
        await new Promise(() => {});
      }
    },
    cancel: () => clearTimeout(timer),
  });
}

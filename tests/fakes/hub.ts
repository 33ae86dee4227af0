/** A hub on this machine: enough of its API to fetch one file. */

/** What the fake serves. */
export interface FakeRepository {
  readonly id: string;
  readonly commit: string;
  /** Content by name. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** Bytes after which a download is cut; the whole file when absent. */
  readonly cutAfter?: number;
  /** Stops sending there, but does not end. */
  readonly stalls?: true;
  /** Sends this content in place of the file's own. */
  readonly forged?: Uint8Array<ArrayBuffer>;
}

/** A running fake. */
export interface FakeHub extends AsyncDisposable {
  readonly endpoint: string;
  /** Method, path and `authorization` of each request, in order. */
  readonly requests: string[];
}

/** Starts the fake on a free port. */
export function startFakeHub(repository: FakeRepository): FakeHub {
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    requests.push(`${request.method} ${pathname} ${request.headers.get("authorization") ?? "-"}`);
    return answer(repository, request, pathname);
  });
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** SHA-256, hexadecimal. */
export async function sha256(content: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content)).toHex();
}

async function answer(
  repository: FakeRepository,
  request: Request,
  pathname: string,
): Promise<Response> {
  const { id, commit, files } = repository;
  if (pathname.startsWith(`/api/models/${id}/revision/`)) {
    const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
    return Response.json({ _id: "1", id, sha: commit, siblings });
  }
  if (pathname === `/api/models/${id}/paths-info/${commit}`) {
    const { paths } = await request.json();
    const content = files[paths[0]] ?? new Uint8Array();
    const lfs = { oid: await sha256(content), size: content.length, pointerSize: 100 };
    const oid = "0".repeat(40);
    return Response.json([{ type: "file", path: paths[0], size: content.length, oid, lfs }]);
  }
  const content = files[pathname.replace(`/${id}/resolve/${commit}/`, "")];
  if (content === undefined) return Response.json({ error: "not found" }, { status: 404 });
  if (request.headers.has("range")) {
    const headers = { "content-range": `bytes 0-0/${content.length}`, etag: '"x"' };
    return new Response(content.subarray(0, 1), { status: 206, headers });
  }
  return new Response(body(repository.forged ?? content, repository));
}

function body(
  content: Uint8Array<ArrayBuffer>,
  { cutAfter = content.length, stalls }: FakeRepository,
): BodyInit {
  if (cutAfter >= content.length) return content;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(content.subarray(0, cutAfter));
      if (!stalls) controller.close();
    },
  });
}

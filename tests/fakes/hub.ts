/**
 * A hub on this machine: enough of its API to fetch models, and what can go wrong on the way. As
 * the real one does, it sends whoever asks for a large file to another host.
 */

import { createHash } from "node:crypto";
import { type Fault, faultyBody } from "./faulty_body.ts";

/** Content by path. */
export type FakeFiles = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

/** A commit. */
export interface FakeCommit {
  /** 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: FakeFiles;
}

/** A request for the content of a file. */
export interface FileRequest {
  readonly file: string;
  /** First byte that is wanted. */
  readonly from: number;
  /** How often the file was asked for before. */
  readonly attempt: number;
}

/** What the fake serves; `commit` and `files` are those of `main`. */
export interface FakeRepository extends FakeCommit {
  readonly id: string;
  /** Other branches and tags, by name. */
  readonly revisions?: Readonly<Record<string, FakeCommit>>;
  /** Who may read it: the bearer of this token. */
  readonly readers?: { readonly kind: "gated" | "private"; readonly token: string };
  /** A mirror: knows no hashes but in the heads of its answers. */
  readonly isMirror?: true;
  /** The first answers of the API are this status. */
  readonly busy?: { readonly status: number; readonly times: number };
  /** What goes wrong with a file; nothing when absent or null. */
  readonly fault?: (request: FileRequest) => Fault | null;
}

/** A running fake. */
export interface FakeHub extends AsyncDisposable {
  readonly endpoint: string;
  /** Method, path and `authorization` of each request, in order. */
  readonly requests: string[];
  /** The same of the host that has the large files, and the `range`. */
  readonly storageRequests: string[];
}

/** Starts the fake on free ports. */
export function startFakeHub(repository: FakeRepository): FakeHub {
  const [requests, storageRequests]: [string[], string[]] = [[], []];
  const attempts = new Map<string, number>();
  const content = (request: Request, file: string, whole: Uint8Array<ArrayBuffer>) => {
    const from = Number(/bytes=(\d+)/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    const attempt = attempts.get(file) ?? 0;
    attempts.set(file, attempt + 1);
    return faultyBody(whole, from, repository.fault?.({ file, from, attempt }) ?? {});
  };
  const storage = listen((request, path) => {
    const authorization = request.headers.get("authorization") ?? "-";
    const range = request.headers.get("range") ?? "-";
    storageRequests.push(`${request.method} ${path} ${authorization} ${range}`);
    const [, commit = "", ...names] = path.split("/");
    const file = decodeURIComponent(names.join("/"));
    return content(request, file, commitOf(repository, commit)?.files[file] ?? new Uint8Array());
  });
  let busy = repository.busy?.times ?? 0;
  const hub = listen((request, path) => {
    requests.push(`${request.method} ${path} ${request.headers.get("authorization") ?? "-"}`);
    if (path.startsWith("/api/") && busy-- > 0) {
      return new Response(null, { status: repository.busy?.status ?? 503 });
    }
    return answer(repository, request, path, { content, storage: storage.endpoint });
  });
  return {
    endpoint: hub.endpoint,
    requests,
    storageRequests,
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.shutdown(), storage.shutdown()]);
    },
  };
}

/** SHA-256, hexadecimal. */
export async function sha256(content: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content)).toHex();
}

/** What names a content: its SHA-256 for a large file, else git's hash. */
export function etagOf(file: string, content: Uint8Array): string {
  if (isLarge(file)) return createHash("sha256").update(content).digest("hex");
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

function isLarge(file: string): boolean {
  return /\.(gguf|safetensors|bin)$/.test(file);
}

function listen(handler: (request: Request, path: string) => Response | Promise<Response>) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => handler(request, new URL(request.url).pathname),
  );
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    shutdown: () => server.shutdown(),
  };
}

interface Files {
  readonly content: (
    request: Request,
    file: string,
    whole: Uint8Array<ArrayBuffer>,
  ) => Response;
  /** Address of the host that has the large files. */
  readonly storage: string;
}

async function answer(
  repository: FakeRepository,
  request: Request,
  path: string,
  files: Files,
): Promise<Response> {
  const { id } = repository;
  const refused = refusal(repository, request, path);
  if (refused !== null) return refused;
  const revision = after(path, `/api/models/${id}/revision/`);
  if (revision !== null) return revisionInfo(repository, revision);
  const listed = after(path, `/api/models/${id}/paths-info/`);
  if (listed !== null) return await pathsInfo(repository, listed, request);
  const [commit = "", ...names] = (after(path, `/${id}/resolve/`) ?? "").split("/");
  return fileAnswer(repository, commit, decodeURIComponent(names.join("/")), request, files);
}

/** What the hub answers whom it does not know, in its own words. */
function refusal({ id, readers }: FakeRepository, request: Request, path: string): Response | null {
  if (!path.startsWith(`/api/models/${id}/`) && !path.startsWith(`/${id}/`)) {
    return failure(401, "RepoNotFound", "Repository not found");
  }
  const authorization = request.headers.get("authorization");
  if (readers === undefined || authorization === `Bearer ${readers.token}`) return null;
  if (readers.kind === "private") return failure(401, "RepoNotFound", "Repository not found");
  // Whoever may not read a gated repository still sees what it is.
  if (path.startsWith("/api/")) return null;
  return failure(
    authorization === null ? 401 : 403,
    "GatedRepo",
    `Access to model ${id} is restricted.`,
  );
}

function revisionInfo(repository: FakeRepository, revision: string): Response {
  const found = commitOf(repository, decodeURIComponent(revision));
  if (found === null) return failure(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
  const siblings = Object.keys(found.files).map((rfilename) => ({ rfilename }));
  return Response.json({ _id: "1", id: repository.id, sha: found.commit, siblings });
}

async function pathsInfo(
  repository: FakeRepository,
  commit: string,
  request: Request,
): Promise<Response> {
  if (repository.isMirror) return failure(404, null, "not here");
  const { paths }: { paths: string[] } = await request.json();
  const files = commitOf(repository, commit)?.files ?? {};
  return Response.json(
    paths.filter((path) => files[path] !== undefined).map((path) => {
      const content = files[path] ?? new Uint8Array();
      const [size, etag] = [content.length, etagOf(path, content)];
      return isLarge(path)
        ? {
          type: "file",
          path,
          size,
          oid: "0".repeat(40),
          lfs: { oid: etag, size, pointerSize: 99 },
        }
        : { type: "file", path, size, oid: etag };
    }),
  );
}

function fileAnswer(
  repository: FakeRepository,
  commit: string,
  file: string,
  request: Request,
  { content, storage }: Files,
): Response {
  const found = commitOf(repository, commit);
  const whole = found?.files[file];
  if (found === null || whole === undefined) return failure(404, "EntryNotFound", "no entry");
  const etag = `"${etagOf(file, whole)}"`;
  const head = { "x-repo-commit": found.commit };
  if (isLarge(file)) {
    const linked = { "x-linked-etag": etag, "x-linked-size": String(whole.length) };
    const location = `${storage}/${commit}/${encodeURIComponent(file)}`;
    return new Response(null, { status: 302, headers: { ...head, ...linked, location } });
  }
  if (request.method === "HEAD") {
    const headers = { ...head, etag, "content-length": String(whole.length) };
    return new Response(null, { headers });
  }
  return content(request, file, whole);
}

function commitOf(repository: FakeRepository, revision: string): FakeCommit | null {
  const all: [string, FakeCommit][] = [
    ["main", repository],
    ...Object.entries(repository.revisions ?? {}),
  ];
  return all.find(([name, { commit }]) => revision === name || revision === commit)?.[1] ?? null;
}

function failure(status: number, code: string | null, message: string): Response {
  const headers = {
    "x-error-message": message,
    ...(code === null ? {} : { "x-error-code": code }),
  };
  return Response.json({ error: message }, { status, headers });
}

function after(path: string, beginning: string): string | null {
  return path.startsWith(beginning) ? path.slice(beginning.length) : null;
}

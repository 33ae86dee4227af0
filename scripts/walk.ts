/** Yields the path of every file below a folder; folders of the given names are left out. */
export async function* walkFiles(
  folder: string,
  skip: ReadonlySet<string>,
): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory) yield path;
    else if (!skip.has(entry.name)) yield* walkFiles(path, skip);
  }
}

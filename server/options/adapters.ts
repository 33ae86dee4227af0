/** What `--lora-adapters` says, in TGI's forms (`server/text_generation_server/utils/adapter.py`). */

/** An adapter as it is named. */
export interface AdapterName {
  /** What requests call it. */
  readonly id: string;
  /** A folder, or a repository on the hub. */
  readonly source: string;
  /** Branch, tag or commit of the repository. */
  readonly revision: string | null;
}

const FORM = /^([^=@]+)(?:=([^=@]+))?(?:@([^=@]+))?$/;

/**
 * Reads `id`, `id=path`, `id@revision` and `id=path@revision`, with commas between them.
 *
 * @throws RangeError that says what is wanted.
 */
export function readAdapterNames(text: string): readonly AdapterName[] {
  const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const names = items.map((item) => {
    const [, id, source, revision] = FORM.exec(item) ?? [];
    if (id === undefined) {
      throw new RangeError(
        `id, id=path or id=path@revision, with commas between them, not ${item}`,
      );
    }
    return { id, source: source ?? id, revision: revision ?? null };
  });
  const ids = new Set(names.map(({ id }) => id));
  if (ids.size < names.length) throw new RangeError("a list in which no id stands twice");
  return names;
}

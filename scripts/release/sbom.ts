/** The bill of materials, as CycloneDX 1.6 JSON (<https://cyclonedx.org/docs/1.6/json/>). */

import type { Part } from "./components.ts";

/** CycloneDX's word for each kind of part. */
const TYPES = {
  cargo: "library",
  npm: "library",
  runtime: "platform",
  model: "machine-learning-model",
} as const satisfies Record<Part["kind"], string>;

/** A part in the bill. */
export interface Component {
  readonly type: (typeof TYPES)[Part["kind"]] | "application";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses: readonly [{ readonly expression: string }];
}

/** The bill. */
export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** The bill of a program of this name made of these parts. The same parts give the same bytes. */
export function sbomOf(name: string, version: string, parts: readonly Part[]): Sbom {
  const components = parts.map(componentOf);
  const ref = `${name}@${version}`;
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": ref,
        name,
        version,
        licenses: [{ expression: "Apache-2.0" }],
      },
    },
    components,
    dependencies: [{ ref, dependsOn: components.map((component) => component["bom-ref"]) }],
  };
}

function componentOf({ kind, name, version, license }: Part): Component {
  const purl = purlOf(kind, name, version);
  return {
    type: TYPES[kind],
    "bom-ref": purl ?? `${kind}:${name}@${version}`,
    name,
    version,
    ...(purl === null ? {} : { purl }),
    licenses: [{ expression: license }],
  };
}

/** Package URL (<https://github.com/package-url/purl-spec>): the scope's @ and build's + are escaped. */
function purlOf(kind: Part["kind"], name: string, version: string): string | null {
  if (kind !== "cargo" && kind !== "npm") return null;
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `pkg:${kind}/${path}@${encodeURIComponent(version)}`;
}

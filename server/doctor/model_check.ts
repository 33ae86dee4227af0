/** Check of the model's file: there, sound, and small enough. */

import type { CoreLibrary } from "../../ffi/library.ts";
import { surveyConfig } from "../../ffi/survey.ts";
import { engineConfig } from "../commands/parts.ts";
import { StartError } from "../errors.ts";
import { findOnDisk } from "../model_source/resolve.ts";
import type { FlagValues } from "../options.ts";
import { bytesText } from "../terminal/bytes.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** Opens the file as a start would, without its weights. Nothing is fetched. */
export async function checkModel(
  values: FlagValues,
  variables: (name: string) => string | undefined,
  library: CoreLibrary,
): Promise<Finding> {
  if (values.backend === "scripted") return ok("model", "none is needed");
  try {
    const model = await findOnDisk(values, variables);
    if (model === null) {
      const found = `${values.modelId} is not on this disk`;
      return warn("model", found, `Get it by: tgi models fetch ${values.modelId}`);
    }
    const survey = await surveyConfig(library, engineConfig(values, model.path));
    if (survey.problem !== null) return fail("model", survey.problem, "tgi plan tells more.");
    const { weightsBytes } = survey.plan;
    return ok("model", `${model.path} is sound, ${bytesText(weightsBytes)} in memory`);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return fail("model", error.message.replace(/\.$/, ""), "Name another by --model-id.");
  }
}

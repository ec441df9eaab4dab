/** The flag `--format` of listings that take templates. What reads templates is loaded when there is one. */
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { Option } from "../commander.js";

/**
 * `--format` with its words and templates.
 * @param words what else it may be; the first one is the default
 */
export function templateOption(...words: readonly string[]): Option {
  const description = `how to print: ${words.join(", ")}, or a template such as '{{.Name}}' or 'table {{.Name}}'`;
  return new Option("--format <format>", description).default(words[0]).argParser((format) => {
    if (words.includes(format) || isTemplate(format)) return format;
    const near = nearest(format, words);
    throw new NacreError("USAGE", `unknown format ${JSON.stringify(format)}`, {
      hint: near ? `did you mean ${near}?` : `--format is ${words.join(", ")}, or a template such as {{.Name}}`,
    });
  });
}

/** True for a template; the words of {@link templateOption} are none. */
export function isTemplate(format: string): boolean {
  return format.includes("{{");
}

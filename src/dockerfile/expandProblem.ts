/** What can go wrong within a word that is being expanded. */

/** A failure inside a word, before the word is named. */
export class Problem extends Error {
  readonly code: "DOCKERFILE_SYNTAX" | "PLAN_INVALID" | "LIMIT_EXCEEDED";
  readonly hint: string;

  constructor(code: Problem["code"], message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** A malformed word. */
export function syntax(message: string, hint: string): Problem {
  return new Problem("DOCKERFILE_SYNTAX", message, hint);
}

/** A `${` that is not closed. */
export function missingBrace(): Problem {
  return syntax("syntax error: missing '}'", `close \${ with }`);
}

/** A modifier that Dockerfiles do not have; a blank in its place means that a brace is missing before it. */
export function unsupported(modifier: string): Problem {
  if (/^[\s\p{Cc}]/u.test(modifier)) {
    const shown = JSON.stringify(modifier).slice(1, -1);
    return syntax(`unsupported modifier (${shown}) in substitution`, "close ${ with } behind the name");
  }
  return syntax(
    `unsupported modifier (${modifier}) in substitution`,
    "use one of :- - :+ + :? ? # ## % %% / //, or let the shell of a RUN do it",
  );
}

/** A result over the limit. */
export function tooLong(): Problem {
  return new Problem(
    "LIMIT_EXCEEDED",
    "the expanded text becomes too long or takes too much work",
    "use shorter values, or a file",
  );
}

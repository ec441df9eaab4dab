/** What a template consists of, as Go's text/template has it. Places are offsets into the template's text. */

/** A part of a template. */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | {
      readonly kind: "if" | "with" | "range";
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      /** What `{{else}}` has; empty without one. */
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: "break" | "continue" };

/** Commands of which each gets the value of the one before as its last argument; perhaps into variables. */
export interface Pipe {
  readonly variables: readonly string[];
  /** `$x = …` in place of `$x := …`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
  readonly at: number;
  /** As it is written, for messages. */
  readonly source: string;
}

/** A function with its arguments, or one operand. */
export interface Command {
  readonly operands: readonly Operand[];
  readonly at: number;
  /** As it is written, for messages. */
  readonly source: string;
}

/** What a word of a command stands for. */
export type Operand = OperandKind & { readonly at: number; readonly source: string };

type OperandKind =
  | { readonly kind: "dot" | "nil" }
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "field"; readonly names: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: "chain"; readonly of: Operand; readonly names: readonly string[] }
  | { readonly kind: "pipe"; readonly pipe: Pipe };

import { mkdirSync, writeFileSync, existsSync, readFileSync } from "node:fs";
import { test } from "vitest";
import fc from "fast-check";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { expandWord } from "../../src/dockerfile/expand.js";
import { isNacreError } from "../../src/support/errors.js";
const N = 500;
const P = [
  ..."ab=:.,-'\"`$\\#<>[]{}\t é", " ", " ", " ", "\\ ", "\\\\", "${x}", "$x", "${x:-d}", "\\\n", "\\ \n", "\\\n# c\n", "\\\n\n", "\\\\\n", "`\n",
  "\nENV ", "\nLABEL ", "\nCMD ", "\nENTRYPOINT ", "\nONBUILD RUN ", "\nHEALTHCHECK CMD ", "\nUSER ", "\nONBUILD COPY ", "\nlabel ", "\n# c\n", "\n\n", "\n  ENV ",
  "a=b", "k v", "x=1", '["a", "b"]', "[\"a\"", "<<E", "<<-E", "\nE\n", "\n\tE\n", " << E", "<<'E'", "--", "--x", "--interval=1s ", "=", "''", '"q r"', "a\\ b",
];
const evalFile = (text: string): unknown => {
  const f = parseDockerfile(text, "D");
  const env = new Map<string, string>(); const labels: Record<string, string> = {}; const c: Record<string, unknown> = {};
  let cmd = false;
  const look = { get: (n: string) => env.get(n) };
  const onb: string[] = [];
  for (const i of f.stages.at(-1)!.instructions) {
    const ex = (r: string) => expandWord(r, look, f.escape);
    if (i.keyword === "ENV") { const s = i.pairs.map((p) => [ex(p.key.raw), ex(p.value.raw)] as const); for (const [k, v] of s) env.set(k, v); }
    else if (i.keyword === "LABEL") for (const p of i.pairs) labels[ex(p.key.raw)] = ex(p.value.raw);
    else if (i.keyword === "CMD") { cmd = true; c.Cmd = i.command.form === "exec" ? i.command.args : ["/bin/sh", "-c", i.command.text]; }
    else if (i.keyword === "ENTRYPOINT") { if (!cmd) delete c.Cmd; c.Entrypoint = i.command.form === "exec" ? i.command.args : ["/bin/sh", "-c", i.command.text]; }
    else if (i.keyword === "USER") c.User = ex(i.user.raw);
    else if (i.keyword === "ONBUILD") onb.push(i.trigger);
    else if (i.keyword === "HEALTHCHECK") c.H = i.command ? { Test: i.command.form === "exec" ? ["CMD", ...i.command.args] : ["CMD-SHELL", i.command.text], ...(i.interval ? { Interval: i.interval } : {}) } : { Test: ["NONE"] };
  }
  if (onb.length) c.OnBuild = onb;
  if (Object.keys(labels).length) c.Labels = labels;
  c.Env = [...env].map(([k, v]) => `${k}=${v}`);
  for (const k of ["Cmd", "Entrypoint"]) if (Array.isArray(c[k]) && (c[k] as unknown[]).length === 0) delete c[k];
  if (c.User === "") delete c.User;
  return c;
};
test("gen", () => {
  const dir = "/tmp/x1/fz";
  const seed = Number(process.env.SEED ?? "1");
  if (!process.env.CHECK) {
    const gen = fc.array(fc.constantFrom(...P), { minLength: 2, maxLength: 14 }).map((p) => p.join(""));
    const head = fc.constantFrom("", "", "", "# escape=`\n");
    const texts = fc.sample(fc.tuple(head, gen).map(([h, g]) => `${h}FROM scratch\n${/^\n/.test(g) ? "" : "LABEL "}${g}`), { numRuns: N, seed });
    const sh: string[] = [];
    texts.forEach((t, i) => {
      mkdirSync(`${dir}/${i}`, { recursive: true });
      writeFileSync(`${dir}/${i}/Dockerfile`, t);
      sh.push(`rm -f fz/${i}/out; docker build -q -t fz1 fz/${i} >/dev/null 2>fz/${i}/err && docker image inspect fz1 --format '{{json .Config}}' > fz/${i}/out`);
    });
    writeFileSync("/tmp/x1/fz.sh", sh.join("\n"));
    return;
  }
  let bad = 0, oks = 0, errs = 0;
  for (let i = 0; i < N; i++) {
    const text = readFileSync(`${dir}/${i}/Dockerfile`, "utf8");
    const out = existsSync(`${dir}/${i}/out`) ? readFileSync(`${dir}/${i}/out`, "utf8") : "";
    let theirs: unknown; let mine: unknown; let why = "";
    if (out) {
      const c = JSON.parse(out); theirs = {};
      const t = theirs as Record<string, unknown>;
      for (const k of ["Cmd", "Entrypoint", "User", "OnBuild", "Labels"]) if (c[k] && (k !== "User" || c[k] !== "")) t[k] = c[k];
      if (c.Healthcheck) t.H = c.Healthcheck;
      t.Env = (c.Env ?? []).filter((e: string) => !e.startsWith("PATH="));
      for (const k of ["Cmd", "Entrypoint"]) if (Array.isArray(t[k]) && (t[k] as unknown[]).length === 0) delete t[k];
    } else { theirs = "ERR"; why = readFileSync(`${dir}/${i}/err`, "utf8").split("\n").filter((l) => /ERROR/.test(l)).join("").slice(0, 250).replace(/.*failed to solve: (dockerfile parse error on line \d+: )?/, ""); }
    let m = "";
    try { mine = evalFile(text); } catch (e) { if (!isNacreError(e)) throw e; mine = "ERR"; m = e.message; }
    const sort = (v: unknown): string => JSON.stringify(v, (_, x) => (x && typeof x === "object" && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort()) : x));
    if (sort(mine) !== sort(theirs)) { bad++; console.log("DIFF", i, JSON.stringify(text), "\n  docker", sort(theirs), why, "\n  ours  ", sort(mine), m); }
    else if (mine === "ERR") { errs++; if (m.replaceAll(/\s/g, "") !== why.replaceAll(/\s/g, "")) console.log("MSG", i, "\n  ", why, "\n  ", m); }
    else oks++;
  }
  console.log({ bad, oks, errs });
});

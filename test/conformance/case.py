"""The case files of testdata/conformance: reading one, and unpacking it into a folder that a builder can build.

A case file NAME.txtar has header lines, then sections '-- name --' with the files of the context ('../name' lies
beside the context). Header lines:

  arg: K=V          a build argument                  label: K=V        an image label
  target: STAGE     the stage to build                file: DOCKERFILE  its path in the context
  flag: --X=Y       any other option of the command   differs: REASON   an intended difference: what Docker did is
  context: NAME=DIR a named context; DIR lies beside                    recorded, but not demanded of nacre
                    the context, or is oci-layout://base:TAG           (the case then only has to build or to fail)
                                                      secret: ID=VALUE  a secret that RUN may ask for
  fail: TEXT        the build fails, and Docker says TEXT
  says: TEXT        nacre's output has TEXT           place: FILE:LINE  where nacre must place the error
                                                      (default: where Docker places it)
  stdin: FORM       the context comes on standard input: its folder as tar, tar.gz, tar.bz2, tar.xz or tar.zst, its
                    Dockerfile alone (dockerfile), or a file of it as it is (the name of one that setup.sh made)
  at: ADDRESS       the context is an address        times: PATH …     the times of these paths are compared too
  oracle: hand      the result beside was written by hand, since Docker 28 lacks the feature
  needs: TOOL …     tools without which the case cannot be set up ('root' for the superuser)
  # text            a remark

{top} in a flag is the folder that holds the context. {http}, in a file too, is the address of a server on loopback that
has the files of ../www: see www.py. With `file: -` the Dockerfile comes on standard input, the context is its folder.
A case with a context of the base `box` is one that executes commands: see box.py for what its results leave out.
A section setup.sh is run by bash in the context folder, for what text cannot hold: modes, links, archives, odd names.
"""
import bz2
import gzip
import io
import lzma
import os
import re
import subprocess
import tarfile

ENVIRONMENT = {"TAR_OPTIONS": "--mtime=@1700000000 --sort=name --owner=0 --group=0", "LC_ALL": "C.UTF-8"}


def parse(file):
    """Reads a case file: its options by name, and its sections in order."""
    with open(file, encoding="utf-8", newline="") as f:
        text = f.read()
    head, *parts = re.split(r"^-- (.+?) --\n", text, flags=re.M)
    case = {
        "name": os.path.basename(file)[: -len(".txtar")],
        "file": "Dockerfile", "target": None, "args": {}, "labels": {}, "contexts": {}, "secrets": {}, "flags": [],
        "stdin": None, "at": None, "times": [], "outcome": "ok",
        "fail": None, "says": [], "place": None, "differs": None, "oracle": "docker", "needs": [],
    }  # fmt: skip
    for line in head.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, _, value = (part.strip() for part in line.partition(":"))
        name, _, setting = value.partition("=")
        if key in ("arg", "label", "context", "secret"):
            case[key + "s"][name] = setting
        elif key == "flag":
            case["flags"].append(value)
        elif key == "says":
            case["says"].append(value)
        elif key in ("needs", "times"):
            case[key] += value.split()
        elif key == "fail":
            case["outcome"], case["fail"] = "fail", value
        elif key in ("target", "file", "place", "differs", "oracle", "stdin", "at"):
            case[key] = value
        else:
            raise SystemExit("%s: unknown header line: %s" % (file, line))
    case["http"] = "{http}" in text
    case["box"] = "oci-layout://base:box" in case["contexts"].values()
    case["sections"] = list(zip(parts[::2], parts[1::2]))
    return case


def unpack(case, top, address=None):
    """Makes the context of a case in the new folder `top`/context and tells how the build command is given it: `inputs`,
    the options and the operand, and `stdin`, the file for standard input or None. `address`: what {http} stands for."""
    context = os.path.join(top, "context")
    os.makedirs(context)
    if case["http"]:
        os.makedirs(os.path.join(top, "www"))
    setup = ""
    for path, body in case["sections"]:
        body = body.replace("{http}", address) if case["http"] else body
        if path == "setup.sh":
            setup = body
            continue
        full = os.path.normpath(os.path.join(context, path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as f:
            f.write(body)
        os.chmod(full, 0o644)
    for name, value in case["secrets"].items():
        with open(os.path.join(top, "secret-" + name), "w", encoding="utf-8", newline="") as f:
            f.write(value)
    for folder, dirs, _ in os.walk(top):
        for d in dirs:
            os.chmod(os.path.join(folder, d), 0o755)
    if setup:
        script = "umask 022\n" + setup
        subprocess.run(["bash", "-eu", "-c", script], cwd=context, env={**os.environ, **ENVIRONMENT}, check=True)
    return inputs(case, top, context, address)


def inputs(case, top, context, address):
    """How the build command is given the unpacked context."""
    if case["file"] == "-":
        return {"inputs": ["-f", "-", context], "stdin": os.path.join(context, "Dockerfile")}
    if not case["stdin"] and not case["at"]:
        return {"inputs": ["-f", os.path.join(context, case["file"]), context], "stdin": None}
    # Without -f, since such a context has its own idea of what is in it.
    named = ["-f", case["file"]] if case["file"] != "Dockerfile" else []
    if case["at"]:
        return {"inputs": [*named, case["at"].replace("{http}", address or "")], "stdin": None}
    return {"inputs": [*named, "-"], "stdin": standard_input(case, context, os.path.join(top, "stdin"))}


def standard_input(case, context, path):
    """The file with what is sent on standard input; `path`: where to make it. Owners count only in cases for the superuser."""

    def owner(entry):
        if "root" not in case["needs"]:
            entry.uid = entry.gid = 0
        return entry

    form = case["stdin"]
    if form == "dockerfile":
        return os.path.join(context, "Dockerfile")
    packer = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress, "tar.zst": zstd}.get(form)
    if not packer:
        return os.path.join(context, form)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(os.listdir(context)):
            tar.add(os.path.join(context, name), name, filter=owner)
    with open(path, "wb") as f:
        f.write(packer(buffer.getvalue()))
    return path


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def options(case, top, layout, address=None):
    """The options of the build command, as `docker build` spells them. `layout(tag)` names a base of oci-layout://base:TAG;
    `address` is what {http} stands for."""
    out = [flag.replace("{top}", top).replace("{http}", address or "") for flag in case["flags"]]
    if not any(flag.startswith("--platform") for flag in out):
        out.append("--platform=linux/amd64")
    for flag, pairs in (("--build-arg", case["args"]), ("--label", case["labels"])):
        for name, value in pairs.items():
            out += [flag, "%s=%s" % (name, value.replace("{http}", address or ""))]
    for name in case["secrets"]:
        out += ["--secret", "id=%s,src=%s" % (name, os.path.join(top, "secret-" + name))]
    for name, value in case["contexts"].items():
        if value.startswith("oci-layout://base"):
            value = layout(value.rpartition(":")[2])
        elif "{http}" in value:
            value = value.replace("{http}", address)
        else:
            value = os.path.join(top, value)
        out += ["--build-context", "%s=%s" % (name, value)]
    if case["target"]:
        out += ["--target", case["target"]]
    return out

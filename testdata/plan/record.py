#!/usr/bin/env python3
"""Records what Docker (BuildKit) makes of the Dockerfiles here, for the tests of src/plan.

A case is a folder: Dockerfile, optionally request.json (buildArgs, target, platform, labels, contexts) and base.Dockerfile,
which is built first as the image `planbase`. Docker's answer is written beside them as docker.json: config and history
of the image, labels of the steps, what RUN steps printed, warnings; or the message of the error.

    python3 record.py [--docker COMMAND] [--work FOLDER] [case...]

COMMAND is a shell prefix that runs one shell line with a docker client, e.g. `sh -c`; FOLDER must be visible to it.
Needs busybox (static), which becomes the shell of images made from scratch.
"""
import argparse, base64, json, os, re, shlex, shutil, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = ("[internal]", "[context ", "exporting", "resolve ", "[auth]", "naming", "writing", "preparing")


def run(prefix, work, line):
    return subprocess.run([*prefix, line], cwd=work, capture_output=True, text=True)


def make_context(work):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(f"{work}/d")
    for name in ("f", "g", "d/h"):
        with open(f"{work}/{name}", "w") as file:
            file.write(name)
    shutil.copy("/usr/bin/busybox", f"{work}/sh")


def config_of(prefix, work, tag):
    """The raw config. `docker save` refuses images without layers, so it is read where the daemon keeps it."""
    where = "$(docker info -f '{{.DockerRootDir}}')/image/*/imagedb/content/sha256"
    found = run(prefix, work, f"cat {where}/$(docker image inspect -f '{{{{.Id}}}}' {tag} | cut -d: -f2)")
    assert found.returncode == 0, found.stderr
    config = json.loads(found.stdout)
    config.pop("created", None)
    for entry in config.get("history") or []:
        entry.pop("created", None)
    return config


def flags(request):
    out = []
    for key, value in request.get("buildArgs", {}).items():
        out += ["--build-arg", f"{key}={value}"]
    for key, value in request.get("labels", {}).items():
        out += ["--label", f"{key}={value}"]
    for key, value in request.get("contexts", {}).items():
        out += ["--build-context", f"{key}={value}"]
    for name in ("target", "platform"):
        if name in request:
            out += [f"--{name}", request[name]]
    return " ".join(shlex.quote(word) for word in out)


def events(text):
    """Vertex names in order of appearance, and log text, of `--progress rawjson`."""
    names, logs, warnings = [], [], []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        for vertex in event.get("vertexes") or []:
            name = vertex.get("name", "")
            if name and name not in names and not name.startswith(SKIPPED):
                names.append(name)
        for log in event.get("logs") or []:
            logs.append(base64.b64decode(log["data"]).decode("utf-8", "replace"))
        for warning in event.get("warnings") or []:
            warnings.append(base64.b64decode(warning["short"]).decode())
    return names, "".join(logs), warnings


def error_of(text):
    lines = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    message = lines[-1][len("ERROR: "):] if lines else text
    marked = [int(m) for m in re.findall(r"^ *(\d+) \| >>> ", text, re.M)]
    return re.sub(r"^failed to (build|solve): (failed to solve: )?", "", message), marked


def record(prefix, work, name):
    folder = f"{HERE}/{name}"
    request = {}
    if os.path.exists(f"{folder}/request.json"):
        with open(f"{folder}/request.json") as file:
            request = json.load(file)
    result = {}
    if os.path.exists(f"{folder}/base.Dockerfile"):
        shutil.copy(f"{folder}/base.Dockerfile", f"{work}/base.Dockerfile")
        shutil.copy(f"{folder}/Dockerfile", f"{work}/Dockerfile")
        built = run(prefix, work, "docker build -q --network host -t planbase -f base.Dockerfile .")
        assert built.returncode == 0, built.stderr
        result["base"] = config_of(prefix, work, "planbase")
    shutil.copy(f"{folder}/Dockerfile", f"{work}/Dockerfile")
    built = run(prefix, work, f"docker build --no-cache --network host -t plancase --progress rawjson {flags(request)} .")
    names, logs, warnings = events(built.stderr)
    if built.returncode != 0:
        plain = run(prefix, work, f"docker build --no-cache --network host --progress plain {flags(request)} .")
        result["error"], result["lines"] = error_of(plain.stderr)
    else:
        result["image"] = config_of(prefix, work, "plancase")
        result["image"].pop("rootfs", None)
        result["labels"] = names
        if logs:
            result["output"] = logs
        if warnings:
            result["warnings"] = warnings
    with open(f"{folder}/docker.json", "w") as file:
        json.dump(result, file, indent=2, ensure_ascii=False)
        file.write("\n")
    print(name, result.get("error", "ok"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--docker", default="sh -c")
    parser.add_argument("--work", default="/tmp/nacre-plan-record")
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    prefix = shlex.split(args.docker)
    make_context(args.work)
    names = args.cases or sorted(n for n in os.listdir(HERE) if os.path.isdir(f"{HERE}/{n}"))
    for name in names:
        record(prefix, args.work, name)


main()

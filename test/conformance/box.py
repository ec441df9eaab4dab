"""The base image of the cases that execute commands, oci-layout://base:box: `plain` and a layer with the machine's static
busybox and links to it. It is made for each run of the tests, since a program is no test data; what a case leaves as it
was in this image is left out of its results, and so are the digest and size of busybox, so that they are the same for
every version of it."""
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile

import image

TIME = 1704067200
TAG = "box"
PROGRAM = "usr/bin/busybox"
# Those that cases use, and no more: another busybox may lack the rest.
APPLETS = """
ash awk basename cat chgrp chmod chown chroot cmp cp cut date dd df diff dirname echo env expr false find fold grep
head hostname id ip kill ln ls md5sum mkdir mkfifo mknod mktemp mount mv nc nice nproc od printf ps pwd readlink realpath
renice rm rmdir sed seq sh sleep sort stat stty su tail tar tee test touch tr true truncate tty umount uname uniq unlink wc
which whoami xargs
""".split()  # fmt: skip


def busybox():
    """The bytes of a static busybox."""
    path = next(p for p in (shutil.which("busybox"), "/bin/busybox", "/usr/bin/busybox") if p and os.path.exists(p))
    with open(path, "rb") as f:
        data = f.read()
    if b"/lib64/ld-linux" in data or b"/lib/ld-linux" in data or b"/lib/ld-musl" in data:
        raise SystemExit("%s is not static: install busybox-static" % path)
    return data


def top_layer(program):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("usr/", "usr/bin/"):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, TIME
            tar.addfile(info)
        info = tarfile.TarInfo(PROGRAM)
        info.mode, info.mtime, info.size = 0o755, TIME, len(program)
        tar.addfile(info, io.BytesIO(program))
        for applet in APPLETS:
            info = tarfile.TarInfo("usr/bin/" + applet)
            info.type, info.mode, info.mtime, info.linkname = tarfile.SYMTYPE, 0o777, TIME, "busybox"
            tar.addfile(info)
    return buffer.getvalue()


def make(source, layout):
    """Copies the layout `source` to the new directory `layout` and adds the image there."""
    shutil.copytree(source, layout)

    def read(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as f:
            return f.read()

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(layout, "blobs/sha256", digest), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    path = os.path.join(layout, "index.json")
    with open(path, encoding="utf-8") as f:
        index = json.load(f)
    plain = next(m for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == "plain")
    manifest = json.loads(read(plain["digest"]))
    config = json.loads(read(manifest["config"]["digest"]))
    layer = top_layer(busybox())
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(layer).hexdigest())
    config["history"].append({"created": config["created"], "created_by": "ADD busybox / # buildkit", "comment": "buildkit.dockerfile.v0"})
    config["config"]["Cmd"] = ["sh"]
    manifest["layers"].append(blob(gzip.compress(layer, 1, mtime=0), manifest["layers"][1]["mediaType"]))
    manifest["config"] = blob(json.dumps(config).encode(), manifest["config"]["mediaType"])
    found = blob(json.dumps(manifest).encode(), plain["mediaType"])
    index["manifests"].append({**found, "annotations": {"org.opencontainers.image.ref.name": TAG}})
    with open(path, "w", encoding="utf-8") as f:
        json.dump(index, f, indent=1)


class Below:
    """The image as what lies below others."""

    def __init__(self, layout):
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
            index = json.load(f)
        tagged = [m for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == TAG]
        source = image.Source(layout)
        blobs = image.load(source, tagged[0])[1]
        self.fs = {e["path"]: e for e in image.flatten(image.merge([image.decompress(b) for b in blobs], []))}
        self.program = self.fs[PROGRAM]["sha256"]

    def reduce(self, result):
        """An image without what it has from here: `fs` holds what is new or changed, `gone` the names that are missing.
        An image that does not stand on this one is left whole. Short texts stand in place of digest and size."""
        fs = {entry["path"]: entry for entry in result["fs"]}
        gone = []
        if self.same(fs, PROGRAM):
            for path in self.fs:
                if path not in fs and os.path.dirname(path) not in gone and not any(path.startswith(g + "/") for g in gone):
                    gone.append(path)
            fs = {path: entry for path, entry in fs.items() if not self.same(fs, path)}
        return {**result, "fs": [self.shorten(entry) for entry in fs.values()], "gone": gone}

    def same(self, fs, path):
        ours, theirs = self.fs.get(path), fs.get(path)
        return ours is not None and {**ours, "text": ""} == {**(theirs or {}), "text": ""}

    def shorten(self, entry):
        if entry.get("sha256") == self.program:
            entry = {**entry, "sha256": "busybox", "size": 0}
        if "text" in entry:
            entry = {key: value for key, value in entry.items() if key not in ("size", "sha256")}
        return entry

"""Reads an image (OCI layout directory or tar, docker-archive) with Python's own tarfile: an opinion that shares no code
with nacre. What it returns is what the recorded results hold: config, history, and the flattened root file system."""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile

TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "link",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo",
}  # fmt: skip
XATTR = "SCHILY.xattr."
# Up to so many bytes a file's text is kept too, if it is UTF-8: see Below.reduce in box.py.
TEXT_LIMIT = 4096


class Source:
    """The files of an image archive or directory, by name."""

    def __init__(self, path):
        self.path = path
        self.tar = None if os.path.isdir(path) else tarfile.open(path, "r:*")
        self.members = {} if self.tar is None else {os.path.normpath(m.name): m for m in self.tar.getmembers()}

    def has(self, name):
        return name in self.members if self.tar else os.path.exists(os.path.join(self.path, name))

    def read(self, name):
        if self.tar is None:
            with open(os.path.join(self.path, name), "rb") as f:
                return f.read()
        return self.tar.extractfile(self.members[name]).read()

    def close(self):
        if self.tar:
            self.tar.close()


def load(source, descriptor=None):
    """Config, layer blobs bottom first, and what is wrong with the image. `descriptor`: the manifest, if not the first."""
    problems = []
    if not source.has("index.json"):
        manifest = json.loads(source.read("manifest.json"))[0]
        return json.loads(source.read(manifest["Config"])), [source.read(n) for n in manifest["Layers"]], problems

    def blob(descriptor):
        data = source.read("blobs/" + descriptor["digest"].replace(":", "/"))
        if "sha256:" + hashlib.sha256(data).hexdigest() != descriptor["digest"]:
            problems.append("the blob %s does not match its digest" % descriptor["digest"])
        if len(data) != descriptor["size"]:
            problems.append("the blob %s has %d bytes, not %d" % (descriptor["digest"], len(data), descriptor["size"]))
        return data

    document = {"manifests": [descriptor]} if descriptor else json.loads(source.read("index.json"))
    while "layers" not in document:
        document = json.loads(blob(document["manifests"][0]))
    return json.loads(blob(document["config"])), [blob(d) for d in document["layers"]], problems


def decompress(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:3] == b"BZh":
        return bz2.decompress(data)
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.decompress(data)
    return data


def is_text(content):
    try:
        content.decode()
        return True
    except UnicodeDecodeError:
        return False


def entries(data, texts=False):
    """The entries of one uncompressed layer; with `texts`, short files with their text."""
    out = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            entry = {
                "path": os.path.normpath("/" + member.name).lstrip("/"),
                "type": TYPES.get(member.type, "type %r" % member.type),
                "mode": "%04o" % (member.mode & 0o7777), "uid": member.uid, "gid": member.gid, "mtime": int(member.mtime),
            }  # fmt: skip
            if entry["type"] == "file":
                content = tar.extractfile(member).read()
                entry["size"], entry["sha256"] = len(content), hashlib.sha256(content).hexdigest()
                if texts and len(content) <= TEXT_LIMIT and is_text(content):
                    entry["text"] = content.decode()
            elif entry["type"] == "symlink":
                entry["link"], entry["mode"] = member.linkname, "0777"
            elif entry["type"] == "link":
                entry["link"] = os.path.normpath("/" + member.linkname).lstrip("/")
            elif entry["type"] in ("char", "block"):
                entry["dev"] = [member.devmajor, member.devminor]
            xattrs = {
                key[len(XATTR) :]: value.encode("utf-8", "surrogateescape").hex()
                for key, value in member.pax_headers.items()
                if key.startswith(XATTR)
            }
            if xattrs:
                entry["xattrs"] = xattrs
            out.append(entry)
    return out


class Node:
    """A name in the merged tree. Names of one file share its inode dictionary."""

    def __init__(self, inode=None):
        self.inode = inode or {"type": "dir", "mode": "0755", "uid": 0, "gid": 0, "implicit": True}
        self.children = {}

    def find(self, path, make=False):
        node = self
        for part in filter(None, path.split("/")):
            if part not in node.children:
                if not make:
                    return None
                node.children[part] = Node()
            node = node.children[part]
        return node


def apply_layer(root, layer, problems):
    """Lays one layer over the tree; whiteouts act on what lies below only."""
    for entry in layer:
        folder, name = os.path.split(entry["path"])
        below = root.find(folder) if name.startswith(".wh.") else None
        if below and name == ".wh..wh..opq":
            below.children.clear()
        elif below:
            below.children.pop(name[len(".wh.") :], None)
    for entry in layer:
        folder, name = os.path.split(entry.pop("path"))
        if name.startswith(".wh."):
            continue
        if not name:
            root.inode = entry
            continue
        parent = root.find(folder, make=True)
        old = parent.children.get(name)
        if entry["type"] == "link":
            target = root.find(entry["link"])
            if target is None:
                problems.append("%s/%s is a hard link to %s, which is missing" % (folder, name, entry["link"]))
            else:
                parent.children[name] = Node(target.inode)
        elif entry["type"] == "dir" and old and old.inode["type"] == "dir":
            old.inode = entry
        else:
            parent.children[name] = Node(entry)


def flatten(root, times=()):
    """The entries of the tree in byte order of their paths; names of one file carry the first of them in `hardlink`, and
    only the paths of `times` their time."""
    out, names = [], {}

    def walk(node, path):
        entry = {"path": path or ".", **node.inode}
        out.append(entry)
        if entry["type"] == "file":
            names.setdefault(id(node.inode), []).append(path)
        for name, child in node.children.items():
            walk(child, path + "/" + name if path else name)

    walk(root, "")
    first = {path: min(group) for group in names.values() if len(group) > 1 for path in group}
    for entry in out:
        if entry["path"] in first:
            entry["hardlink"] = first[entry["path"]]
    if out[0].pop("implicit", None):
        out.pop(0)
    for entry in out:
        entry.pop("implicit", None)
        if entry["path"] not in times:
            entry.pop("mtime", None)
    return sorted(out, key=lambda e: e["path"].encode("utf-8", "surrogateescape"))


def describe(config):
    """Config and history without what every builder writes differently (times) and without empty values."""
    inner = {k: v for k, v in (config.get("config") or {}).items() if v not in (None, "", [], {}, False)}
    outer = {k: config[k] for k in ("architecture", "os", "variant", "author") if config.get(k)}
    kept = ("created_by", "empty_layer", "comment", "author")
    history = [{k: h[k] for k in kept if h.get(k)} for h in config.get("history") or []]
    return {"config": inner, **outer, "history": history}


def merge(layers, problems, texts=False):
    """The tree of uncompressed layers, bottom first."""
    root = Node()
    for layer in layers:
        apply_layer(root, entries(layer, texts), problems)
    return root


def read(path, below=None, times=(), address=None):
    """The whole of an image as plain data, with a list of `problems` that is empty for a sound image.
    `below`: what it stands on, if that is to be left out of it. `times`: paths whose times are kept. `address`: what is
    called {http} in the result, since it differs each time."""
    source = Source(path)
    try:
        config, blobs, problems = load(source)
    finally:
        source.close()
    layers = [decompress(b) for b in blobs]
    ids = (config.get("rootfs") or {}).get("diff_ids") or []
    if ids != ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]:
        problems.append("the layers do not match diff_ids")
    said = len([h for h in config.get("history") or [] if not h.get("empty_layer")])
    if said != len(layers):
        problems.append("%d layers, but history tells of %d" % (len(layers), said))
    fs = flatten(merge(layers, problems, below is not None), times)
    described = json.dumps(describe(config))
    described = json.loads(described.replace(address, "{http}") if address else described)
    result = {**described, "layers": len(layers), "fs": fs, "problems": problems}
    return below.reduce(result) if below else result

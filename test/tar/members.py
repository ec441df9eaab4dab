"""Prints what Python's tarfile finds in archives: one JSON array a file, or {"error": ...}. Names as byte strings."""

import hashlib
import json
import sys
import tarfile

TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}
XATTR = "SCHILY.xattr."


def text(value):
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


def member(archive, info):
    kind = TYPES.get(info.type, "type " + repr(info.type))
    out = {
        "path": text(info.name),
        "type": kind,
        "mode": info.mode & 0o7777,
        "uid": info.uid,
        "gid": info.gid,
        "size": info.size if kind == "file" else 0,
        "mtime": int(info.mtime // 1),
    }
    if kind in ("hardlink", "symlink"):
        out["link"] = text(info.linkname)
    if kind in ("char", "block"):
        out["devMajor"], out["devMinor"] = info.devmajor, info.devminor
    xattrs = {text(k[len(XATTR) :]): text(v) for k, v in info.pax_headers.items() if k.startswith(XATTR)}
    if xattrs:
        out["xattrs"] = xattrs
    if kind == "file":
        out["sha256"] = hashlib.sha256(archive.extractfile(info).read()).hexdigest()
    return out


def members(path):
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as archive:
            return [member(archive, info) for info in archive]
    except Exception as error:
        # Python calls an archive of no bytes an error; everybody else an empty one.
        return [] if "empty file" in str(error) else {"error": repr(error)}


for name in sys.argv[1:]:
    print(json.dumps(members(name)))

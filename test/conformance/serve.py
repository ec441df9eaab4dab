"""Answers the conformance test over its standard streams, one JSON line each: cases are parsed and unpacked, and images
are read, by the very code that recorded Docker's results.

  {"make": DIR, "from": DIR}                 ->  {}; makes the layout of all base images from the one that is kept
  {"unpack": FILE, "top": DIR, "base": DIR}  ->  the case, with "inputs", "stdin", "options", "address"
  {"read": PATH}                             ->  the image; "below": DIR: less what it has from the base `box` there;
                                                 "times": [PATH, …]: with their times; "address": what {http} stood for
Anything that goes wrong is answered with {"error": TEXT}."""
import json
import os
import sys

import box
import case
import image
import www

bases = {}


def below(layout):
    if layout not in bases:
        bases[layout] = box.Below(layout)
    return bases[layout]


def answer(request):
    if "make" in request:
        box.make(request["from"], request["make"])
        return {}
    if "read" in request:
        standing = below(request["below"]) if request.get("below") else None
        return image.read(request["read"], standing, request.get("times", ()), request.get("address"))
    found = case.parse(request["unpack"])
    top = request["top"]
    address = www.Www(os.path.join(top, "www")).address if found["http"] else None
    found.update(case.unpack(found, top, address))
    found["options"] = case.options(found, top, lambda tag: "oci-layout://%s:%s" % (request["base"], tag), address)
    found["address"] = address
    del found["sections"]
    return found


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(reply), flush=True)

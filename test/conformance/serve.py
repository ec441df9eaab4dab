"""Answers the conformance test over its standard streams, one JSON line each: cases are parsed and unpacked, and images
are read, by the very code that recorded Docker's results.

  {"make": DIR, "from": DIR}                 ->  {}; makes the layout of all base images from the one that is kept
  {"unpack": FILE, "top": DIR, "base": DIR}  ->  the case, with "context", "dockerfile" and "options"
  {"read": PATH}                             ->  the image; "below": DIR: less what it has from the base `box` there
Anything that goes wrong is answered with {"error": TEXT}."""
import json
import sys

import box
import case
import image

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
        return image.read(request["read"], below(request["below"]) if request.get("below") else None)
    found = case.parse(request["unpack"])
    found.update(case.unpack(found, request["top"]))
    found["options"] = case.options(found, request["top"], lambda tag: "oci-layout://%s:%s" % (request["base"], tag))
    del found["sections"]
    return found


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(reply), flush=True)

FROM python:3.12-alpine
WORKDIR /gen
RUN <<PY
#!/usr/bin/env python3
import json
for name in ("a", "b"):
    with open(f"{name}.json", "w") as f:
        json.dump({"name": name, "cost": "$5"}, f)
PY
RUN python <<'PY'
print("via the shell")
PY
COPY <<EMPTY /gen/.keep
EMPTY

"""The manifests on standard input, as podman 4 can play them: `playable.py PROGRAM ARGUMENT...`.

It knows no native sidecar: these, and what waits for them, are containers like the
others, which start again until they succeed. It cannot read the Secrets that it made:
they are in the Pod. PROGRAM is mounted into the container `app`, and run.
"""
import base64
import sys

import yaml

documents = {document["kind"]: document for document in yaml.safe_load_all(sys.stdin)}
secret = documents.pop("Secret")["data"]
spec = documents["Pod"]["spec"]
keys = [{"name": name, "value": base64.b64decode(value).decode()} for name, value in secret.items()]

first, sidecars = [], False
for container in spec.pop("initContainers"):
    own = container.pop("restartPolicy", None) == "Always"
    sidecars = sidecars or (own and container["name"] != "sts")
    (spec["containers"] if own or sidecars else first).append(container)
    if container.pop("envFrom", None):
        container["env"] = keys
spec["initContainers"] = first
spec["restartPolicy"] = "OnFailure"

app = spec["containers"][0]
program, *arguments = sys.argv[1:]
app["args"] = ["/program.py", *arguments]
app["securityContext"]["runAsUser"] = 65532
app.setdefault("volumeMounts", []).append({"name": "program", "mountPath": "/program.py"})
spec["volumes"].append({"name": "program", "hostPath": {"path": program, "type": "File"}})
yaml.safe_dump_all(documents.values(), sys.stdout)

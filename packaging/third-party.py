"""Prints the crates in the program, and the text of each license once.

The crates are those that `cargo metadata` resolves for this platform, without build and
test dependencies. Works offline, because a build has already fetched them.
"""
import json
import pathlib
import subprocess
import sys
from collections import defaultdict


def metadata():
    host = next(
        line.split()[1]
        for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
        if line.startswith("host:")
    )
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host]
    return json.loads(subprocess.check_output(command))


def linked(resolve):
    """The packages that the root reaches through normal dependencies."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found, todo = set(), [resolve["root"]]
    while todo:
        for dependency in nodes[todo.pop()]["deps"]:
            usual = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if usual and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                todo.append(dependency["pkg"])
    return found


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT")):
            yield path.read_text(errors="replace").strip()


described = metadata()
wanted = linked(described["resolve"])
packages = [package for package in described["packages"] if package["id"] in wanted]
packages.sort(key=lambda package: (package["name"], package["version"]))
owners = defaultdict(list)
print("The program contains these crates, each under its own license.\n")
for package in packages:
    name = f"{package['name']} {package['version']}"
    print(f"{name}: {package['license'] or 'see below'}, {package['repository'] or ''}".rstrip(", "))
    for text in texts(package):
        owners[text].append(name)
for text, names in sorted(owners.items(), key=lambda item: item[1]):
    print(f"\n{'-' * 78}\n{', '.join(names)}\n\n{text}")
print(f"{len(packages)} crates, {len(owners)} texts", file=sys.stderr)

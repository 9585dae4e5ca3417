#!/usr/bin/env python3
"""The artifact directory: packs files into it, writes its index, and compares every file with the index.

    artifacts.py pack DIR program FIELDS FILE     compresses FILE to DIR/programs/<name>.zst and notes it
    artifacts.py pack DIR image FIELDS FILE       the same below DIR/images/<file>.tar.zst
    artifacts.py index DIR KUBERNETES             writes DIR/index.yaml, last and atomically
    artifacts.py verify DIR                       every file against the index: size and SHA-256, also of the content
    artifacts.py derive DIR FROM IMAGE.json FILE  DIR = FROM (hard links) and one more image

FIELDS is a JSON object of the entry's other fields. The index is YAML whose entries are one JSON flow mapping a line,
so that the standard library reads it. A note (DIR/.notes/KIND-NAME.json) appears only after the file's own rename:
a build that was killed goes on behind the last note. Exit codes: 0, 65 a file differs from the index or the index
cannot be read, 1 anything else. Called by tests/tools/build.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys

# Level 9: the API server's 105 MB become 25.1 MB in 1.0 s, 25.9 MB at level 6 in 0.6 s, 27.7 MB at level 3 in 0.2 s (two
# cores). It happens once a machine, and the result crosses the wire once for each host.
ZSTD = ["zstd", "-q", "-T0", "-9"]
BLOCK = 1 << 20


class Damaged(Exception):
    """A file of the directory is not what its index says."""


def digest(stream):
    """SHA-256 (hex) and length in bytes of what is left in the stream."""
    sha, size = hashlib.sha256(), 0
    while block := stream.read(BLOCK):
        sha.update(block)
        size += len(block)
    return sha.hexdigest(), size


def file_digest(path):
    with open(path, "rb") as f:
        return digest(f)


def replace(path, text):
    unfinished = path + ".unfinished"
    with open(unfinished, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(unfinished, path)


def pack(directory, kind, fields, source):
    """Compresses one file, then notes its entry. Does nothing where the note is already there."""
    name = fields["file"] if kind == "image" else fields["name"]
    note = os.path.join(directory, ".notes", f"{kind}-{name}.json")
    if os.path.exists(note):
        return
    file = f"images/{name}.tar.zst" if kind == "image" else f"programs/{name}.zst"
    target = os.path.join(directory, file)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.makedirs(os.path.dirname(note), exist_ok=True)
    unfinished = target + ".unfinished"
    subprocess.run([*ZSTD, "-f", "-o", unfinished, source], check=True)
    os.replace(unfinished, target)
    content_sha, content_size = file_digest(source)
    sha, size = file_digest(target)
    entry = {**fields, "file": file, "sha256": sha, "size": size,
             "content_sha256": content_sha, "content_size": content_size}
    replace(note, json.dumps(entry) + "\n")


def write_index(directory, kubernetes):
    notes = os.path.join(directory, ".notes")
    entries = {"program": [], "image": []}
    for name in sorted(os.listdir(notes)):
        if name.endswith(".json"):
            with open(os.path.join(notes, name), encoding="utf-8") as f:
                entries[name.split("-", 1)[0]].append(f.read().strip())
    lines = ["version: 1", f"kubernetes: {kubernetes}"]
    for title, kind in (("programs", "program"), ("images", "image")):
        lines.append(f"{title}:")
        lines.extend(f"- {entry}" for entry in entries[kind])
    replace(os.path.join(directory, "index.yaml"), "\n".join(lines) + "\n")


def entries_of(directory):
    """(line number, entry) of each file that the index names."""
    path = os.path.join(directory, "index.yaml")
    try:
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    except OSError as error:
        raise Damaged(f"{path}: {error.strerror}; cure: name a directory that tests/tools/build has finished") from error
    if not lines or lines[0] != "version: 1":
        raise Damaged(f"{path}:1: not an index of version 1; cure: build it again with tests/tools/build")
    found = []
    for number, line in enumerate(lines, 1):
        if line.startswith("- "):
            try:
                found.append((number, json.loads(line[2:])))
            except ValueError as error:
                raise Damaged(f"{path}:{number}: {error}; cure: build it again with tests/tools/build") from error
    if not found:
        raise Damaged(f"{path}: it names no file; cure: build it again with tests/tools/build")
    return found


def content_digest(path):
    with subprocess.Popen(["zstd", "-q", "-dc", path], stdout=subprocess.PIPE) as process:
        result = digest(process.stdout)
    if process.returncode != 0:
        raise Damaged(f"{path}: zstd cannot read it")
    return result


def verify(directory):
    """Compares every file; all differences are reported, not only the first."""
    findings = []
    index = entries_of(directory)
    for number, entry in index:
        path = os.path.join(directory, entry["file"])
        where = f"index.yaml:{number}: {entry['file']}"
        try:
            sha, size = file_digest(path)
            if (sha, size) != (entry["sha256"], entry["size"]):
                findings.append(f"{where}: {size} bytes with SHA-256 {sha}, "
                                f"the index says {entry['size']} bytes with {entry['sha256']}")
            elif content_digest(path) != (entry["content_sha256"], entry["content_size"]):
                findings.append(f"{where}: its content differs from content_sha256")
        except OSError as error:
            findings.append(f"{where}: {error.strerror}")
        except Damaged as error:
            findings.append(str(error))
    if findings:
        raise Damaged("\n".join(findings) + f"\ncure: copy the directory again, or remove {directory} and run tests/tools/build")
    print(f"{directory}: {len(index)} files are what the index says")


def derive(directory, origin, fields, source):
    """A second artifact directory beside a finished one: its files by hard link, and one more image."""
    unfinished = directory + ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with open(os.path.join(origin, "index.yaml"), encoding="utf-8") as f:
        kubernetes = f.read().splitlines()[1].removeprefix("kubernetes: ")
    for part in ("programs", "images", ".notes"):
        shutil.copytree(os.path.join(origin, part), os.path.join(unfinished, part), copy_function=link_or_copy)
    pack(unfinished, "image", fields, source)
    write_index(unfinished, kubernetes)
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(unfinished, directory)


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def main(argv):
    match argv:
        case ["pack", directory, ("program" | "image") as kind, fields, source]:
            pack(directory, kind, json.loads(fields), source)
        case ["index", directory, kubernetes]:
            write_index(directory, kubernetes)
        case ["verify", directory]:
            verify(directory)
        case ["derive", directory, origin, fields, source]:
            derive(directory, origin, json.loads(fields), source)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Damaged as damaged:
        print(f"finding: {damaged}", file=sys.stderr)
        sys.exit(65)

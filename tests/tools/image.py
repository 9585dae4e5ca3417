#!/usr/bin/env python3
"""Makes one container image as a docker-archive, without a registry and without a container engine.

`ctr --namespace k8s.io images import` accepts the result. The archive is deterministic: same input files and arguments,
same bytes (no times, no owners, sorted content). On success one line of JSON is printed:
{"name": ..., "config_digest": "sha256:..."}; the digest is the image id that the CRI reports.

It never downloads anything and never touches a file other than the output. Called by tests/tools/build.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

# The layout of a Debian image since /usr was merged: a library that CDI mounts at its host path is then found.
MERGED = ("bin", "sbin", "lib", "lib64")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Layer:
    """One file system layer, collected first and written sorted, so that the order of arguments does not matter."""

    def __init__(self):
        self.members = {}
        for directory in ("dev", "etc", "proc", "run", "sys", "usr", "var"):
            self.directory(directory)
        self.members["tmp"] = self._info("tmp", tarfile.DIRTYPE, 0o1777), None
        for name in MERGED:
            self.directory("usr/" + name)
            self.link(name, "usr/" + name)
        self.link("var/run", "../run")

    @staticmethod
    def _info(name, kind, mode):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = kind, mode, 0
        return info

    @staticmethod
    def place(path):
        """The member's name for a path in the image: relative, with the merged directories resolved."""
        path = os.path.normpath(path).lstrip("/")
        return "usr/" + path if path.split("/", 1)[0] in MERGED and "/" in path else path

    def directory(self, path):
        if path and path not in self.members:
            self.directory(os.path.dirname(path))
            self.members[path] = self._info(path, tarfile.DIRTYPE, 0o755), None

    def link(self, path, target):
        path = self.place(path)
        self.directory(os.path.dirname(path))
        info = self._info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self.members[path] = info, None

    def file(self, source, path):
        path = self.place(path)
        self.directory(os.path.dirname(path))
        with open(source, "rb") as f:
            data = f.read()
        info = self._info(path, tarfile.REGTYPE, 0o755 if os.access(source, os.X_OK) else 0o644)
        info.size = len(data)
        self.members[path] = info, data

    def program(self, source, path):
        """A program with the shared libraries that it names, at the paths where the loader looks for them."""
        self.file(source, path)
        self.libraries(source)

    def libraries(self, source):
        answer = subprocess.run(["ldd", source], capture_output=True, text=True, check=False)
        if answer.returncode != 0:  # "not a dynamic executable"
            return
        if "not found" in answer.stdout:
            sys.exit(f"{source}: the loader does not find all its libraries:\n{answer.stdout}"
                     "cure: install the packages that hold them")
        for library in re.findall(r"(/\S+) \(0x", answer.stdout):
            if self.place(library) not in self.members:
                self.file(os.path.realpath(library), library)

    def tree(self, source, path):
        """A directory of plug-ins (one level), links kept, with the libraries that the plug-ins need."""
        for name in sorted(os.listdir(source)):
            entry = os.path.join(source, name)
            if os.path.islink(entry):
                self.link(f"{path}/{name}", os.readlink(entry))
            elif os.path.isfile(entry):
                self.file(entry, f"{path}/{name}")
                self.libraries(entry)

    def busybox(self, source):
        """busybox as /bin/busybox and a link for each applet that this build of it has."""
        self.program(source, "/bin/busybox")
        for applet in subprocess.check_output([source, "--list"], text=True).split():
            if Layer.place("/bin/" + applet) not in self.members:
                self.link("/bin/" + applet, "busybox")

    def tar(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(self.members):
                info, data = self.members[path]
                archive.addfile(info, io.BytesIO(data) if data is not None else None)
        return buffer.getvalue()


def pair(text):
    source, separator, path = text.partition("=")
    if not separator or not path.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text}: expected SOURCE=/PATH/IN/IMAGE")
    return source, path


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("output", help="the docker-archive to write (replaced if there)")
    parser.add_argument("--name", required=True, help="full image name with its tag")
    parser.add_argument("--entrypoint", action="append", default=[], metavar="WORD")
    parser.add_argument("--command", action="append", default=[], metavar="WORD")
    parser.add_argument("--user", default="", help="UID[:GID]; root if left out")
    parser.add_argument("--program", action="append", default=[], type=pair, metavar="SOURCE=PATH",
                        help="a program and its shared libraries")
    parser.add_argument("--tree", action="append", default=[], type=pair, metavar="SOURCE=PATH",
                        help="a directory of plug-ins")
    parser.add_argument("--link", action="append", default=[], type=pair, metavar="TARGET=PATH")
    parser.add_argument("--busybox", help="a busybox to put in with all its applets")
    return parser.parse_args()


def main():
    args = arguments()
    layer = Layer()
    for source, path in args.program:
        layer.program(source, path)
    for source, path in args.tree:
        layer.tree(source, path)
    for target, path in args.link:
        layer.link(path, target)
    if args.busybox:
        layer.busybox(args.busybox)

    content = layer.tar()
    layer_digest = hashlib.sha256(content).hexdigest()
    run = {"Env": ["PATH=" + PATH]}
    for key, value in (("Entrypoint", args.entrypoint), ("Cmd", args.command), ("User", args.user)):
        if value:
            run[key] = value
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": run,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer_digest]},
        "history": [{"created_by": "bedplate tests/tools/image.py"}],
    }, sort_keys=True).encode()
    config_digest = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{
        "Config": config_digest + ".json", "RepoTags": [args.name], "Layers": [layer_digest + "/layer.tar"],
    }]).encode()

    unfinished = args.output + ".unfinished"
    with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in ((config_digest + ".json", config), (layer_digest + "/layer.tar", content),
                           ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, 0
            archive.addfile(info, io.BytesIO(data))
    os.replace(unfinished, args.output)
    print(json.dumps({"name": args.name, "config_digest": "sha256:" + config_digest}))


if __name__ == "__main__":
    main()

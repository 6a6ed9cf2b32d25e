# Passed to `python3 -c`: brings in the runner's own modules, which travel as one compressed argument so that any image with
# a Python in it will do. Arguments: the modules, then the configuration, both text.
import base64
import importlib.abc
import importlib.util
import json
import sys
import zlib


class Carried(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name in self.sources:
            return importlib.util.spec_from_loader(name, self, is_package="." not in name)
        return None

    def is_package(self, name):
        return "." not in name

    def get_source(self, name):
        return self.sources[name]


sys.meta_path.insert(0, Carried(json.loads(zlib.decompress(base64.b64decode(sys.argv[1])).decode())))
configuration = json.loads(sys.argv[2])
del sys.argv[1:]

from gleitzeit_runner import main  # noqa: E402  (found by the line above)

main.main(configuration)

"""A Beam filesystem that Beam treats as remote; its files are local."""

import os

from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = "mapped"
_PREFIX = f"{SCHEME}:/"


class MappedFileSystem(LocalFileSystem):
    """mapped://folder/file is /folder/file; like an object store, it has no folders."""

    @classmethod
    def scheme(cls):
        return SCHEME

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def _list(self, dir_or_prefix):
        folder = os.path.dirname(dir_or_prefix.removeprefix(_PREFIX))
        for parent, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)
                yield FileMetadata(f"{_PREFIX}{path}", os.path.getsize(path))

    def _path_open(self, path, *arguments, **options):
        return super()._path_open(path.removeprefix(_PREFIX), *arguments, **options)

    def create(self, path, *arguments, **options):
        return super().create(path.removeprefix(_PREFIX), *arguments, **options)

    def rename(self, source_file_names, destination_file_names):
        for path in destination_file_names:
            os.makedirs(os.path.dirname(path.removeprefix(_PREFIX)), exist_ok=True)
        super().rename(
            [path.removeprefix(_PREFIX) for path in source_file_names],
            [path.removeprefix(_PREFIX) for path in destination_file_names],
        )

    def metadata(self, path):
        found = super().metadata(path.removeprefix(_PREFIX))
        return FileMetadata(path, found.size_in_bytes)

    def exists(self, path):
        return os.path.isfile(path.removeprefix(_PREFIX))

    def delete(self, paths):
        for path in paths:
            os.unlink(path.removeprefix(_PREFIX))

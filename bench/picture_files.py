"""Pictures as files, for the scripts beside this one: MNIST's idx files, the folder of a class each, PNG without libraries."""
import gzip
import os
import struct
import zlib

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg")


def read_idx(path):
    """An array of bytes: magic 0x0000080N, N sizes of four bytes, most significant first, the bytes."""
    with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as f:
        data = f.read()
    kind, dimensions = struct.unpack_from(">HxB", data)[0], data[3]
    assert kind == 0 and data[2] == 8, f"{path} is not an idx file of bytes"
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def write_png(path, picture):
    """Grey [height, width] or RGB [height, width, 3], of bytes."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if picture.ndim == 3 else 0, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def write_folders(folder, pictures, labels, names, first=0):
    """folder/CLASS/NUMBER.png"""
    for i, (picture, label) in enumerate(zip(pictures, labels)):
        os.makedirs(os.path.join(folder, names[label]), exist_ok=True)
        write_png(os.path.join(folder, names[label], f"{first + i:05}.png"), picture)


def folder_files(folder):
    """Of a folder that holds one folder for each class, [(file, class), ...] in order of names."""
    classes = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    return [(os.path.join(folder, name, file), name) for name in classes
            for file in sorted(os.listdir(os.path.join(folder, name))) if file.lower().endswith(SUFFIXES)]

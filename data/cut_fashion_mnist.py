#!/usr/bin/env python3
"""Create the few images of Fashion-MNIST that tests use from the whole set.

    python3 cut_fashion_mnist.py [FOLDER WITH THE FOUR FILES] [FOLDER TO WRITE]

Keeps the first samples of every class in the order of the files, so that the result depends on the input only. Uses Python's
standard library only. The compressed files contain no name and no time. Another zlib may compress to other bytes, but the content is
the same (its SHA-256 is printed).
"""

import gzip
import hashlib
import struct
import sys
import zlib
from pathlib import Path

PER_CLASS = {"train": 60, "t10k": 20}
CLASSES = 10
SIDE = 28
LIMIT = 500_000


def read_idx(path, dimensions):
    content = gzip.decompress(path.read_bytes())
    magic = struct.pack(">HBB", 0, 8, dimensions)
    if content[:4] != magic:
        sys.exit(f"{path}: found magic {content[:4].hex()}, expected {magic.hex()}")
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    expected = start
    size = 1
    for length in shape:
        size *= length
    expected += size
    if len(content) != expected:
        sys.exit(f"{path}: found {len(content)} bytes, expected {expected}")
    return shape, content[start:]


def compress(content):
    """Gzip with level 9 and no name or time, so that the bytes are reproducible."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    body = packer.compress(content) + packer.flush()
    header = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255])
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def cut(source, target, part, per_class):
    (count, height, width), pixels = read_idx(source / f"{part}-images-idx3-ubyte.gz", 3)
    (label_count,), labels = read_idx(source / f"{part}-labels-idx1-ubyte.gz", 1)
    if (height, width) != (SIDE, SIDE) or count != label_count:
        sys.exit(f"{part}: found {count} images of {height} x {width} and {label_count} labels")
    size = height * width
    taken = [0] * CLASSES
    kept_pixels, kept_labels = [], bytearray()
    for index, label in enumerate(labels):
        if taken[label] < per_class:
            taken[label] += 1
            kept_pixels.append(pixels[index * size : (index + 1) * size])
            kept_labels.append(label)
    if taken != [per_class] * CLASSES:
        sys.exit(f"{part}: found {taken} samples per class, expected {per_class}")
    number = len(kept_labels)
    images = struct.pack(">HBBIII", 0, 8, 3, number, height, width) + b"".join(kept_pixels)
    names = struct.pack(">HBBI", 0, 8, 1, number) + bytes(kept_labels)
    total = 0
    for name, content in (("images-idx3", images), ("labels-idx1", names)):
        packed = compress(content)
        path = target / f"{part}-{name}-ubyte.gz"
        path.write_bytes(packed)
        total += len(packed)
        print(f"{path.name}: {number} samples, {len(packed)} bytes, content {hashlib.sha256(content).hexdigest()}")
    return total


def main():
    source = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "fashion-mnist-few"
    target.mkdir(parents=True, exist_ok=True)
    total = sum(cut(source, target, part, per_class) for part, per_class in PER_CLASS.items())
    print(f"total: {total} bytes")
    if total > LIMIT:
        sys.exit(f"more than {LIMIT} bytes: use fewer samples")


if __name__ == "__main__":
    main()

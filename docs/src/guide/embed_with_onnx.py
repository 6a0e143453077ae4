#!/usr/bin/env python3
"""Embed images with an exported model: python embed_with_onnx.py MODEL.onnx IMAGE...

Prints the cosine between each image and the first one, and whether they are the same if the model has a threshold.
Requires onnxruntime, numpy and pillow.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def share(of, part, whole):
    """of * part / whole, rounded, and at least 1."""
    return max(1, (2 * of * part + whole) // (2 * whole))


def fit(image, size, expected):
    """The image with the model's size: stretched, padded or cropped."""
    (width, height), mode = size, expected["resize"]
    if mode == "crop":
        rows = min(image.height, share(image.width, height, width))
        columns = min(image.width, share(image.height, width, height))
        left, top = (image.width - columns) // 2, (image.height - rows) // 2
        image = image.crop((left, top, left + columns, top + rows))
    if mode != "pad":
        return image.resize(size, Image.BILINEAR)
    rows = min(height, share(width, image.height, image.width))
    columns = min(width, share(height, image.width, image.height))
    ground = tuple(expected["background"] or (255, 255, 255))
    if image.mode == "L":
        ground = int(np.floor(np.dot(ground, expected["grey"]) + 0.5))
    padded = Image.new(image.mode, size, ground)
    padded.paste(image.resize((columns, rows), Image.BILINEAR), ((width - columns) // 2, (height - rows) // 2))
    return padded


class Embedder:
    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["widemargin"])

    def pixels(self, path):
        """The image as the graph expects it: [channels, height, width], 0 to 255."""
        expected = self.about["input"]
        image = ImageOps.exif_transpose(Image.open(path))
        if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip; it reads other 16-bit images as 8-bit
            most = 2 ** expected["depth"] - 1
            grey = np.minimum(np.asarray(image, np.float64), most) * 255 / most
            image = Image.fromarray(np.floor(grey + 0.5).astype(np.uint8))
        if expected["background"] is not None and image.has_transparency_data:
            ground = Image.new("RGBA", image.size, (*expected["background"], 255))
            image = Image.alpha_composite(ground, image.convert("RGBA"))
        image = image.convert("RGB")
        if "grey" in expected:  # Pillow's "L" uses other weights
            grey = np.floor(np.asarray(image, np.float64) @ expected["grey"] + 0.5)
            image = Image.fromarray(grey.astype(np.uint8))
        image = fit(image, (expected["width"], expected["height"]), expected)
        return np.asarray(image, np.float32).reshape(expected["height"], expected["width"], -1).transpose(2, 0, 1)

    def embed(self, paths):
        """[images, dimension], each row of length one."""
        images = np.stack([self.pixels(path) for path in paths])
        return self.session.run(None, {self.about["input"]["name"]: images})[0]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    embedder = Embedder(sys.argv[1])
    paths = sys.argv[2:]
    embeddings = embedder.embed(paths)
    calibration = embedder.about.get("calibration")
    for path, cosine in zip(paths, embeddings @ embeddings[0]):
        same = "" if calibration is None else "\tsame" if cosine >= calibration["threshold"] else "\tdifferent"
        print(f"{path}\t{cosine:.4f}{same}")


if __name__ == "__main__":
    main()

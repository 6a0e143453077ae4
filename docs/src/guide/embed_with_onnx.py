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
        image = image.resize((expected["width"], expected["height"]), Image.BILINEAR)
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

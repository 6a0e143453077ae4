#!/usr/bin/env python3
"""Embeddings of pictures by an exported model: python embed_with_onnx.py MODEL.onnx PICTURE...

Prints the cosine of every picture with the first, and whether they are the same where the model has a threshold.
Wants onnxruntime, numpy and pillow.
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
        """The picture as the graph takes it: [channels, height, width], 0 to 255."""
        wanted = self.about["input"]
        picture = ImageOps.exif_transpose(Image.open(path))
        picture = picture.convert("RGB")
        if "grey" in wanted:  # not by Pillow's "L", which weighs the colours otherwise
            grey = np.floor(np.asarray(picture, np.float64) @ wanted["grey"] + 0.5)
            picture = Image.fromarray(grey.astype(np.uint8))
        picture = picture.resize((wanted["width"], wanted["height"]), Image.BILINEAR)
        return np.asarray(picture, np.float32).reshape(wanted["height"], wanted["width"], -1).transpose(2, 0, 1)

    def embed(self, paths):
        """[pictures, numbers], each row of length one."""
        pictures = np.stack([self.pixels(path) for path in paths])
        return self.session.run(None, {self.about["input"]["name"]: pictures})[0]


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

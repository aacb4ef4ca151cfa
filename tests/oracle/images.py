"""Pictures of every kind, made of formulas, and what Pillow, torchvision and transformers' image processors make of them: images.py OUT

Needs pillow (13.0), torch, torchvision (0.29) and transformers (5.24). OUT is a folder (tests/data/images): files by kind, and images.json with
  read: the files that are read, with SHA-256 and the first bytes of what Pillow's exif_transpose, then convert("L") and convert("RGB") give
  refused: those that are not, the kind of refusal and a word of its sentence
  resized: Pillow's and torchvision's pixels (hexadecimal) of a picture in other sizes, by filter
  processed: what transformers' processors make of a picture, by preprocessor_config.json; pixels as numbers after both steps, and as grey levels without the last"""
import hashlib
import io
import json
import os
import struct
import sys
import tempfile
import zlib

import numpy
import PIL
import torch
import torchvision
import transformers
from PIL import Image, ImageOps
from torchvision.transforms import v2

HEIGHT, WIDTH = 9, 13
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def picture(height, width, channels):
    """Smooth in parts, with edges in others, all values from 0 to 255."""
    y, x, c = numpy.mgrid[0:height, 0:width, 0:channels]
    smooth = 127.5 + 127.5 * numpy.sin(x / 3 + c) * numpy.cos(y / 4 - c)
    edges = ((x * 7 + y * 13 + c * 5) % 11 < 5) * 255
    return numpy.where((x + 2 * y) % 23 < 14, smooth, edges).round().astype(numpy.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(values, bits):
    """values: [height, row length] whole numbers of `bits` bits; each row with filter 0 in front."""
    rows = b""
    for row in values:
        digits = "".join(format(int(v), f"0{bits}b") for v in row)
        digits += "0" * (-len(digits) % 8)
        rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
    return rows


def png(values, color, bits, interlaced=False, before=b""):
    """values: [height, width, channels]; color: PNG's number for the kind of colours."""
    height, width, _ = values.shape
    passes = [values[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [values]
    data = b"".join(packed_rows(p.reshape(p.shape[0], -1), bits) for p in passes if p.size)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def exif(turn, order):
    """Two entries: the width, then how the camera was held."""
    start = b"MM\0*" if order == ">" else b"II*\0"
    return start + struct.pack(order + "IHHHIIHHIHHI", 8, 2, 0x0100, 4, 1, WIDTH, 0x0112, 3, 1, turn, 0, 0)


def pngs():
    rgb, rgba = picture(HEIGHT, WIDTH, 3), picture(HEIGHT, WIDTH, 4)
    grey, grey_alpha = picture(HEIGHT, WIDTH, 1), picture(HEIGHT, WIDTH, 2)
    colors = chunk(b"PLTE", picture(1, 16, 3).tobytes())
    yield "rgb.png", png(rgb, 2, 8)
    yield "rgb_interlaced.png", png(rgb, 2, 8, True)
    yield "rgb_key.png", png(rgb, 2, 8, before=chunk(b"tRNS", struct.pack(">HHH", *map(int, rgb[0, 0]))))
    yield "rgb_gamma.png", png(rgb, 2, 8, before=chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sBIT", b"\5\6\5"))
    yield "rgba.png", png(rgba, 6, 8)
    yield "grey.png", png(grey, 0, 8)
    yield "grey_alpha.png", png(grey_alpha, 4, 8, True)
    for bits in (1, 2, 4):
        yield f"grey_{bits}.png", png(grey >> (8 - bits), 0, bits, bits == 2)
        yield f"palette_{bits}.png", png(grey >> (8 - bits), 3, bits, bits == 4, colors if bits == 4 else chunk(b"PLTE", picture(1, 1 << bits, 3).tobytes()))
    yield "palette_8.png", png(grey >> 4, 3, 8, before=colors + chunk(b"tRNS", bytes(range(0, 160, 16))))
    for turn, order in ((5, ">"), (8, "<")):
        yield f"rgb_turned_{turn}.png", png(rgb, 2, 8, before=chunk(b"eXIf", exif(turn, order)))
    yield "rgb_odd_exif.png", png(rgb, 2, 8, before=chunk(b"eXIf", exif(6, ">")[:20]))
    yield "pixel.png", png(rgb[:1, :1], 2, 8)


def jpeg(values, **how):
    data = io.BytesIO()
    Image.fromarray(values if values.shape[2] > 1 else values[:, :, 0], how.pop("mode", None)).save(data, "JPEG", **how)
    return data.getvalue()


def jpegs():
    rgb, grey = picture(17, 22, 3), picture(17, 22, 1)
    yield "grey.jpg", jpeg(grey, quality=90)
    yield "rgb_444.jpg", jpeg(rgb, quality=95, subsampling=0)
    yield "rgb_422.jpg", jpeg(rgb, quality=80, subsampling=1)
    yield "rgb_420.jpg", jpeg(rgb, quality=60, subsampling=2)
    yield "rgb_progressive.jpg", jpeg(rgb, quality=75, progressive=True)
    for turn in range(1, 10):
        yield f"grey_turned_{turn}.jpg", jpeg(grey, quality=75, exif=b"Exif\0\0" + exif(turn, ">" if turn % 2 else "<"))
    yield "rgb_kept.jpg", jpeg(rgb, quality=75, keep_rgb=True)
    yield "png.jpg", png(picture(HEIGHT, WIDTH, 3), 2, 8)


def saved(kind, values):
    data = io.BytesIO()
    Image.fromarray(values).save(data, kind)
    return data.getvalue()


def refused():
    rgb, grey = picture(HEIGHT, WIDTH, 3), picture(HEIGHT, WIDTH, 1)
    good, photo = png(rgb, 2, 8), jpeg(picture(17, 22, 3), quality=80)
    frame = photo.index(b"\xff\xc0") + 1
    control = chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0))
    yield "bits_16.png", png(rgb.astype(int) * 257, 2, 16), "unsupported", "16 bits"
    yield "grey_16.png", png(grey.astype(int) * 257, 0, 16), "unsupported", "16 bits"
    yield "animated.png", png(rgb, 2, 8, before=control), "unsupported", "animated"
    yield "wide.png", png(rgb, 2, 8).replace(struct.pack(">I", WIDTH), struct.pack(">I", 70000), 1), "format", "damaged"
    huge = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)
    yield "huge.png", good[:8] + chunk(b"IHDR", huge) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""), "unsupported", "too large"
    long = struct.pack(">IIBBBBB", 1, 70000, 1, 0, 0, 0, 0)
    yield "long.png", good[:8] + chunk(b"IHDR", long) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""), "unsupported", "too large"
    yield "empty.png", b"", "format", "empty"
    yield "signature.png", good[:8], "format", "truncated"
    yield "truncated.png", good[:len(good) // 2], "format", "truncated"
    yield "no_end.png", good[:-12], "format", "truncated"
    yield "damaged.png", good[:60] + bytes([good[60] ^ 255]) + good[61:], "format", "damaged"
    yield "short_rows.png", good[:33] + chunk(b"IDAT", zlib.compress(bytes(20))) + chunk(b"IEND", b""), "format", "damaged"
    yield "palette_beyond.png", png(grey >> 4, 3, 8, before=chunk(b"PLTE", picture(1, 5, 3).tobytes())), "format", "palette"
    yield "no_palette.png", png(grey >> 4, 3, 8), "format", "damaged"
    yield "cmyk.jpg", jpeg(picture(17, 22, 4), mode="CMYK", quality=80), "unsupported", "CMYK"
    yield "arithmetic.jpg", photo[:frame] + b"\xc9" + photo[frame + 1:], "unsupported", "arithmetic"
    yield "lossless.jpg", photo[:frame] + b"\xc3" + photo[frame + 1:], "unsupported", "lossless"
    yield "bits_12.jpg", photo[:frame + 3] + b"\x0c" + photo[frame + 4:], "unsupported", "8 bits"
    yield "truncated.jpg", photo[:len(photo) * 3 // 4], "format", "truncated"
    yield "header.jpg", photo[:frame + 10], "format", "truncated"
    yield "no_end.jpg", photo[:-2], "format", "truncated"
    middle = photo.index(b"\xff\xda") + 20
    yield "damaged.jpg", photo[:middle] + b"\xff\xd9" + photo[middle + 2:], "format", "damaged"
    yield "turns.gif", saved("GIF", grey[:, :, 0]), "unsupported", "GIF"
    yield "photo.bmp", saved("BMP", rgb), "unsupported", "BMP"
    yield "photo.tif", saved("TIFF", rgb), "unsupported", "TIFF"
    yield "photo.webp", saved("WEBP", rgb), "unsupported", "WebP"
    yield "text.png", b"once upon a time\n", "format", "a text"
    yield "data.png", bytes(range(64)), "format", "data of another kind"


def said(values):
    return {"size": list(values.shape[:2]), "sha256": hashlib.sha256(values.tobytes()).hexdigest(), "first": values.reshape(-1)[:8].tolist()}


def read_by_pillow(path):
    return {mode: said(numpy.asarray(ImageOps.exif_transpose(Image.open(path)).convert(mode))) for mode in ("L", "RGB")}


INTERPOLATIONS = {1: v2.InterpolationMode.LANCZOS, 2: v2.InterpolationMode.BILINEAR, 3: v2.InterpolationMode.BICUBIC}


def resized(folder, name):
    """Heights and widths that shrink, grow, keep a side, and both at once; none where Pillow goes along the columns first."""
    photo = Image.open(os.path.join(folder, name)).convert("RGB")
    pixels = torch.from_numpy(numpy.array(photo)).permute(2, 0, 1).contiguous()
    for height, width in ((8, 8), (17, 9), (6, 22), (24, 30), (30, 10), (1, 1)):
        for resample in range(6):
            row = {"file": name, "height": height, "width": width, "resample": resample,
                   "pillow": numpy.asarray(photo.resize((width, height), resample)).tobytes().hex()}
            if resample in INTERPOLATIONS and height * width > 1:  # torch fails on a single pixel
                other = v2.functional.resize(pixels, [height, width], interpolation=INTERPOLATIONS[resample], antialias=True)
                row["torchvision"] = other.permute(1, 2, 0).contiguous().numpy().tobytes().hex()
            yield row


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CONFIGS = [
    ("vit", 224, 3, {"image_processor_type": "ViTImageProcessor"}),
    ("vit", 12, 3, {"feature_extractor_type": "ViTFeatureExtractor", "do_normalize": True, "do_resize": True, "resample": 3, "size": 12, **IMAGENET}),
    ("vit", 12, 1, {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 12, "width": 12}, "image_mean": [0.1307], "image_std": [0.3081]}),
    ("deit", 10, 3, {"size": 16, "crop_size": 10, **IMAGENET}),
    ("deit", 224, 3, {"image_processor_type": "DeiTImageProcessor"}),
    ("vit", 10, 3, {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 14}, "do_center_crop": True, "resample": 2,
                    "crop_size": {"height": 10, "width": 10}}),
    ("vit", 10, 3, {"image_processor_type": "CLIPImageProcessor", "size": 10, "crop_size": 10, "do_convert_rgb": True}),
    ("vit", 12, 3, {"image_processor_type": "ViTImageProcessor", "size": 12, "do_rescale": False, "crop_size": None}),
    ("vit", 12, 3, {"image_processor_type": "ViTImageProcessor", "size": 12, "do_normalize": False, "rescale_factor": 0.00784313725490196, "resample": 3}),
    ("vit", 12, 3, {"image_processor_type": "ViTImageProcessor", "size": 12, "do_normalize": False, "do_rescale": False, "image_mean": 0.5}),
    ("vit", 15, 3, {"image_processor_type": "ViTImageProcessor", "size": [12, 9], "do_center_crop": True, "crop_size": 15}),
]


def process(backend, folder, photo, **how):
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend=backend)
    return numpy.asarray(processor(photo, return_tensors="np", **how)["pixel_values"][0])


def processed(folder, name):
    for kind, size, channels, config in CONFIGS:
        photo = Image.open(os.path.join(folder, name)).convert("RGB" if channels == 3 else "L")
        with tempfile.TemporaryDirectory() as place:
            for file, what in (("config.json", {"model_type": kind}), ("preprocessor_config.json", config)):
                with open(os.path.join(place, file), "w", encoding="utf-8") as out:
                    json.dump(what, out)
            row = {"file": name, "model_type": kind, "size": size, "channels": channels, "config": config}
            values = process("torchvision", place, photo)
            levels = process("torchvision", place, photo, do_rescale=False, do_normalize=False)
            other = process("pil", place, photo, do_rescale=False, do_normalize=False)
        spots = sorted({0, 1, size * size // 2 + size // 3, channels * size * size - 1} | {c * size * size + size // 2 for c in range(channels)})
        row["spots"] = [[int(s), int(levels.reshape(-1)[s]), float(values.reshape(-1)[s])] for s in spots]
        if size < 100:
            row["torchvision"] = levels.astype(numpy.uint8).transpose(1, 2, 0).tobytes().hex()
            row["pil"] = other.astype(numpy.uint8).transpose(1, 2, 0).tobytes().hex()
        yield row


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)
    return os.path.join(folder, name)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    made = {"made_with": [f"pillow {PIL.__version__}", f"torchvision {torchvision.__version__}", f"transformers {transformers.__version__}"]}
    made["read"] = [{"file": name, **read_by_pillow(write(folder, name, data))} for name, data in [*pngs(), *jpegs()]]
    made["refused"] = []
    for name, data, status, words in refused():
        write(folder, name, data)
        made["refused"].append({"file": name, "status": status, "words": words})
    made["resized"] = list(resized(folder, "rgb_444.jpg"))
    made["processed"] = list(processed(folder, "rgb_444.jpg"))
    with open(os.path.join(folder, "images.json"), "w", encoding="utf-8") as out:
        lists = ",\n".join(f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for key, rows in made.items())
        out.write("{\n" + lists + "\n}\n")


if __name__ == "__main__":
    main()

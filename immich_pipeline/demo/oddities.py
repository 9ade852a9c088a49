"""Files that are no ordinary photo: sidecars, videos, deep and flat pictures, broken and mislabelled files, system files."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import Image

from immich_pipeline.demo.exif import Shot, exif_block
from immich_pipeline.demo.plan import PHONE, PIXEL, Photo, Plan
from immich_pipeline.demo.scenes import Pixels, paint
from immich_pipeline.demo.video import film

_SCENES_FROM = 1000
"""Numbers of paintings that no photo of the plan has."""

_ODD = Shot(datetime(2018, 3, 4, 5, 6, 7), 60, PHONE)
_XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>
"""
_PLIST = """<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>adjustmentFormatIdentifier</key><string>com.apple.photo</string></dict></plist>
"""


@dataclass(frozen=True)
class OddFile:
    """A file and what sort it is: sidecar, video, special, broken, mislabelled or system."""

    path: str
    sort: str
    content: bytes
    shot: Shot = _ODD


def odd_files(seed: int, plan: Plan) -> Iterator[OddFile]:
    """Everything beside the photos of the plan."""
    yield from _sidecars(plan)
    yield from _videos(plan)
    yield from _special(seed)
    yield from _broken(seed)
    yield from _system(seed)


def _sidecars(plan: Plan) -> Iterator[OddFile]:
    shots = {path: photo.shot for photo in plan.photos for path in (photo.path, *photo.raw_paths)}
    for path, media in plan.sidecars.items():
        shot = shots[media]
        ending = path.rpartition(".")[2]
        texts = {"xmp": _XMP, "AAE": _PLIST, "json": _takeout(media, shot)}
        yield OddFile(path, "sidecar", texts[ending].encode(), shot)


def _takeout(media: str, shot: Shot) -> str:
    taken = {"timestamp": str(int(shot.instant.timestamp())), "formatted": f"{shot.utc:%d %b %Y, %H:%M:%S} UTC"}
    return json.dumps({"title": media.rpartition("/")[2], "photoTakenTime": taken}, indent=2)


def _videos(plan: Plan) -> Iterator[OddFile]:
    still: Photo = next(photo for photo in plan.photos if photo.shot.content_id)
    yield OddFile(plan.live_video, "video", film(still.shot, 2.5, b"qt  "), still.shot)
    shot = Shot(datetime(2024, 6, 22, 15, 44, 12, 300_000), 120, PIXEL)
    yield OddFile("2024/2024-06 Lake/PXL_20240622_134412300.mp4", "video", film(shot, 12), shot)


def _special(seed: int) -> Iterator[OddFile]:
    black = io.BytesIO()
    Image.new("RGB", (1200, 800)).save(black, "JPEG", exif=exif_block(_ODD))
    yield OddFile("Scans/lens cap.jpg", "special", black.getvalue())
    deep = io.BytesIO()
    gray = np.asarray(Image.fromarray(_scene(seed, 0)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(gray).save(deep, "PNG")
    yield OddFile("Scans/negative 16 bit.png", "special", deep.getvalue())


def _scene(seed: int, number: int) -> Pixels:
    return paint(seed, _SCENES_FROM + number, 0, 600, 400)


def _jpeg(seed: int, number: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(_scene(seed, number)).save(out, "JPEG", quality=85, exif=exif_block(_ODD))
    return out.getvalue()


def _broken(seed: int) -> Iterator[OddFile]:
    yield OddFile("Recovered/empty.jpg", "broken", b"")
    whole = _jpeg(seed, 1)
    yield OddFile("Recovered/half.jpg", "broken", whole[: len(whole) // 2])
    page = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
    yield OddFile("Recovered/not found.jpg", "broken", page)
    yield OddFile("Recovered/huge.png", "broken", _png_of_size(60_000, 60_000))
    yield OddFile("Recovered/really a jpeg.heic", "mislabelled", _jpeg(seed, 2))


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims to be large and holds next to nothing."""
    chunks = (
        (b"IHDR", struct.pack(">LL5B", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(64))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _system(seed: int) -> Iterator[OddFile]:
    fork = bytes.fromhex("00051607000200004d6163204f532058") + bytes(64)
    yield OddFile("2022/2022-12 Winter/._IMG_1201.JPG", "system", fork)
    yield OddFile("2022/2022-12 Winter/.DS_Store", "system", bytes.fromhex("0000000142756431") + bytes(64))
    yield OddFile("Backup/@eaDir/IMG_2301.JPG/SYNOPHOTO_THUMB_M.jpg", "system", _jpeg(seed, 3))
    yield OddFile("Downloads/Thumbs.db", "system", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64))
    yield OddFile("Downloads/read me.txt", "other", b"This is no photo.\n")

import json
import struct
from pathlib import Path

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.media.formats import HEAD_BYTES, FormatTable, detect
from immich_pipeline_tests.media import built_files as built

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/samples"
TABLE = FormatTable.load()

# Immich's own list (server/src/utils/mime-types.ts of version 3) and the RAW formats photographers asked it for.
RAW = [
    "3fr",
    "ari",
    "arw",
    "cap",
    "cin",
    "cr2",
    "cr3",
    "crw",
    "dcr",
    "dng",
    "erf",
    "fff",
    "iiq",
    "k25",
    "kdc",
    "mrw",
    "nef",
    "nrw",
    "orf",
    "ori",
    "pef",
    "raf",
    "raw",
    "rw2",
    "rwl",
    "sr2",
    "srf",
    "srw",
    "x3f",
    "gpr",
]
IMAGES = [
    "avif",
    "bmp",
    "gif",
    "heic",
    "heif",
    "hif",
    "insp",
    "jp2",
    "jpe",
    "jpeg",
    "jpg",
    "jxl",
    "mpo",
    "png",
    "psd",
    "svg",
    "tif",
    "tiff",
    "webp",
]
VIDEOS = [
    "3gp",
    "3gpp",
    "avi",
    "flv",
    "insv",
    "m2t",
    "m2ts",
    "m4v",
    "mkv",
    "mov",
    "mp4",
    "mpe",
    "mpeg",
    "mpg",
    "mts",
    "mxf",
    "ts",
    "vob",
    "webm",
    "wmv",
]
SIDECARS = ["xmp", "aae", "pp3", "json", "thm", "lrv", "lrf", "srt", "xml"]


@pytest.mark.parametrize(
    ("kind", "extensions"), [("raw", RAW), ("image", IMAGES), ("video", VIDEOS), ("sidecar", SIDECARS)]
)
def test_every_extension_that_people_have_is_known_with_its_kind(kind: str, extensions: list[str]) -> None:
    assert {
        extension: getattr(TABLE.by_extension(extension), "kind", None) for extension in extensions
    } == dict.fromkeys(extensions, kind)


def test_the_table_is_consistent() -> None:
    names = [fmt.name for fmt in TABLE.formats]
    assert len(names) == len(set(names))
    extensions = [extension for fmt in TABLE.formats for extension in fmt.extensions]
    assert len(extensions) == len(set(extensions))
    contents = {signature.content for signature in TABLE._signatures} | {brand.content for brand in TABLE._brands}
    assert {content.format for content in contents} - {None} <= set(names)
    assert {content for fmt in TABLE.formats for content in fmt.contents} <= {content.name for content in contents} | {
        "text"
    }
    assert all(fmt.label and "/" in fmt.mime for fmt in TABLE.formats)
    assert all(offset + len(run) <= HEAD_BYTES for signature in TABLE._signatures for offset, run in signature.runs)


def test_names_and_extensions_are_looked_up() -> None:
    assert TABLE.by_name("jpeg") == TABLE.by_extension("JPG")
    assert TABLE.by_name("nothing") is TABLE.by_extension("nothing") is TABLE.by_extension("") is None
    assert FormatTable.load() is TABLE


TS = b"G" + b"\xff" * 187
M2TS = b"\0\0\0\0" + TS
CONTENTS = [
    ("jpg", built.jpeg(), "jpeg"),
    ("mpo", built.jpeg(), "mpo"),
    ("jpg", b"\xff\xd8\xff\xdb", "jpeg"),
    ("png", built.png(), "png"),
    ("gif", b"GIF89a\1\0", "gif"),
    ("webp", built.webp(), "webp"),
    ("avi", b"RIFF\0\0\0\0AVI LIST", "avi"),
    ("bmp", b"BM\1\2\3\4\0\0\0\0\5", "bmp"),
    ("jxl", b"\xff\x0a\0\0", "jxl"),
    ("jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    ("jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    ("psd", built.photoshop(), "psd"),
    ("tif", built.tiff(), "tiff"),
    ("tiff", built.tiff(order=">"), "tiff"),
    ("nef", built.tiff(order=">"), "nef"),
    ("dng", built.tiff(), "dng"),
    ("cr2", b"II*\0\x10\0\0\0CR\2\0", "cr2"),
    ("cr3", built.ftyp(b"crx ", b"isom"), "cr3"),
    ("crw", built.crw([]), "crw"),
    ("raf", built.raf(built.jpeg()), "raf"),
    ("orf", b"IIRO\x08\0\0\0", "orf"),
    ("rw2", b"IIU\0\x18\0\0\0", "rw2"),
    ("rwl", b"IIU\0\x18\0\0\0", "rwl"),
    ("mrw", built.mrw(built.tiff()), "mrw"),
    ("x3f", built.x3f(built.jpeg()), "x3f"),
    ("heic", built.ftyp(b"heic", b"mif1"), "heif"),
    ("hif", built.ftyp(b"heix", b"mif1"), "heif"),
    ("heic", built.ftyp(b"mif1", b"heic"), "heif"),
    ("heif", built.ftyp(b"msf1", b"hevc"), "heif"),
    ("avif", built.ftyp(b"avif", b"mif1"), "avif"),
    ("avif", built.ftyp(b"mif1", b"avif", b"heic"), "avif"),
    ("mov", built.ftyp(b"qt  "), "mov"),
    ("mp4", built.ftyp(b"isom", b"mif1"), "mp4"),
    ("mp4", built.ftyp(b"zzzz", b"zzzz"), "mp4"),
    ("3gp", built.ftyp(b"3gp4"), "3gp"),
    ("mov", built.box(b"moov"), "mov"),
    ("mkv", b"\x1aE\xdf\xa3\0", "mkv"),
    ("webm", b"\x1aE\xdf\xa3\0", "webm"),
    ("mts", M2TS * 3, "mts"),
    ("ts", TS * 3, "mts"),
    ("mpg", b"\0\0\1\xba", "mpg"),
    ("wmv", bytes.fromhex("3026b2758e66cf11"), "wmv"),
]


@pytest.mark.parametrize(("extension", "head", "expected"), CONTENTS)
def test_content_that_keeps_the_promise_of_the_extension(extension: str, head: bytes, expected: str) -> None:
    detected = detect(head, extension, TABLE)
    assert (detected.format, detected.by_extension, detected.mismatch) == (TABLE.by_name(expected), expected, None)
    assert detected.by_signature is not None
    without_name = detect(head, "", TABLE)
    assert without_name.format is not None
    assert (without_name.by_extension, without_name.mismatch) == (None, None)


@pytest.mark.parametrize(
    ("extension", "head", "expected", "sentence"),
    [
        ("HEIC", built.jpeg(), "jpeg", "named .heic but the content is JPEG"),
        ("jpg", built.ftyp(b"heic"), "heif", "named .jpg but the content is HEIF"),
        ("jpg", built.png(), "png", "named .jpg but the content is PNG"),
        ("heic", built.ftyp(b"avif"), "avif", "named .heic but the content is AVIF"),
        ("jpg", built.ftyp(b"qt  "), "mov", "named .jpg but the content is QuickTime video"),
        ("mp4", built.jpeg(), "jpeg", "named .mp4 but the content is JPEG"),
        ("dng", built.jpeg(), "jpeg", "named .dng but the content is JPEG"),
        ("jpg", built.tiff(), "tiff", "named .jpg but the content is TIFF"),
        ("cr3", built.ftyp(b"isom"), "mp4", "named .cr3 but the content is MP4 video"),
        ("jpg", b"%PDF-1.4", None, "named .jpg but the content is a PDF document"),
        ("jpg", b"PK\3\4", None, "named .jpg but the content is a ZIP archive"),
        ("jpg", b"  <!DOCTYPE HTML><p>404", None, "named .jpg but the content is a web page (HTML)"),
        ("jpg", b"\xef\xbb\xbf<html>", None, "named .jpg but the content is a web page (HTML)"),
        ("mov", b'{"error": "forbidden"}', None, "named .mov but the content is a JSON document"),
        ("png", b"<?xml version='1.0'?>", None, "named .png but the content is an XML document"),
        (
            "jpg",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            None,
            "named .jpg but the content is a placeholder of Git LFS, not the picture itself",
        ),
        ("jpg", b"not found", None, "named .jpg but the content is plain text"),
        ("jpg", ("ü" * 400).encode(), None, "named .jpg but the content is plain text"),
        ("jpg", b"x" + ("ü" * 400).encode(), None, "named .jpg but the content is plain text"),
        ("nef", b"\0" * 64, None, "named .nef but the content is nothing but zero bytes"),
        ("svg", built.jpeg(), "jpeg", "named .svg but the content is JPEG"),
    ],
)
def test_content_that_breaks_the_promise_of_the_extension(
    extension: str, head: bytes, expected: str | None, sentence: str
) -> None:
    detected = detect(head, extension, TABLE)
    assert detected.mismatch == sentence
    assert (detected.format.name if detected.format else None) == expected


@pytest.mark.parametrize(
    ("extension", "head", "expected"),
    [
        ("jpg", b"", "jpeg"),  # emptiness is told elsewhere
        ("", b"", None),
        ("jpg", b"\xff\x00\xfe\x01 damaged", "jpeg"),
        ("jpg", b"\xc3\xff text", "jpeg"),  # no UTF-8
        ("jpg", b"   \n", "jpeg"),  # white space says nothing
        ("svg", b"<svg xmlns=", "svg"),
        ("xmp", b"<x:xmpmeta", "xmp"),
        ("thm", built.jpeg(), "thm"),
        ("lrv", built.ftyp(b"mp42"), "low-resolution-video"),
        ("txt", b"hello", None),
        ("xyz", b"\0\0\0\0", None),
        ("backup", b"%PDF-1.4", None),
    ],
)
def test_no_mismatch_is_claimed_without_cause(extension: str, head: bytes, expected: str | None) -> None:
    detected = detect(head, extension, TABLE)
    assert (detected.format.name if detected.format else None) == expected
    assert detected.mismatch is None


@pytest.mark.parametrize(
    ("extension", "head", "expected"),
    [
        ("avi", built.ftyp(b"isom"), "mp4"),
        ("mpg", bytes.fromhex("3026b2758e66cf11"), "wmv"),
        ("mp4", built.ftyp(b"qt  "), "mp4"),
    ],
)
def test_videos_in_another_container_are_no_mismatch(extension: str, head: bytes, expected: str) -> None:
    detected = detect(head, extension, TABLE)
    assert (detected.format, detected.mismatch) == (TABLE.by_name(expected), None)


def test_a_table_of_the_user_adds_and_overrides(tmp_path: Path) -> None:
    extra = tmp_path / "formats.toml"
    extra.write_text(
        """
        [[format]]
        name = "qoi"
        kind = "image"
        mime = "image/qoi"
        extensions = [".QOI"]
        contents = ["qoi"]

        [[format]]
        name = "png"
        kind = "image"
        mime = "image/png"
        extensions = ["png", "jif"]

        [[signature]]
        name = "qoi"
        format = "qoi"
        label = "QOI"
        parts = [{ offset = 0, bytes = "71 6f ?? 66" }]

        [[brand]]
        name = "heif"
        format = "heif"
        label = "HEIF"
        brands = ["isom"]

        [[text]]
        label = "a shopping list"
        starts = ["Milk"]
        """
    )
    table = FormatTable.load(extra)
    assert detect(b"qoif", "jpg", table).mismatch == "named .jpg but the content is QOI"
    assert getattr(table.by_extension("qoi"), "name", None) == "qoi"
    assert getattr(table.by_extension("jif"), "name", None) == "png"
    assert table.by_extension("apng") is None
    assert detect(built.jpeg(), "png", table).mismatch is None  # without contents nothing is a mismatch
    assert getattr(detect(built.ftyp(b"isom"), "", table).format, "name", None) == "heif"
    assert detect(b"Milk, eggs", "jpg", table).mismatch == "named .jpg but the content is a shopping list"
    assert getattr(table.by_extension("nef"), "name", None) == "nef"
    assert TABLE.by_extension("qoi") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[format", "is not valid TOML"),
        ("title = 'mine'", "has 'title'; it may have"),
        ("format = 'mine'", "has 'format'; it may have"),
        ("[[format]]\nname = 'a'", "[[format]] number 1: kind is missing"),
        (
            "[[format]]\nname = 'a'\nkind = 'sound'\nmime = 'a/b'\nextensions = []",
            "kind is 'sound'; it may be image, raw, video, sidecar",
        ),
        ("[[format]]\nname = 1\nkind = 'raw'\nmime = 'a/b'\nextensions = []", "name must be text"),
        ("[[format]]\nname = 'a'\nkind = 'raw'\nmime = 'a/b'\nextensions = 'x'", "extensions must be a list of texts"),
        ("[[format]]\nname = 'a'\nkind = 'raw'\nmime = 'a/b'\nextensions = [1]", "extensions must be a list of texts"),
        ("[[signature]]\nname = 'a'\nlabel = 'A'\nparts = [{ offset = 0, bytes = 'xx' }]", "non-hexadecimal number"),
        ("[[signature]]\nname = 'a'\nlabel = 'A'\nparts = [{ offset = -1, bytes = 'ff' }]", "offset is -1"),
        ("[[signature]]\nname = 'a'\nlabel = 'A'\nparts = [{ offset = '0', bytes = 'ff' }]", "offset is '0'"),
        (
            "[[signature]]\nname = 'a'\nlabel = 'A'\nparts = [{ offset = 4096, bytes = 'ff' }]",
            "only the first 4096 bytes",
        ),
        ("[[signature]]\nname = 'a'\nlabel = 'A'\nparts = [{ offset = 0, bytes = '??' }]", "at least one byte"),
        (
            "[[brand]]\nname = 'a'\nlabel = 'A'\nbrands = ['crx ']\n[[brand]]\nname = 'b'",
            "[[brand]] number 2: label is missing",
        ),
        ("[[text]]\nlabel = 'a'", "[[text]] number 1: starts is missing"),
    ],
)
def test_a_wrong_table_of_the_user_is_told_with_the_entry(tmp_path: Path, content: str, message: str) -> None:
    extra = tmp_path / "mine.toml"
    extra.write_text(content)
    with pytest.raises(UserError) as problem:
        FormatTable.load(extra)
    assert message in str(problem.value)
    assert str(extra) in str(problem.value)


def test_a_missing_table_of_the_user_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the format table .*: No such file"):
        FormatTable.load(tmp_path / "none.toml")


def test_a_short_or_lying_file_type_box_is_read_within_its_bounds() -> None:
    assert getattr(detect(b"\0\0\0\x08ftyp", "", TABLE).format, "name", None) == "mp4"
    lying = struct.pack(">I", 0xFFFFFFFF) + b"ftypmif1\0\0\0\0avif"
    assert getattr(detect(lying, "", TABLE).format, "name", None) == "avif"


def test_detection_agrees_with_the_samples() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("needs ../shared/samples")
    mismatched = {}
    for entry in json.loads((SAMPLES / "manifest.json").read_text())["files"]:
        path = SAMPLES / entry["file"]
        with path.open("rb") as fh:
            detected = detect(fh.read(HEAD_BYTES), path.suffix[1:], TABLE)
        if detected.mismatch:
            mismatched[path.name] = detected.mismatch
        else:
            assert detected.format is not None
            assert detected.format.mime == entry.get("mime") or detected.format.name in {
                "jpeg",
                "heif",
                "rw2",
                "gif",
            }, path.name
    assert mismatched == {
        "etv__pixel.jpg": "named .jpg but the content is a placeholder of Git LFS, not the picture itself",
        "html_404.jpg": "named .jpg but the content is a web page (HTML)",
        "jpeg_named.heic": "named .heic but the content is JPEG",
        "nom__compatible-brands-fail.heic": "named .heic but the content is MP4 video",
    }

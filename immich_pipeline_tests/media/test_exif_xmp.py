import pytest

from immich_pipeline.media.clean_text import MAX_CHARACTERS, clean_text
from immich_pipeline.media.xmp import MAX_PACKET, read_xmp
from immich_pipeline_tests.media import built_files as built

PACKET = built.xmp(
    exif_DateTimeOriginal="2021-06-05T14:03:02", GCamera_BurstID=" ab-cd ", other_DateTimeOriginal="x", xmp_Rating="5"
)
EXPECTED = {"exif:DateTimeOriginal": "2021-06-05T14:03:02", "GCamera:BurstID": "ab-cd"}


@pytest.mark.parametrize(
    "packet",
    [
        PACKET,
        b"  \n" + PACKET + b"\0\0\0",
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' + PACKET + b'  \n<?xpacket end="w"?>',
        PACKET.decode().encode("utf-16"),
    ],
)
def test_the_wanted_properties_are_read(packet: bytes) -> None:
    assert read_xmp(packet) == (EXPECTED, None)


def test_properties_may_be_elements() -> None:
    packet = b"""<a xmlns:p="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/">
    <p:DateCreated> 2021-06-05T14:03:02
    </p:DateCreated><exif:GPSLatitude><b/>not a text</exif:GPSLatitude><exif:GPSLongitude/></a>"""
    assert read_xmp(packet) == ({"photoshop:DateCreated": "2021-06-05T14:03:02"}, None)


def test_the_first_of_a_name_counts_and_is_bounded() -> None:
    spaces = b'xmlns:p="http://ns.adobe.com/tiff/1.0/"'
    packet = (
        b"<a " + spaces + b"><p:Make>" + b"x" * 9000 + b"\n" * 3 + b"y" * 9000 + b"</p:Make><p:Make>second</p:Make></a>"
    )
    properties, problem = read_xmp(packet)
    assert (properties, problem) == ({"tiff:Make": "x" * 500}, None)


def test_damage_keeps_what_was_read() -> None:
    assert read_xmp(PACKET.replace(b"</rdf:RDF>", b"")) == (EXPECTED, "the XMP data is damaged")
    assert read_xmp(b"") == ({}, "the XMP data is damaged")
    assert read_xmp(PACKET + b" " * MAX_PACKET + b"<")[0] == EXPECTED


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + PACKET
    assert read_xmp(bomb) == ({}, "the XMP data declares entities and was not read")


def test_a_huge_or_deep_document_is_read_in_a_moment() -> None:
    assert read_xmp(b"<a>" * 500_000)[1] == "the XMP data is damaged"
    assert read_xmp(b"<a " + b" ".join(b'b%d="c"' % number for number in range(100_000)) + b"/>") == ({}, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Canon", "Canon"),
        ("  Canon \n EOS\t6D ", "Canon EOS 6D"),
        ("Canon\0garbage", "Canon"),
        (b"Canon\0\xff\xfe", "Canon"),
        ("Größe".encode(), "Größe"),
        ("Größe".encode("latin-1"), "Größe"),
        ("a\x07b\x1b[31m\u202e\ud800", "ab[31m"),
        ("x" * 999, "x" * MAX_CHARACTERS),
        ("\x01 \x02", None),
        ("", None),
        (b"", None),
        (None, None),
        ([65, 66], None),
    ],
)
def test_text_is_fit_for_a_table(value: object, expected: str | None) -> None:
    assert clean_text(value) == expected

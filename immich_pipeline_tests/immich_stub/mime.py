"""The content type that Immich derives from a file name."""

IMAGES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
}
RAW = ("arw", "cr2", "cr3", "dng", "nef", "orf", "raf", "rw2")
VIDEOS = {
    "3gp": "video/3gpp",
    "avi": "video/x-msvideo",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
TYPES = IMAGES | VIDEOS | {extension: f"image/{extension}" for extension in RAW}
SHOWN_BY_BROWSERS = {"image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"}


def content_type(name: str) -> str:
    return TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")

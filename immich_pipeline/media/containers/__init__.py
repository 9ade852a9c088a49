"""Where metadata lies in each kind of container: EXIF blocks (each a small TIFF), XMP packets, and fields of the container's own.

One module per container; ``find.py`` chooses by content. All of them read through ``BoundedReader`` and take every number in a file for a
claim.
"""

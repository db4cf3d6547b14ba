"""A screen made small enough for a page: PNG, never larger than it was."""

from __future__ import annotations

import io
import struct
import zlib

from guests.inventory.pictures import Scaled

MOST_WIDTH, MOST_HEIGHT = 800, 600
MOST_PIXELS = 40_000_000  # 8K has 33 million
COLOURS = 256  # a quarter of the bytes of a full-colour PNG


# What Pillow raises for a file that is none.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


class NoImage(ValueError):
    """What the host sent is no PNG or PPM that can be read."""


def scaled(screen: bytes) -> Scaled:
    """The screen (PNG or PPM) as a small PNG. NoImage where it is neither, is broken or has too many pixels."""
    # Loaded with the first picture: most workers of a site whose pages show none never need it.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(screen), formats=("PNG", "PPM")) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise NoImage(f"{width} × {height} pixels")
            small = opened.convert("RGB")
        small.thumbnail((MOST_WIDTH, MOST_HEIGHT), Image.Resampling.LANCZOS, reducing_gap=2.0)
        few = small.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise NoImage(str(error)) from error
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return Scaled(file.getvalue(), few.width, few.height, width, height)

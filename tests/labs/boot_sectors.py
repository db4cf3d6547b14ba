"""Guests of 512 bytes: boot sectors that write to the first serial port again and again: nobody comes too late.

One says a sentence, wherever it was booted from. The other stands for a cloud image: it reads the CD-ROM by the BIOS,
and tells the label of the ISO 9660 volume there and the text files in it (those that begin with "{" or "#").
"""

from __future__ import annotations

import struct
from io import BytesIO

from pycdlib import PyCdlib

SECTOR, AT = 512, 0x7C00
TEXT, LINE, ASKED = 0x100, 0x170, 0x180  # where the code looks for: its sentence, a new line, what it asks of the BIOS

BEGIN = "fa 31c0 8ed8 8ec0 8ed0 bc007c fb fc"  # cli; ax, ds, es, ss = 0; sp = 0x7c00; sti; cld
SAY = """
    ac 84c0 7419 88c4      # say: lodsb; test al, al; jz done; put: mov ah, al
    bafd03 ec a820 74fb    # mov dx, 0x3fd (line status); wait: in al, dx; test al, 0x20; jz wait
    88e0 baf803 ee         # mov al, ah; mov dx, 0x3f8 (data); out dx, al
    80fc0a 75e6 b00d ebe7  # cmp ah, 10 (line feed); jne say; mov al, 13 (carriage return); jmp put
    c3                     # done: ret
"""
SAYING = f"""
    {BEGIN}
    be007d e80800          # again: mov si, TEXT; call say
    b91200 f4 e2fd ebf2    # mov cx, 18; tick: hlt; loop tick (one second); jmp again
    {SAY}
"""
TELLING = f"""
    {BEGIN}
    be007d e85f00          # again: mov si, TEXT; call say
    66c706887d10000000     # mov dword [ASKED.sector], 16: the volume's descriptor
    c706827d0100           # sector: mov word [ASKED.count], 1: the BIOS says there how many it read
    be807d b442 b2e0 cd13  # mov si, ASKED; mov ah, 0x42 (extended read); mov dl, 0xe0 (CD-ROM); int 0x13
    723d                   # jc over: behind the end
    c606008800             # mov byte [0x8800], 0: what was read ends here
    66833e887d10 750d      # cmp dword [ASKED.sector], 16; jne file
    c6062e8000             # mov byte [0x802e], 0: six letters of the label
    be2880 e82d00 eb10     # mov si, 0x8028; call say; jmp line
    be0080 803c7b 7405     # file: mov si, 0x8000; cmp [si], an opening brace; je text
    803c23 7509            # cmp [si], a number sign; jne next
    e81b00                 # text: call say
    be707d e81500          # line: mov si, LINE; call say
    66ff06887d             # next: inc dword [ASKED.sector]
    66833e887d40 72b2      # cmp dword [ASKED.sector], 64; jb sector
    b91200 f4 e2fd eb9b    # over: mov cx, 18; tick: hlt; loop tick; jmp again
    {SAY}
"""


def saying(sentence: str) -> bytes:
    """A disk that says a sentence each second."""
    return _sector(SAYING, sentence)


def telling_its_seed(sentence: str) -> bytes:
    """A disk that says a sentence, and what is on the CD-ROM beside it."""
    # Size of this, number of sectors, where to (offset, segment), the first sector.
    return _sector(TELLING, sentence, struct.pack("<BBHHHQ", 16, 0, 1, 0x8000, 0, 0))


def medium(sentence: str) -> bytes:
    """A CD-ROM's image that says a sentence each second: El Torito, without emulation."""
    code, image, written = saying(sentence).ljust(4 * SECTOR, b"\0"), PyCdlib(), BytesIO()
    image.new()
    image.add_fp(BytesIO(code), len(code), "/BOOT.;1")
    image.add_eltorito("/BOOT.;1", bootcatfile="/BOOT.CAT;1")
    image.write_fp(written)
    image.close()
    return written.getvalue()


def _sector(listing: str, sentence: str, asked: bytes = b"") -> bytes:
    code = bytes.fromhex("".join(line.split("#")[0] for line in listing.splitlines()))
    text = f"{sentence}\r\n".encode()
    assert len(code) <= TEXT and len(text) < LINE - TEXT
    sector = bytearray(SECTOR)
    for at, part in ((0, code), (TEXT, text), (LINE, b"\r\n"), (ASKED, asked), (SECTOR - 2, b"\x55\xaa")):
        sector[at : at + len(part)] = part
    return bytes(sector)

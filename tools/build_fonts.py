"""Make the fonts of the papers at set-up: IBM Plex Sans Arabic, unpacked from the npm package's WOFF to TTF.

typst reads TTF and OTF only. One file holds Latin and Arabic with both kinds of digits, so a paper needs no second family.
It never downloads anything: it reads what the lock file put into ``node_modules``.

Usage: ``python tools/build_fonts.py`` (needs the ``assets`` dependency group).
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "node_modules" / "@ibm" / "plex-sans-arabic" / "fonts" / "complete" / "woff"
TARGET = ROOT / "build" / "fonts"
WEIGHTS = ("Regular", "Medium", "SemiBold")


def main() -> int:
    """Write one TTF for each weight, beside the licence that they are under; 1 if the npm packages are not there."""
    if not SOURCE.is_dir():
        print(
            f"{SOURCE} is missing: run `make assets`, which installs the npm packages first.", file=sys.stderr
        )
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    for weight in WEIGHTS:
        name = f"IBMPlexSansArabic-{weight}"
        # The font's own times are kept, so that the same package always makes the same bytes.
        font = TTFont(SOURCE / f"{name}.woff", recalcTimestamp=False)
        font.flavor = None
        unfinished = TARGET / f".{name}.ttf"
        font.save(unfinished)
        unfinished.replace(TARGET / f"{name}.ttf")
        font.close()
    licence = SOURCE.parents[2] / "LICENSE.txt"
    (TARGET / "LICENSE.txt").write_bytes(licence.read_bytes())
    print(f"{len(WEIGHTS)} fonts in {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

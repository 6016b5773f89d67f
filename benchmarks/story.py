"""The worked story of docs/cx.md, told anew: a fresh folder, the bundled files, the commands of the document.

    python benchmarks/story.py [--write]

Prints what the commands print, in English, on the committed files and with the shipped weights. With --write the
blocks between `<!-- story:NAME -->` and `<!-- /story -->` in docs/cx.md are replaced: do that whenever the weights,
the sample or a formula changes. What the prose beside the blocks says is checked by eye.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "cx.md"
UNTIL = ("--until", "2026-11-23")
CHANGED = "Вокзальная 1,Лесная 5"
STAFF = ("effect", "--topic", "staff,waiting", "--from", "2026-08-17", "--treated", CHANGED, *UNTIL)
COMMANDS: dict[str, tuple[str, ...]] = {
    "metrics": ("metrics", *UNTIL),
    "places": ("metrics", "--metric", "nps", "--by", "location", *UNTIL),
    "journey": ("journey", *UNTIL),
    "segments": ("segments", "--export", "members.csv", *UNTIL),
    "rivals": ("metrics", "--by", "competitor", *UNTIL),
    "effect": STAFF,
    "chosen": (*STAFF, "--against", "Мира 12,Набережная 30"),
    "food": ("effect", "--topic", "food", "--from", "2026-08-17", "--treated", CHANGED, *UNTIL),
    "early": ("effect", "--topic", "staff,waiting", "--from", "2026-11-13", "--treated", CHANGED, *UNTIL),
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="story-") as name:
        folder = Path(name)
        (folder / "monitor.toml").write_text(
            'language = "en"\ntime_zone = "Europe/Moscow"\n[brands.polden]\nname = "Полдень"\n'
            '[brands.gudok]\nname = "Третий гудок"\ncompetitor = true\n',
            encoding="utf-8",
        )
        examples = ROOT / "examples"
        run(folder, "import", str(examples / "cafe_feedback.csv"), "--brand", "polden")
        run(folder, "import", str(examples / "rival_feedback.csv"), "--brand", "gudok")
        run(folder, "import-surveys", str(examples / "surveys.csv"), "--brand", "polden")
        run(folder, "import-orders", str(examples / "orders.csv"), "--brand", "polden")
        run(folder, "once")
        told = {block: run(folder, *words) for block, words in COMMANDS.items()}
    for block, output in told.items():
        print(f"== {block}\n{output}")
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8"), told), encoding="utf-8")


def run(folder: Path, *words: str) -> str:
    """What a command prints. Exits where it fails; rows that are bad on purpose (exit 3) are none."""
    monitor = (sys.executable, "-c", "import sys; from monitor.cli import main; sys.exit(main())")
    done = subprocess.run([*monitor, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"monitor {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines()) + "\n"


def rewritten(document: str, told: dict[str, str]) -> str:
    def block(found: re.Match[str]) -> str:
        name = found["name"]
        shown = " ".join(f'"{word}"' if " " in word else word for word in ("monitor", *COMMANDS[name]))
        lines = "\n".join(f"    {line}".rstrip() for line in f"$ {shown}\n\n{told[name]}".rstrip().splitlines())
        return f"<!-- story:{name} -->\n\n{lines}\n\n<!-- /story -->"

    return re.sub(r"<!-- story:(?P<name>\w+) -->.*?<!-- /story -->", block, document, flags=re.DOTALL)


if __name__ == "__main__":
    main()

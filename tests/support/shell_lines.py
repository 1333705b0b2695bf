"""Shell lines made by chance: ordinary, tricky and broken ones; the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from qcode.shell.table import FIND_ALONE, FIND_PATHS, FIND_VALUES, RG, TABLE

FILES = ("a.txt", "src/app.py", "src", ".", "b c.txt", "empty", "src/../a.txt", "-exec", "nosuch")
FORBIDDEN = ("../out/keep.txt", "/etc/passwd", "leak", "leak/keep.txt", "~/x", "/", "..", ".env")
WORDS = ("x", "1", "5", "def ", "1,3p", "$p", "[a-z]+", "+%F", "a:b", "hello", "%s", "--", "-", "")
PROGRAMS = (*TABLE, "find", "rg", "sed", "cd")
OTHERS = r"""
touch pwn
rm -rf src
git status
git -c alias.x='!touch pwn' x
tee pwn
xargs touch
env -S 'touch pwn'
python3 -c 'open("pwn","w")'
awk 'BEGIN{system("touch pwn")}'
bash -c 'touch pwn'
eval touch pwn
export A=b
PATH=. ls
printf -v x y
test -v 'a[$(touch pwn)]'
sed -n '1w pwn' a.txt
sed -i s/a/b/ a.txt
sort -o pwn a.txt
sort --outp=pwn a.txt
find . {-exec,touch,pwn,\;}
find . -ex\ec touch pwn \;
find . -e*
find . -fprint pwn
uniq a.txt pwn
tar cf pwn src
cp a.txt pwn
mv a.txt pwn
dd of=pwn
diff -l a.txt empty
rg --pre=touch x
coproc C { touch pwn; }
ls() { touch pwn; }
trap 'touch pwn' EXIT
mapfile -C 'touch pwn' -c 1 x < a.txt
exec touch pwn
command touch pwn
time touch pwn
date -s 2020-01-01
date 01010101
tail -f a.txt
split a.txt pwn
curl http://127.0.0.1:9/x
cat < /dev/tcp/127.0.0.1/9
echo x > pwn
echo $(touch pwn)
echo `touch pwn`
cat <(touch pwn)
""".strip().splitlines()
JOINS = ("; ", " && ", " || ", " | ", "\n", ";", "&&", " & ", " |& ")
ODD = "$`\\\"'(){}<>*?[]~#!^&;|=\n\t\r\0\x85\xa0\u2028\u202e\u200bé@%,:é\x1b \ud800"


def lines(count: int, seed: int) -> Iterator[str]:
    """Yield so many lines."""
    chance = random.Random(seed)
    for _ in range(count):
        kind = chance.random()
        if kind < 0.6:
            yield _joined(chance, [_reader(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))])
        elif kind < 0.75:
            parts = [_reader(chance), chance.choice(OTHERS)]
            chance.shuffle(parts)
            yield _joined(chance, parts)
        elif kind < 0.92:
            yield _broken(chance, _joined(chance, [_reader(chance), _reader(chance)]))
        elif kind < 0.98:
            yield "".join(chance.choice(ODD + "catls -") for _ in range(chance.randrange(80)))
        else:
            yield chance.choice(("true; ", "(", "$(", "a ", "cat /", "'", "{a,b}", "cd src; ")) * (
                chance.randrange(1_500)
            )


def workspace(root: Path) -> Path:
    """Make what the lines are about below a directory; return the workspace."""
    work = root / "ws"
    (work / "src").mkdir(parents=True)
    (root / "out").mkdir()
    (root / "out" / "keep.txt").write_text("original")
    (work / "a.txt").write_text("hello\nhello\nworld\n5\n1\n")
    (work / "b c.txt").write_text("def x\n")
    (work / "empty").write_text("")
    (work / "-exec").write_text("")
    (work / "src" / "app.py").write_text("def main():\n    return 1\n")
    (work / "leak").symlink_to("../out")
    return work


def _joined(chance: random.Random, parts: list[str]) -> str:
    text = parts[0]
    for part in parts[1:]:
        text += chance.choice(JOINS[:6] if chance.random() < 0.8 else JOINS) + part
    return text


def _reader(chance: random.Random) -> str:
    name = chance.choice(PROGRAMS)
    words = [name]
    for _ in range(chance.randrange(5)):
        words.append(_argument(chance, name))
    if name == "sed" and chance.random() < 0.8:
        words[1:1] = ["-n", "'1,2p'"]
    if chance.random() < 0.1:
        words.append(chance.choice(("2>&1", "2>/dev/null", ">/dev/null", "> pwn", "< a.txt")))
    return " ".join(words)


def _argument(chance: random.Random, name: str) -> str:
    kind = chance.random()
    if kind < 0.45:
        return _quoted(chance, chance.choice(FILES))
    if kind < 0.5:
        return chance.choice(FORBIDDEN)
    if kind < 0.62:
        return _quoted(chance, chance.choice(WORDS))
    if name == "find":
        parts = sorted(FIND_ALONE | FIND_VALUES | FIND_PATHS)
        return _quoted(chance, chance.choice((*parts, "-exec", "-delete", "-ok", "-fls", "-L")))
    known = RG if name == "rg" else TABLE.get(name)
    if known is None or kind > 0.95:
        return "-" + "".join(chance.choice("abcdefgilnorstuvwxzLORTz0=") for _ in range(2))
    if kind < 0.8 and known.flags + known.values:
        letters = chance.choices(known.flags + known.values, k=chance.randrange(1, 4))
        return "-" + "".join(letters)
    option = chance.choice(known.long.split() or ["help"])
    value = chance.choice((*WORDS, *FILES, *FORBIDDEN)) if option.endswith("=") else ""
    return _quoted(chance, f"--{option[: chance.randrange(2, 40)]}{value}")


def _quoted(chance: random.Random, text: str) -> str:
    if text and chance.random() < 0.6 and not set(text) & set(" $[]+\"'()!;|&<>~*"):
        return text
    return f"'{text}'"


def _broken(chance: random.Random, text: str) -> str:
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice(ODD) + text[place + chance.randrange(2) :]
    return text

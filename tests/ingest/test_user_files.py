"""Files as users have them: what packs them, what is none at all, and what would fill memory or never end."""

import gzip
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import zstandard
from ingest_samples import manifest

from common.errors import UserError
from ingest.reading import blocks
from ingest.reading.blocks import numbered_lines
from ingest.reading.files import open_text, open_unpacked
from ingest.reading.paths import find_files

ROOT = Path(__file__).parents[2]
TEXT = b"1,Game,play,2.0,0\n" * 3


def as_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def zstd_of(piece: bytes, count: int) -> bytes:
    """One frame of a piece many times over."""
    packed = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as writer:
        for _ in range(count):
            writer.write(piece)
    return packed.getvalue()


PACKED = {
    "plain": TEXT,
    "zstd": zstandard.compress(TEXT),
    "zstd, an empty frame first": zstandard.compress(b"") + zstandard.compress(TEXT),
    "gzip": gzip.compress(TEXT),
    "gzip, two members": gzip.compress(TEXT[:7]) + gzip.compress(TEXT[7:]),
    "zip": as_zip({"log.csv": TEXT}),
    "zip, not compressed": as_zip({"log.csv": TEXT}, zipfile.ZIP_STORED),
    "zip by lzma": as_zip({"log.csv": TEXT}, zipfile.ZIP_LZMA),
    "zip of a Mac": as_zip({"logs/": b"", "logs/log.csv": TEXT, "__MACOSX/logs/._log.csv": b"x"}),
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
def test_whatever_packs_a_file_its_content_is_read(content, write):
    with open_unpacked(write("any name", content)) as file:
        assert file.read() == TEXT


def encrypted() -> bytes:
    packed = bytearray(as_zip({"log.csv": TEXT}))
    # Bit 0 of the flags, in the member's own head and in the list of members, says that it has a password.
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(magic) + offset] |= 1
    return bytes(packed)


UNREADABLE = {
    "several": (
        as_zip({f"day-{number}.csv": TEXT for number in range(12)}),
        "is a zip archive of 12 files: day-0.csv, day-1.csv, day-2.csv, day-3.csv, day-4.csv, day-5.csv, "
        "day-6.csv, day-7.csv, day-8.csv, day-9.csv and 2 more: unpack it, and name the files to load",
    ),
    "none": (as_zip({}), "is a zip archive of no file: unpack it, and name the files to load"),
    "xlsx": (
        as_zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"}),
        "is a workbook or another office file: save its sheet as CSV",
    ),
    "password": (encrypted(), "is a zip archive with a password: unpack it"),
    "cut-off zip": (as_zip({"log.csv": TEXT})[:-30], "damaged zip data (File is not a zip file)"),
    "damaged zip": (
        as_zip({"log.csv": TEXT}).replace(b"log.csv", b"gol.csv", 1),
        "damaged zip data",
    ),
    "empty zip": (as_zip({"log.csv": b""}), "is empty: get the file again"),
    "empty gzip": (gzip.compress(b""), "is empty: get the file again"),
    "empty zstd": (zstandard.compress(b""), "is empty: get the file again"),
    "cut-off gzip": (gzip.compress(TEXT)[:-3], "the gzip data ends early, at byte"),
    "cut-off zstd": (zstandard.compress(TEXT)[:-3], "the zstd data ends early, at byte"),
    "gzip, goes on": (gzip.compress(TEXT) + b"trailing", "damaged gzip data"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_can_not_be_unpacked_is_one_line(content, message, ingest_fails, write):
    path = write("packed", content)
    for command in ("steam", "anime", "events"):
        told = ingest_fails(command, path)
        assert told.startswith(str(path)) and message in told


def test_text_in_utf_16_is_told_by_its_mark_and_others_by_name(write):
    text = "José, 漢字 🎌\n" * 50_000
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        mark = "" if encoding == "utf-16" else "\ufeff"
        with open_text(write("t", (mark + text).encode(encoding))) as file:
            assert file.read().decode().removeprefix("\ufeff") == text
    with open_text(write("t", "José €\n".encode("cp1252")), "cp1252") as file:
        assert file.read().decode() == "José €\n"
    odd = write("t", b"a" * 200_000 + b"\x81")
    with pytest.raises(UserError, match="after byte 131,072: not cp1252: name another by --encoding"):
        open_text(odd, "cp1252").read()
    with pytest.raises(UserError, match="after byte 5: not utf-16: save the file as UTF-8"):
        open_text(write("t", b"\xff\xfeodd")).read()


def no_file(kind: str, folder: Path) -> str | bytes:
    if kind == "pipe":
        os.mkfifo(folder / "pipe")
    names = {"pipe": folder / "pipe", "device": "/dev/zero", "folder": folder, "long": "x" * 400}
    return str(names.get(kind, "/proc/self/mem"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pipe", "is a pipe or a device: save what it gives to a file, and name that"),
        ("device", "is a pipe or a device: save what it gives to a file, and name that"),
        ("folder", "is a directory: name the file in it"),
        ("long", ": check the path"),
        ("fails when read", "can't be read (Input/output error): check the path and its permissions"),
    ],
)
@pytest.mark.parametrize("command", ["steam", "anime", "events", "movielens"])
def test_what_is_no_file_on_disk_is_one_line_and_never_waited_for(
    command, kind, message, ingest_fails, tmp_path
):
    told = ingest_fails(command, no_file(kind, tmp_path))
    assert message in told or (command == "movielens" and ("folder" in told or "has no ratings.csv" in told))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_one_line(ingest_fails, write):
    path = write("s.csv", TEXT)
    path.chmod(0)
    assert "Permission denied" in ingest_fails("steam", path)


def test_a_pattern_is_that_of_the_shell(write, tmp_path):
    names = ["1foo.csv", "2foo.csv", "b[1].csv"]
    paths = [write(name, TEXT) for name in names]
    # Two asterisks within a name are an error to pathlib up to Python 3.12.
    assert find_files([f"{tmp_path}/**foo.csv"]) == paths[:2]
    assert find_files([f"{tmp_path}/**/*foo.csv", str(paths[0])]) == paths[:2]
    assert find_files([str(paths[2])]) == [paths[2]]
    for pattern in ("**none.csv", f"{tmp_path}/*.tsv", "y" * 400 + "*", ""):
        with pytest.raises(UserError, match="no such file: check the path"):
            find_files([pattern])


@pytest.mark.parametrize("command", ["steam", "events"])
def test_a_name_that_is_no_text_is_no_failure(command, ingest, ingest_fails, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_bytes(TEXT if command == "steam" else b"user_id,event_type,timestamp\nu,e,2024-03-01\n")
    assert "from caf\ufffd.csv" in ingest(command, path)
    assert manifest(command)[0][1] == "caf\ufffd.csv"
    ingest("status")
    path.write_bytes(b"\xff\xff")
    assert "caf\\udce9.csv" in ingest_fails(command, path)


def test_a_line_longer_than_any_of_a_text_is_one_line(ingest_fails, write, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_LINE_BYTES", 1 << 20)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 18)
    path = write("long", b"1,Game,play,2.0,0\n" + b"x" * (3 << 20) + b"\n")
    told = f"{path}: line 2 is longer than 1 MB: check that it is the file you mean"
    assert ingest_fails("steam", path) == told
    assert ingest_fails("events", path, "--user", "1", "--event", "play", "--at", "0") == told
    assert list(numbered_lines(write("short", b"a\n" + b"x" * (1 << 19) + b"\n\nb")))[2:] == [(4, "b")]


def in_process(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_small_file_that_unpacks_to_a_gigabyte_fills_no_memory(write, warehouse):
    path = write("zeros.zst", zstd_of(b"\0" * (1 << 20), 1024))
    assert path.stat().st_size < 100_000
    code = (
        "import pathlib, re, sys\n"
        "from ingest.__main__ import main\n"
        "codes = [main([command, sys.argv[1]]) for command in ('events', 'steam', 'anime')]\n"
        # What getrusage tells of a child begins with its parent's.
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(*codes, *re.findall(r'VmHWM:\\s+(\\d+)', status))\n"
    )
    run = in_process(code, path)
    told = run.stderr.splitlines()
    assert len(told) == 3 and all(line.startswith(f"error: {path}") for line in told)
    *codes, kilobytes = map(int, run.stdout.split())
    assert codes == [2, 2, 2]
    assert kilobytes < 700_000


def test_what_unpacks_to_many_lines_is_read_in_time_that_goes_with_them(write):
    # Read by copying the rest at each step, these 256 MB of line ends take minutes.
    path = write("lines.zst", zstd_of(b"\n" * (1 << 20), 256))
    code = (
        "import sys, pathlib\n"
        "from ingest.reading.blocks import numbered_lines\n"
        "print(sum(1 for _ in numbered_lines(pathlib.Path(sys.argv[1]))))\n"
    )
    run = in_process(code, path)
    assert (run.returncode, run.stdout) == (0, "0\n")


def test_memory_that_the_system_limits_is_one_line(write, warehouse):
    path = write("long.json.zst", zstandard.compress(b'{"a": "' + b"x" * (100 << 20)))
    code = (
        "import resource, sys, pathlib\n"
        "from ingest.__main__ import main\n"
        "pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])\n"
        "most = pages * resource.getpagesize() + (100 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "sys.exit(main(['anime', sys.argv[1]]))\n"
    )
    run = in_process(code, path)
    assert run.returncode == 2
    assert run.stderr.startswith("error: memory ran out: nothing was kept of the step in hand; ")
    assert run.stderr.count("\n") == 1

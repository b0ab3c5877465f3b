"""The demo's mail server as a process: what it answers with 250 is on the disk, whole."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

MAIL = "From: a@x.test\r\nTo: b@x.test\r\nSubject: سند قبض\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nبالعربية\r\n.\r\nend\r\n".encode()


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    folder = tmp_path / "mail"
    command = [sys.executable, "-m", "raseed.mailbox", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Mailbox on 127.0.0.1:")
        yield int(line.rpartition(":")[2]), folder
        process.terminate()
        assert process.wait(10) == 0


def test_each_mail_becomes_one_whole_file_in_the_order_of_arrival(mailbox: tuple[int, Path]) -> None:
    port, folder = mailbox
    for number in range(3):
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("a@x.test", ["b@x.test", "c@x.test"], b"X-Number: %d\r\n" % number + MAIL)
        assert len(list(folder.glob("*.eml"))) == number + 1
    read = [
        message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(folder.glob("*.eml"))
    ]
    assert [mail["X-Number"] for mail in read] == ["0", "1", "2"]
    assert read[0]["X-Envelope-To"] == "b@x.test, c@x.test"
    assert read[0]["Subject"] == "سند قبض"
    assert "بالعربية" in read[0].get_content()
    assert "\n.\n" in read[0].get_content().replace("\r\n", "\n")
    assert list(folder.glob("*.part")) == []


def test_it_listens_to_this_machine_only(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "example.com"):
        done = subprocess.run(
            [sys.executable, "-m", "raseed.mailbox", "--directory", str(tmp_path), "--host", host],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "only a loopback address" in done.stderr

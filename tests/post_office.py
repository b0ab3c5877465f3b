"""A real mail server on a free port, in a thread, that takes, refuses, puts off or hangs up as it is told."""

import asyncio
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class PostOffice:
    """`letters` are the mails taken, with the addresses of each envelope. Answers are by address, or for any text."""

    answers: dict[str, str] = field(default_factory=dict)
    data_answer: str = "250 taken"
    hang_up_after_data: bool = False
    letters: list[tuple[list[str], bytes]] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.offered.append(address)
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answer.startswith("250"):
            self.letters.append((list(envelope.rcpt_tos), envelope.original_content or b""))
        if self.hang_up_after_data:
            assert server.transport is not None
            server.transport.abort()
        return self.data_answer

    def messages(self) -> list[EmailMessage]:
        """What was taken, as a mail program would read it."""
        return [message_from_bytes(content, policy=policy.default) for _, content in self.letters]

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(
            self._loop.create_server(lambda: SMTP(self, hostname="post.test"), "127.0.0.1", 0)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _run(self, work: Any) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

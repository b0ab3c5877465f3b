"""Pay Now on a slow phone with an empty cache: what has to come before it can be used, and that nothing jumps meanwhile.

What is asserted is weight and movement, which every machine agrees on. The times go to var/slow_phone.json.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visitor import BALANCE, Visitor
from browser.watch import PHONE, Look
from raseed.config.environment import PROJECT_DIR

# What Chromium's tools call Slow 4G on a mid-range phone: bits a second each way, and the answer's delay.
DOWN_BITS_S, UP_BITS_S, DELAY_MS, CPU_TIMES_SLOWER = 1_600_000, 750_000, 150, 4
# Fonts excepted, all that the page loads with an empty cache; then what the dialog adds.
PAGE_BYTES_MAX, DIALOG_BYTES_MAX = 200_000, 10_000
_SHIFTS = """
window.shifted = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => { if (!one.hadRecentInput) window.shifted += one.value }))
    .observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("language", ["en", "ar"])
def test_pay_now_is_soon_usable_on_a_slow_phone(visitor: Callable[[Look], Visitor], language: str) -> None:
    guest = visitor(Look(language, PHONE, "light"))
    guest.saved_card()
    guest.sign_in()
    page = guest.context.new_page()
    page.add_init_script(_SHIFTS)
    devtools = guest.context.new_cdp_session(page)
    came: dict[str, Any] = {"bytes": 0, "fonts": 0, "requests": 0}
    kinds: dict[str, str] = {}

    def asked(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event.get("type", "")
        came["requests"] += 1

    def finished(event: dict[str, Any]) -> None:
        is_font = kinds.get(event["requestId"]) == "Font"
        came["fonts" if is_font else "bytes"] += int(event["encodedDataLength"])

    devtools.on("Network.requestWillBeSent", asked)
    devtools.on("Network.loadingFinished", finished)
    devtools.send("Network.enable")
    devtools.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": DELAY_MS,
            "downloadThroughput": DOWN_BITS_S / 8,
            "uploadThroughput": UP_BITS_S / 8,
        },
    )
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": CPU_TIMES_SLOWER})

    began = time.monotonic()
    page.goto(guest.whole.portal + BALANCE, wait_until="commit")
    button = page.get_by_role("link", name=guest.say("Pay Now"), exact=True).last
    expect(button).to_be_visible()
    seen_s = time.monotonic() - began
    page.wait_for_load_state("load")
    usable_s = time.monotonic() - began
    page_bytes = came["bytes"]
    pressed = time.monotonic()
    button.click()
    expect(page.locator("#pay-amount")).to_be_focused()
    dialog_s = time.monotonic() - pressed

    figures = {
        "button_seen_s": round(seen_s, 2),
        "usable_s": round(usable_s, 2),
        "dialog_s": round(dialog_s, 2),
        "page_bytes": page_bytes,
        "dialog_bytes": came["bytes"] - page_bytes,
        "font_bytes": came["fonts"],
        "requests": came["requests"],
        "layout_shift": page.evaluate("window.shifted"),
    }
    file = PROJECT_DIR / "var" / f"slow_phone-{language}.json"
    file.write_text(json.dumps(figures, indent=1) + "\n")
    assert figures["layout_shift"] < 0.01, figures
    assert page_bytes <= PAGE_BYTES_MAX, figures
    assert figures["dialog_bytes"] <= DIALOG_BYTES_MAX, figures

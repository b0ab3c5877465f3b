"""Which behaviour meets a step of a payment: ordered by reference, ordered as the next one, or dealt by the seed."""

from __future__ import annotations

from raseed.sandbox.faults import Behaviour, Stage, drawn
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store


def choose(store: Store, settings: SandboxSettings, stage: Stage, reference: str) -> Behaviour:
    """Deal one, once per reference and stage: after that all goes well. Call inside a transaction."""
    if store.was_dealt(reference, stage):
        return Behaviour.G1
    chosen = store.control(f"{stage}:reference:{reference}")
    if chosen is None:
        queue: list[str] = store.control(f"{stage}:next") or []
        if queue:
            chosen = queue[0]
            store.set_control(f"{stage}:next", queue[1:] or None)
    if chosen is None:
        ordered = store.control(f"{stage}:mix")
        mix = settings.mixes[stage]
        if ordered is not None:
            mix = {Behaviour(name): weight for name, weight in ordered.items()}
        chosen = drawn(settings.seed, stage, reference, mix)
    store.deal(reference, stage, chosen)
    return Behaviour(chosen)
